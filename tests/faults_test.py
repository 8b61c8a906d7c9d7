#!/usr/bin/env python3
"""What the command does when an allocation or the start of a thread fails: it says so, and never aborts."""
import hashlib
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

FAULTS = pathlib.Path(sys.argv[1]).resolve().with_name("tessera_faults")
if not FAULTS.exists():
    print("skipped: this build has no tessera_faults")
    sys.exit(77)


def write_png(path, width, height):
    rows = b"".join(
        b"\0" + bytes((x * 7 + y * 3 + c * 40) & 255 for x in range(width) for c in range(3)) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class InFolder(unittest.TestCase):
    """In a folder of its own with a picture."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        (self.root / "in").mkdir()
        write_png(self.root / "in" / "a.png", 24, 20)


class Faults(InFolder):
    def setUp(self):
        super().setUp()
        write_png(self.root / "in" / "b.png", 18, 16)
        done = self.upscale({"TESSERA_COUNT": "1"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.allocations, self.threads = map(int, re.search(r"(\d+) allocations, (\d+) threads", done.stderr).groups())
        self.right = self.results()
        self.assertEqual(len(self.right), 2)
        self.assertGreater(self.allocations, 1000)
        self.assertGreater(self.threads, 3)

    def upscale(self, faults):
        """In a cache folder of its own, so that all is found out again."""
        out, cache = self.root / "out", self.root / "cache"
        for path in cache.glob("*"):
            path.unlink()
        for path in out.glob("*"):
            path.unlink()
        words = [FAULTS, "upscale", self.root / "in", "-o", out, "-g", "cpu", "--threads", "3", "-q"]
        return subprocess.run(words, env=dict(os.environ, TESSERA_CACHE=str(cache), **faults), capture_output=True, text=True, timeout=60)

    def results(self):
        return {path.name: hashlib.sha1(path.read_bytes()).hexdigest() for path in (self.root / "out").glob("*")}

    def check(self, name, number):
        done = self.upscale({name: number})
        what = f"{name}={number}: exit {done.returncode}, {done.stderr}"
        self.assertIn(done.returncode, (0, 1), what)
        self.assertEqual(bool(done.stderr), done.returncode == 1, what)
        results = self.results()
        # Whatever is there is right; and all is there where nothing is said.
        self.assertLessEqual(results.items(), self.right.items(), what)
        if done.returncode == 0:
            self.assertEqual(results, self.right, what)
        return done

    def test_one_allocation_fails(self):
        step = 1 if "TESSERA_ALL_FAULTS" in os.environ else self.allocations // 150
        for number in range(1, self.allocations, step):
            self.check("TESSERA_FAIL_ALLOCATION", str(number))

    def test_all_allocations_fail_from_one_on(self):
        for number in range(1, self.allocations, self.allocations // 40):
            self.check("TESSERA_FAIL_ALLOCATION", f"{number}+")

    def test_threads_cannot_be_started(self):
        said = set()
        for number in range(1, self.threads + 1):
            for suffix in ("", "+"):
                said.add(self.check("TESSERA_FAIL_THREAD", f"{number}{suffix}").stderr)
        self.assertTrue(any("cannot start a thread" in text for text in said))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
