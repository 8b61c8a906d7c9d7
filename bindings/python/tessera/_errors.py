"""What fails, by kinds. All are tessera.Error, and the class of Python's own that fits."""

from __future__ import annotations


class Error(Exception):
    """A failure of tessera's. ``kind`` says of which kind, the text which file, node or input, and what to do."""

    kind = "internal"


class UsageError(Error, ValueError):
    """An argument that cannot be: a wrong count, an unknown device."""

    kind = "usage"


class FileError(Error, OSError):
    """A file cannot be opened or read."""

    kind = "file"


class ModelError(Error, ValueError):
    """The model is malformed, or breaks a limit."""

    kind = "model"


class UnsupportedError(Error, NotImplementedError):
    """It is well-formed, but needs what tessera does not have."""

    kind = "unsupported"


class ShapeError(Error, ValueError):
    """Shapes do not fit."""

    kind = "shape"


class DtypeError(Error, TypeError):
    """Data types do not fit."""

    kind = "type"


class OutOfMemory(Error, MemoryError):
    """There is no memory, or the limit in the options is reached."""

    kind = "memory"


class DeviceError(Error, RuntimeError):
    """A device is missing or failed."""

    kind = "device"


class Cancelled(Error):
    """Cancel.cancel() was called."""

    kind = "cancelled"


class DeadlineExceeded(Error, TimeoutError):
    """It took longer than the options allow."""

    kind = "deadline"


class InternalError(Error, RuntimeError):
    """A bug in tessera: please report it with the text."""


# In the order of tessera_code.
_classes = (InternalError, UsageError, FileError, ModelError, UnsupportedError, ShapeError, DtypeError, OutOfMemory,
            DeviceError, Cancelled, InternalError, DeadlineExceeded)


def error_of(code: int, text: str) -> Error:
    """The error of a tessera_code."""
    return _classes[code if 0 <= code < len(_classes) else 0](text)
