"""tessera as a backend of ONNX's: prepare, run_model, run_node, supports_device. Needs the onnx package.

    import onnx.backend.test, tessera.backend
    globals().update(onnx.backend.test.BackendTest(tessera.backend, __name__).test_cases)
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx.backend.base
import onnx.helper

from ._dtypes import number_of
from ._session import Session, devices
from ._values import Tensor


class PreparedModel(onnx.backend.base.BackendRep):
    """A model that is ready to run."""

    def __init__(self, session: Session):
        self.session = session
        # ONNX's backends take inputs in the order in which the model declares them.
        self._names = [port.name for port in sorted(session.inputs, key=lambda port: port.place)]

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Inputs by name, in order, or one alone; the outputs in order."""
        if not isinstance(inputs, dict):
            given = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            inputs = dict(zip(self._names, given))
        return tuple(_array(one) for one in self.session.run(inputs, tensors=True).values())


def _array(value: Any) -> Any:
    """An array; where NumPy lacks bfloat16 the bits of its numbers, as onnx has them."""
    if isinstance(value, list):
        return [_array(item) for item in value]
    if not isinstance(value, Tensor):
        return value
    if value.dtype == "bfloat16" and importlib.util.find_spec("ml_dtypes") is None:
        return value.bytes().view(np.uint16).reshape(value.shape)
    return value.numpy()


class Backend(onnx.backend.base.Backend):
    """"CPU", or "VULKAN:0"; an empty device is chosen."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> PreparedModel:
        return PreparedModel(Session(model, device=device.lower() or "auto", **kwargs))

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node: onnx.NodeProto, inputs: Sequence[Any], device: str = "CPU", outputs_info: Any = None,
                 **kwargs: Any) -> tuple[Any, ...]:
        """A single operator on arrays."""
        arrays = [np.asarray(one) for one in inputs]
        names = [name for name in node.input if name]
        ports = [onnx.helper.make_tensor_value_info(name, number_of(array.dtype), array.shape)
                 for name, array in zip(names, arrays)]
        results = [onnx.ValueInfoProto(name=name) for name in node.output]
        graph = onnx.helper.make_graph([node], "node", ports, results)
        opset = kwargs.pop("opset_version", None) or onnx.defs.onnx_opset_version()
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(node.domain, opset)])
        return cls.run_model(model, dict(zip(names, arrays)), device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        known = {one.id.upper() for one in devices()}
        return device.upper() in known or device.upper() == "VULKAN" and len(known) > 1


is_compatible = Backend.is_compatible
prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node
supports_device = Backend.supports_device
