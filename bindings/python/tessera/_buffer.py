"""Tensors that stay where they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _core
from ._dtypes import NAMES, number_of
from ._errors import UnsupportedError, UsageError
from ._values import Tensor, dense


class Buffer:
    """A tensor in the memory of one device ("vulkan:0"), or of the host ("cpu"), for :meth:`Session.run_buffers`.

    What one session leaves in a device's buffer, another one on that device takes from there: nothing crosses the bus
    between them. A buffer may outlive the sessions that used it. What it holds is not defined until it is written.
    ``exported=True``: other programs may get its memory by :meth:`descriptor`.
    """

    __slots__ = ("_core", )

    def __init__(self, device: str, dtype: Any, shape: Sequence[int], *, exported: bool = False):
        self._core = _core.Buffer(device, number_of(dtype), list(shape), -1, exported)

    @classmethod
    def around(cls, array: Any, *, written: bool = False) -> Buffer:
        """The memory of an array that lies row-major, or of whatever has ``__dlpack__`` in the CPU's memory. ``written``:
        runs write it."""
        made = cls.__new__(cls)
        given = dense(array, 0, "the array")
        if isinstance(array, np.ndarray) and not array.flags.c_contiguous:
            raise UsageError("a buffer is around an array that lies row-major")
        if isinstance(given, tuple) and given[2].nbytes != array.nbytes:
            raise UnsupportedError("elements of 4 and 2 bits are packed: make a buffer of the host's, and write it")
        made._core = _core.around(given, written)
        return made

    @classmethod
    def imported(cls, device: str, dtype: Any, shape: Sequence[int], descriptor: int) -> Buffer:
        """The memory of another program's buffer of the same dtype and shape. The descriptor stays the caller's."""
        if descriptor < 0:
            raise UsageError(f"{descriptor} is no file descriptor")
        made = cls.__new__(cls)
        made._core = _core.Buffer(device, number_of(dtype), list(shape), descriptor, False)
        return made

    def write(self, array: Any) -> None:
        """All of it, from an array or whatever has ``__dlpack__``."""
        self._core.write(dense(array, self._core.facts()["number"], "the buffer"))

    def read(self, *, tensor: bool = False) -> Any:
        """A copy as an array; ``tensor=True``: as a :class:`Tensor`, which hands it on by DLPack."""
        made = Tensor(self._core.read())
        return made if tensor else made.numpy()

    def descriptor(self) -> int:
        """A new file descriptor of its memory (Vulkan's opaque kind), the caller's to close."""
        return self._core.descriptor()

    @property
    def device(self) -> str:
        return self._core.facts()["device"]

    @property
    def dtype(self) -> str:
        return NAMES[self._core.facts()["number"]]

    @property
    def shape(self) -> tuple[int, ...]:
        return self._core.facts()["shape"]

    @property
    def uploaded(self) -> int:
        """Bytes that went to its device: by :meth:`write`, and by runs in which the host computes with it."""
        return self._core.facts()["uploaded"]

    @property
    def downloaded(self) -> int:
        """Bytes that came back."""
        return self._core.facts()["downloaded"]

    def __repr__(self) -> str:
        return f"<tessera.Buffer {self.dtype}{list(self.shape)} on {self.device}>"
