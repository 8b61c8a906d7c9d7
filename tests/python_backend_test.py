#!/usr/bin/env python3
"""ONNX's own backend tests with tessera as the backend: bindings/python/tests/onnx_backend.py says what does not pass."""
import os
import subprocess
import sys

import python_support

environment = python_support.environment()
python = python_support.interpreter("numpy", "onnx.backend.test")
command = [python, "-W", "ignore", python_support.root / "bindings/python/tests/onnx_backend.py"]
if os.environ.get("TESSERA_SHARED"):
    command.append(os.path.join(os.environ["TESSERA_SHARED"], "data/onnx-tests"))
sys.exit(subprocess.run(command, env=environment).returncode)
