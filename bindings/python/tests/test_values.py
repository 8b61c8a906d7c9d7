"""Strings, sequences, optionals and maps."""

import numpy as np
import pytest

import onnx_pen as pen
import tessera


def test_strings():
    session = tessera.Session(pen.unary("Identity", "string", ("a", "b")))
    assert session.inputs[0].dtype == "string"
    expected = [["a", "Größe"], ["", "多字"]]
    for given in (expected, np.array(expected, object), np.array(expected), np.array([[s.encode() for s in row]
                                                                                    for row in expected], object)):
        y = session.run({"x": given})["y"]
        assert y.dtype == object and y.tolist() == expected
    odd = [["\udcff", "x\0y"]]  # bytes that are no UTF-8, and a zero
    assert session.run([odd])[0].tolist() == odd
    assert session.run([np.empty((0, 2), object)])[0].shape == (0, 2)
    with pytest.raises(tessera.DtypeError, match="str or bytes"):
        session.run([np.array([[1, None]], object)])


def sequence_model(op, result, extra=(), **attributes):
    kind = pen.sequence_type(pen.tensor_type("float32"))
    return pen.model([pen.node(op, ["s", *extra], ["y"], **attributes)],
                     [("s", kind), *((name, pen.tensor_type("int64", ())) for name in extra)], [("y", result)])


def test_sequences():
    kind = pen.sequence_type(pen.tensor_type("float32"))
    arrays = [np.arange(n, dtype=np.float32) for n in (2, 0, 5)]
    session = tessera.Session(sequence_model("Identity", kind))
    assert session.inputs[0].kind == "sequence" and session.inputs[0].type.item.dtype == "float32"
    assert "sequence(float32)" in repr(session)
    y = session.run({"s": arrays})["y"]
    assert isinstance(y, list) and [one.tolist() for one in y] == [one.tolist() for one in arrays]
    assert session.run({"s": []})["y"] == []
    assert [one.dtype for one in session.run([arrays], tensors=True)[0]] == ["float32"] * 3
    at = tessera.Session(sequence_model("SequenceAt", pen.tensor_type("float32"), ["i"]))
    result = at.run({"s": arrays, "i": 2})["y"]
    assert result.tolist() == arrays[2].tolist()
    result[0] = 9  # its own memory
    assert arrays[2][0] == 0
    with pytest.raises(tessera.DtypeError, match="a list is due"):
        session.run({"s": arrays[0]})
    with pytest.raises(tessera.Error):
        session.run({"s": [arrays[0], np.zeros(1, np.int32)]})


def test_memory_of_sequences_goes_with_them():
    import gc
    import weakref
    session = tessera.Session(sequence_model("Identity", pen.sequence_type(pen.tensor_type("float32"))))
    x = np.ones(1000, np.float32)
    gone = weakref.ref(x)
    y = session.run([[x, x]])[0]
    del x
    assert y[0].sum() == 1000
    del y
    gc.collect()
    assert gone() is None


def test_optionals():
    kind = pen.optional_type(pen.tensor_type("float32", ("n", )))
    has = tessera.Session(pen.model([pen.node("OptionalHasElement", ["x"], ["y"])], [("x", kind)],
                                    [("y", pen.tensor_type("bool", ()))]))
    assert has.inputs[0].kind == "optional"
    assert has.run({"x": np.ones(3, np.float32)})["y"] and not has.run({"x": None})["y"]
    same = tessera.Session(pen.model([pen.node("Identity", ["x"], ["y"])], [("x", kind)], [("y", kind)]))
    assert same.run({"x": [1, 2]})["y"].tolist() == [1, 2] and same.run({"x": None})["y"] is None


def test_maps():
    kind = pen.sequence_type(pen.map_type("int64", pen.tensor_type("float32", ())))
    zipped = tessera.Session(pen.model([pen.node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[7, 9])],
                                       [("x", pen.tensor_type("float32", ("n", 2)))], [("y", kind)]))
    assert zipped.run([[[0.5, 1], [2, 3]]])[0] == [{7: 0.5, 9: 1.0}, {7: 2.0, 9: 3.0}]


def test_maps_in_and_out():
    kind = pen.map_type("string", pen.tensor_type("float32", ()))
    zip_map = pen.node("ZipMap", ["x"], ["z"], domain="ai.onnx.ml", classlabels_strings=[b"cat", b"dog"])
    session = tessera.Session(pen.model([zip_map], [("m", kind), ("x", pen.tensor_type("float32", ("n", 2)))],
                                        [("m", kind), ("z", pen.sequence_type(kind))]))
    assert session.inputs[0].kind == "map" and "m: map(string, float32[])" in repr(session)
    results = session.run({"m": {"c": 3, "a": 0.5}, "x": [[1, 2]]})
    assert results == {"m": {"c": 3.0, "a": 0.5}, "z": [{"cat": 1.0, "dog": 2.0}]}
    assert session.run({"m": {"b": np.float32(2)}, "x": [[1, 2]]})["m"] == {"b": 2.0}
    with pytest.raises(tessera.DtypeError, match="a dictionary is due"):
        session.run([[1], [[1, 2]]])
