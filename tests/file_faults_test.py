#!/usr/bin/env python3
"""What the command does when a file operation fails, or takes or gives less than asked for (tests/file_faults.cpp).

TESSERA_ALL_FAULTS: every operation fails in every way; else a sample of them."""
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import unittest

sys.argv = sys.argv[:2]
import cli_test  # its encoder of models
from faults_test import InFolder, write_png

TESSERA = pathlib.Path(sys.argv[1]).resolve()
SHIM = TESSERA.parent.parent / "lib" / "libtessera_file_faults.so"
if not SHIM.exists():
    print("skipped: this build has no library of file faults")
    sys.exit(77)

ALL = "TESSERA_ALL_FAULTS" in os.environ
FAILING = ("EIO", "ENOSPC", "EACCES")
# What may be interrupted, and what may give or take less, gives the same result as ever.
HARMLESS = {"open": ("EINTR",), "read": ("EINTR", "short"), "write": ("EINTR", "short"), "size": ("EINTR",),
            "sync": ("EINTR",), "close": ("EINTR",)}
# No result depends on them: what is remembered, and what the machine says of itself.
OPTIONAL = re.compile(r"/cache($|/)|^/proc/|^/sys/|^/etc/")
# What is said beside errors: why a result is made again, and how many failed.
REMARKS = re.compile(r": made again, |^\d+ of \d+ failed$")


def external(name, dims, location):
    """A tensor whose numbers lie in a file beside the model."""
    f = cli_test.field
    entry = f(13, f(1, "location") + f(2, location))
    return b"".join(f(1, d) for d in dims) + f(2, 1) + f(8, name) + entry + f(14, 1)


class FileFaults(InFolder):
    def setUp(self):
        super().setUp()
        self.environment = dict(os.environ, TESSERA_CACHE=str(self.root / "cache"), LC_ALL="C")

    def run_it(self, words, fault=None):
        log = self.root / "log"
        log.unlink(missing_ok=True)
        environment = dict(self.environment, LD_PRELOAD=str(SHIM), TESSERA_FILE_LOG=str(log))
        if fault:
            environment["TESSERA_FAIL_FILE"] = fault
        done = subprocess.run([TESSERA, *words], cwd=self.root, env=environment, capture_output=True, text=True, timeout=60)
        return done, log.read_text().splitlines() if log.exists() else []

    def prepare(self, before):
        """Results and what is remembered, as they are before each run."""
        for name in ("out", "cache"):
            shutil.rmtree(self.root / name, ignore_errors=True)
            if before and (before / name).exists():
                shutil.copytree(before / name, self.root / name)

    def results(self):
        return {str(p.relative_to(self.root)): p.read_bytes() for p in (self.root / "out").rglob("*") if p.is_file()}

    def left_behind(self):
        return [str(p) for name in ("out", "cache") for p in (self.root / name).rglob("*")
                if p.name.startswith(".") or p.name.endswith((".new", ".part"))]

    def check(self, words, before=None):
        """Runs the command once for each fault, from the same state of its folder."""
        self.prepare(before)
        old = self.results()
        done, log = self.run_it(words)
        self.assertEqual(done.returncode, 0, done.stderr)
        right, said = self.results(), done.stdout
        names = {pathlib.Path(name).name for name in right} | {p.name for p in (self.root / "in").iterdir()}
        counts = {}
        for line in log:
            counts[line.split(" ")[0]] = counts.get(line.split(" ")[0], 0) + 1
        failed = tried = 0
        for operation, count in counts.items():
            kinds = FAILING + HARMLESS.get(operation, ())
            for number in range(1, count + 1):
                for i, kind in enumerate(kinds):
                    if not ALL and (number + i) % max(1, count * len(kinds) // 8):
                        continue
                    for suffix in ("", "+") if kind == "ENOSPC" and operation == "write" else ("",):
                        tried += 1
                        failed += self.check_one(words, before, f"{operation}:{number}{suffix}:{kind}", old, right, said, names)
        self.assertGreater(tried, 20)
        return tried, failed

    def check_one(self, words, before, fault, old, right, said, names):
        self.prepare(before)
        done, log = self.run_it(words, fault)
        marked = [line.split(" ", 1)[1] for line in log if line.startswith("!")]
        what = f"{' '.join(map(str, words))}, {fault}: {marked}: exit {done.returncode}: {done.stderr}"
        results = self.results()
        if not marked:  # threads made fewer of them this time
            self.assertEqual((done.returncode, results), (0, right), what)
            return 0
        self.assertEqual(self.left_behind(), [], what)
        lines = [line for line in done.stderr.splitlines() if not REMARKS.search(line)]
        harmless = fault.endswith(("EINTR", "short")) or all(OPTIONAL.search(path) for path in marked)
        if harmless or done.returncode == 0:
            self.assertEqual((done.returncode, lines, done.stdout), (0, [], said), what)
            self.assertEqual(results, right, what)
            return 0
        self.assertEqual(done.returncode, 1, what)
        self.assertEqual(len(lines), 1, what)
        # Of a file that has no name yet, the one that it would get.
        named = any(f": {name}:" in lines[0] for name in (marked[0], pathlib.Path(marked[0]).name))
        self.assertTrue(named or any(name in lines[0] for name in names), what)
        for name, data in results.items():
            self.assertIn(data, (old.get(name), right.get(name)), f"{what}: {name}")
        return 1

    def test_upscale(self):
        for ending in ("png", "jpg", "tif"):
            if ending != "png":
                done, _ = self.run_it(["upscale", "in/a.png", "-o", f"in/a.{ending}", "-g", "cpu", "-q"])
                self.assertEqual(done.returncode, 0, done.stderr)
            tried, failed = self.check(["upscale", f"in/a.{ending}", "-o", f"out/r.{ending}", "-g", "cpu", "--threads", "2", "-q"])
            self.assertGreater(failed, tried // 20)

    def test_upscale_of_a_folder_that_was_done_before(self):
        words = ["upscale", "in", "-o", "out", "-g", "cpu", "--threads", "2", "-q", "--resume"]
        write_png(self.root / "in" / "b.png", 18, 16)
        done, _ = self.run_it(words)
        self.assertEqual(done.returncode, 0, done.stderr)
        before = self.root / "before"
        for name in ("out", "cache"):
            shutil.copytree(self.root / name, before / name)
        write_png(self.root / "in" / "b.png", 16, 18)
        self.check(words, before)

    def test_run_and_check(self):
        m = cli_test
        (self.root / "in" / "w.bin").write_bytes(struct.pack("<8f", *range(8)))
        (self.root / "in" / "m.onnx").write_bytes(m.model(
            [m.node("MatMul", ["x", "w"], ["y"])], [m.value("x", [3, 2])], [m.value("y", [3, 4])],
            [external("w", [2, 4], "w.bin")]))
        (self.root / "in" / "x.npy").write_bytes(m.npy([3, 2], [1, 2, 3, 4, 5, 6]))
        tried, failed = self.check(["run", "in/m.onnx", "-i", "in/x.npy", "-o", "out", "--device", "cpu", "--threads", "2"])
        self.assertGreater(failed, tried // 20)
        self.check(["check", "in/m.onnx", "--device", "cpu"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
