"""tessera: inference of ONNX models, and an upscaler of pictures, with NumPy arrays.

    session = tessera.Session("model.onnx")
    y = session.run({"x": x})["y"]

    large = tessera.upscale(small)

``tessera.pictures`` reads and writes files of pictures, where libtessera_pictures is installed.
``tessera.onnxruntime`` has the names of ONNX Runtime's own module; ``tessera.backend`` is a backend for ONNX's tests.
"""

from ._buffer import Buffer
from ._core import Cancel
from ._core import version as __version__
from ._errors import (Cancelled, DeadlineExceeded, DeviceError, DtypeError, Error, FileError, InternalError, ModelError,
                      OutOfMemory, ShapeError, UnsupportedError, UsageError)
from ._operators import Node, TensorType
from ._session import Device, Memory, ModelInfo, Operator, Port, Session, Step, Type, devices
from ._upscale import Finding, Forecast, Report, Upscaler, upscale
from ._values import Tensor, from_dlpack

__all__ = [
    "Buffer", "Cancel", "Cancelled", "DeadlineExceeded", "Device", "DeviceError", "DtypeError", "Error", "FileError", "Finding",
    "Forecast", "InternalError", "Memory", "ModelError", "ModelInfo", "Node", "Operator", "OutOfMemory", "Port", "Report",
    "Session", "ShapeError", "Step", "Tensor", "TensorType", "Type", "UnsupportedError", "Upscaler", "UsageError", "devices", "from_dlpack",
    "upscale"
]
