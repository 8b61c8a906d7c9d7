"""What NumPy has no name for: DLPack, packed elements, ml_dtypes."""

import numpy as np
import pytest

import onnx_pen as pen
import tessera
from tessera import _dtypes


to_bfloat16 = pen.model([pen.node("Cast", ["x"], ["y"], to=16)], [("x", pen.tensor_type("float32", ("n", )))],
                        [("y", pen.tensor_type("bfloat16"))])


def test_bfloat16_without_numpy():
    session = tessera.Session(to_bfloat16)
    x = np.array([1, -2, 0.5], np.float32)
    y = session.run([x], tensors=True)[0]
    assert y.dtype == "bfloat16" and y.shape == (3, ) and y.nbytes == 6 and repr(y) == "<tessera.Tensor bfloat16[3]>"
    np.testing.assert_array_equal(y.bytes().view(np.uint16), x.view(np.uint32) >> 16)
    back = tessera.Session(pen.model([pen.node("Cast", ["x"], ["y"], to=1)], [("x", pen.tensor_type("bfloat16", ("n", )))],
                                     [("y", pen.tensor_type("float32"))]))
    np.testing.assert_array_equal(back.run([y])[0], x)
    assert tessera.from_dlpack(y).dtype == "bfloat16"
    np.testing.assert_array_equal(back.run([y.bytes().view(np.uint16)])[0], x)  # bits, for want of a dtype
    np.testing.assert_array_equal(back.run([tessera.from_dlpack(y)])[0], x)


def test_a_dtype_that_numpy_lacks_is_told(monkeypatch):
    monkeypatch.setattr(_dtypes, "_of_ml_dtypes", lambda number: None)
    session = tessera.Session(to_bfloat16)
    with pytest.raises(tessera.DtypeError, match="bfloat16: install ml_dtypes"):
        session.run([[1.0, 2.0]])
    assert session.run([[1.0, 2.0]], tensors=True)[0].bytes().tolist() == [0x80, 0x3f, 0, 0x40]


@pytest.mark.parametrize("bits,signed", [(4, True), (4, False), (2, True), (2, False)])
def test_packed_elements(bits, signed):
    low = -(1 << (bits - 1)) if signed else 0
    elements = (np.arange(15) % (1 << bits) + low).astype(np.int8 if signed else np.uint8)
    packed = _dtypes.pack(elements, bits)
    assert packed.size == -(-15 * bits // 8)
    np.testing.assert_array_equal(_dtypes.unpack(packed, bits, 15, signed), elements)
    assert _dtypes.pack(np.array([1, 2, 3], np.uint8), 4).tolist() == [0x21, 0x03]
    assert _dtypes.pack(np.array([1, 2, 3], np.uint8), 2).tolist() == [0b111001]


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "int4",
                                  "uint4"])
def test_ml_dtypes(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    session = tessera.Session(pen.unary("Identity", name))
    x = np.array([0, 1, 2, 3, 1], getattr(ml_dtypes, name))
    y = session.run([x])[0]
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x)


def test_dlpack_both_ways():
    session = tessera.Session(pen.unary("Neg", "float32", None))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    tensor = tessera.from_dlpack(x)
    assert tensor.dtype == "float32" and tensor.shape == (2, 3)
    assert np.shares_memory(tensor.numpy(), x)
    result = session.run({"x": tensor}, tensors=True)["y"]
    again = np.from_dlpack(result)
    assert np.shares_memory(again, result.numpy()) and np.array_equal(again, -x)
    np.testing.assert_array_equal(tessera.from_dlpack(x.T).numpy(), x.T)  # copied: it is not row-major
    del result
    assert again[1, 2] == -5
    capsule = tensor._core.__dlpack__()
    tessera._core.from_dlpack(capsule)
    with pytest.raises(ValueError):
        tessera._core.from_dlpack(capsule)  # used up
    with pytest.raises(BufferError):
        tensor.__dlpack__(dl_device=(2, 0))
    np.testing.assert_array_equal(np.asarray(tensor, np.int32), x)


def test_torch_without_a_copy():
    torch = pytest.importorskip("torch")
    session = tessera.Session(pen.unary("Neg", "float32", None))
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    assert np.shares_memory(tessera.from_dlpack(x).numpy(), x.numpy())
    y = torch.from_dlpack(session.run([x], tensors=True)[0])
    assert torch.equal(y, -x) and torch.equal(torch.from_numpy(session(x.T)), -x.T)
    half = tessera.Session(pen.unary("Identity", "bfloat16", None))
    b = x.to(torch.bfloat16)
    assert torch.equal(torch.from_dlpack(half.run([b], tensors=True)[0]), b)
