"""What docs/python.md shows runs, and so does the example."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import conftest
import tessera
from tessera import pictures


def test_the_page_runs(tmp_path, bundled):
    page = (conftest.ROOT / "docs/python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    try:
        pictures._library()
        blocks += re.findall(r"```python files\n(.*?)```", page, re.S)
    except tessera.UnsupportedError as error:
        print(f"skipped: {error}")
    assert len(blocks) >= 8
    shutil.copy(bundled, tmp_path / "model.onnx")
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks))
    said = subprocess.run([sys.executable, script], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "<tessera.Session" in said and "cancelled" in said


def test_the_operator_runs():
    pytest.importorskip("onnx")
    said = subprocess.run([sys.executable, conftest.ROOT / "examples/custom_operator.py"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    assert said.split("\n")[1:4:2] == ["-2 -> 1.523", "2 -> -1.523"]


def test_the_example_draws(tmp_path):
    picture = tmp_path / "comparison.png"
    said = subprocess.run([sys.executable, conftest.ROOT / "examples/compare.py", picture], stdout=subprocess.PIPE,
                          text=True, check=True, env={**os.environ, "MPLCONFIGDIR": str(tmp_path)}).stdout
    decibels = {name: float(number) for name, number in re.findall(r"(\w+) +([\d.]+) dB", said)}
    assert decibels["tessera"] > decibels["linear"] > decibels["pixels"]
    assert pathlib.Path(picture).read_bytes().startswith(b"\x89PNG")
