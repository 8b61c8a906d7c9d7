#!/usr/bin/env python3
# Runs `tessera test` over the shared suites of ONNX's backend tests: optimized, not optimized, and on a Vulkan
# device where there is one, which runs all that it has a kernel for and lists what it left to the CPU. counts.txt says
# how many tests each suite has and must pass; expected_fail.txt lists those that may fail, with reasons.
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77


def rows(name):
    for line in (HERE / name).read_text().splitlines():
        line = line.split("#")[0].strip() if name == "counts.txt" else line.strip()
        if line and not line.startswith("#"):
            yield line


def results_of(tessera, folder, flags):
    with tempfile.TemporaryDirectory() as temporary:
        path = pathlib.Path(temporary) / "results.json"
        done = subprocess.run([tessera, "test", str(folder), "--json", str(path), *flags], capture_output=True, text=True)
        if done.returncode not in (0, 1) or not path.exists():
            raise SystemExit(f"tessera test {folder} ended with {done.returncode}: {done.stderr}")
        report = json.loads(path.read_text())
        left = report["operators_on_host"]
        if left:
            print("  left to the CPU:", "; ".join(f"{name} x{number}" for name, number in left.items()))
        return {t["name"]: t for t in report["tests"]}


def ways(tessera):
    """How every suite is run: a label and the flags."""
    yield "", []
    yield " not optimized", ["--no-optimize"]
    devices = subprocess.run([tessera, "devices"], capture_output=True, text=True).stdout
    if "vulkan:0" in devices:
        yield " on vulkan:0", ["--device", "vulkan:0", "--timeout", "900"]  # a software renderer takes minutes for the largest
    else:
        print("skipped: there is no Vulkan device to run the suites on")


def main():
    tessera = sys.argv[1]
    source = pathlib.Path(os.environ.get("TESSERA_SOURCE_DIR", HERE.parent.parent))
    shared = pathlib.Path(os.environ.get("TESSERA_SHARED", source.parent / "shared")) / "data" / "onnx-tests"
    if not shared.is_dir():
        print("skipped: the shared ONNX tests are not on this machine")
        return SKIPPED
    excused = {}
    for line in rows("expected_fail.txt"):
        name, _, reason = line.partition(":")
        if not reason.strip():
            raise SystemExit(f"expected_fail.txt: {name} has no reason")
        excused[name.strip()] = reason.strip()

    problems = []
    seen = set()
    for line in rows("counts.txt"):
        suite, total, minimum = line.split()
        for way, flags in ways(tessera):
            label = suite + way
            results = results_of(tessera, shared / suite, flags)
            seen |= set(results)
            passed = {name for name, t in results.items() if t["status"] == "passed"}
            print(f"{label}: {len(passed)} of {len(results)} passed")
            if len(results) != int(total):
                problems.append(f"{label}: {len(results)} tests, not {total}")
            if len(passed) < int(minimum):
                problems.append(f"{label}: {len(passed)} passed, not {minimum}")
            for name, t in sorted(results.items()):
                if t["status"] == "passed" and name in excused:
                    problems.append(f"{label}: {name} passes, but expected_fail.txt lists it")
                if t["status"] != "passed" and name not in excused:
                    problems.append(f"{label}: {name} {t['status']}: {t['message']}")
    problems += [f"{name} is in expected_fail.txt, but is no test" for name in sorted(set(excused) - seen)]
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
