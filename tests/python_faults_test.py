#!/usr/bin/env python3
"""The Python module when memory is short: MemoryError, nothing left behind, and all goes on afterwards.

TESSERA_ALL_FAULTS: every allocation fails once; else a sample. Allocations are the libraries' (operator
new); Python's own are left alone."""
import ctypes
import gc
import os
import pathlib
import subprocess
import sys

import python_support

SHIM = python_support.binary / "lib" / "libtessera_allocation_faults.so"
ALL = "TESSERA_ALL_FAULTS" in os.environ


def drive():
    environment = python_support.environment()
    if not SHIM.exists():
        python_support.skip("this build has no library of failing allocations")
    python = python_support.interpreter("numpy")
    environment["LD_PRELOAD"] = str(SHIM)
    environment["PYTHONPATH"] += os.pathsep + str(python_support.root / "bindings/python/tests")
    return subprocess.run([python, __file__, sys.argv[1], "child"], env=environment).returncode


class Scene:
    """Loads a model, asks, runs it, is refused, makes a picture; what each step gave, or that it had no memory."""

    def __init__(self):
        import numpy
        import onnx_pen
        import tessera
        self.numpy, self.tessera = numpy, tessera
        self.model = onnx_pen.model([onnx_pen.node("Add", ["x", "x"], ["s"]), onnx_pen.node("Relu", ["s"], ["y"])],
                                    [("x", onnx_pen.tensor_type("float32", ("n", 3)))],
                                    [("y", onnx_pen.tensor_type("float32", ("n", 3)))])
        self.x = numpy.arange(-3, 3, dtype=numpy.float32).reshape(2, 3)
        self.picture = numpy.arange(9 * 7 * 3, dtype=numpy.uint8).reshape(7, 9, 3)
        self.session = tessera.Session(self.model, device="cpu", threads=1)
        self.upscaler = tessera.Upscaler(device="cpu", threads=1)
        self.steps = [self.load, self.ask, self.run, self.run_into, self.refused, self.broken, self.profile,
                      self.open_upscaler, self.upscale]

    def load(self):
        with self.tessera.Session(self.model, device="cpu", threads=1) as session:
            return session.run({"x": self.x})["y"].tolist()

    def ask(self):
        return self.session.output_type("y", {"x": (2, 3)}), self.session.forecast({"x": (4, 3)})

    def run(self):
        return self.session.run({"x": self.x})["y"].tolist()

    def run_into(self):
        out = self.numpy.zeros((2, 3), self.numpy.float32)
        self.session.run({"x": self.x}, out={"y": out})
        return out.tolist()

    def refused(self):
        try:
            self.session.run({"x": self.x.astype(self.numpy.float64)})
        except MemoryError:
            raise
        except (self.tessera.Error, TypeError) as error:
            return str(error)

    def broken(self):
        try:
            self.tessera.Session(b"no model", device="cpu")
        except MemoryError:
            raise
        except self.tessera.Error as error:
            return str(error)

    def profile(self):
        return sorted(step.op for step in self.session.profile({"x": self.x}))

    def open_upscaler(self):
        with self.tessera.Upscaler(device="cpu", threads=1) as upscaler:
            return upscaler.scale

    def upscale(self):
        return self.upscaler.upscale(self.picture).tobytes()


def sweep(scene, step, begin, end, count, right):
    """Each allocation fails once, then all from one on."""
    failed = 0
    stride = 1 if ALL else max(1, count // 25)
    for forever in (False, True):
        for number in sorted({*range(1, count + 1, stride), *range(max(1, count - 8), count + 1)}):
            got = error = None
            begin(number, 0 if forever else number + 1)
            try:
                got = step()
            except MemoryError as raised:
                error = raised
            finally:
                was = end()
            # A message that found no room may end early.
            short = isinstance(right, str) and isinstance(got, str) and right.startswith(got)
            assert error is not None or got == right or short, (step.__name__, number, forever, got)
            failed += error is not None
            error = None
            # All is as good as ever.
            assert step() == right, (step.__name__, number, forever)
            assert was or not forever, "nothing failed"
    return failed


def child():
    shim = ctypes.CDLL(str(SHIM))
    for name in ("tessera_stop_failing", "tessera_allocations", "tessera_living_allocations"):
        getattr(shim, name).restype = ctypes.c_int64
    begin = lambda first, last: shim.tessera_fail_allocations(ctypes.c_int64(first), ctypes.c_int64(last))
    scene = Scene()
    failed = 0
    for step in scene.steps:
        step()
        right = step()
        before = shim.tessera_allocations()
        step()
        count = shim.tessera_allocations() - before
        assert count, step.__name__
        sweep(scene, step, begin, shim.tessera_stop_failing, count, right)  # what is kept for good is made
        gc.collect()
        living = shim.tessera_living_allocations()
        failed += sweep(scene, step, begin, shim.tessera_stop_failing, count, right)
        gc.collect()
        assert shim.tessera_living_allocations() <= living, (step.__name__, shim.tessera_living_allocations() - living)
    assert failed > 50, failed
    print(failed, "MemoryErrors of failing allocations of the libraries")


if __name__ == "__main__":
    sys.exit(child() if sys.argv[2:] == ["child"] else drive())
