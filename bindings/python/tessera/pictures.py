"""Files of pictures as NumPy arrays, through libtessera_pictures, and ONNX's ImageDecoder::

    photo = tessera.pictures.read("photo.jpg")
    tessera.pictures.write("large.png", tessera.upscale(photo), like="photo.jpg")
    session = tessera.Session("model.onnx", operators=[tessera.pictures.ImageDecoder])
"""

from __future__ import annotations

import ctypes
import functools
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import _errors
from ._dtypes import NAMES, NUMBERS
from ._errors import FileError, ShapeError, UnsupportedError, UsageError
from ._operators import Node

_NAME = "libtessera_pictures.so.0"
_CODES = (None, "usage", "file", "model", "unsupported", "shape", "type", "memory", "device", "cancelled", "internal",
          "deadline")
_size, _text, _long, _int, _pointer, _real = (ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int,
                                              ctypes.c_void_p, ctypes.c_double)


def _struct(name: str, /, **members: Any) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure, ), {"_fields_": [("struct_size", _size), *members.items()]})


# As include/tessera/pictures.h has them.
_Rows = _struct("_Rows", width=_long, height=_long, channels=_int, dtype=_int, data=_pointer, row_stride=_long,
                pixel_stride=_long, channel_stride=_long, light=_int)
_ReaderOptions = _struct("_ReaderOptions", most_pixels=_long, as_stored=_int, name=_text)
_Facts = _struct("_Facts", format=_text, width=_long, height=_long, channels=_int, dtype=_int, light=_int,
                 orientation=_int, density_x=_real, density_y=_real, icc=_pointer, icc_bytes=_size, exif=_pointer,
                 exif_bytes=_size, xmp=_pointer, xmp_bytes=_size, iptc=_pointer, iptc_bytes=_size, text_count=_size,
                 held_bytes=_long)
_WriterOptions = _struct("_WriterOptions", width=_long, height=_long, channels=_int, dtype=_int, light=_int,
                         format=_text, quality=_int, lossless=_int, dither=_int, threads=_int, like=_pointer,
                         icc=_text, icc_bytes=_size, density_x=_real, density_y=_real, texts=_pointer, text_count=_size)


class _Text(ctypes.Structure):
    _fields_ = [("key", _text), ("text", _text)]


@functools.cache
def _library() -> ctypes.CDLL:
    """Beside this module's own prefix, else where the system looks."""
    places = [place for parent in list(pathlib.Path(__file__).resolve().parents)[1:6]
              for pattern in (_NAME, f"lib/{_NAME}", f"lib/*/{_NAME}") for place in sorted(parent.glob(pattern))]
    try:
        library = ctypes.CDLL(str(places[0]) if places else _NAME)
    except OSError as error:
        raise UnsupportedError(f"files of pictures need {_NAME}, which comes with tessera's command: {error}") from None
    for name in ("tessera_status_text", "tessera_picture_reader_text", "tessera_picture_reader_note",
                 "tessera_picture_writer_note"):
        getattr(library, name).restype = _text
    for name in ("reader_open", "reader_open_memory", "reader_ask", "reader_read", "writer_create",
                 "writer_create_memory", "writer_write", "writer_finish", "writer_bytes"):
        getattr(library, f"tessera_picture_{name}").restype = _pointer
    return library


def _check(status: int | None) -> None:
    if not status:
        return
    handle, library = _pointer(status), _library()
    kind, text = _CODES[library.tessera_status_code(handle)], os.fsdecode(library.tessera_status_text(handle))
    library.tessera_status_free(handle)
    raise next(error for error in vars(_errors).values() if getattr(error, "kind", None) == kind)(text)


def _new(struct: type[ctypes.Structure], /, **members: Any) -> Any:
    return struct(struct_size=ctypes.sizeof(struct), **members)


def _rows_of(array: np.ndarray, light: bool) -> Any:
    if array.dtype.name not in ("uint8", "uint16", "float32") or not array.dtype.isnative:
        raise _errors.DtypeError(f"a picture has samples of uint8, uint16 or float32, not {array.dtype}")
    strides = array.strides
    return _new(_Rows, height=array.shape[0], width=array.shape[1], channels=array.shape[2] if array.ndim == 3 else 1,
                dtype=NUMBERS[array.dtype.name], data=array.ctypes.data, row_stride=strides[0], pixel_stride=strides[1],
                channel_stride=strides[2] if array.ndim == 3 else 0, light=light)


class _Reader:
    def __init__(self, source: Any, as_stored: bool, most_pixels: int):
        options, self.handle, library = _new(_ReaderOptions, as_stored=as_stored, most_pixels=most_pixels), _pointer(), _library()
        if isinstance(source, (str, os.PathLike)):
            _check(library.tessera_picture_reader_open(os.fsencode(source), ctypes.byref(options), ctypes.byref(self.handle)))
        else:
            self.bytes = bytes(source)
            _check(library.tessera_picture_reader_open_memory(self.bytes, _size(len(self.bytes)), ctypes.byref(options),
                                                              ctypes.byref(self.handle)))

    def facts(self) -> Any:
        facts = _new(_Facts)
        _check(_library().tessera_picture_reader_ask(self.handle, ctypes.byref(facts)))
        return facts

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: Any) -> None:
        _library().tessera_picture_reader_free(self.handle)


def facts(source: str | os.PathLike | bytes, *, as_stored: bool = False, most_pixels: int = 0) -> dict[str, Any]:
    """What a file says of its picture: format, size, channels, dtype, profile, texts ... ``source``: a path, or the bytes
    of a file."""
    with _Reader(source, as_stored, most_pixels) as reader:
        told = reader.facts()
        found: dict[str, Any] = {name: getattr(told, name) for name in ("width", "height", "channels", "orientation")}
        found |= {"format": told.format.decode(), "dtype": NAMES[told.dtype], "light": bool(told.light),
                  "density": (told.density_x, told.density_y) if told.density_x else None}
        for name in ("icc", "exif", "xmp", "iptc"):
            found[name] = ctypes.string_at(getattr(told, name) or 0, getattr(told, f"{name}_bytes"))
        key = _text()
        texts = [(_library().tessera_picture_reader_text(reader.handle, _size(i), ctypes.byref(key)), key.value)
                 for i in range(told.text_count)]
        found["texts"] = {name.decode(): text.decode() for text, name in texts}
        return found


def read(source: str | os.PathLike | bytes, *, as_stored: bool = False, most_pixels: int = 0) -> np.ndarray:
    """A picture, [height, width, channels] of 1 to 4 channels, in the file's own samples: uint8, uint16, or float32
    that is proportional to light. It is upright unless ``as_stored=True``. ``most_pixels``: what declares more is
    refused (0: 268435456)."""
    with _Reader(source, as_stored, most_pixels) as reader:
        told = reader.facts()
        picture = np.empty((told.height, told.width, told.channels), NAMES[told.dtype])
        rows = _rows_of(picture, bool(told.light))
        _check(_library().tessera_picture_reader_read(reader.handle, ctypes.byref(rows)))
        return picture


def _write(path: bytes | None, picture: Any, light: bool, like: Any, texts: Mapping[str, str] | None,
           density: tuple[float, float] | None, icc: bytes | None, **members: Any) -> tuple[list[str], bytes]:
    array, library = np.asarray(picture), _library()
    if array.ndim not in (2, 3):
        raise ShapeError(f"a picture is [height, width] or [height, width, channels], not {list(array.shape)}")
    rows = _rows_of(array, light)
    words = [_Text(key.encode(), text.encode()) for key, text in (texts or {}).items()]
    listed = (_Text * len(words))(*words)
    options = _new(_WriterOptions, width=rows.width, height=rows.height, channels=rows.channels, dtype=rows.dtype,
                   light=light, icc=icc, icc_bytes=len(icc or b""), density_x=(density or (0, 0))[0],
                   density_y=(density or (0, 0))[1], texts=ctypes.cast(listed, _pointer), text_count=len(words), **members)
    writer, reader = _pointer(), None
    try:
        if like is not None:
            reader = _Reader(like, False, 0)
            options.like = reader.handle
        if path is None:
            _check(library.tessera_picture_writer_create_memory(ctypes.byref(options), ctypes.byref(writer)))
        else:
            _check(library.tessera_picture_writer_create(path, ctypes.byref(options), ctypes.byref(writer)))
        _check(library.tessera_picture_writer_write(writer, ctypes.byref(rows)))
        _check(library.tessera_picture_writer_finish(writer))
        notes = []
        while note := library.tessera_picture_writer_note(writer, _size(len(notes))):
            notes.append(note.decode())
        data, size = _pointer(), _size()
        if path is None:
            _check(library.tessera_picture_writer_bytes(writer, ctypes.byref(data), ctypes.byref(size)))
        return notes, ctypes.string_at(data.value or 0, size.value)
    finally:
        library.tessera_picture_writer_free(writer)
        if reader:
            reader.__exit__()


def write(path: str | os.PathLike, picture: Any, *, format: str | None = None, quality: int = 0, lossless: bool = False,
          dither: bool = False, light: bool = False, like: Any = None, icc: bytes | None = None,
          density: tuple[float, float] | None = None, texts: Mapping[str, str] | None = None, threads: int = 0) -> list[str]:
    """Writes a picture, whole or not at all, and gives what the format could not hold of it. ``format``: by the path's
    ending. ``quality``: 1 to 100 (0: the format's own). ``like``: a path or the bytes of a file that says what is to be
    said beside the pixels: profile, EXIF, density (pixels per metre), texts."""
    return _write(os.fsencode(path), picture, light, like, texts, density, icc, format=format.encode() if format else None,
                  quality=quality, lossless=lossless, dither=dither, threads=threads)[0]


def encode(picture: Any, format: str, *, quality: int = 0, lossless: bool = False, dither: bool = False,
           light: bool = False, like: Any = None, icc: bytes | None = None, density: tuple[float, float] | None = None,
           texts: Mapping[str, str] | None = None, threads: int = 0) -> bytes:
    """The bytes of a file: as :func:`write` otherwise."""
    return _write(None, picture, light, like, texts, density, icc, format=format.encode(), quality=quality,
                  lossless=lossless, dither=dither, threads=threads)[1]


class ImageDecoder:
    """ONNX's operator, for ``Session(operators=[ImageDecoder])``: what is no picture becomes an empty matrix."""

    domain, name, version = "", "ImageDecoder", 20
    inputs = outputs = 1
    types = "uint8 -> uint8"

    def __init__(self, node: Node):
        self.pixels = node.attributes.get("pixel_format", "RGB")
        if self.pixels not in ("RGB", "BGR", "Grayscale"):
            raise UsageError(f'pixel_format "{self.pixels}": RGB, BGR and Grayscale are known')

    def run(self, file: np.ndarray) -> np.ndarray:
        try:
            picture = read(file.tobytes(), as_stored=True)
        except FileError:
            return np.zeros((0, 0, 1 if self.pixels == "Grayscale" else 3), np.uint8)
        if picture.dtype == np.uint16:
            picture = ((picture.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
        elif picture.dtype == np.float32:  # light
            light = np.clip(np.nan_to_num(picture), 0, 1)
            coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light**(1 / 2.4) - 0.055)
            picture = (coded * 255 + 0.5).astype(np.uint8)
        colors = picture[:, :, :3] if picture.shape[2] > 2 else picture[:, :, :1]
        if self.pixels == "Grayscale":
            luma = colors @ np.array([0.299, 0.587, 0.114]) if colors.shape[2] == 3 else colors[:, :, 0]
            return (luma + 0.5).astype(np.uint8)[:, :, None]
        colors = np.broadcast_to(colors, (*colors.shape[:2], 3))
        return np.ascontiguousarray(colors[:, :, ::-1] if self.pixels == "BGR" else colors)
