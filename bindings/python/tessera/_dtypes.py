"""Data types: ONNX's numbers, their names, and what NumPy calls them."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from ._errors import DtypeError, UsageError

#: ONNX's name of each number.
NAMES = {
    0: "undefined", 1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string",
    9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128",
    16: "bfloat16", 17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4",
    22: "int4", 23: "float4_e2m1fn", 24: "float8_e8m0fnu", 25: "uint2", 26: "int2"
}
NUMBERS = {name: number for number, name in NAMES.items()}
STRING = 8
#: Elements of fewer bits than a byte, packed: the first in the lowest bits.
BITS = {21: 4, 22: 4, 23: 4, 25: 2, 26: 2}
#: Those that Python's buffers can describe.
PLAIN = {np.dtype(NAMES[number]): number for number in (*range(1, 8), *range(9, 16))}
_plain_names = {number: dtype for dtype, number in PLAIN.items()}


def _of_ml_dtypes(number: int) -> np.dtype | None:
    if importlib.util.find_spec("ml_dtypes") is None:
        return None
    import ml_dtypes
    found = getattr(ml_dtypes, NAMES[number], None)
    return None if found is None else np.dtype(found)


def numpy_dtype(number: int) -> np.dtype:
    """NumPy's dtype of an ONNX number; of ml_dtypes where NumPy has none."""
    if number in _plain_names:
        return _plain_names[number]
    if number == STRING:
        return np.dtype(object)
    found = _of_ml_dtypes(number) if number in NAMES else None
    if found is None:
        raise DtypeError(f"NumPy has no {NAMES.get(number, number)}: install ml_dtypes, or ask for tensors=True, whose "
                         "bytes() and __dlpack__() need none")
    return found


def number_of(dtype: Any) -> int:
    """The ONNX number of a NumPy dtype, or of a name: "float32", "bfloat16", "string"."""
    if isinstance(dtype, str) and dtype in NUMBERS:
        return NUMBERS[dtype]
    try:
        dtype = np.dtype(dtype)
    except TypeError:
        raise UsageError(f"there is no dtype {dtype!r}") from None
    number = PLAIN.get(dtype.newbyteorder("=")) or NUMBERS.get(dtype.name, 0)
    if not number and dtype.kind in "OUST":
        number = STRING
    if not number:
        raise DtypeError(f"no tensor has elements of NumPy's {dtype}")
    return number


def pack(elements: np.ndarray, bits: int) -> np.ndarray:
    """Elements of one byte each, packed to `bits` bits, row-major."""
    per_byte = 8 // bits
    flat = elements.reshape(-1).view(np.uint8) & ((1 << bits) - 1)
    flat = np.pad(flat, (0, -flat.size % per_byte)).reshape(-1, per_byte)
    packed = np.zeros(len(flat), np.uint8)
    for place in range(per_byte):
        packed |= flat[:, place] << (bits * place)
    return packed


def unpack(packed: np.ndarray, bits: int, count: int, signed: bool) -> np.ndarray:
    """The opposite: one byte for each of `count` elements."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    flat = ((packed[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)[:count]
    return ((flat ^ (1 << (bits - 1))).astype(np.int16) - (1 << (bits - 1))).astype(np.int8) if signed else flat
