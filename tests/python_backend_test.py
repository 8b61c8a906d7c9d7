#!/usr/bin/env python3
"""ONNX's own backend tests with tessera as the backend: bindings/python/tests/onnx_backend.py says what does not pass."""
import os
import subprocess
import sys

import python_support

environment = python_support.environment()
python = python_support.interpreter("numpy", "onnx.backend.test")
version = subprocess.run([python, "-c", "import onnx; print(onnx.__version__)"], capture_output=True, text=True).stdout.strip()
if not version.startswith(("1.12.", "1.17.")):
    python_support.skip(f"the lists of what does not pass were made with onnx 1.12 and 1.17, this is {version}")
command = [python, "-W", "ignore", python_support.root / "bindings/python/tests/onnx_backend.py"]
if os.environ.get("TESSERA_SHARED"):
    command.append(os.path.join(os.environ["TESSERA_SHARED"], "data/onnx-tests"))
sys.exit(subprocess.run(command, env=environment).returncode)
