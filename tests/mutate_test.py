#!/usr/bin/env python3
# The faults of tools/mutate.txt can be planted: the text of each is in the tree once.
import os
import subprocess
import sys

sys.exit(subprocess.run([sys.executable, os.path.join(os.environ["TESSERA_SOURCE_DIR"], "tools/mutate.py"), "--check"]).returncode)
