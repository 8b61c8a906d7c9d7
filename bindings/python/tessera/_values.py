"""Values on their way into a model and out of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core
from ._dtypes import BITS, NAMES, PLAIN, STRING, number_of, numpy_dtype, pack, unpack
from ._errors import DtypeError


class Tensor:
    """A dense tensor in memory that tessera or another library owns, of any dtype.

    It exports its memory by DLPack and as a NumPy array, without a copy: ``torch.from_dlpack(tensor)``,
    ``tensor.numpy()``. Elements of 4 and 2 bits are unpacked by ``numpy()``.
    """

    __slots__ = ("_core", )

    def __init__(self, core: _core.Tensor):
        self._core = core

    @property
    def dtype(self) -> str:
        """ONNX's name: "float32", "bfloat16"."""
        return NAMES[self._core.number]

    @property
    def shape(self) -> tuple[int, ...]:
        return self._core.shape

    @property
    def nbytes(self) -> int:
        return self._core.nbytes

    def bytes(self) -> np.ndarray:
        """The memory as an array of uint8."""
        return np.asarray(self._core.as_bytes())

    def numpy(self) -> np.ndarray:
        """The tensor as an array; of ml_dtypes where NumPy lacks the dtype."""
        number = self._core.number
        dtype = numpy_dtype(number)
        if dtype in PLAIN:
            return np.asarray(self._core)
        if number in BITS:
            count = int(np.prod(self.shape, dtype=np.int64))
            elements = unpack(self.bytes(), BITS[number], count, NAMES[number].startswith("int"))
            return elements.view(dtype).reshape(self.shape)
        return self.bytes().view(dtype).reshape(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        if options.get("dl_device") not in (None, (1, 0)):
            raise BufferError("the tensor is in the CPU's memory")
        capsule = self._core.__dlpack__()
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._core.__dlpack_device__()

    def __repr__(self) -> str:
        return f"<tessera.Tensor {self.dtype}{list(self.shape)}>"


def from_dlpack(array: Any) -> Tensor:
    """Any library's array, by DLPack: without a copy where its elements lie row-major in the CPU's memory."""
    device, _ = array.__dlpack_device__()
    if device not in (1, 3):
        raise DtypeError("the tensor is in a device's memory: move it to the CPU first")
    core = _core.from_dlpack(array.__dlpack__())
    if core is None:
        core = _core.from_dlpack(np.ascontiguousarray(np.from_dlpack(array)).__dlpack__())
    return Tensor(core)


def given(value: Any, number: int, name: str) -> Any:
    """What the core takes for an input of the dtype `number`."""
    kind = type(value)
    if kind is not np.ndarray:
        if value is None:
            return None
        if kind is Tensor:
            return value._core
        if hasattr(value, "__dlpack__") and not isinstance(value, (np.ndarray, np.generic)):
            return from_dlpack(value)._core
        value = _array(value, number, name)
    number = PLAIN.get(value.dtype, 0)
    flags = value.flags
    if number:
        return value if flags.c_contiguous and flags.aligned else np.array(value, order="C")
    number = number_of(value.dtype)
    if number == STRING:
        raise DtypeError(f"input {name}: strings do not pass yet")
    if not value.dtype.isnative:
        return np.ascontiguousarray(value, value.dtype.newbyteorder("=")).reshape(value.shape)
    flat = np.ascontiguousarray(value).reshape(-1)
    return number, value.shape, pack(flat, BITS[number]) if number in BITS else flat.view(np.uint8)


def _array(value: Any, number: int, name: str) -> np.ndarray:
    """An array of Python's own numbers, in the input's dtype where that holds them as well."""
    if hasattr(value, "__array__") or isinstance(value, (memoryview, bytes, bytearray)) or hasattr(value, "typecode"):
        return np.asarray(value)
    array = np.asarray(value)
    if array.dtype.kind not in "biufc" or number in (0, STRING):
        return array
    wanted = numpy_dtype(number)
    fits = np.can_cast(array.dtype, wanted, "same_kind") or wanted.kind == "V" or not array.size
    cast = array.astype(wanted) if fits or array.dtype.kind == "i" and wanted.kind == "u" else None
    if cast is None or wanted.kind in "iu" and not np.array_equal(cast, array):
        raise DtypeError(f"input {name} is {NAMES[number]}, which does not hold these numbers ({array.dtype})")
    return cast
