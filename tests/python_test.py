#!/usr/bin/env python3
"""The Python module: its own tests, by pytest, with whichever interpreter here has what they need."""
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
    """One of 3.11 or later that imports all of them."""
    check = f"import sys, {', '.join(modules)}; sys.exit(sys.version_info < (3, 11))"
    for candidate in (sys.executable, "/usr/bin/python3", shutil.which("python3")):
        if candidate and subprocess.run([candidate, "-c", check], stderr=subprocess.DEVNULL).returncode == 0:
            return candidate
    return None


if not (binary / "python/tessera/_core.abi3.so").exists():
    skip("this build has no Python module: configure with -DTESSERA_PYTHON=ON")
if os.environ.get("TESSERA_SANITIZED") == "1":
    skip("Python was not built with sanitizers")
python = interpreter("numpy", "pytest")
if not python:
    skip("no Python 3.11 with NumPy and pytest here")
environment = {**os.environ, "PYTHONPATH": str(binary / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
sys.exit(subprocess.run([python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", root / "bindings/python/tests"],
                        env=environment).returncode)
