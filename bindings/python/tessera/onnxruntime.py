"""The names and signatures of ONNX Runtime's Python module, with tessera behind them.

    import tessera.onnxruntime as ort
    session = ort.InferenceSession("model.onnx")
    outputs = session.run(None, {"x": x})

What tessera lacks raises NotImplemented and says what. Providers that are not there are warned of and left out, as
ONNX Runtime does. Nothing is logged, so severities change nothing.
"""

from __future__ import annotations

import ctypes
import enum
import json
import os
import threading
import time
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import _errors
from ._core import Cancel
from ._dtypes import BITS, NAMES, NUMBERS, numpy_dtype, number_of
from ._session import ModelInfo, Port, Session, Type, devices
from ._values import Tensor, from_dlpack, told
from .pictures import ImageDecoder

#: The version of ONNX Runtime whose interface this follows.
__version__ = "1.30.0"


class Fail(Exception):
    """All that has no name of its own."""


class InvalidArgument(Fail):
    pass


class NoSuchFile(Fail):
    pass


class NoModel(Fail):
    pass


class EngineError(Fail):
    pass


class RuntimeException(Fail):
    pass


class InvalidProtobuf(Fail):
    pass


class ModelLoaded(Fail):
    pass


class NotImplemented(Fail):  # noqa: A001: ONNX Runtime's own name
    pass


class InvalidGraph(Fail):
    pass


class EPFail(Fail):
    pass


class _Malformed(InvalidProtobuf, InvalidGraph):
    """A file that is no model: one error in tessera, two in ONNX Runtime."""


OrtInvalidArgument = InvalidArgument
_exceptions = (Fail, InvalidArgument, NoSuchFile, NoModel, EngineError, RuntimeException, InvalidProtobuf, ModelLoaded,
               NotImplemented, InvalidGraph, EPFail)
#: Where scripts find the exceptions.
capi = types.SimpleNamespace(
    onnxruntime_pybind11_state=types.SimpleNamespace(**{kind.__name__: kind for kind in _exceptions}))

_classes = {"usage": InvalidArgument, "file": NoSuchFile, "model": _Malformed, "unsupported": NotImplemented,
            "shape": InvalidArgument, "type": InvalidArgument, "memory": RuntimeException, "device": EPFail,
            "cancelled": Fail, "deadline": Fail, "internal": RuntimeException}


class _Translated:
    """Errors of tessera's leave as ONNX Runtime's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, _errors.Error):
            raise _classes[error.kind](str(error)) from error


def _lacks(what: str) -> None:
    raise NotImplemented(f"tessera has no {what}")


class GraphOptimizationLevel(enum.IntEnum):
    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class ExecutionOrder(enum.IntEnum):
    DEFAULT = 0
    PRIORITY_BASED = 1
    MEMORY_EFFICIENT = 2


class OrtAllocatorType(enum.IntEnum):
    INVALID = -1
    ORT_DEVICE_ALLOCATOR = 0
    ORT_ARENA_ALLOCATOR = 1


class OrtMemType(enum.IntEnum):
    CPU_INPUT = -2
    CPU_OUTPUT = -1
    DEFAULT = 0


class SessionOptions:
    """Threads, optimization and the dimensions that are fixed count; what else there is, is kept."""

    def __init__(self) -> None:
        self.intra_op_num_threads = 0
        self.inter_op_num_threads = 0
        self.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
        self.execution_mode = ExecutionMode.ORT_SEQUENTIAL
        self.execution_order = ExecutionOrder.DEFAULT
        self.enable_profiling = False
        self.profile_file_prefix = "onnxruntime_profile_"
        self.optimized_model_filepath = ""
        self.log_severity_level = -1
        self.log_verbosity_level = 0
        self.logid = ""
        self.enable_mem_pattern = True
        self.enable_mem_reuse = True
        self.enable_cpu_mem_arena = True
        self.use_deterministic_compute = False
        self._config: dict[str, str] = {}
        self._extents: dict[str, int] = {}
        self._operators: tuple[type, ...] = ()

    def add_session_config_entry(self, key: str, value: str) -> None:
        self._config[key] = value

    def get_session_config_entry(self, key: str) -> str:
        if key not in self._config:
            raise RuntimeException(f"SessionOptions does not have configuration with key: {key}")
        return self._config[key]

    def add_free_dimension_override_by_name(self, name: str, extent: int) -> None:
        self._extents[name] = extent

    def add_free_dimension_override_by_denotation(self, denotation: str, extent: int) -> None:
        _lacks("dimensions by denotation")

    def add_initializer(self, name: str, value: OrtValue) -> None:
        _lacks("SessionOptions.add_initializer")

    def add_external_initializers(self, names: Sequence[str], values: Sequence[OrtValue]) -> None:
        _lacks("SessionOptions.add_external_initializers")

    def register_custom_ops_library(self, path: str) -> None:
        """The library of picture files brings ImageDecoder; others are in no language that Python speaks."""
        if not os.path.basename(path).startswith("libtessera_pictures."):
            _lacks("SessionOptions.register_custom_ops_library")
        self._operators = (ImageDecoder, )


class RunOptions:
    """`terminate = True`, by any thread, ends the runs that have these options."""

    def __init__(self) -> None:
        self.log_severity_level = -1
        self.log_verbosity_level = 0
        self.logid = ""
        self.only_execute_path_to_fetches = False
        self.training_mode = False
        self._config: dict[str, str] = {}
        self._cancel = Cancel()

    @property
    def terminate(self) -> bool:
        return self._cancel.requested

    @terminate.setter
    def terminate(self, wish: bool) -> None:
        if wish:
            self._cancel.cancel()
        elif self._cancel.requested:
            self._cancel = Cancel()

    def add_run_config_entry(self, key: str, value: str) -> None:
        self._config[key] = value

    def get_run_config_entry(self, key: str) -> str:
        return self._config[key]


_type_names = {"float32": "float", "float64": "double"}


def _type_name(kind: Type | None) -> str:
    """ONNX Runtime's: "tensor(float)", "seq(map(int64,tensor(float)))"."""
    if kind is None:
        return "unknown"
    dtype = _type_names.get(kind.dtype, kind.dtype).replace("_", "")
    if kind.kind == "tensor":
        return f"tensor({dtype})"
    if kind.kind == "map":
        return f"map({dtype},{_type_name(kind.item)})"
    return f"{ {'sequence': 'seq'}.get(kind.kind, kind.kind)}({_type_name(kind.item)})"


class NodeArg:
    """An input or output: name, type, shape."""

    def __init__(self, port: Port, extents: Mapping[str, int]):
        self.name = port.name
        self.type = _type_name(port.type)
        self.shape = [extents.get(extent, extent) if isinstance(extent, str) else extent for extent in port.shape or ()]

    def __repr__(self) -> str:
        return f"NodeArg(name='{self.name}', type='{self.type}', shape={self.shape})"


class ModelMetadata:
    """What a model says of itself."""

    def __init__(self, model: ModelInfo):
        self.producer_name = model.producer_name
        self.graph_name = model.graph_name
        self.description = model.description
        self.graph_description = model.graph_description
        self.domain = model.domain
        self.version = model.version
        self.custom_metadata_map = model.metadata


class OrtDevice:
    """A place for values: the CPU's memory alone."""

    def __init__(self, device_type: str = "cpu", device_id: int = 0):
        _check_device(device_type)
        self._id = device_id

    @staticmethod
    def make(device_type: str, device_id: int = 0) -> OrtDevice:
        return OrtDevice(device_type, device_id)

    def device_type(self) -> str:
        return "cpu"

    def device_id(self) -> int:
        return self._id


def _check_device(name: str) -> None:
    if name.lower() not in ("cpu", "cuda_pinned"):
        _lacks(f"values in the memory of {name}: they are in the CPU's")


class OrtValue:
    """A value of any kind in the CPU's memory."""

    def __init__(self, value: Any):
        self._value = value

    @staticmethod
    def ortvalue_from_numpy(array: np.ndarray, device_type: str = "cpu", device_id: int = 0,
                            vendor_id: int = -1) -> OrtValue:
        _check_device(device_type)
        return OrtValue(np.asarray(array))

    @staticmethod
    def ortvalue_from_numpy_with_onnx_type(array: np.ndarray, onnx_element_type: int) -> OrtValue:
        return OrtValue(np.asarray(array).view(numpy_dtype(onnx_element_type)))

    @staticmethod
    def ortvalue_from_shape_and_type(shape: Sequence[int], element_type: Any = np.float32, device_type: str = "cpu",
                                     device_id: int = 0, vendor_id: int = -1) -> OrtValue:
        _check_device(device_type)
        return OrtValue(np.zeros(shape, _element_dtype(element_type)))

    @staticmethod
    def ort_value_from_sparse_tensor(tensor: Any) -> OrtValue:
        return _lacks("sparse tensors")

    @staticmethod
    def from_dlpack(array: Any, is_bool_tensor: bool = False) -> OrtValue:
        return OrtValue(from_dlpack(array).numpy())

    def __dlpack__(self, **options: Any) -> Any:
        return self._value.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    to_dlpack = __dlpack__

    def numpy(self) -> Any:
        return self._value

    def shape(self) -> list[int]:
        return list(self._value.shape)

    def element_type(self) -> int:
        return number_of(self._value.dtype)

    def data_type(self) -> str:
        if isinstance(self._value, list):
            item = OrtValue(self._value[0]).data_type() if self._value else "tensor(float)"
            return f"seq({item})"
        return _type_name(Type("tensor", NAMES[self.element_type()], None))

    def data_ptr(self) -> int:
        return self._value.ctypes.data

    def device_name(self) -> str:
        return "cpu"

    def tensor_size_in_bytes(self) -> int:
        return self._value.nbytes

    def is_tensor(self) -> bool:
        return isinstance(self._value, np.ndarray)

    def is_tensor_sequence(self) -> bool:
        return isinstance(self._value, list)

    def is_sparse_tensor(self) -> bool:
        return False

    def has_value(self) -> bool:
        return self._value is not None

    def update_inplace(self, array: np.ndarray) -> None:
        self._value[...] = array


def _element_dtype(element_type: Any) -> np.dtype:
    return numpy_dtype(element_type) if isinstance(element_type, int) else np.dtype(element_type)


class IOBinding:
    """Inputs and outputs of a session that are set once and run many times."""

    def __init__(self, session: InferenceSession):
        self._session = session
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, np.ndarray | None] = {}
        self._results: list[OrtValue] = []

    def bind_cpu_input(self, name: str, array: Any) -> None:
        self._inputs[name] = array

    def bind_input(self, name: str, device_type: str, device_id: int, element_type: Any, shape: Sequence[int],
                   buffer_ptr: int) -> None:
        _check_device(device_type)
        self._inputs[name] = _around(buffer_ptr, element_type, shape)

    def bind_ortvalue_input(self, name: str, value: OrtValue) -> None:
        self._inputs[name] = value._value

    def bind_output(self, name: str, device_type: str = "cpu", device_id: int = 0, element_type: Any = None,
                    shape: Sequence[int] | None = None, buffer_ptr: int | None = None) -> None:
        _check_device(device_type)
        self._outputs[name] = None if buffer_ptr is None else _around(buffer_ptr, element_type, shape or ())

    def bind_ortvalue_output(self, name: str, value: OrtValue) -> None:
        self._outputs[name] = value._value

    def synchronize_inputs(self) -> None:
        """Nothing is under way behind a call."""

    synchronize_outputs = synchronize_inputs

    def get_outputs(self) -> list[OrtValue]:
        return list(self._results)

    get_outputs_as_ortvaluevector = get_outputs

    def copy_outputs_to_cpu(self) -> list[Any]:
        return [value.numpy() for value in self._results]

    def clear_binding_inputs(self) -> None:
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        self._outputs.clear()

    def _run(self, options: RunOptions | None) -> None:
        names = list(self._outputs)
        places = [self._outputs[name] for name in names]
        model = self._session._session
        with _Translated():
            if places and all(place is not None for place in places) and set(names) == {p.name for p in model.outputs}:
                results = model.run(self._inputs, names, out=dict(zip(names, places)),
                                    cancel=options._cancel if options else None)
                self._results = [OrtValue(results[name]) for name in names]
                return
        results = self._session.run(names, self._inputs, options)
        for place, result in zip(places, results):
            if place is not None:
                if place.shape != result.shape or place.dtype != result.dtype:
                    raise InvalidArgument(f"an output is {result.dtype}{list(result.shape)}, what is bound to it is "
                                          f"{place.dtype}{list(place.shape)}")
                place[...] = result
        self._results = [OrtValue(result if place is None else place) for place, result in zip(places, results)]


def _around(address: int, element_type: Any, shape: Sequence[int]) -> np.ndarray:
    """An array in someone else's memory."""
    dtype = _element_dtype(element_type)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)


_CPU, _VULKAN = "CPUExecutionProvider", "VulkanExecutionProvider"


def get_all_providers() -> list[str]:
    return [_VULKAN, _CPU]


def get_available_providers() -> list[str]:
    """The CPU's, and Vulkan's where there is a GPU."""
    gpu = any(device.id != "cpu" and not device.software for device in devices())
    return [_VULKAN, _CPU] if gpu else [_CPU]


def _device_of(providers: Sequence[Any] | None, options: Sequence[Mapping[str, Any]] | None) -> tuple[str, dict[str, Any]]:
    """tessera's name of the first provider that is there, and its options."""
    if not providers:
        return "cpu", {}
    known = None
    for i, provider in enumerate(providers):
        name, given = provider if isinstance(provider, (tuple, list)) else (provider, (options or [{}] * (i + 1))[i])
        if name == _CPU:
            return "cpu", dict(given)
        if name == _VULKAN:
            return f"vulkan:{int(given.get('device_id', 0))}", dict(given)
        known = known or get_available_providers()
        warnings.warn(f"Specified provider '{name}' is not in available provider names."
                      f"Available providers: '{', '.join(known)}'", UserWarning, stacklevel=4)
    return "cpu", {}


class InferenceSession:
    """A model, by ONNX Runtime's words."""

    def __init__(self, path_or_bytes: Any, sess_options: SessionOptions | None = None,
                 providers: Sequence[Any] | None = None, provider_options: Sequence[Mapping[str, Any]] | None = None,
                 **kwargs: Any):
        if not isinstance(path_or_bytes, (str, os.PathLike, bytes)):
            raise TypeError(f"Unable to load from type '{type(path_or_bytes)}'")
        for name in set(kwargs) - {"disabled_optimizers", "read_config_from_model", "enable_fallback"}:
            raise TypeError(f"InferenceSession has no argument {name}")
        self._options = sess_options or SessionOptions()
        if self._options.optimized_model_filepath:
            _lacks("SessionOptions.optimized_model_filepath: what it prepares is not written to a file")
        self._source = path_or_bytes
        self._open(providers, provider_options)
        self._steps: list[dict[str, Any]] = []
        self._began = time.perf_counter_ns()

    def _open(self, providers: Sequence[Any] | None, provider_options: Sequence[Mapping[str, Any]] | None) -> None:
        device, self._provider_options = _device_of(providers, provider_options)
        with _Translated():
            self._session = Session(
                self._source, device=device, threads=max(self._options.intra_op_num_threads, 0),
                optimize=self._options.graph_optimization_level != GraphOptimizationLevel.ORT_DISABLE_ALL,
                operators=self._options._operators)
        self._providers = [_CPU] if self._session.device == "cpu" else [_VULKAN, _CPU]

    # --- Runs

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any],
            run_options: RunOptions | None = None) -> list[Any]:
        inputs = self._feed(input_feed)
        names = list(output_names) if output_names else [port.name for port in self._session.outputs]
        cancel = run_options._cancel if run_options else None
        with _Translated():
            if not self._options.enable_profiling:
                results = self._session.run(inputs, names, cancel=cancel)
                return [results[name] for name in names]
            places = [self._session._output_place(name) for name in names]
            made = self._session._core.run(self._session._in_order(inputs), cancel, None, self._note)
            return [told(made[place]) for place in places]

    def _feed(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        required = [port.name for port in self._session.inputs if not port.optional and port.kind != "optional"]
        missing = [name for name in required if name not in feed]
        if missing:
            raise ValueError(f"Required inputs ({missing}) are missing from input feed ({list(feed)}).")
        feed = {name: value._value if isinstance(value, OrtValue) else value for name, value in feed.items()}
        for port in self._session.inputs:  # an optional that is left out has no value
            if port.kind == "optional":
                feed.setdefault(port.name, None)
        return feed

    def run_async(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any],
                  callback: Callable[[Any, Any, str], Any], user_data: Any, run_options: RunOptions | None = None) -> None:
        def work() -> None:
            try:
                results, error = self.run(output_names, input_feed, run_options), ""
            except Exception as failure:
                results, error = [], str(failure) or type(failure).__name__
            callback(results, user_data, error)

        threading.Thread(target=work, daemon=True).start()

    def run_with_ort_values(self, output_names: Sequence[str] | None, input_dict_ort_values: Mapping[str, OrtValue],
                            run_options: RunOptions | None = None) -> list[OrtValue]:
        return [OrtValue(result) for result in self.run(output_names, input_dict_ort_values, run_options)]

    def io_binding(self) -> IOBinding:
        return IOBinding(self)

    def run_with_iobinding(self, iobinding: IOBinding, run_options: RunOptions | None = None) -> None:
        iobinding._run(run_options)

    # --- Questions

    def get_inputs(self) -> list[NodeArg]:
        return [NodeArg(port, self._options._extents) for port in self._session.inputs if not port.optional]

    def get_overridable_initializers(self) -> list[NodeArg]:
        return [NodeArg(port, self._options._extents) for port in self._session.inputs if port.optional]

    def get_outputs(self) -> list[NodeArg]:
        return [NodeArg(port, self._options._extents) for port in self._session.outputs]

    def get_modelmeta(self) -> ModelMetadata:
        return ModelMetadata(self._session.model)

    def get_session_options(self) -> SessionOptions:
        return self._options

    def get_providers(self) -> list[str]:
        return list(self._providers)

    def get_provider_options(self) -> dict[str, dict[str, Any]]:
        return {name: dict(self._provider_options) if i == 0 else {} for i, name in enumerate(self._providers)}

    def set_providers(self, providers: Sequence[Any] | None = None,
                      provider_options: Sequence[Mapping[str, Any]] | None = None) -> None:
        self._open(providers, provider_options)

    def disable_fallback(self) -> None:
        """No run is done again by another provider unless its device failed."""

    enable_fallback = disable_fallback

    # --- Profiles

    def _note(self, node: str, op: str, kernel: str, seconds: float) -> None:
        took = int(seconds * 1e6)
        now = (time.perf_counter_ns() - self._began) // 1000
        self._steps.append({"cat": "Node", "pid": os.getpid(), "tid": threading.get_native_id(), "dur": took,
                            "ts": max(now - took, 0), "ph": "X", "name": f"{node}_kernel_time",
                            "args": {"op_name": op, "kernel": kernel, "provider": self._providers[0]}})

    def get_profiling_start_time_ns(self) -> int:
        return self._began

    def end_profiling(self) -> str:
        """Writes the steps so far as a trace that browsers show; the file's name."""
        if not self._options.enable_profiling:
            return ""
        name = f"{self._options.profile_file_prefix}_{time.strftime('%Y-%m-%d_%H-%M-%S')}.json"
        with open(name, "w", encoding="utf-8") as file:
            json.dump(self._steps, file)
        return name


def get_device() -> str:
    return "GPU" if len(get_available_providers()) > 1 else "CPU"


def get_version_string() -> str:
    return __version__


def get_build_info() -> str:
    from . import __version__ as own
    return f"tessera {own} by the interface of ONNX Runtime {__version__}"


def set_default_logger_severity(severity: int) -> None:
    """Nothing is logged."""
    if severity not in range(5):
        raise RuntimeError(f"Invalid logging severity. Severity must be in range [0, 4]. Got {severity}")


def set_default_logger_verbosity(verbosity: int) -> None:
    """Nothing is logged."""


def set_seed(seed: int) -> None:
    _lacks("seed for all sessions: random operators take theirs from the model")


def enable_telemetry_events() -> None:
    """There is none."""


disable_telemetry_events = enable_telemetry_events


def __getattr__(name: str) -> Any:
    raise AttributeError(f"tessera.onnxruntime lacks {name}")
