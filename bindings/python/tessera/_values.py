"""Values on their way into a model and out of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._dtypes import BITS, NAMES, NUMBERS, PLAIN, STRING, number_of, numpy_dtype, pack, unpack
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


def given(value: Any, kind: Any, number: int, name: str) -> Any:
    """What the core takes for an input of the type `kind`, whose dtype has this number."""
    if kind.kind == "tensor":
        return dense(value, number, name)
    return None if value is None and kind.kind != "optional" else _container(value, kind, name)


def _container(value: Any, kind: Any, name: str) -> _core.Value:
    """A value of any kind. What the model does not say of its type is taken from the value."""
    what = kind.kind if kind is not None else {list: "sequence", dict: "map"}.get(type(value), "tensor")
    item = kind.item if kind is not None else None
    if what == "tensor":
        made = dense(value, NUMBERS[kind.dtype] if kind is not None else 0, name)
        return made if isinstance(made, _core.Value) else _core.dense(made)
    if what == "optional":
        return _core.optional(None if value is None else _container(value, item, name))
    if what == "sequence":
        if not isinstance(value, (list, tuple)):
            raise DtypeError(f"{name} is a sequence: a list is due, not {type(value).__name__}")
        number = NUMBERS[item.dtype] if item is not None and item.kind == "tensor" else 0
        return _core.sequence(number, [_container(one, item, name) for one in value])
    if not isinstance(value, dict):
        raise DtypeError(f"{name} is a map: a dictionary is due, not {type(value).__name__}")
    keys = Tensorlike("tensor", kind.dtype if kind is not None else "undefined")
    values = list(value.values())
    plain = item is None or item.kind == "tensor" and item.shape in (None, ())
    if plain and all(np.ndim(one) == 0 and not isinstance(one, (dict, list)) for one in values):
        held = _container(values, Tensorlike("tensor", item.dtype if item is not None else "undefined"), name)
    else:
        held = _container(values, Tensorlike("sequence", "undefined", None, item), name)
    return _core.map(_container(list(value), keys, name), held)


class Tensorlike(NamedTuple):
    """As much of a type as _container asks for."""

    kind: str
    dtype: str
    shape: Any = None
    item: Any = None


def told(made: Any, tensors: bool = False) -> Any:
    """What a run gave, as Python has it."""
    if isinstance(made, _core.Tensor):
        return Tensor(made) if tensors else Tensor(made).numpy()
    if made.kind == 0:
        array = np.empty(len(made.texts()), object)
        array[:] = made.texts()
        return array.reshape(made.shape)
    if made.kind == 1:
        return [told(item, tensors) for item in made.items()]
    if made.kind == 2:
        return next((told(item, tensors) for item in made.items()), None)
    keys, values = (told(part) for part in made.entries())
    return dict(zip(keys.tolist(), values.tolist() if isinstance(values, np.ndarray) else values))


def dense(value: Any, number: int, name: str) -> Any:
    """What the core takes for a tensor of the dtype `number` (0: what the value says)."""
    kind = type(value)
    if kind is not np.ndarray:
        if value is None:
            return None
        if kind is Tensor:
            return value._core
        if hasattr(value, "__dlpack__") and not isinstance(value, (np.ndarray, np.generic)):
            return from_dlpack(value)._core
        value = _array(value, number, name)
    if number == NUMBERS["bfloat16"] and value.dtype == np.uint16:  # its bits, for want of a dtype
        return number, value.shape, np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    number = PLAIN.get(value.dtype, 0)
    flags = value.flags
    if number:
        return value if flags.c_contiguous and flags.aligned else np.array(value, order="C")
    number = number_of(value.dtype)
    if number == STRING:
        try:
            return _core.strings(value.reshape(-1).tolist(), value.shape)
        except TypeError:
            raise DtypeError(f"{name}: an array of objects has to hold str or bytes") from None
    if not value.dtype.isnative:
        return np.ascontiguousarray(value, value.dtype.newbyteorder("=")).reshape(value.shape)
    flat = np.ascontiguousarray(value).reshape(-1)
    return number, value.shape, pack(flat, BITS[number]) if number in BITS else flat.view(np.uint8)


def _array(value: Any, number: int, name: str) -> np.ndarray:
    """An array of Python's own numbers, in the input's dtype where that holds them as well."""
    if hasattr(value, "__array__") or isinstance(value, (memoryview, bytes, bytearray)) or hasattr(value, "typecode"):
        return np.asarray(value)
    array = np.asarray(value, object) if number == STRING else np.asarray(value)
    if array.dtype.kind not in "biufc" or number in (0, STRING):
        return array
    wanted = numpy_dtype(number)
    fits = np.can_cast(array.dtype, wanted, "same_kind") or wanted.kind == "V" or not array.size
    cast = array.astype(wanted) if fits or array.dtype.kind == "i" and wanted.kind == "u" else None
    if cast is None or wanted.kind in "iu" and not np.array_equal(cast, array):
        raise DtypeError(f"input {name} is {NAMES[number]}, which does not hold these numbers ({array.dtype})")
    return cast
