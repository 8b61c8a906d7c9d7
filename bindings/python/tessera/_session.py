"""Models: loaded, asked, run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._buffer import Buffer
from ._dtypes import NAMES, number_of
from ._errors import UnsupportedError, UsageError
from ._operators import definition
from ._values import dense, given, told

KINDS = ("tensor", "sequence", "optional", "map")


class Type(NamedTuple):
    """A type as a model declares it."""

    kind: str  #: "tensor", "sequence", "optional", "map"
    dtype: str  #: of a tensor's elements, of a map's keys: "float32"; "undefined" where the model does not say
    shape: tuple[int | str | None, ...] | None  #: an open extent is its name, or None; None where none is declared
    item: Type | None = None  #: of a sequence's items, an optional's value, a map's values


class Port(NamedTuple):
    """An input or output as a model declares it."""

    name: str
    type: Type
    optional: bool = False  #: an input that has a default
    place: int = 0  #: of an input: its index among all in the model

    @property
    def kind(self) -> str:
        return self.type.kind

    @property
    def dtype(self) -> str:
        return self.type.dtype

    @property
    def shape(self) -> tuple[int | str | None, ...] | None:
        return self.type.shape


def _type(description: tuple[int, int, Any, Any] | None) -> Type | None:
    if description is None:
        return None
    kind, number, shape, item = description
    return Type(KINDS[kind], NAMES[number], shape, _type(item))


class Step(NamedTuple):
    """One step of a run, and how long it took."""

    node: str
    op: str
    kernel: str
    seconds: float


class Device(NamedTuple):
    """What a model may run on."""

    id: str  #: for device=...: "cpu", "vulkan:0"
    name: str
    driver: str
    memory: int  #: bytes
    threads: int  #: of the CPU; else 0
    software: bool
    fp16: bool
    matrix_units: bool


class Operator(NamedTuple):
    """An operator that a model uses."""

    domain: str
    name: str
    nodes: int


class ModelInfo(NamedTuple):
    """What a model says of itself."""

    path: str
    producer: str
    producer_name: str
    domain: str
    description: str
    graph_name: str
    graph_description: str
    version: int
    ir_version: int
    weight_bytes: int
    node_count: int
    metadata: dict[str, str]
    opsets: dict[str, int]
    operators: list[Operator]


class Memory(NamedTuple):
    """Bytes that a run needs."""

    weights: int
    packed: int
    arena: int
    ends: int
    device_weights: int
    device: int


def _text(kind: Type | None) -> str:
    if kind is None:
        return "?"
    if kind.kind == "tensor":
        shape = "" if kind.shape is None else "[" + ", ".join(str(extent or "?") for extent in kind.shape) + "]"
        return kind.dtype + shape
    return f"{kind.kind}({kind.dtype + ', ' if kind.kind == 'map' else ''}{_text(kind.item)})"


def devices() -> list[Device]:
    """What this machine may run a model on: the CPU first, then GPUs."""
    return [Device(**device) for device in _core.devices()[0]]


def fixed_pairs(fixed: Mapping[str, float | Sequence[float]] | None) -> list[tuple[str, float]]:
    """One for each number, under the input's name."""
    return [(name, number) for name, values in (fixed or {}).items() for number in np.ravel(values).tolist()]


def source_of(model: Any) -> Any:
    """A path as text, or bytes, of all that a model may be given as."""
    if isinstance(model, (str, os.PathLike)):
        return os.fsdecode(model)
    if hasattr(model, "SerializeToString"):
        return model.SerializeToString()
    return model


class Session:
    """A model, ready to run.

    ``model``: a path, the bytes of a model, or an ``onnx.ModelProto``.

    ``device``: "auto", "cpu", "vulkan" or "vulkan:N" (see :func:`devices`). ``threads``: of the CPU; 0: one per core.
    ``precision``: "fp32", "exact", "fp16", "bf16", "bf16x3" or "int8". ``optimize=False`` runs the graph as it is
    written. ``memory_limit``: bytes that a run may take; 0: three quarters of the machine's. ``fixed``: inputs that are
    made constants, each of its elements the number given. ``name``: what messages call a model from memory.
    ``fail_with_device=True``: where a device fails, that is an error, and the CPU does not take over. ``deadline``:
    seconds that loading, and each run, may take, and ``most_rounds``: those of a run's loops; 0: any. Beyond them it
    ends with :class:`DeadlineExceeded`. ``operators``: classes of your own that compute what the model has beside
    tessera's operators (docs/python.md). ``copy_files=True``: the model's files are read into memory, and may get
    shorter afterwards; files that are mapped may not.

    One session serves many threads at once. It closes as a context manager, by :meth:`close`, or when it is
    forgotten::

        with tessera.Session("model.onnx") as session:
            y = session.run({"x": x})["y"]
    """

    def __init__(self, model: Any, *, device: str = "auto", threads: int = 0, precision: str = "fp32",
                 optimize: bool = True, memory_limit: int = 0, fixed: Mapping[str, float | Sequence[float]] | None = None,
                 name: str | None = None, fail_with_device: bool = False, deadline: float = 0, most_rounds: int = 0,
                 operators: Sequence[type] = (), copy_files: bool = False):
        self._core = _core.Session(source_of(model), device, threads, precision, optimize, memory_limit, name,
                                   fixed_pairs(fixed), fail_with_device, deadline, most_rounds,
                                   [definition(one) for one in operators], copy_files)
        #: Those that have to be given, then those that have a default.
        self.inputs: list[Port] = [Port(name, _type(kind), *rest) for name, kind, *rest in self._core.inputs()]
        self.outputs: list[Port] = [Port(name, _type(kind)) for name, kind, *_ in self._core.outputs()]
        self._required = sum(not port.optional for port in self.inputs)
        self._places = {port.name: i for i, port in enumerate(self.inputs)}
        self._numbers = [number_of(port.dtype) for port in self.inputs]
        self._output_places = {port.name: i for i, port in enumerate(self.outputs)}

    # --- Runs

    def run(self, inputs: Mapping[str, Any] | Sequence[Any], outputs: Sequence[str] | None = None, *,
            out: Mapping[str, np.ndarray] | None = None, cancel: _core.Cancel | None = None,
            progress: Callable[[float], Any] | None = None, tensors: bool = False) -> Any:
        """Runs the model.

        Strings are arrays of objects; sequences are lists, optionals None or their value, maps dictionaries.

        Inputs by name give a dictionary of outputs, inputs in order give a list. Arrays that lie row-major are read
        where they are, and not changed; outputs are arrays over the memory that the run filled. ``outputs``: names of those that are
        wanted. ``out``: arrays that outputs are written into, which must be all the model has. ``tensors=True`` gives
        :class:`Tensor`, of all dtypes and for DLPack, in place of arrays.

        Other threads of Python run meanwhile. ``cancel`` (a :class:`Cancel`) and Ctrl-C end the run.
        ``progress(done)`` is called with 0..1 at most every 50 ms; what it raises ends the run.
        """
        by_name = isinstance(inputs, Mapping)
        names = None if outputs is None else [self._output_place(name) for name in outputs]
        values = self._in_order(inputs)
        if out is not None:
            results = self._run_into(values, out, cancel)
        else:
            made = self._core.run(values, cancel, progress, None)
            results = [told(one, tensors) for i, one in enumerate(made) if names is None or i in names]
            if names is not None:
                kept = dict(zip(sorted(set(names)), results))
                results = [kept[i] for i in names]
        if not by_name:
            return results
        return dict(zip(outputs if outputs is not None else [port.name for port in self.outputs], results))

    def run_buffers(self, inputs: Mapping[str, Any] | Sequence[Any], outputs: Mapping[str, Any] | Sequence[Any], *,
                    cancel: _core.Cancel | None = None) -> None:
        """Runs the model from buffers into buffers (:class:`Buffer`), by name or in order. What is no buffer is an array,
        whose memory is used as it is. A device's buffer goes with sessions on that device, and does not cross the bus."""
        values = self._by_place(inputs)
        if isinstance(outputs, Mapping):
            places = {self._output_place(name): value for name, value in outputs.items()}
            missing = [port.name for i, port in enumerate(self.outputs) if i not in places]
            if missing:
                raise UsageError(f"no buffer for output {', '.join(missing)}")
            outputs = [places[i] for i in range(len(self.outputs))]
        core = [[one if one is None else (one if isinstance(one, Buffer) else Buffer.around(one, written=written))._core
                 for one in side] for side, written in ((values, False), (outputs, True))]
        self._core.run_buffers(*core, cancel)

    def __call__(self, *inputs: Any) -> Any:
        """Inputs in order; the output, or a tuple where there are several."""
        results = self.run(inputs)
        return results[0] if len(results) == 1 else tuple(results)

    def profile(self, inputs: Mapping[str, Any] | Sequence[Any]) -> list[Step]:
        """Runs the model and tells how long each step took, in the order in which they ended."""
        steps: list[Step] = []
        self._core.run(self._in_order(inputs), None, None, lambda *step: steps.append(Step(*step)))
        return steps

    def _output_place(self, name: str) -> int:
        if name not in self._output_places:
            raise UsageError(f"the model has no output {name}: its outputs are {', '.join(self._output_places)}")
        return self._output_places[name]

    def _in_order(self, inputs: Mapping[str, Any] | Sequence[Any]) -> list[Any]:
        return [given(value, self.inputs[i].type, self._numbers[i], self.inputs[i].name)
                for i, value in enumerate(self._by_place(inputs))]

    def _by_place(self, inputs: Mapping[str, Any] | Sequence[Any]) -> list[Any]:
        if isinstance(inputs, Mapping):
            values: list[Any] = [None] * len(self.inputs)
            for name, value in inputs.items():
                place = self._places.get(name)
                if place is None:
                    raise UsageError(f"the model has no input {name}: its inputs are {', '.join(self._places)}")
                values[place] = value
            missing = [port.name for port in self.inputs[:self._required] if port.name not in inputs]
            if missing:
                raise UsageError(f"no value for input {', '.join(missing)}")
        else:
            values = list(inputs)
            if not self._required <= len(values) <= len(self.inputs):
                raise UsageError(f"{len(values)} inputs are given, the model has {self._required}")
        while len(values) > self._required and values[-1] is None:
            values.pop()
        return values

    def _run_into(self, values: list[Any], out: Mapping[str, np.ndarray], cancel: _core.Cancel | None) -> list[Any]:
        missing = [port.name for port in self.outputs if port.name not in out]
        if missing:
            raise UsageError(f"out has no array for output {', '.join(missing)}")
        arrays = []
        for port in self.outputs:
            array = out[port.name]
            if not isinstance(array, np.ndarray) or not (array.flags.c_contiguous and array.flags.writeable):
                raise UsageError(f"out[{port.name!r}] has to be a row-major array that can be written")
            native = dense(array, 0, port.name)
            if isinstance(native, tuple) and len(native[2]) != array.nbytes:
                raise UnsupportedError(f"out[{port.name!r}]: {port.dtype} is packed, and cannot be written in place")
            arrays.append(native)
        self._core.run_into(values, arrays, cancel)
        return [out[port.name] for port in self.outputs]

    # --- Questions

    def output_type(self, output: str, shapes: Mapping[str, Sequence[int]]) -> tuple[str, tuple[int, ...]]:
        """The dtype and shape of an output for inputs of these shapes. Unsupported if it depends on their values."""
        number, shape = self._core.output_type(self._types(shapes), self._output_place(output))
        return NAMES[number], shape

    def forecast(self, shapes: Mapping[str, Sequence[int]]) -> Memory:
        """The memory that a run on inputs of these shapes needs. It is planned for that, and kept for the run."""
        return Memory(**self._core.forecast(self._types(shapes)))

    def _types(self, shapes: Mapping[str, Sequence[int]]) -> list[tuple[int, list[int]]]:
        missing = [port.name for port in self.inputs[:self._required] if port.name not in shapes]
        if missing:
            raise UsageError(f"no shape for input {', '.join(missing)}")
        types = [(self._numbers[i], list(shapes[port.name])) if port.name in shapes else (0, [])
                 for i, port in enumerate(self.inputs)]
        while types and types[-1][0] == 0:
            types.pop()
        return types

    @property
    def device(self) -> str:
        """The device that it runs on: "cpu", "vulkan:0"."""
        return self._core.device

    @property
    def device_note(self) -> str:
        """Why not on the device that was asked for; empty if it is."""
        return self._core.device_note

    @property
    def facts(self) -> dict[str, Any]:
        """has_device, threads, runs_at_once, row_step, stores_halves, device_memory_used, device_memory_budget."""
        return self._core.facts()

    @property
    def model(self) -> ModelInfo:
        """What the model says of itself."""
        told = self._core.model()
        told["metadata"] = dict(told["metadata"])
        told["opsets"] = dict(told["opsets"])
        told["operators"] = [Operator(*operator) for operator in told["operators"]]
        return ModelInfo(**told)

    @property
    def metadata(self) -> dict[str, str]:
        """The keys and values of the model's own metadata."""
        return self.model.metadata

    # --- Life

    def close(self) -> None:
        """Gives back what it holds; runs that are under way end first."""
        self._core.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        def ports(list_of: list[Port]) -> str:
            return ", ".join(f"{port.name}: {_text(port.type)}" for port in list_of)
        state = "closed" if self._core.closed else self.device
        return f"<tessera.Session ({ports(self.inputs)}) -> ({ports(self.outputs)}) on {state}>"
