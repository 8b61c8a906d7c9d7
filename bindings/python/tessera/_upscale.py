"""Pictures through upscalers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._dtypes import NAMES
from ._errors import ShapeError
from ._session import fixed_pairs, source_of


class Finding(NamedTuple):
    """Something that was found out of a model, and how."""

    what: str
    value: str
    evidence: str


class Forecast(NamedTuple):
    """What a picture would take."""

    windows: int
    window_width: int
    window_height: int
    run_bytes: int
    weight_bytes: int
    seconds: float


class Report(NamedTuple):
    """How a picture was made."""

    windows: int
    window_width: int
    window_height: int
    model_seconds: float
    seam: float
    notes: list[str]
    model: str


class Upscaler:
    """An ONNX upscaler, for pictures of any size.

    ``model``: a path, bytes, an ``onnx.ModelProto``; None: those that are part of tessera, of which each picture gets the
    one for what it shows and for how much larger its result is (``report.model``). How the model wants its
    pictures is found out. ``device``: as a Session's, or a list of several that share the work. ``tile``, ``overlap``
    and ``memory``: windows; 0: found. ``tta=True``: the mean over 8 turned and mirrored versions. ``smooth_alpha``:
    transparency by a filter. ``range``, ``range_out``, ``order``: the model's numbers for black and white ("0:255") and
    the order of its channels ("rgb", "bgr"), where they are not to be found out. ``output``: which output is the picture,
    where the model has several. ``copy_files``: as a Session's.

    It may be used by many threads at once.
    """

    def __init__(self, model: Any = None, *, device: str | Sequence[str] = "auto", precision: str = "fp32",
                 threads: int = 0, fixed: Mapping[str, float | Sequence[float]] | None = None, tile: int = 0, overlap: int = 0,
                 memory: int = 0, tta: bool = False, smooth_alpha: bool = False, range: str | None = None,
                 range_out: str | None = None, order: str | None = None, output: str | None = None,
                 name: str | None = None, copy_files: bool = False):
        joined = device if isinstance(device, str) else ",".join(device)
        self._core = _core.Upscaler(source_of(model), joined, precision, threads, fixed_pairs(fixed), tile,
                                    overlap, memory, tta, smooth_alpha, range, range_out, order, output, name, copy_files)
        #: How the last picture was made.
        self.report: Report | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What was found out of the model: scale, channels, range, sizes, reach, devices, notes ..."""
        facts = self._core.facts()
        facts["dtype"] = NAMES[facts["dtype"]]
        return facts

    @property
    def scale(self) -> int:
        """How often larger its result is."""
        return self._core.facts()["scale"]

    def explain(self) -> list[Finding]:
        """All that was found out of the model, and how."""
        return [Finding(*found) for found in self._core.explain()]

    def forecast(self, width: int, height: int, channels: int = 3) -> Forecast:
        """What a picture of this size would take."""
        return Forecast(**self._core.forecast(width, height, channels))

    def upscale(self, picture: Any, *, size: tuple[int, int] | None = None,
                part: tuple[int, int, int, int] | None = None, dtype: Any = None, out: np.ndarray | None = None,
                light: bool = False, progress: Callable[[float], Any] | None = None,
                cancel: _core.Cancel | None = None) -> np.ndarray:
        """Upscales a picture: [height, width] or [height, width, channels] of 1 to 4 channels (gray, gray and alpha,
        RGB, RGBA), uint8, uint16, or float32 in 0..1, of any strides; or whatever NumPy makes such an array of.

        ``size``: (width, height) of the whole result; None: the picture's times the model's scale. ``part``: (x, y,
        width, height) of the whole result that is wanted alone, to the same bits. ``dtype``: of the result; None: the
        picture's. ``out``: an array that it is written into. ``light=True``: float32
        is proportional to light, not gamma-coded, and may be brighter than white, 1. ``progress(done)`` is called with
        0..1, from other threads; what it raises ends the work.
        """
        source = np.asarray(picture)
        if source.ndim not in (2, 3):
            raise ShapeError(f"a picture is [height, width] or [height, width, channels], not {list(source.shape)}")
        if source.dtype == np.bool_:
            source = source.astype(np.uint8) * 255
        if not source.dtype.isnative:
            source = source.astype(source.dtype.newbyteorder("="))
        facts = self._core.facts()
        height, width = source.shape[:2]
        whole = size or (width * facts["scale"], height * facts["scale"])
        x, y, result_width, result_height = part or (0, 0, *whole)
        channels = source.shape[2] if source.ndim == 3 else 1
        if facts["channels"] == 1 and facts["out_channels"] == 3 and channels <= 2:
            channels += 2  # such a model gives colors to gray
        shape = (result_height, result_width, channels)
        if source.ndim == 2 and channels == 1:
            shape = shape[:2]
        result = np.empty(shape, dtype or source.dtype) if out is None else out
        if result.shape != shape:
            raise ShapeError(f"the result is {list(shape)}, out is {list(result.shape)}")
        self.report = Report(**self._core.upscale(source, result, *whole, x, y, light, cancel, progress))
        return result

    def close(self) -> None:
        """Gives back what it holds; work that is under way ends first."""
        self._core.close()

    def __enter__(self) -> Upscaler:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._core.closed:
            return "<tessera.Upscaler, closed>"
        facts = self._core.facts()
        return f"<tessera.Upscaler {facts['name']} x{facts['scale']} on {', '.join(facts['devices'])}>"


_last: tuple[Any, Upscaler] | None = None
_last_lock = threading.Lock()


def _upscaler_of(model: Any, options: dict[str, Any]) -> Upscaler:
    """The upscaler that was opened last, if it is the same again."""
    global _last
    if model is not None and not isinstance(model, (str, os.PathLike)):
        return Upscaler(model, **options)
    stamp = None
    if model is not None:
        path = os.fsdecode(model)
        known = os.stat(path) if os.path.exists(path) else None
        stamp = (os.path.abspath(path), known and (known.st_mtime_ns, known.st_size, known.st_ino))
    key = (stamp, sorted((name, repr(value)) for name, value in options.items()))
    with _last_lock:
        if _last is None or _last[0] != key:
            _last = None
            _last = (key, Upscaler(model, **options))
        return _last[1]


def upscale(picture: Any, model: Any = None, *, size: tuple[int, int] | None = None,
            part: tuple[int, int, int, int] | None = None, dtype: Any = None, out: np.ndarray | None = None,
            light: bool = False, progress: Callable[[float], Any] | None = None, cancel: _core.Cancel | None = None,
            **options: Any) -> np.ndarray:
    """Upscales a picture: see :meth:`Upscaler.upscale`. ``model`` and ``options`` are :class:`Upscaler`'s; the one of a
    file that was opened last is kept for the next picture::

        large = tessera.upscale(small, model="model.onnx")
    """
    if isinstance(model, Upscaler):
        upscaler = model
    else:
        upscaler = _upscaler_of(model, options)
    return upscaler.upscale(picture, size=size, part=part, dtype=dtype, out=out, light=light, progress=progress,
                            cancel=cancel)
