"""Operators that are written in Python."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._dtypes import NAMES, number_of
from ._errors import DtypeError, ShapeError, UsageError
from ._values import Tensor, _container, told


class Node(NamedTuple):
    """A node of a model as its operator's ``__init__`` gets it."""

    name: str
    version: int  #: of the domain, as the model imports it
    inputs: int  #: how many, those that are left out too
    outputs: int
    attributes: dict[str, Any]  #: numbers, texts, lists of them, arrays; None for a graph
    constants: list[Any]  #: of each input: its value, if it is a constant of the model, else None


class TensorType:
    """The dtype and shape of an input or output, for ``infer``."""

    __slots__ = ("dtype", "shape", "_ask")

    def __init__(self, dtype: str, shape: Sequence[int], _ask: Any = None):
        self.dtype = dtype
        self.shape = tuple(shape)
        self._ask = _ask

    def value(self) -> np.ndarray:
        """The value of an input that shapes depend on. Where it is known only in a run, ``infer`` is ended here, and called
        again when it is there: what this raises is to be let through."""
        if self._ask is None:
            raise UsageError("an output has no value yet")
        return np.copy(told(self._ask()))

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


def _range(counts: Any) -> tuple[int, int]:
    least, most = (counts, counts) if isinstance(counts, int) else counts
    return least, -1 if most is None else most


def definition(operator: type) -> tuple:
    """What the core makes an operator of: see Session, ``operators``."""
    missing = [name for name in ("domain", "name", "inputs", "outputs") if not hasattr(operator, name)]
    into = hasattr(operator, "run_into")
    if missing or not (into or hasattr(operator, "run")):
        raise UsageError(f"the operator {operator.__name__} has no {', '.join(missing) or 'run'}")
    infers = hasattr(operator, "infer")
    if into and not infers:
        raise UsageError(f"the operator {operator.__name__} has run_into, and needs infer")

    def create(facts: tuple) -> tuple:
        name, version, inputs, outputs, attributes, constants = facts
        values = {key: told(value) if isinstance(value, (_core.Tensor, _core.Value)) else value for key, value in attributes}
        return operator(Node(name, version, inputs, outputs, values,
                             [None if one is None else told(one) for one in constants])), outputs

    def infer(state: tuple, types: list, inference: _core.Inference) -> list:
        given = [None if one is None else TensorType(NAMES[one[0]], one[1], lambda i=i: inference.value(i))
                 for i, one in enumerate(types)]
        made = state[0].infer(*given)
        return [(number_of(one.dtype), list(one.shape)) for one in (made if isinstance(made, (list, tuple)) else [made])]

    def run(state: tuple, inputs: list, call: _core.Call) -> None:
        try:
            compute(*state, [None if one is None else told(one) for one in inputs], call)
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)  # arrays over the run's memory
            raise
        finally:
            inputs.clear()

    def compute(own: Any, output_count: int, arrays: list, call: _core.Call) -> None:
        if into:
            outputs = [call.output(i) for i in range(output_count)]
            own.run_into(arrays, [None if one is None else Tensor(one).numpy() for one in outputs])
            return
        made = own.run(*arrays)
        for i, one in enumerate(made if isinstance(made, tuple) else (made, )):
            if infers and not _is_container(one):
                _fill(call.output(i), one, i)
            else:
                kept = np.array(one) if isinstance(one, (np.ndarray, np.generic)) else one
                call.set_output(i, _container(kept, None, f"output {i}"))

    return (operator.domain, operator.name, getattr(operator, "version", 1), getattr(operator, "types", None),
            *_range(operator.inputs), *_range(operator.outputs), create,
            infer if infers else None, run)


def _is_container(value: Any) -> bool:
    return isinstance(value, (list, dict)) or value is None or np.asarray(value).dtype.kind in "OUST"


def _fill(target: _core.Tensor | None, value: Any, index: int) -> None:
    if target is None:
        return
    array = Tensor(target).numpy()
    value = np.asarray(value)
    if value.shape != array.shape:
        raise ShapeError(f"output {index} has the shape {value.shape}, but infer said {array.shape}")
    if value.dtype != array.dtype:
        raise DtypeError(f"output {index} is {value.dtype}, but infer said {array.dtype}")
    np.copyto(array, value)
