#!/usr/bin/env python3
# The tessera command from outside: exit codes, streams, files. Models are written by a small encoder.
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

TESSERA = str(pathlib.Path(sys.argv[1]).resolve())


def varint(value):
    out = b""
    while True:
        low, value = value & 127, value >> 7
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def node(op, inputs, outputs, name="", domain=""):
    out = b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs)
    return out + field(3, name) + field(4, op) + field(7, domain)


def value(name, dims, dtype=1):
    shape = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, dtype) + field(2, shape)))


def model(nodes, inputs, outputs, weights=()):
    graph = b"".join(field(1, n) for n in nodes) + field(2, "graph") + b"".join(field(5, w) for w in weights)
    graph += b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs)
    return field(1, 8) + field(2, "cli_test") + field(7, graph) + field(8, field(1, "") + field(2, 17)) \
        + field(8, field(1, "other") + field(2, 1))


def tensor(dims, values):
    return b"".join(field(1, d) for d in dims) + field(2, 1) + field(9, struct.pack(f"<{len(values)}f", *values))


def npy(dims, values):
    shape = "(" + "".join(f"{d}, " for d in dims) + ")"
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(values)}f", *values)


ADD = model([node("Add", ["x", "y"], ["out/sum"])], [value("x", ["n", 2]), value("y", ["n", 2])],
            [value("out/sum", ["n", 2])])
FOREIGN = model([node("Magic", ["x"], ["a"], "first", "other"), node("Wonder", ["a"], ["b"], "second", "other")],
                [value("x", [1])], [value("b", [1])])


class Command(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        (self.path / "add.onnx").write_bytes(ADD)
        (self.path / "foreign.onnx").write_bytes(FOREIGN)

    def tearDown(self):
        self.folder.cleanup()

    def run_it(self, *words, code=0):
        done = subprocess.run([TESSERA, *map(str, words)], cwd=self.path, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, code, f"{words}\n{done.stdout}\n{done.stderr}")
        return done

    def test_help_everywhere(self):
        for command in [[], ["run"], ["test"], ["bench"], ["inspect"], ["check"], ["compare"], ["devices"]]:
            text = self.run_it(*command, "--help").stdout
            self.assertIn("Examples:", text)
            self.assertIn("tessera", text)

    def test_no_words_at_all_give_help(self):
        self.assertEqual(self.run_it().stdout, self.run_it("--help").stdout)

    def test_foreign_files_are_named(self):
        for begin, what in [(b"7767517\n75 83\n", "ncnn"), (b"\x47\x6b\x30\x01", "ncnn"), (b"\x1f\x8b\x08", "gzip"),
                            (b"\x40\0\0\0\0\0\0\0{\"a\"", "safetensors"), (b"\x1c\0\0\0ORTM", "ORT"),
                            (b"\x1c\0\0\0TFL3", "TensorFlow Lite"), (b"PK\x03\x04", "PyTorch"),
                            (b"\x80\x02\x8a\x0al\xfc", "PyTorch"), (b"\0\0\0\0", "weights"), (b"\x89PNG", "picture")]:
            (self.path / "model").write_bytes(begin + b"\x77" * 40)
            error = self.run_it("run", "model", code=1).stderr
            self.assertRegex(error, f"^tessera: .*model: this is .*{what}.*(reads ONNX|unpack)", begin)

    def test_numbers_out_of_range_are_told_plainly(self):
        for words in [("-t", "-1"), ("-t", "1.5"), ("-t", "9" * 30), ("--memory", "0"), ("--max-pixels", "-5"),
                      ("-s", "0"), ("-s", "nan"), ("-s", "x")]:
            error = self.run_it("upscale", "a.png", "-o", "b.png", *words, code=2).stderr
            self.assertRegex(error, r"^--[a-z-]+: give a (whole )?number from [0-9.]+ to [0-9]+, not ")

    def test_version(self):
        self.assertRegex(self.run_it("--version").stdout, r"^tessera \d+\.\d+\.\d+\n$")

    def test_usage_errors(self):
        for words in [["fly"], ["run"], ["run", "add.onnx", "--wings"], ["run", "add.onnx", "--threads", "many"],
                      ["run", "add.onnx", "--shape", "z=1"], ["run", "add.onnx", "--shape", "x=1xx2"],
                      ["run", "add.onnx", "--device", "abacus"], ["run", "add.onnx", "--precision", "fp8"],
                      ["run", "add.onnx", "--precision", "int8"], ["test", "."]]:
            done = self.run_it(*words, code=2)
            self.assertEqual(done.stdout, "")
            self.assertNotEqual(done.stderr, "")

    def test_missing_and_broken_files_fail(self):
        (self.path / "broken.onnx").write_bytes(ADD[:-9])
        for name in ["none.onnx", "broken.onnx", "."]:
            done = self.run_it("run", name, code=1)
            self.assertEqual(done.stdout, "")
            self.assertTrue(done.stderr.startswith("tessera: "), done.stderr)

    def test_unsupported_operators_are_listed_at_once(self):
        for command in ["run", "bench"]:
            done = self.run_it(command, "foreign.onnx", code=3)
            self.assertIn("other.Magic", done.stderr)
            self.assertIn("other.Wonder", done.stderr)
        report = json.loads(self.run_it("check", "foreign.onnx", "--json", code=3).stdout)
        self.assertFalse(report["runs"])
        self.assertEqual(len(report["unsupported"]), 2)
        self.assertEqual(self.run_it("check", "foreign.onnx", code=3).stderr, "")

    def test_run_reads_and_writes_npy(self):
        (self.path / "x.npy").write_bytes(npy([1, 2], [1, 2]))
        (self.path / "y.npy").write_bytes(npy([1, 2], [10, 20]))
        done = self.run_it("run", "add.onnx", "-i", "x=x.npy", "-i", "y=y.npy", "-o", "out")
        self.assertEqual(done.stdout, "out/sum: float32[1,2] min 11 max 22 mean 16.5\n")
        data = (self.path / "out" / "out_sum.npy").read_bytes()
        self.assertEqual(struct.unpack("<2f", data[-8:]), (11, 22))
        self.assertEqual(len(list((self.path / "out").iterdir())), 1)

    def test_run_is_the_same_for_one_seed(self):
        one = self.run_it("run", "add.onnx", "--seed", 5).stdout
        self.assertEqual(one, self.run_it("run", "add.onnx", "--seed", 5, "--threads", 1).stdout)
        self.assertNotEqual(one, self.run_it("run", "add.onnx", "--seed", 6).stdout)

    def test_precision(self):
        one = self.run_it("run", "add.onnx")
        for precision in ["fp32", "bf16", "bf16x3"]:
            self.assertEqual(one.stdout, self.run_it("run", "add.onnx", "--precision", precision).stdout)
        environment = {**os.environ, "TESSERA_ISA": "baseline"}
        words = [TESSERA, "run", "add.onnx", "--precision", "bf16"]
        done = subprocess.run(words, cwd=self.path, env=environment, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.stdout, one.stdout)
        self.assertIn("computing in fp32", done.stderr)

    def test_run_json(self):
        report = json.loads(self.run_it("run", "add.onnx", "--shape", "x=3x2", "--json").stdout)
        self.assertEqual(report["outputs"][0]["shape"], [3, 2])
        self.assertEqual(report["outputs"][0]["dtype"], "float32")

    def test_wrong_input_file_is_named(self):
        (self.path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00\xff\xff{")
        self.assertIn("x.npy", self.run_it("run", "add.onnx", "-i", "x=x.npy", code=1).stderr)

    def test_bench_json(self):
        words = ["bench", "add.onnx", "--runs", 3, "--json", "--per-node", "--device", "cpu", "--threads", 1]
        report = json.loads(self.run_it(*words).stdout)
        for key in ["load_ms", "first_run_ms", "min_ms", "median_ms", "flops", "gflops", "peak_rss_bytes",
                    "arena_bytes", "weights_bytes"]:
            self.assertGreaterEqual(report[key], 0, key)
        self.assertEqual((report["runs"], report["threads"], report["device"], report["precision"]), (3, 1, "cpu", "fp32"))
        self.assertEqual([n["op"] for n in report["nodes"]], ["Add"])
        self.assertIn("by operator", self.run_it("bench", "add.onnx", "--per-node", "--runs", 2).stdout)

    def test_inspect(self):
        report = json.loads(self.run_it("inspect", "add.onnx", "--json", "--shape", "x=4x2").stdout)
        self.assertEqual(report["operators"], {"Add": 1})
        self.assertEqual(report["opsets"], {"ai.onnx": 17, "other": 1})
        self.assertEqual(report["inputs"][0]["shape"], [None, 2])
        self.assertEqual(report["plan"]["steps"][0]["out"], ["float32[4,2]"])
        self.assertIn("float32[n,2]", self.run_it("inspect", "add.onnx").stdout)

    def test_memory_is_forecast(self):
        model_file = pathlib.Path(__file__).resolve().parent.parent / "models" / "photo-x2.onnx"
        weights = tensor([1024, 4096], [0.5] * 4096 * 1024) + field(8, "w")
        (self.path / "product.onnx").write_bytes(model([node("MatMul", ["x", "w"], ["y"])], [value("x", ["n", 1024])],
                                                       [value("y", ["n", 4096])], [weights]))
        for name, shape in [(model_file, "1x3x128x128"), (model_file, "1x3x512x512"), (model_file, "1x3x300x1000"),
                            ("product.onnx", "1x1024"), ("product.onnx", "2000x1024")]:
            where = ["--device", "cpu", "--json", "--shape", shape]
            plan = json.loads(self.run_it("inspect", name, *where).stdout)["plan"]
            bench = json.loads(self.run_it("bench", name, "--runs", "1", *where).stdout)
            for key in ("weights_bytes", "packed_bytes", "arena_bytes", "scratch_bytes"):
                self.assertEqual(plan[key], bench[key], key)
            if os.environ.get("TESSERA_SANITIZED") == "1":
                continue  # sanitizers take memory of their own
            # How much of the program itself is resident, the kernel decides anew for each process.
            measured = bench["peak_rss_bytes"]
            self.assertAlmostEqual(plan["peak_rss_bytes"], measured, delta=max(0.05 * measured, 2 << 20),
                                   msg=f"{name} {shape}")

    def test_check(self):
        self.assertIn("runs", self.run_it("check", "add.onnx").stdout)
        report = json.loads(self.run_it("check", "add.onnx", "--json").stdout)
        self.assertTrue(report["runs"])
        self.assertEqual(report["nodes"][0]["op"], "Add")
        self.assertIn("Add", self.run_it("check", "add.onnx", "--shape", "x=3x2", "--shape", "y=4x2", code=1).stdout)

    def test_without_vulkan_the_cpu_runs(self):
        (self.path / "input.npy").write_bytes(npy([1, 2], [1, 2]))
        (self.path / "libvulkan.so.1").write_bytes(b"no library")

        def devices():  # what memory they have left changes
            return [device["name"] for device in json.loads(self.run_it("devices", "--json").stdout)["vulkan"]]

        before = devices()
        nowhere = {"VK_DRIVER_FILES": "/nonexistent", "VK_ICD_FILENAMES": "/nonexistent"}
        for hidden in [nowhere, {"LD_LIBRARY_PATH": str(self.path)}, {}]:
            for device in ["vulkan", "vulkan:0", "vulkan:99", "auto"]:
                done = subprocess.run([TESSERA, "run", "add.onnx", "--device", device, "-i", "x=input.npy", "-i",
                                       "y=input.npy", "-o", "out"], cwd=self.path, env={**os.environ, **hidden},
                                      capture_output=True, text=True, timeout=120)
                self.assertEqual(done.returncode, 0, f"{device} {hidden}\n{done.stderr}")
                if device == "vulkan:99" or (device != "auto" and hidden):
                    self.assertIn("running on the CPU", done.stdout + done.stderr, f"{device} {hidden}")
        self.assertEqual(devices(), before)

    def test_devices(self):
        report = json.loads(self.run_it("devices", "--json").stdout)
        self.assertIn(report["cpu"]["level"], ["baseline", "avx2", "avx512", "avx512vnni", "avx512bf16", "amx"])
        self.assertTrue(self.run_it("devices").stdout.startswith("cpu: "))

    def test_bench_diff(self):
        def write(name, ms, low, high):
            (self.path / name).write_text(json.dumps({"model": "m", "median_ms": ms, "low_ms": low, "high_ms": high}))
        write("a.json", 10, 9, 11)
        write("within.json", 10.8, 10, 12)
        write("slower.json", 20, 19, 21)
        (self.path / "none.json").write_text("{}")
        # A journal that was cut off.
        (self.path / "a.jsonl").write_text('{"item": "n", "kernels": [{"kernel": "k", "ms": 4.0}]}\n{"item": "n", "ker')
        (self.path / "b.jsonl").write_text('{"item": "n", "kernels": [{"kernel": "k", "ms": 2.0}]}\n')

        def diff(a, b, code=0):
            return json.loads(self.run_it("bench", "--diff", a, b, "--json", code=code).stdout)
        self.assertEqual(diff("a.json", "within.json")["rows"][0]["verdict"], "same")
        self.assertEqual(diff("a.json", "slower.json", code=1)["rows"][0]["verdict"], "slower")
        self.assertEqual(diff("slower.json", "a.json")["rows"][0]["verdict"], "faster")
        self.assertEqual([(row["name"], row["verdict"]) for row in diff("a.jsonl", "b.jsonl")["rows"]],
                         [("n by k", "faster")])
        self.assertIn("slower", self.run_it("bench", "--diff", "a.json", "slower.json", code=1).stdout)
        self.assertIn("none.json", self.run_it("bench", "--diff", "a.json", "none.json", code=2).stderr)
        self.assertIn("MODEL", self.run_it("bench", code=2).stderr)

    def test_bench_page(self):
        self.write_product()
        self.run_it("bench", "product.onnx", "--runs", 2, "--device", "cpu", "--html", "page.html")
        page = (self.path / "page.html").read_text()
        self.assertIn("<circle", page)
        self.assertIn("MatMul by", page)

    def write_product(self):
        weights = tensor([8, 4], [0.5] * 32) + field(8, "w")
        (self.path / "product.onnx").write_bytes(model(
            [node("MatMul", ["x", "w"], ["p"]), node("Det", ["p"], ["d"]), node("Add", ["p", "d"], ["y"])],
            [value("x", [4, 8])], [value("y", [4, 4])], [weights]))

    def vulkan(self):
        report = json.loads(self.run_it("devices", "--json").stdout)
        if not report["vulkan"]:
            self.skipTest("skipped: " + report["vulkan_note"])
        return "vulkan:0"

    def test_tuning_ends_in_time(self):
        device = self.vulkan()
        self.write_product()
        cache = {"TESSERA_CACHE": str(self.path / "cache")}
        begin = time.monotonic()
        with unittest.mock.patch.dict(os.environ, {**cache, "TESSERA_TUNE_SECONDS": "0.001"}):
            told = self.run_it("bench", "product.onnx", "--device", device, "--tune", "--runs", 1).stderr
        self.assertRegex(told, r"tessera: tuning vulkan:0: ended early, 0 of \d+ ways tried, 0 of at most 0.001 s\n")
        with unittest.mock.patch.dict(os.environ, {**cache, "TESSERA_TUNE_SECONDS": "10"}):
            self.run_it("bench", "product.onnx", "--device", device, "--tune", "--runs", 1)
            details = json.loads(self.run_it("devices", "--json").stdout)["vulkan"][0]["details"]
        self.assertEqual(details["tuned_classes"], 1)
        self.assertLess(time.monotonic() - begin, 60)

    def test_devices_measure(self):
        self.vulkan()
        peaks = json.loads(self.run_it("devices", "--measure", "--json").stdout)["vulkan"][0]["peaks"]
        for key in ["fp32_gflops", "memory_gb_per_s", "upload_gb_per_s", "download_gb_per_s", "dispatch_us"]:
            self.assertGreater(peaks[key], 0, key)
        self.assertIn("GB/s", self.run_it("devices", "--measure").stdout)

    def test_devices_tell_what_they_have(self):
        self.vulkan()
        device = json.loads(self.run_it("devices", "--json").stdout)["vulkan"][0]
        details = device["details"]
        self.assertRegex(details["uuid"], "^[0-9a-f]{32}$")
        self.assertTrue(any(heap["device_local"] and heap["bytes"] > 0 for heap in details["heaps"]))
        for key in ["shared_bytes", "storage_range_bytes", "allocation_bytes", "workgroup_invocations"]:
            self.assertGreater(details[key], 0, key)
        self.assertEqual(device["cooperative_matrix"], "cooperative matrices" in details["features"])
        self.assertEqual(details["variants_wrong"], [])
        # Measuring asks all of them; the answers are remembered.
        asked = json.loads(self.run_it("devices", "--measure", "--json").stdout)["vulkan"][0]["details"]
        self.assertEqual(asked["variants_unasked"], 0)
        self.assertEqual(asked["variants_right"], details["variants_right"] + details["variants_unasked"])
        told = self.run_it("devices").stdout
        for words in ["UUID " + details["uuid"], "heap of its own", "features: ", "variants of kernels: "]:
            self.assertIn(words, told)

    def test_what_runs_on_the_device_and_why(self):
        device = self.vulkan()
        self.write_product()
        nodes = json.loads(self.run_it("check", "product.onnx", "--device", device, "--json").stdout)["nodes"]
        where = {n["op"]: (n["backend"], n["why"]) for n in nodes}
        self.assertEqual(where["Add"], (device, ""))
        self.assertEqual(where["Det"][0], "cpu")
        self.assertIn("no kernel for Det", where["Det"][1])
        self.assertIn("no kernel for Det", self.run_it("check", "product.onnx", "--device", device).stdout)
        words = ["inspect", "product.onnx", "--shape", "x=4x8", "--device", device]
        steps = json.loads(self.run_it(*words, "--json").stdout)["plan"]["steps"]
        self.assertIn("no kernel for Det", next(s["why"] for s in steps if s["op"] == "Det"))
        report = json.loads(self.run_it("bench", "product.onnx", "--device", device, "--per-node", "--json").stdout)
        self.assertGreater(report["device_ms"], 0)
        self.assertGreater(report["peaks"]["fp32_gflops"], 0)
        self.assertEqual({n["op"]: n["backend"] for n in report["nodes"]}["Add"], device)
        # Nothing but Det: all stays on the CPU, and that is said.
        (self.path / "det.onnx").write_bytes(model([node("Det", ["x"], ["y"])], [value("x", [4, 4])], [value("y", [])]))
        self.assertIn("no kernel for Det", self.run_it("run", "det.onnx", "--device", device).stderr)

    def test_what_is_rewritten_for_the_device(self):
        device = self.vulkan()
        (self.path / "mean.onnx").write_bytes(
            model([node("Mean", ["x", "x"], ["y"])], [value("x", [4, 4])], [value("y", [4, 4])]))
        row = json.loads(self.run_it("check", "mean.onnx", "--device", device, "--json").stdout)["nodes"][0]
        self.assertEqual((row["op"], row["backend"], row["kernel"], row["why"]), ("Mean", device, "rewritten", ""))

    def test_compare(self):
        device = self.vulkan()
        self.write_product()
        report = json.loads(self.run_it("compare", "product.onnx", "--b", device, "--json").stdout)
        self.assertEqual([n["op"] for n in report["nodes"]], ["MatMul", "Det", "Add"])
        self.assertIsNone(report["first"])
        self.assertIn("no value is off", self.run_it("compare", "product.onnx", "--all").stdout)
        # Halves are off by more than this.
        strict = ["compare", "product.onnx", "--precision", "fp16", "--tolerance", "0.0000001"]
        report = json.loads(self.run_it(*strict, "--json", code=1).stdout)
        self.assertIn(report["first"]["op"], ["MatMul", "Add"])
        self.assertGreater(report["first"]["own"], 0.0000001)
        self.assertIn("they part at ", self.run_it(*strict, code=1).stdout)
        self.assertIn("not known", self.run_it("compare", "product.onnx", "--b", "gpu", code=2).stderr)
        # The mean of what has no mean is near zero, and off by much of itself: no fault of the node.
        (self.path / "centered.onnx").write_bytes(model(
            [node("ReduceMean", ["x"], ["m"]), node("Sub", ["x", "m"], ["c"]), node("ReduceMean", ["c"], ["z"])],
            [value("x", [8, 64])], [value("z", [1, 1])]))
        for precision in "fp32", "fp16":
            words = ["compare", "centered.onnx", "--precision", precision, "--json"]
            report = json.loads(self.run_it(*words).stdout)
            self.assertGreater(report["nodes"][-1]["off"], 0.005)
            self.assertGreater(report["nodes"][-1]["magnified"], 2)

    def write_case(self, name, x, expected, first=ADD):
        data = self.path / "cases" / name / "test_data_set_0"
        data.mkdir(parents=True)
        (data.parent / "model.onnx").write_bytes(first)
        (data / "input_0.pb").write_bytes(tensor([1, 2], x))
        (data / "input_1.pb").write_bytes(tensor([1, 2], [0, 0]))
        (data / "output_0.pb").write_bytes(tensor([1, 2], expected))

    def test_backend_tests(self):
        self.write_case("test_good", [1, 2], [1, 2])
        self.assertEqual(self.run_it("test", "cases").stdout, "1 passed, 0 failed\n")
        self.write_case("test_wrong", [1, 2], [1, 3])
        self.write_case("test_foreign", [1, 2], [1, 2], FOREIGN)
        self.write_case("test_broken", [1, 2], [1, 2], ADD[:-5])
        lines = self.run_it("test", "cases", "--json", "all.json", code=1).stdout.splitlines()
        self.assertEqual(lines[-1], "1 passed, 3 failed")
        self.assertIn("other.Magic", lines[-2])
        report = json.loads((self.path / "all.json").read_text())
        self.assertEqual({t["name"]: t["status"] for t in report["tests"]},
                         {"test_good": "passed", "test_wrong": "failed", "test_foreign": "unsupported",
                          "test_broken": "failed"})

    def test_interruption_ends_cleanly(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([TESSERA, "bench", "add.onnx", "--runs", "1000000", "--shape", "x=100000x2"],
                                       cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                process.send_signal(number)
            out, err = process.communicate(timeout=30)
            self.assertEqual((process.returncode, out, err), (-number, "", "tessera: interrupted\n"))

    def test_model_that_gets_shorter_is_named(self):
        model_file = self.path / "large.onnx"
        weights = tensor([512, 512], [0.5] * 512 * 512) + field(8, "w")
        model_file.write_bytes(model([node("MatMul", ["x", "w"], ["y"])], [value("x", ["n", "k"])],
                                     [value("y", ["n", 512])], [weights]))
        os.mkfifo(self.path / "input.npy")

        def run_while_it_shrinks(*options):
            process = subprocess.Popen([TESSERA, "run", model_file, "--device", "cpu", "-i", "x=input.npy", *options],
                                       cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            # The command opens its input once the model is loaded; with an extent so open, nothing is packed before.
            with open(self.path / "input.npy", "wb") as pipe:
                os.truncate(model_file, 4096)
                pipe.write(npy([1, 512], [0.5] * 512))
            out, err = process.communicate(timeout=30)
            return process.returncode, out, err

        whole = model_file.read_bytes()
        told = f"tessera: {model_file.resolve()}: the file became shorter while it was in use\n"
        self.assertEqual(run_while_it_shrinks(), (1, "", told))
        # A copy is not the file's any more.
        model_file.write_bytes(whole)
        code, out, err = run_while_it_shrinks("--copy-files", "-o", "out")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual((self.path / "out" / "y.npy").read_bytes()[-4:], struct.pack("<f", 128))

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_full_disk_is_an_error(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([TESSERA, "inspect", "add.onnx"], cwd=self.path, stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
