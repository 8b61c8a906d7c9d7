#!/usr/bin/env python3
# `tessera upscale` from outside: names, folders, streams, signals.
import json
import math
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
import zlib

from cli_test import ADD, TESSERA


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width=24, height=20, before=b"", after=b"", sample=lambda x, y, c: (x * 9 + y * 5 + c * 40) % 256):
    """An RGB picture, of diagonal bands; `before` and `after` are chunks around its pixels."""
    rows = b"".join(b"\0" + bytes(sample(x, y, c) for x in range(width) for c in range(3)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", zlib.compress(rows)) + after \
        + chunk(b"IEND")


class Upscale(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        os.chmod(self.path, 0o755)
        cache = unittest.mock.patch.dict(os.environ, {"TESSERA_CACHE": str(self.path / "cache")})
        cache.start()
        self.addCleanup(cache.stop)
        self.make("in/a.png")

    def tearDown(self):
        subprocess.run(["chmod", "-R", "u+rwx", self.folder.name], check=True)
        self.folder.cleanup()

    def make(self, name, data=None):
        file = pathlib.Path(os.fsdecode(bytes(self.path) + b"/" + os.fsencode(name)))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png() if data is None else data)
        return file

    def run_it(self, *words, code=0, command="upscale", tool=TESSERA, **more):
        done = subprocess.run([tool, command, *map(os.fsencode, words)], cwd=self.path, capture_output=True,
                              timeout=300, **more)
        self.assertEqual(done.returncode, code, f"{words}\n{done.stdout}\n{done.stderr}")
        return done

    def results(self, folder="out"):
        return sorted(os.fsencode(f.relative_to(self.path / folder)) for f in (self.path / folder).rglob("*")
                      if f.is_file())

    def run_closed(self, *words, **more):
        """Runs where the closed folders are closed indeed: not as the superuser."""
        if os.geteuid() == 0:
            # The build may lie where only the superuser may look.
            more["tool"] = shutil.copy(TESSERA, self.path / "tessera")
            for file in [self.path, *self.path.rglob("*")]:
                os.chown(file, 65534, 65534)
            more |= {"user": 65534, "group": 65534, "extra_groups": []}
        return self.run_it(*words, **more)

    def test_names_that_are_no_text(self):
        self.make(b"in/b\xe9.png")
        self.make("in/c.png")
        lines = self.run_it("-i", "in", "-o", "out", "--json").stdout.decode().splitlines()
        self.assertEqual([json.loads(line)["done"] for line in lines], [True] * 3)
        self.assertEqual(self.results(), [b"a.png", b"b\xe9.png", b"c.png"])
        self.make("add.onnx", ADD)
        done = self.run_it("add.onnx", "--json", "-o", b"o\xe9", command="run")
        self.assertIn("sum.npy", json.loads(done.stdout)["outputs"][0]["file"])

    def test_two_sources_of_one_name_have_two_results(self):
        shutil.copy(self.make("in/a.png", png(20, 30)), self.path / "in/a.jpg")
        source = (self.path / "in/a.jpg").read_bytes(), (self.path / "in/a.png").read_bytes()
        self.run_it("-i", "in", "-o", "out")
        self.assertEqual(self.results(), [b"a.jpg.png", b"a.png"])
        error = self.run_it("-i", "in", "-o", "out", "--short-names", code=2).stderr.decode()
        self.assertIn("in/a.jpg and in/a.png would both become out/a.png", error)
        self.assertIn("would be replaced by its own result", self.run_it("in", "-o", "in", code=2).stderr.decode())
        self.assertEqual(((self.path / "in/a.jpg").read_bytes(), (self.path / "in/a.png").read_bytes()), source)
        # The same name when one of them is alone.
        (self.path / "in/a.png").unlink()
        self.run_it("-i", "in", "-o", "alone")
        self.assertEqual(self.results("alone"), [b"a.jpg.png"])

    def test_results_among_their_sources(self):
        shutil.move(self.path / "in/a.png", self.path / "in/a.jpg")
        self.run_it("in", "-o", "in")
        done = self.run_it("in", "-o", "in")
        self.assertIn(b"skipped, results made before", done.stderr)
        self.assertEqual(self.results("in"), [b"a.jpg", b"a.jpg.png"])

    def test_resuming_trusts_only_what_would_be_made_again(self):
        self.make("in/b.png", png(30, 10))

        def made(*words, wanted):
            before = {name: os.stat(self.path / "out" / os.fsdecode(name)).st_ino for name in self.results()}
            done = self.run_it("in", "-o", "out", "--resume", *words)
            again = [name for name in self.results() if os.stat(self.path / "out" / os.fsdecode(name)).st_ino
                     != before.get(name)]
            self.assertEqual(again, wanted, done.stderr)
            return done.stderr

        both = [b"a.png", b"b.png"]
        self.run_it("in", "-o", "out")
        whole = (self.path / "out/a.png").read_bytes()
        self.assertIn(b"2 results are there already", made(wanted=[]))
        made("-t", "64", "--threads", "1", "-v", wanted=[])
        (self.path / "out/a.png").write_bytes(whole[:-20])
        self.assertIn(b"out/a.png: made again, they are not as they were made", made(wanted=[b"a.png"]))
        self.assertEqual((self.path / "out/a.png").read_bytes(), whole)
        (self.path / "out/a.png").write_bytes(whole[:100] + b"x" + whole[101:])
        made(wanted=[b"a.png"])
        self.make("in/b.png", png(31, 10))
        self.assertIn(b"sources have changed", made(wanted=[b"b.png"]))
        made("-s", "3", wanted=both)
        made("-s", "3", wanted=[])
        self.assertIn(b"another model or other options", made(wanted=both))
        model = self.make("m.onnx", (pathlib.Path(os.environ["TESSERA_SOURCE_DIR"]) / "models/photo-x2.onnx").read_bytes())
        made("-m", "photo-x2", wanted=both)  # whatever the pictures show
        made("-m", "m.onnx", wanted=[])  # the same model, whatever it is called
        model.write_bytes(model.read_bytes() + b"\x32\x00")  # an empty model_version more
        made("-m", "m.onnx", wanted=both)
        self.make("in/c.jpg", png(9, 9))
        self.make("out/c.jpg.png", b"by somebody else")
        self.assertIn(b"nothing is known", made("-m", "m.onnx", wanted=[b"c.jpg.png"]))

    def test_shards_make_all_pictures_once(self):
        for i in range(12):
            self.make(f"in/{i}.png", png(8 + i, 8))
        counts = []
        for shard in (1, 2, 3):
            self.run_it("in", "-o", f"out{shard}", "--shard", f"{shard}/3")
            counts += self.results(f"out{shard}")
        self.assertEqual(sorted(counts), sorted(os.fsencode(f.name) for f in (self.path / "in").iterdir()))
        for wrong in ("0/3", "4/3", "1", "x/2", "1/2/3"):
            self.assertIn(b"--shard", self.run_it("in", "-o", "x", "--shard", wrong, code=2).stderr)

    def test_progress_for_programs(self):
        self.make("in/b.png", png(300, 200))
        done = self.run_it("in", "-o", "out", "--progress", "--json", "-x", "--priority", "low")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        progress = [line for line in lines if line["event"] == "progress"]
        self.assertEqual(len(lines) - len(progress), 2)
        self.assertEqual([line["finished"] for line in progress if line["part"] == 1][-1], 2)
        for line in progress:
            self.assertTrue(0 <= line["part"] <= 1 and line["finished"] <= 2 == line["pictures"], line)
        self.assertTrue(all(line["done"] for line in lines if line["event"] == "result"))
        self.assertNotIn(b"%", done.stderr)
        self.assertIn(b"--progress and -o -", self.run_it("in/a.png", "-o", "-", "--progress", code=2).stderr)

    def test_low_priority(self):
        self.make("in/b.png", png(300, 200))
        words = [TESSERA, "upscale", "in/b.png", "-o", "o.png", "-x", "--priority", "low"]
        with subprocess.Popen(words, cwd=self.path, stderr=subprocess.DEVNULL) as process:
            nice = set()
            while process.poll() is None:
                try:
                    nice |= {int((thread / "stat").read_text().rsplit(")")[1].split()[16])
                             for thread in pathlib.Path(f"/proc/{process.pid}/task").iterdir()}
                except OSError:  # it has just ended
                    pass
            self.assertEqual(process.returncode, 0)
        self.assertIn(19, nice)

    def test_videos_on_pipes_are_their_pictures(self):
        def frame(i, width=20, height=12):
            return bytes((x * 9 + y * 5 + i * 3) % 256 for y in range(height) for x in range(width))

        def gray(pixels, width, height):
            rows = b"".join(b"\0" + pixels[y * width:][:width] for y in range(height))
            return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) \
                + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND")

        count = 100
        for i in range(count):
            self.make(f"frames/{i:03}.png", gray(frame(i), 20, 12))
        self.run_it("frames", "-o", "large", "-f", "pgm", "-q")
        pixels = [(self.path / f"large/{i:03}.png.ppm").read_bytes()[-40 * 24:] for i in range(count)]
        head = b"YUV4MPEG2 W%d H%d F25:1 Ip A1:1 Cmono\n"
        video = head % (20, 12) + b"".join(b"FRAME\n" + frame(i) for i in range(count))
        expected = head % (40, 24) + b"".join(b"FRAME\n" + p for p in pixels)
        done = self.run_it("-", "-o", "-", input=video)
        self.assertEqual(done.stdout, expected)
        self.assertIn(b"100 frames", done.stderr)
        self.make("a.y4m", video)
        line = json.loads(self.run_it("a.y4m", "-o", "b.y4m", "--json").stdout)
        self.assertEqual((line["frames"], line["out_size"]), (count, [40, 24]))
        self.assertEqual((self.path / "b.y4m").read_bytes(), expected)
        raw = b"".join(map(frame, range(count)))
        self.assertEqual(self.run_it("-", "-o", "-", "--raw", "20x12:gray", input=raw).stdout, b"".join(pixels))
        self.assertIn(b"ffmpeg -i", self.run_it("in/a.png", "-o", "c.y4m", code=2).stderr)
        for wrong in ("20x12", "20x12:yuv", "x:gray"):
            self.assertIn(b"--raw", self.run_it("-", "-o", "-", "--raw", wrong, code=2, input=raw).stderr)
        self.run_it("-", "-o", "-", "--y4m", "--resume", code=2, input=video)

    def test_the_first_frames_choose_for_all(self):
        # Frames of bars, as a page has them; then of waves.
        bars = bytes(255 if y % 12 > 8 else {0: 20, 1: 130}.get((x + y // 12 * 3) % 7, 255) for y in range(96) for x in range(96))
        waves = bytes(int(128 + 60 * math.sin(x / 2.3 + y / 5) * math.cos(y / 2.9) + (x * 37 + y * 91) % 17)
                      for y in range(96) for x in range(96))
        for first, model in ((bars, "art-x2"), (waves, "photo-x2")):
            frames = first * 9 + bars
            self.make("clip.raw", frames)
            line = json.loads(self.run_it("clip.raw", "-o", "chosen.raw", "--raw", "96x96:gray", "--json").stdout)
            self.assertEqual((line["model"], line["frames"]), (model, 10))
            named = json.loads(self.run_it("clip.raw", "-o", "named.raw", "--raw", "96x96:gray", "-m", model, "--json").stdout)
            self.assertEqual((self.path / "chosen.raw").read_bytes(), (self.path / "named.raw").read_bytes())
            self.assertNotIn("model", named)

    def test_frames_leave_a_pipe_before_the_next_ones_come(self):
        words = [TESSERA, "upscale", "-", "-o", "-", "-q"]
        with subprocess.Popen(words, cwd=self.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write(b"YUV4MPEG2 W8 H8 Cmono\n")
            begin = b"YUV4MPEG2 W16 H16 Cmono\n"
            for _ in range(5):
                process.stdin.write(b"FRAME\n" + bytes(range(64)))
                process.stdin.flush()
                got = process.stdout.read(len(begin) + len(b"FRAME\n") + 256)
                self.assertTrue(got.startswith(begin + b"FRAME\n"))
                begin = b""
            process.stdin.close()
            self.assertEqual(process.wait(30), 0)

    def test_videos_of_any_length_take_the_same_memory(self):
        def peak(frames):
            words = [TESSERA, "upscale", "-", "-o", "-", "-q", "--raw", "200x200:rgb24"]
            with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
                for _ in range(frames):
                    process.stdin.write(bytes(range(200)) * 600)
                process.stdin.close()
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0)
            return usage.ru_maxrss
        # 140 results would take 67 MB.
        self.assertLess(peak(150) - peak(10), 20_000)

    def test_a_signal_ends_a_video_that_waits(self):
        words = [TESSERA, "upscale", "-", "-o", "o.y4m", "-q"]
        with subprocess.Popen(words, cwd=self.path, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            process.stdin.write(b"YUV4MPEG2 W8 H8 Cmono\nFRAME\n" + bytes(64))
            process.stdin.flush()
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(30), -signal.SIGINT)
        self.assertEqual(sorted(f.name for f in self.path.iterdir()), ["cache", "in"])

    def test_comparisons(self):
        self.make("in/b.png", png(90, 70))
        self.run_it("in", "-o", "out", "--compare")
        self.assertEqual(self.results(), [b"a.png", b"a.png.compare.html", b"a.png.compare.png", b"b.png",
                                          b"b.png.compare.html", b"b.png.compare.png"])
        page = (self.path / "out/b.png.compare.html").read_text()
        self.assertEqual(page.count('src="data:image/'), 3)
        # Among their sources they are no sources.
        for name in ("a", "b"):
            (self.path / f"in/{name}.png").rename(self.path / f"in/{name}.jpg")
        self.run_it("in", "-o", "in", "--compare")
        done = self.run_it("in", "-o", "in", "--resume")
        self.assertIn(b"skipped, results made before", done.stderr)
        self.assertIn(b"2 results are there already", done.stderr)
        self.run_it("in", "-o", "in", "--compare", "--overwrite")  # nothing that they show is replaced
        self.assertIn(b"--compare needs both", self.run_it("in/a.jpg", "-o", "in/a.jpg", "--compare", "--overwrite",
                                                           code=2).stderr)
        self.run_it("-", "-o", "x.png", "--compare", code=2, input=png())

    def test_previews_are_parts_of_the_whole(self):
        self.make("in/b.png", png(90, 70))
        for scale in ["2", "3"]:
            self.run_it("in/b.png", "-o", "whole.ppm", "-s", scale, "-t", "32")
            self.run_it("in/b.png", "-o", "part.ppm", "-s", scale, "-t", "32", "--preview", "40,30,17,9")
            times, head = int(scale), lambda name: (self.path / name).read_bytes().split(b"\n", 3)
            whole, part = head("whole.ppm"), head("part.ppm")
            self.assertEqual(part[1].split(), [b"%d" % (17 * times), b"%d" % (9 * times)])
            row = 90 * times * 3
            rows = [whole[3][y * row:(y + 1) * row] for y in range(30 * times, 39 * times)]
            self.assertEqual(part[3], b"".join(r[40 * times * 3:57 * times * 3] for r in rows))
        for wrong, code in [("80,0,20,10", 1), ("1,2,3", 2), ("0,0,0,5", 2), ("-1,0,5,5", 2)]:
            self.run_it("in/b.png", "-o", "no.png", f"--preview={wrong}", code=code)
            self.assertFalse((self.path / "no.png").exists())

    def test_memory_is_told_before_work(self):
        # More of it for more pixels, and never that of whole pictures.
        self.make("tall.ppm", b"P6\n40 9000\n255\n" + bytes(range(250)) * (40 * 9000 * 3 // 250))
        told = [int(re.search(rb"needs about (\d+) MiB", self.run_it(name, "-o", "o.ppm", "-v", "-g", "cpu", *words).stderr)[1])
                for name, words in [("in/a.png", []), ("tall.ppm", ["-t", "64"]), ("tall.ppm", [])]]
        self.assertLess(told[1], told[2])
        self.assertLess(told[0], 3)
        self.assertGreater(told[2], 50)

    def test_sizes(self):
        for words, size in [(["--size", "33x44"], (33, 44)), (["--width", "12"], (12, 10)), (["--height", "60"], (72, 60)),
                            (["--fit", "100x30"], (36, 30)), (["-m", "photo-x2,photo-x2"], (96, 80)),
                            (["-m", "photo-x2,photo-x2", "-s", "3"], (72, 60))]:
            self.run_it("in/a.png", "-o", "o.png", *words)
            self.assertEqual(struct.unpack(">II", (self.path / "o.png").read_bytes()[16:24]), size)
        for words in (["--size", "33"], ["--size", "0x3"], ["--fit", "3x"], ["--width", "0"], ["--width", "3", "-s", "2"],
                      ["--size", "3x3", "--fit", "3x3"], ["-m", "photo-x2,photo-x2", "--white", "1"]):
            self.run_it("in/a.png", "-o", "x.png", *words, code=2)
        self.assertIn(b"none.onnx", self.run_it("in/a.png", "-o", "x.png", "-m", "photo-x2,none.onnx", code=1).stderr)

    def test_bundled_models_are_named_and_found_by_scale(self):
        listed = [json.loads(line) for line in self.run_it("--json", command="models").stdout.splitlines()]
        self.assertEqual(sorted(path.stem for path in (pathlib.Path(os.environ["TESSERA_SOURCE_DIR"]) / "models").glob("*.onnx")),
                         sorted(model["name"] for model in listed))
        for model in listed:
            self.assertEqual((model["licence"], model["note"], model["file"]), ("Apache-2.0", "", ""))
            told = self.run_it("in/a.png", "-o", "o.png", "-v", "-m", model["name"]).stderr.decode()
            self.assertIn(f"model {model['name']}: x{model['scale']}", told)
            self.assertEqual(struct.unpack(">II", (self.path / "o.png").read_bytes()[16:24]),
                             (24 * model["scale"], 20 * model["scale"]))
        for scale, model in (("1.5", "photo-x2"), ("2", "photo-x2"), ("3", "photo-x4"), ("4", "photo-x4"), ("8", "photo-x4")):
            told = self.run_it("in/a.png", "-o", "o.png", "-v", "-s", scale).stderr.decode()
            self.assertIn(f"model {model}:", told)
            self.assertEqual(struct.unpack(">II", (self.path / "o.png").read_bytes()[16:24]),
                             (24 * float(scale), 20 * float(scale)))
        self.assertIn("model photo-x4:", self.run_it("in/a.png", "-o", "o.png", "-v", "-n", "photo-x4").stderr.decode())
        # A file beside the command is meant where it is told as one; other names are told what there is.
        self.make("photo-x4", (pathlib.Path(os.environ["TESSERA_SOURCE_DIR"]) / "models/photo-x2.onnx").read_bytes())
        self.assertIn("model ./photo-x4: x2",
                      self.run_it("in/a.png", "-o", "o.png", "-v", "-m", "./photo-x4").stderr.decode())
        self.make("photo-x4.json", b"no manifest of the bundled model")
        self.assertIn("x4", self.run_it("--explain", "-m", "photo-x4").stdout.decode())
        self.assertIn(b"bundled: photo-x2, photo-x4", self.run_it("in/a.png", "-o", "x.png", "-m", "art", code=1).stderr)

    def test_a_picture_is_given_to_the_model_that_suits_it(self):
        # Dark bars on white, a pixel and a half wide; and waves under grain.
        strokes = png(96, 96, sample=lambda x, y, c: 255 if y % 12 > 8 else {0: 20, 1: 130}.get((x + y // 12 * 3) % 7, 255))
        soft = png(96, 96, sample=lambda x, y, c: int(
            128 + 60 * math.sin(x / 2.3 + y / 5) * math.cos(y / 2.9) + (x * 37 + y * 91) % 17))
        self.make("in/strokes.png", strokes)
        self.make("in/soft.png", soft)
        lines = {line["in"]: line for line in map(json.loads, self.run_it("in", "-o", "out", "--json").stdout.splitlines())}
        self.assertEqual((lines["in/strokes.png"]["model"], lines["in/soft.png"]["model"]), ("art-x2", "photo-x2"))
        for name in ("strokes", "soft"):
            model = lines[f"in/{name}.png"]["model"]
            named = json.loads(self.run_it(f"in/{name}.png", "-o", "named.png", "-m", model, "--json").stdout)
            self.assertNotIn("model", named)
            self.assertEqual((self.path / "named.png").read_bytes(), (self.path / f"out/{name}.png").read_bytes())
        for words in (["-s", "4"], ["-s", "3"], ["--preview", "10,10,30,20"]):
            told = self.run_it("in/strokes.png", "-o", "o.png", *words).stderr.decode()
            self.assertIn(" by art-x2 ", told)
        self.assertIn(" by photo-x4 ", self.run_it("in/soft.png", "-o", "o.png", "-s", "4").stderr.decode())
        self.run_it("-", "-o", "o.png", input=strokes)
        self.assertEqual((self.path / "o.png").read_bytes(), (self.path / "out/strokes.png").read_bytes())

    def test_what_is_typed_wrong_is_answered(self):
        for words, code, wanted in (
                (["in/a.png", "-o", "o.gif"], 2, "o.gif: GIF files are read, not written; write png or webp"),
                (["in/a.png", "-o", "o.jp2"], 2, "o.jp2: JPEG 2000 files are read, not written; write png"),
                (["in/a.png", "-o", "o.png", "-f", "gif"], 2, "-f gif: GIF files are read, not written"),
                (["in/a.png", "-o", "folder"], 2, "a folder ends in /"),
                (["in/a.png", "-o", "o.jpg", "-f", "png"], 0, "o.jpg: is written as png, whatever its ending says")):
            self.assertIn(wanted, self.run_it(*words, code=code).stderr.decode())
        told = self.run_it("in/a.png", "-o", "o.png", "-g", "vulkan:99").stderr.decode()
        self.assertEqual(told.count("running on the CPU"), 1, told)
        for word in ("in/a.png", "upscaler"):
            self.assertIn(f"{word}: is no command; `tessera upscale IN -o OUT`",
                          self.run_it("-o", "x.png", command=word, code=2).stderr.decode())

    def test_inputs_without_an_option(self):
        self.make("b.png")
        self.run_it("in", "b.png", "-o", "out/")
        self.assertEqual(self.results(), [b"a.png", b"b.png"])
        self.run_it("b.png", "-o", "c.png")
        self.assertIn("folder", self.run_it("in", "-o", "d.png", code=2).stderr.decode())
        self.assertIn("folder", self.run_it("b.png", "in/a.png", "-o", "d.png", code=2).stderr.decode())
        self.assertEqual(self.run_it("-", "-o", "-", "-q", input=png()).stdout, (self.path / "c.png").read_bytes())

    def test_long_names(self):
        name = "x" * 251 + ".png"
        self.run_it("in/a.png", "-o", name)
        self.run_it("in/a.png", "-o", name)
        self.assertEqual((self.path / name).read_bytes()[1:4], b"PNG")
        self.assertIn(b"too long", self.run_it("in/a.png", "-o", "x" + name, code=1).stderr)

    def test_tuning_tells_how_far_it_is_and_ends_in_time(self):
        if not json.loads(self.run_it("--json", command="devices").stdout)["vulkan"]:
            self.skipTest("skipped: no Vulkan device")
        words = ("in/a.png", "-o", "o.png", "-g", "vulkan:0", "-m", "photo-x2", "--tune")
        with unittest.mock.patch.dict(os.environ, {"TESSERA_TUNE_SECONDS": "2"}):
            begin = time.monotonic()
            told = self.run_it(*words).stderr.decode()
        self.assertLess(time.monotonic() - begin, 60)  # most of it opens the model on the device
        self.assertRegex(told, r"tessera: tuning vulkan:0: ended early, \d+ of \d+ ways tried, \d of at most 2 s\n")
        self.assertEqual((self.path / "o.png").read_bytes()[16:24], struct.pack(">II", 48, 40))

    def test_devices_share_a_picture(self):
        self.make("in/b.png", png(90, 70))
        done = self.run_it("in/b.png", "-o", "out/b.png", "-t", "32", "-g", "vulkan:0,cpu", "--json")
        line = json.loads(done.stdout)
        self.assertTrue(line["done"])
        self.assertGreater(line["windows"], 4)
        self.assertEqual(line["notes"], [])
        head = (self.path / "out/b.png").read_bytes()[16:24]
        self.assertEqual(struct.unpack(">II", head), (180, 140))

    def test_a_closed_folder_fails_alone(self):
        self.make("in/closed/b.png")
        self.make("in/open/c.png")
        (self.path / "in/closed").chmod(0)
        done = self.run_closed("-i", "in", "-o", "out", "-r", "--json", code=1)
        self.assertEqual(self.results(), [b"a.png", b"open/c.png"])
        self.assertIn(b"in/closed: cannot be listed: Permission denied", done.stderr)
        self.assertIn(b"1 of 3 failed", done.stderr)
        failed = [line for line in map(json.loads, done.stdout.splitlines()) if not line["done"]]
        self.assertEqual([line["in"] for line in failed], ["in/closed"])

    def test_folders_that_cannot_be_written_are_known_at_once(self):
        (self.path / "out").mkdir()
        (self.path / "out").chmod(0o555)
        done = self.run_closed("-i", "in", "-o", "out/new", "-v", code=1)
        self.assertIn(b"out: cannot be written to: Permission denied", done.stderr)
        self.assertNotIn(b"model", done.stderr, "a model was opened before")

    def test_a_manifest_tells_how_a_model_wants_its_pictures(self):
        model = (pathlib.Path(os.environ["TESSERA_SOURCE_DIR"]) / "models/photo-x2.onnx").read_bytes()
        self.make("m/a.onnx", model)
        self.make("m/b.onnx", ADD)
        first, second = map(json.loads, self.run_it("m", "--json", command="models").stdout.splitlines())
        self.assertEqual((first["name"], first["scale"]), ("a", 2))
        self.assertIn("the model has 2 inputs", second["note"])
        said = {"name": "A", "licence": "MIT", "scale": 2, "range": "0:1", "channels": "rgb",
                "files": [{"file": "b.onnx", "device": "vulkan"},
                          {"file": "a.onnx", "device": "cpu", "checksum": first["checksum"]}]}
        self.make("m/a.json", json.dumps(said).encode())
        listed = self.run_it("m/a.onnx", command="models").stdout.decode().split()
        self.assertEqual((listed[0], listed[1], listed[-1]), ("A", "x2", "MIT"))
        self.assertIn("manifest", self.run_it("--explain", "-m", "m/a.onnx").stdout.decode())
        self.run_it("in/a.png", "-o", "o.png", "-m", "m/a.json", "-g", "cpu")
        self.run_it("in/a.png", "-o", "o.png", "-m", "m", "-n", "a", "-g", "cpu")
        self.make("m/a.json", json.dumps(said | {"output": "none"}).encode())
        self.assertIn(b"no output of the model is", self.run_it("in/a.png", "-o", "o.png", "-m", "m/a.json", "-g", "cpu",
                                                                code=2).stderr)
        said["files"][1]["checksum"] = "0" * 32
        self.make("m/a.json", json.dumps(said).encode())
        self.assertIn(b"checksum differs", self.run_it("in/a.png", "-o", "o.png", "-m", "m/a.json", "-g", "cpu",
                                                       code=1).stderr)
        self.make("m/a.json", b"{")
        self.assertIn(b"a.json: is no manifest", self.run_it("in/a.png", "-o", "o.png", "-m", "m/a.json", code=2).stderr)
        self.assertIn("photo-x2", self.run_it(command="models").stdout.decode())

    def test_inputs_beside_the_picture_are_numbers_or_rows_of_them(self):
        # y = Resize(x * strength + offset), strength float32[3,1,1], offset a scalar.
        try:
            import onnx
            from onnx import TensorProto, helper
        except ImportError:
            self.skipTest("skipped: no package onnx")
        port = helper.make_tensor_value_info
        graph = helper.make_graph(
            [helper.make_node("Mul", ["x", "strength"], ["a"]), helper.make_node("Add", ["a", "offset"], ["b"]),
             helper.make_node("Resize", ["b", "", "scales"], ["y"], mode="nearest",
                              coordinate_transformation_mode="asymmetric", nearest_mode="floor")], "g",
            [port("x", TensorProto.FLOAT, [1, 3, "h", "w"]), port("strength", TensorProto.FLOAT, ["c", 1, 1]),
             port("offset", TensorProto.FLOAT, [])],
            [port("y", TensorProto.FLOAT, [1, 3, "2h", "2w"])],
            [helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, 2, 2])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        self.make("m.onnx", model.SerializeToString())
        run = ["in/a.png", "-m", "m.onnx", "-g", "cpu", "--copy-files"]
        told = self.run_it(*run, "-o", "o.png", code=3).stderr.decode()
        self.assertIn("give all but the picture a number, or several, with --set NAME=NUMBER,NUMBER", told)
        self.run_it(*run, "-o", "one.ppm", "--set", "strength=1", "--set", "offset=0")
        self.run_it(*run, "-o", "three.ppm", "--set", "strength=1,1,0.5", "--set", "offset=0")
        one, three = ((self.path / f"{name}.ppm").read_bytes()[-48 * 40 * 3:] for name in ("one", "three"))
        self.assertEqual((one[0::3], one[1::3]), (three[0::3], three[1::3]))
        self.assertEqual([(b + 1) // 2 for b in one[2::3]], list(three[2::3]))
        for words, wanted in ((["--set", "strength=1,x"], "give NAME=NUMBER, or several"),
                              (["--set", "strength=1,1,", "--set", "offset=0"], "give NAME=NUMBER, or several"),
                              (["--set", "strength=1", "--set", "offset=0,1"], "is given 2 numbers"),
                              (["--set", "nothing=1"], 'no input "nothing"')):
            self.assertIn(wanted, self.run_it(*run, "-o", "o.png", *words, code=2).stderr.decode())
        self.assertFalse((self.path / "o.png").exists())

    def test_explain_tells_what_a_model_is_without_a_picture(self):
        text = self.run_it("--explain", "photo-x2").stdout.decode()
        for words in ["scale            x2", "levels           0..1", "receptive field  11 pixels"]:
            self.assertIn(words, text)
        line = json.loads(self.run_it("--explain", "-m", "photo-x2", "--range", "0:255", "--json").stdout)
        said = {finding["what"]: finding for finding in line["findings"]}
        self.assertIn("--range", said["levels"]["evidence"])
        self.assertIn("-o", self.run_it("in", code=2).stderr.decode())

    def test_one_reason_for_all_is_told_once(self):
        self.make("in/b.png")
        (self.path / "out").mkdir()
        (self.path / "out").chmod(0o555)
        self.assertEqual(self.run_closed("in", "-o", "out", code=1).stderr.count(b"Permission denied"), 1)

    def test_a_redirected_source_is_not_replaced(self):
        with open(self.path / "in/a.png", "rb") as source:
            self.assertIn(b"--overwrite", self.run_it("-", "-o", "in/a.png", code=2, stdin=source).stderr)

    def test_what_is_said_beside_pixels_is_kept_or_told(self):
        chunks = [(b"cICP", bytes([9, 16, 0, 1])), (b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
                  (b"tEXt", b"parameters\0a prompt"), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta/>")]
        self.make("in/a.png", png(before=b"".join(chunk(*c) for c in chunks)))
        self.assertEqual(self.run_it("in/a.png", "-o", "o.png", "-q").stderr, b"")
        result = (self.path / "o.png").read_bytes()
        for c in chunks:
            self.assertIn(chunk(*c), result)
        error = self.run_it("in/a.png", "-o", "o.jpg", "-q").stderr
        self.assertIn(b"its colors (PQ), brighter than white, were mapped to sRGB", error)
        self.assertNotIn(b"reduced", error)
        result = (self.path / "o.jpg").read_bytes()
        for part in [b"JFIF\0\1\1\1\1\x2c\1\x2c", b"parameters: a prompt", b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"]:
            self.assertIn(part, result)

    def test_animations_stay_animations(self):
        def frame(number, shade):
            control = struct.pack(">IIIIIHHBB", number, 24, 20, 0, 0, 5, 100, 0, 0)
            rows = zlib.compress(b"".join(b"\0" + bytes([shade] * 24 * 3) for _ in range(20)))
            return chunk(b"fcTL", control) + (chunk(b"fdAT", struct.pack(">I", number + 1) + rows) if number else b"")
        self.make("in/b.png", png(before=chunk(b"acTL", struct.pack(">II", 3, 0)) + frame(0, 0),
                                  after=frame(1, 90) + frame(3, 200)))
        self.run_it("in/b.png", "-o", "b.png")
        result = (self.path / "b.png").read_bytes()
        self.assertEqual(result.count(b"fcTL"), 3)
        self.assertIn(chunk(b"acTL", struct.pack(">II", 3, 0)), result)
        self.run_it("b.png", "-o", "b.webp", "-s", "0.5")
        self.assertEqual((self.path / "b.webp").read_bytes().count(b"ANMF"), 3)
        told = self.run_it("in/b.png", "-o", "b.jpg").stderr
        self.assertIn(b"only its first picture", told)
        self.assertIn(b"png", self.run_it("in/b.png", "-o", "b.gif", code=2).stderr)

    def test_permissions_are_kept(self):
        for mode in [0o600, 0o640, 0o444]:
            (self.path / "in/a.png").chmod(mode)
            self.run_it("in", "-o", "out", "--overwrite")
            self.assertEqual((self.path / "out/a.png").stat().st_mode & 0o777, mode)

    def test_progress_moves_within_a_window_and_grows_with_the_work(self):
        self.make("large.png", png(300, 200))
        # A terminal is drawn to more often than a file.
        ours, its = os.openpty()
        words = ["large.png", "-o", "large.jpg", "-x", "-s", "4", "--threads", "1"]
        with subprocess.Popen([TESSERA, "upscale", *words], cwd=self.path, stderr=its) as process:
            os.close(its)
            text = b""
            try:
                while part := os.read(ours, 4096):
                    text += part
            except OSError:  # how Linux says that nobody writes any more
                pass
            os.close(ours)
            self.assertEqual(process.wait(300), 0)
        parts = [float(part) for part in re.findall(rb"(\d+\.\d+)%", text)]
        self.assertGreater(len(set(parts)), 1, text)
        self.assertEqual(parts, sorted(parts))
        # Two rounds, of which the second has four fifths of the work.
        self.assertLess(parts[0], 50, text)
        self.assertNotRegex(text, rb"100\.00%[^\r\n]*left")

    def whole_results(self):
        whole = 0
        for name in self.results():
            if name.startswith(b"."):  # for a moment, on its way to its name
                continue
            data = (self.path / "out" / name.decode()).read_bytes()
            self.assertTrue(data == b"old" or data.endswith(chunk(b"IEND")), name)
            whole += data != b"old"
        return whole

    def stopped(self, number, least):
        """Starts a batch over old results and sends a signal when `least` are new; how many are new then, and its exit."""
        for i in range(30):
            self.make(f"many/{i:02}.png", png(150, 120))
            self.make(f"out/{i:02}.png", b"old")
        process = subprocess.Popen([TESSERA, "upscale", "many", "-o", "out", "-q"], cwd=self.path,
                                   stderr=subprocess.DEVNULL)
        while process.poll() is None and self.whole_results() < least:
            time.sleep(0.002)
        process.send_signal(number)
        code = process.wait(60)
        # Nobody can clean up after SIGKILL.
        left = [name for name in self.results() if number != signal.SIGKILL or not name.startswith(b".")]
        self.assertEqual(len(left), 30, "something else is left")
        return code, self.whole_results()

    def test_signals_leave_old_results_or_whole_ones(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            for least in (0, 1, 10):
                code, count = self.stopped(number, least)
                self.assertGreaterEqual(count, least)
                if count < 30:
                    self.assertEqual(code, -number)

    def test_results_are_old_or_absent_or_complete_whenever_the_command_ends(self):
        """TESSERA_KILLS: how often it is ended, at random moments."""
        for i in range(8):
            self.make(f"many/{i}.png", png(90 + i, 60))
        formats = ("png", "jpg", "tif", "webp")
        begin = time.monotonic()
        for ending in formats:
            self.run_it("many", "-o", f"whole.{ending}/", "-f", ending, "-q")
        usual = (time.monotonic() - begin) / len(formats)
        chance = random.Random(14)
        for _ in range(int(os.environ.get("TESSERA_KILLS", "16"))):
            ending = chance.choice(formats)
            number = chance.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
            whole = self.path / f"whole.{ending}"
            shutil.rmtree(self.path / "out", ignore_errors=True)
            for name in [file.name for file in whole.iterdir()][::2]:
                self.make(f"out/{name}", b"old")
            process = subprocess.Popen([TESSERA, "upscale", "many", "-o", "out", "-f", ending, "-q"], cwd=self.path,
                                       stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, usual))
            process.send_signal(number)
            self.assertIn(process.wait(60), (0, -number))
            for name in self.results():
                # Nobody can clean up after SIGKILL.
                if number == signal.SIGKILL and name.startswith(b"."):
                    continue
                data = (self.path / "out" / name.decode()).read_bytes()
                self.assertIn(data, (b"old", (whole / name.decode()).read_bytes()), f"{ending} {name} {number}")

    @unittest.skipUnless(os.geteuid() == 0, "needs the superuser")
    def test_without_proc(self):
        words = f"umount -l /proc && cd {self.path} && {TESSERA} upscale in/a.png -o out/x.png"
        done = subprocess.run(["unshare", "--mount", "sh", "-c", words], capture_output=True, text=True)
        if "unshare" in done.stderr or "umount" in done.stderr:
            self.skipTest("skipped: this machine lets nobody leave /proc")
        self.assertEqual((done.returncode, self.results()), (0, [b"x.png"]), done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
