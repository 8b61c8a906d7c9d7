#!/usr/bin/env python3
"""Plants the faults of mutate.txt, one after the other, in a copy of this tree, and tells which of them the tests notice.

    tools/mutate.py [PATTERN...]      those whose file or description has one of the words; all without
    tools/mutate.py --check           only whether each fault's text is found once, and each fault has tests
    tools/mutate.py --wide PATTERN    what survives its own tests meets all test programs

The copy and its build lie in build/mutate and are kept, so that a fault costs the compilation of one file, a link
and the tests of the file. Tests see no shared data. Exits with 1 if more than five in a hundred survive, or if the list
is not true.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "tools/mutate.txt"
SCRATCH = ROOT / "build/mutate"
PRESET = SCRATCH / "build/release"
SECONDS = 900  # for the tests of one fault: what hangs is caught
ALLOWED = 0.05
EVERYTHING = [["ctest", "python_backend_test:tessera_python"], ["tessera_tests", "*"], ["tessera_upscale_tests", "*"]]


class DoesNotBuild(Exception):
    pass


class Fault:
    def __init__(self, line, path, what):
        self.line, self.path, self.what = line, path, what
        self.old, self.new, self.tests = [], [], []

    def complaint(self):
        """Why the fault cannot be planted in the tree as it is; empty where it can."""
        file = ROOT / self.path
        if not file.is_file():
            return "there is no such file"
        if not self.old or self.old == self.new:
            return "a fault wants a line that begins with -, and another with +"
        count = len(self.found(file.read_text()))
        if count != 1:
            return f"its text is found {count} times, not once"
        return "" if self.tests else "no test covers the file"

    def found(self, text):
        return list(re.finditer(r"\n\s*".join(re.escape(line) for line in self.old), text))

    def plant(self, text):
        place = self.found(text)[0]
        return text[:place.start()] + "\n".join(self.new) + text[place.end():]


def read_list():
    """The faults, each with the tests of the longest path of `cover` that its file begins with."""
    covers, faults = [], []
    for number, line in enumerate(LIST.read_text().splitlines(), 1):
        mark, _, rest = line.partition(" ")
        if not line.strip() or mark == "#":
            continue
        if mark == "cover":
            path, *tests = rest.split()
            covers.append((path, tests))
        elif mark == "test":
            faults[-1].tests += rest.split()
        elif mark == "-":
            faults[-1].old.append(rest)
        elif mark == "+":
            faults[-1].new.append(rest)
        else:
            path, _, what = line.partition(": ")
            faults.append(Fault(number, path, what))
    for fault in faults:
        found = [cover for cover in covers if fault.path.startswith(cover[0])]
        if found:
            fault.tests += max(found, key=lambda cover: len(cover[0]))[1]
        fault.tests = [test.partition("=")[::2] for test in fault.tests]
    return faults


def sync():
    """Makes the copy what the working tree is; files that are the same keep their times."""
    listed = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    names = {name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()}
    for file in SCRATCH.rglob("*"):
        name = str(file.relative_to(SCRATCH))
        if file.is_file() and not name.startswith("build/") and name not in names:
            file.unlink()
    for name in names:
        source, target = ROOT / name, SCRATCH / name
        if target.is_file() and source.read_bytes() == target.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def environment():
    return {**os.environ, "TESSERA_SHARED": "/nowhere", "CCACHE_BASEDIR": str(SCRATCH), "CCACHE_NOHASHDIR": "1"}


def run(command, seconds=None):
    """The exit status and the output, or None where it took too long."""
    with subprocess.Popen(command, cwd=SCRATCH, env=environment(), text=True, errors="replace", start_new_session=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.communicate()
            return None, ""
    return process.returncode, output


def configure():
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    status, output = run(["cmake", "--preset", "release", "-DTESSERA_TESTS=ON", "-DTESSERA_PYTHON=ON",
                          f"-DTESSERA_WERROR={os.environ.get('TESSERA_WERROR', 'OFF')}", *launcher])
    if status:
        sys.exit(f"mutate: cannot configure {SCRATCH}:\n{output[-2000:]}")


def build(tests):
    """What the tests want: their programs, or what is named behind the names of scripts."""
    targets = {target for program, which in tests
               for target in (which.partition(":")[2].split(",") if program == "ctest" else [program])}
    return run(["cmake", "--build", "--preset", "release", "--target", *sorted(targets)])


def noticed_by(tests):
    """The first test that fails, or nothing. What a test wants is built when its turn comes."""
    for program, which in tests:
        status, output = build([[program, which]])
        if status:
            raise DoesNotBuild(output[-600:])
        if program == "ctest":
            command = ["ctest", "--test-dir", str(PRESET), "-R", f"^({which.partition(':')[0]})$", "--no-tests=error", "--stop-on-failure"]
        else:
            command = [str(PRESET / "bin" / program), f"--gtest_filter={which}", "--gtest_fail_fast", "--gtest_brief=1"]
        status, output = run(command, SECONDS)
        if status is None:
            return f"{program} {which}, which does not end"
        if status == 0:
            continue
        failed = [line for line in output.splitlines() if "FAILED  ]" in line or "***" in line]
        return failed[0].strip() if failed else f"{program} {which}: status {status}"
    return None


def judge(fault, wide):
    file = SCRATCH / fault.path
    text = file.read_text()
    begin = time.time()
    file.write_text(fault.plant(text))
    try:
        by = noticed_by(fault.tests) or (wide and noticed_by(EVERYTHING))
        return ("caught", f"by {by} ({time.time() - begin:.0f} s)") if by else ("survived", "")
    except DoesNotBuild as why:
        return "does not build", str(why)
    finally:
        file.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--wide", action="store_true")
    options = parser.parse_args()
    faults = read_list()
    bad = [(fault, fault.complaint()) for fault in faults if fault.complaint()]
    for fault, why in bad:
        print(f"{LIST.name}:{fault.line}: {fault.path}: {fault.what}: {why}")
    if bad or options.check:
        print(f"{len(faults)} faults, {len(bad)} of them cannot be planted")
        return 1 if bad or not faults else 0
    chosen = [f for f in faults if not options.words or any(w in f"{f.path}: {f.what}" for w in options.words)]
    if not chosen:
        sys.exit("mutate: no fault has such a word")
    SCRATCH.mkdir(parents=True, exist_ok=True)
    sync()
    configure()
    tests = [test for fault in chosen for test in fault.tests]
    status, output = build(tests)
    if status:
        sys.exit(f"mutate: the tree does not build as it is:\n{output[-2000:]}")
    counts = {"caught": 0, "survived": 0, "does not build": 0}
    for fault in chosen:
        verdict, more = judge(fault, options.wide)
        counts[verdict] += 1
        print(f"{verdict}: {fault.path}: {fault.what} {more}", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["does not build"] or counts["survived"] > ALLOWED * len(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
