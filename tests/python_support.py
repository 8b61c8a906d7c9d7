"""What tests of the Python module share: where it is, and an interpreter that has what they need."""
import os
import pathlib
import shutil
import subprocess
import sys

root, binary = pathlib.Path(os.environ["TESSERA_SOURCE_DIR"]), pathlib.Path(os.environ["TESSERA_BINARY_DIR"])


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def interpreter(*modules):
    """One of 3.11 or later that imports all of them; skips the test where there is none."""
    check = f"import sys, {', '.join(modules)}; sys.exit(sys.version_info < (3, 11))"
    for candidate in (sys.executable, "/usr/bin/python3", shutil.which("python3")):
        if candidate and subprocess.run([candidate, "-c", check], stderr=subprocess.DEVNULL).returncode == 0:
            return candidate
    return skip(f"no Python from 3.11 on with {', '.join(modules)} here")


def environment():
    """With the build's module; skips the test where there is none."""
    if not (binary / "python/tessera/_core.abi3.so").exists():
        skip("this build has no Python module: configure with -DTESSERA_PYTHON=ON")
    if os.environ.get("TESSERA_SANITIZED") == "1":
        skip("Python was not built with sanitizers")
    return {**os.environ, "PYTHONPATH": str(binary / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
