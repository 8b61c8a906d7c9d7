#!/usr/bin/env python3
"""The Python module: its own tests, by pytest."""
import subprocess
import sys

import python_support

environment = python_support.environment()
python = python_support.interpreter("numpy", "pytest")
sys.exit(subprocess.run([python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
                         python_support.root / "bindings/python/tests"], env=environment).returncode)
