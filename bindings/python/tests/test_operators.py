import threading

import numpy as np
import pytest

import onnx_pen as pen
import tessera


def model(nodes, inputs, outputs, constants=()):
    return pen.model(nodes, inputs, outputs, list(constants), domains=["example"])


def own_node(name, inputs, outputs, **attributes):
    return pen.node(name, inputs, outputs, domain="example", **attributes)


FLOATS = pen.tensor_type("float32", ("n", ))


class Clamp:
    domain, name, types, inputs, outputs = "example", "Clamp", "T=float : T -> T", 1, 1

    def __init__(self, node):
        self.low = node.attributes["low"]
        assert node.version == 1 and node.inputs == node.outputs == 1 and node.constants == [None]

    def infer(self, x):
        return x

    def run(self, x):
        assert not x.flags.writeable
        return np.maximum(x, np.float32(self.low))


class ClampInto(Clamp):

    def run_into(self, inputs, outputs):
        np.maximum(inputs[0], np.float32(self.low), out=outputs[0])


@pytest.mark.parametrize("operator", [Clamp, ClampInto])
def test_one_is_run(operator):
    session = tessera.Session(model([own_node("Clamp", ["x"], ["c"], low=-0.5), pen.node("Neg", ["c"], ["y"])],
                                    [("x", FLOATS)], [("y", FLOATS)]), operators=[operator])
    for count in (3, 5):
        x = np.linspace(-1, 1, count, dtype=np.float32)
        assert session(x).tolist() == (-np.maximum(x, -0.5)).tolist()
    results, threads = [], []
    for _ in range(4):
        threads.append(threading.Thread(target=lambda: results.append(session(x).tolist())))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert results == [session(x).tolist()] * 4


class Repeat:
    """What it gives is as long as the value of an input says."""
    domain, name, inputs, outputs = "example", "Repeat", 2, (1, None)

    def __init__(self, node):
        self.count = node.constants[1]

    def infer(self, x, times):
        return [tessera.TensorType(x.dtype, (x.shape[0] * int(times.value()[0]), ))]

    def run(self, x, times):
        return np.tile(x, times[0])


@pytest.mark.parametrize("constant", [True, False])
def test_shapes_that_depend_on_values(constant):
    times = np.array([3], np.int64)
    session = tessera.Session(
        model([own_node("Repeat", ["x", "t"], ["r"]), pen.node("Neg", ["r"], ["y"])],
              [("x", FLOATS)] + [("t", pen.tensor_type("int64", (1, )))] * (not constant), [("y", FLOATS)],
              [pen.tensor("t", times)] * constant), operators=[Repeat])
    x = np.ones(2, np.float32)
    assert session(*([x] if constant else [x, times])).tolist() == [-1] * 6


class Words:
    """Without infer: run says what there is. Several outputs, strings and sequences."""
    domain, name, inputs, outputs = "example", "Words", (1, 2), 2

    def __init__(self, node):
        pass

    def run(self, texts, more=None):
        assert more is None
        return np.array([len(text) for text in texts.tolist()], np.int64), np.array([text.upper() for text in texts], object)


def test_outputs_of_any_kind_and_shape():
    strings = pen.tensor_type("string", ("n", ))
    session = tessera.Session(model([own_node("Words", ["x"], ["n", "u"])], [("x", strings)],
                                    [("n", pen.tensor_type("int64", ("n", ))), ("u", strings)]), operators=[Words])
    counts, upper = session.run([np.array(["a", "bcd"], object)])
    assert counts.tolist() == [1, 3] and upper.tolist() == ["A", "BCD"]


def failing(body, base=Clamp):
    return type("Failing", (base, ), {"run": body})


def run_clamp(operator):
    session = tessera.Session(model([own_node("Clamp", ["x"], ["y"], low=0.0)], [("x", FLOATS)], [("y", FLOATS)]),
                              operators=[operator], name="clamping.onnx")
    return session(np.ones(3, np.float32))


def test_what_it_raises_is_raised_with_the_names_of_the_model():
    def divide(self, x):
        return 1 // 0
    with pytest.raises(ZeroDivisionError) as caught:
        run_clamp(failing(divide))
    assert any("clamping.onnx" in note and "Clamp" in note for note in caught.value.__notes__)

    def stop(self, x):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        run_clamp(failing(stop))

    def init(self, node):
        raise LookupError("no such table")
    with pytest.raises(LookupError, match="no such table"):
        run_clamp(type("Failing", (Clamp, ), {"__init__": init}))
    with pytest.raises(tessera.ShapeError, match="but infer said"):
        run_clamp(failing(lambda self, x: x[:2]))
    with pytest.raises(tessera.DtypeError, match="but infer said"):
        run_clamp(failing(lambda self, x: x.astype(np.float64)))


def test_arrays_are_not_kept():
    kept = []

    def keep(self, x):
        kept.append(x)
        return x
    with pytest.raises(ValueError, match="kept an array of its inputs"):
        run_clamp(failing(keep))

    def copy(self, x):
        kept[:] = [x.copy()]
        return x
    assert run_clamp(failing(copy)).tolist() == kept[0].tolist()

    def circle(self, x):
        held = [x]
        held.append(held)
        return x
    assert run_clamp(failing(circle)).tolist() == [1, 1, 1]


def test_what_is_no_operator():
    for gone in ("domain", "inputs"):
        with pytest.raises(tessera.UsageError, match=f"has no {gone}"):
            tessera.Session(pen.unary("Neg", "float32"), operators=[
                type("Half", (), {key: 1 for key in ("domain", "name", "inputs", "outputs") if key != gone} | {"run": 0})])
    with pytest.raises(tessera.UsageError, match="needs infer"):
        tessera.Session(pen.unary("Neg", "float32"), operators=[
            type("Half", (), {"domain": "d", "name": "n", "inputs": 1, "outputs": 1, "run_into": 0})])
    taken = type("Taken", (Clamp, ), {"domain": "com.microsoft", "name": "Gelu"})
    with pytest.raises(tessera.Error, match="Gelu"):
        tessera.Session(pen.unary("Neg", "float32"), operators=[taken])
    with pytest.raises(tessera.UnsupportedError, match="Clamp"):
        tessera.Session(model([own_node("Clamp", ["x"], ["y"], low=0.0)], [("x", FLOATS)], [("y", FLOATS)]))
