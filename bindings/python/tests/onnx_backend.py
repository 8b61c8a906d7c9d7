"""ONNX's own backend tests with tessera as the backend: python3 onnx_backend.py [FOLDER]. The vectors are made from the
onnx package's own cases; those of FOLDER (converted PyTorch models) come on top of them."""

import argparse
import functools
import os
import pathlib
import sys
import tempfile
import unittest

import numpy as np

# onnx 1.12 uses names that NumPy has given up.
for name, kind in (("object", object), ("bool", bool), ("int", int), ("float", float)):
    if name not in np.__dict__:
        setattr(np, name, kind)

import onnx
import onnx.backend.test.cmd_tools as cmd_tools
import onnx.backend.test.runner as runner

import tessera.backend

#: What does not pass, by pattern, and why.
LACKING = {
    "test_bernoulli": "the numbers are random: these are what one seed of NumPy's gave",
    "test_adam_multiple": "the case expects an epsilon of 0.01, and its node does not say so",
    "test_loop16_seq_none": "the runner asks an array without extents for its length",
}
#: And what of some versions of onnx: Debian 12's and Debian 13's.
LACKING_OF = {
    "1.12": {
        "test_castlike_(BFLOAT16_to_FLOAT|FLOAT_to_BFLOAT16)": "the case declares [3,4] for an input that it gives as [1]",
    },
    "1.17": {
        "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True":
            "the case counts what ceil_mode adds behind the pads; onnx 1.22's does not",
        "test_qlinearmatmul_[23]D_int8": "the case's numbers wrap around; onnx 1.22's saturate, as the operator's text says",
        "test_dft_inverse": "where the result is zero the case has 2e-7, which is more than the runner bears",
        "(INT4|FLOAT8|linear_(e4m3fn|e5m2|u?int4))": "the runner gives them as integers of NumPy's, and ml_dtypes is not there",
        "test_image_decoder": "a program adds the decoder of pictures",
    },
}


def make_vectors(folder):
    """Those of the package's cases; models that would be fetched from the network are left out."""
    (folder / "node").mkdir()  # which later versions look into, and ask for more options
    cmd_tools.generate_data(argparse.Namespace(op_type=None, output=str(folder), clean=False, diff=None))
    for kind in ("node", "simple", "real", "pytorch-converted", "pytorch-operator"):
        (folder / kind).mkdir(exist_ok=True)
    for case in (folder / "real").iterdir():
        for file in case.iterdir():
            file.unlink()
        case.rmdir()


def main(more):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        with open(os.devnull, "w") as silent:
            out, sys.stdout = sys.stdout, silent
            make_vectors(folder)
            sys.stdout = out
        for kind in ("pytorch-converted", "pytorch-operator"):
            for case in sorted((more / kind).iterdir()) if more else ():
                (folder / kind / case.name).symlink_to(case)
        runner.load_model_tests = functools.partial(runner.load_model_tests, data_dir=str(folder))
        tests = runner.Runner(tessera.backend.Backend)
        for pattern in (*LACKING, *LACKING_OF[".".join(onnx.__version__.split(".")[:2])]):
            tests.xfail(pattern)
        load = unittest.defaultTestLoader.loadTestsFromTestCase
        suite = unittest.TestSuite(load(case) for case in tests.exclude("_cuda$").test_cases.values())
        result = unittest.TextTestRunner(verbosity=0).run(suite)
    ran = result.testsRun - len(result.skipped)
    print(f"{ran - len(result.failures) - len(result.errors) - len(result.expectedFailures)} of {ran} backend tests pass, "
          f"{len(result.expectedFailures)} fail as expected")
    return 0 if result.wasSuccessful() and ran > 900 else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None))
