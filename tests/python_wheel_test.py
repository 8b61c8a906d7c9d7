#!/usr/bin/env python3
"""pip install . without a network: the wheel goes into a fresh environment and runs there."""
import subprocess
import sys
import tempfile

import python_support

environment = python_support.environment()
python = python_support.interpreter("numpy", "venv", "pip")
with tempfile.TemporaryDirectory() as scratch:
    made = subprocess.run([python, "-m", "venv", "--system-site-packages", f"{scratch}/venv"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        python_support.skip("no environments of Python's can be made here: " + made.stdout[-200:].strip())
    del environment["PYTHONPATH"]
    environment["TESSERA_PACKAGE"] = str(python_support.binary / "python/tessera")
    subprocess.run([f"{scratch}/venv/bin/pip", "install", "--no-index", "--no-build-isolation", "-q", python_support.root],
                   env=environment, check=True)
    script = """if True:
        import numpy, os, sys, tessera
        assert tessera.__file__.startswith(sys.prefix), tessera.__file__
        large = tessera.upscale(numpy.full((20, 30, 3), 128, numpy.uint8))
        assert large.shape == (40, 60, 3) and abs(int(large[20, 30, 0]) - 128) < 4
        files = os.listdir(os.path.dirname(tessera.__file__))
        assert {"py.typed", "_core.abi3.so", "_core.pyi", "onnxruntime.py", "backend.py"} <= set(files), files
        import importlib.metadata
        assert importlib.metadata.version("tessera") == tessera.__version__
        print("tessera", tessera.__version__, "is installed and upscales")
    """
    environment["TESSERA_CACHE"] = f"{scratch}/cache"
    sys.exit(subprocess.run([f"{scratch}/venv/bin/python", "-c", script], env=environment, cwd=scratch).returncode)
