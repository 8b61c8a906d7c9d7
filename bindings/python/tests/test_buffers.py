import os

import numpy as np
import pytest

import onnx_pen as pen
import tessera


def double(dtype="float32"):
    return tessera.Session(pen.model([pen.node("Add", ["x", "x"], ["y"])], [("x", pen.tensor_type(dtype, ("n", )))],
                                     [("y", pen.tensor_type(dtype, ("n", )))]), device="cpu")


def test_one_run_leaves_it_for_the_next():
    x = np.arange(5, dtype=np.float32)
    between, out = tessera.Buffer("cpu", "float32", (5, )), np.empty(5, np.float32)
    double().run_buffers({"x": x}, {"y": between})
    double().run_buffers([between], [out])
    assert out.tolist() == (4 * x).tolist()
    assert between.read().tolist() == (2 * x).tolist()
    assert (between.device, between.dtype, between.shape) == ("cpu", "float32", (5, ))
    assert between.uploaded == between.downloaded == 0
    between.write([1, 1, 1, 1, 2])
    double().run_buffers([between], [out])
    assert out.tolist() == [2, 2, 2, 2, 4]
    assert "float32[5] on cpu" in repr(between)


def test_memory_is_handed_on_without_copies():
    held = np.arange(3, dtype=np.float32)
    buffer = tessera.Buffer.around(held, written=True)
    buffer.write(np.ones(3, np.float32))
    assert held.tolist() == [1, 1, 1]
    del held
    read = buffer.read(tensor=True)
    assert np.from_dlpack(read).tolist() == [1, 1, 1]
    buffer.write(read)
    strange = tessera.Buffer("cpu", "bfloat16", (2, 3))
    assert strange.read(tensor=True).dtype == "bfloat16"


def test_what_is_wrong_is_said():
    buffer = tessera.Buffer("cpu", "float32", (3, ))
    with pytest.raises(tessera.ShapeError, match="another dtype or shape"):
        buffer.write(np.zeros(4, np.float32))
    with pytest.raises(tessera.ShapeError, match="the buffer is"):
        double().run_buffers([np.zeros(4, np.float32)], [buffer])
    with pytest.raises(tessera.UsageError, match="an input, too"):
        double().run_buffers([buffer], [buffer])
    with pytest.raises(tessera.UsageError, match="no buffer for output y"):
        double().run_buffers([buffer], {})
    with pytest.raises(tessera.UsageError, match="row-major"):
        double().run_buffers([np.zeros((3, 2), np.float32)[:, 0]], [buffer])
    with pytest.raises(tessera.UsageError, match="has no output z"):
        double().run_buffers([buffer], {"z": buffer})
    with pytest.raises(tessera.UnsupportedError, match="host's memory"):
        tessera.Buffer("cpu", "float32", (3, ), exported=True)
    with pytest.raises(tessera.UnsupportedError, match="host's memory"):
        buffer.descriptor()
    with pytest.raises(tessera.UsageError, match="no file descriptor"):
        tessera.Buffer.imported("cpu", "float32", (3, ), -1)
    read_only = np.zeros(3, np.float32)
    read_only.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        double().run_buffers([buffer], [read_only])


def test_on_a_device(bundled):
    devices = [device.id for device in tessera.devices() if device.id.startswith("vulkan")]
    if not devices:
        pytest.skip("there is no Vulkan device")
    session = tessera.Session(bundled, device=devices[0])
    x = np.random.default_rng(1).random((1, 3, 8, 8), np.float32)
    expected = session(x)
    inputs, output = tessera.Buffer(devices[0], "float32", x.shape), tessera.Buffer(devices[0], "float32", (1, 3, 16, 16))
    inputs.write(x)
    session.run_buffers([inputs], [output])
    assert (output.uploaded, output.downloaded, inputs.uploaded, inputs.downloaded) == (0, 0, x.nbytes, 0)
    assert np.array_equal(output.read(), expected)
    with pytest.raises(tessera.DeviceError, match="the session runs on cpu"):
        tessera.Session(bundled, device="cpu").run_buffers([inputs], [np.empty((1, 3, 16, 16), np.float32)])
    try:
        shared = tessera.Buffer(devices[0], "float32", x.shape, exported=True)
    except tessera.UnsupportedError as error:
        pytest.skip(str(error))
    descriptor = shared.descriptor()
    other = tessera.Buffer.imported(devices[0], "float32", x.shape, descriptor)
    os.close(descriptor)
    shared.write(x)
    assert np.array_equal(other.read(), x)
