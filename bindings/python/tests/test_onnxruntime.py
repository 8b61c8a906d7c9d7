"""tessera.onnxruntime, by a script as it is written for ONNX Runtime."""

import json
import os
import threading

import numpy as np
import pytest

import onnx_pen as pen
import tessera.onnxruntime as ort
from test_session import long_model


def two_inputs():
    return pen.model([pen.node("Sub", ["a", "b"], ["d"]), pen.node("Add", ["a", "b"], ["s"])],
                     [(name, pen.tensor_type("float32", ("batch", 2))) for name in "ab"],
                     [(name, pen.tensor_type("float32", ("batch", 2))) for name in "ds"], metadata=[("key", "value")])


A, B = np.array([[1, 2]], np.float32), np.array([[5, 5]], np.float32)


def test_a_script_runs_unchanged(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(two_inputs())
    ort.set_default_logger_severity(3)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [("a", "tensor(float)", ["batch", 2]),
                                                                         ("b", "tensor(float)", ["batch", 2])]
    assert [o.name for o in session.get_outputs()] == ["d", "s"]
    assert str(session.get_inputs()[0]) == "NodeArg(name='a', type='tensor(float)', shape=['batch', 2])"
    difference, total = session.run(None, {"a": A, "b": B})
    assert difference.tolist() == [[-4, -3]] and total.tolist() == [[6, 7]]
    assert [y.tolist() for y in session.run(["s"], {"a": A, "b": B})] == [[[6, 7]]]
    run_options = ort.RunOptions()
    run_options.log_severity_level = 4
    assert len(session.run(["s", "d"], {"a": A, "b": B}, run_options)) == 2
    meta = session.get_modelmeta()
    assert meta.custom_metadata_map == {"key": "value"} and meta.producer_name == "pen" and meta.graph_name == "graph"
    assert meta.version == 0 and meta.description == "" and meta.domain == ""
    assert session.get_providers() == ["CPUExecutionProvider"] and session.get_session_options() is options
    assert "CPUExecutionProvider" in ort.get_available_providers() and ort.get_device() in ("CPU", "GPU")
    assert session.get_provider_options() == {"CPUExecutionProvider": {}}
    assert ort.InferenceSession(two_inputs()).run(["d"], {"a": A, "b": A})[0].tolist() == [[0, 0]]


def test_types_have_their_names():
    kind = pen.sequence_type(pen.map_type("int64", pen.tensor_type("float32", ())))
    session = ort.InferenceSession(
        pen.model([pen.node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[7, 9])],
                  [("x", pen.tensor_type("float32", ("n", 2)))], [("y", kind)]))
    assert session.get_outputs()[0].type == "seq(map(int64,tensor(float)))"
    assert session.run(None, {"x": A})[0] == [{7: 1.0, 9: 2.0}]
    for dtype, name in [("float64", "double"), ("float16", "float16"), ("string", "string"), ("bool", "bool"),
                        ("int64", "int64"), ("bfloat16", "bfloat16")]:
        assert ort.InferenceSession(pen.unary("Identity", dtype)).get_inputs()[0].type == f"tensor({name})"
    optional = pen.optional_type(pen.tensor_type("float32", ("n", )))
    session = ort.InferenceSession(pen.model([pen.node("OptionalHasElement", ["x"], ["y"])], [("x", optional)],
                                             [("y", pen.tensor_type("bool", ()))]))
    assert session.get_inputs()[0].type == "optional(tensor(float))"
    assert not session.run(None, {})[0] and session.run(None, {"x": A[0]})[0]


def test_errors_have_their_names(tmp_path):
    from tessera.onnxruntime import InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile
    state = ort.capi.onnxruntime_pybind11_state
    with pytest.raises(NoSuchFile, match="gone.onnx"):
        ort.InferenceSession(str(tmp_path / "gone.onnx"))
    for kind in (InvalidProtobuf, InvalidGraph, state.Fail):
        with pytest.raises(kind):
            ort.InferenceSession(b"no model")
    with pytest.raises(state.NotImplemented, match="Nothing"):
        ort.InferenceSession(pen.unary("Nothing", "float32"))
    with pytest.raises(TypeError, match="Unable to load"):
        ort.InferenceSession(3)
    session = ort.InferenceSession(two_inputs())
    with pytest.raises(ValueError, match=r"Required inputs \(\['b'\]\) are missing"):
        session.run(None, {"a": A})
    for feed in ({"a": A, "b": B, "c": B}, {"a": A, "b": B.astype(np.float64)}, {"a": A, "b": B[0, 0]}):
        with pytest.raises(InvalidArgument):
            session.run(None, feed)
    with pytest.raises(InvalidArgument, match="no output z"):
        session.run(["z"], {"a": A, "b": B})


def test_what_is_lacking_says_so():
    options = ort.SessionOptions()
    for call in (lambda: options.register_custom_ops_library("lib.so"), lambda: options.add_initializer("x", None),
                 lambda: ort.OrtValue.ortvalue_from_numpy(A, "cuda", 0)):
        with pytest.raises(ort.NotImplemented, match="tessera has no"):
            call()
    options.optimized_model_filepath = "out.onnx"
    with pytest.raises(ort.NotImplemented, match="optimized_model_filepath"):
        ort.InferenceSession(two_inputs(), options)
    with pytest.raises(AttributeError, match="lacks SparseTensor"):
        ort.SparseTensor
    with pytest.warns(UserWarning, match="Specified provider 'CUDAExecutionProvider' is not in available"):
        session = ort.InferenceSession(two_inputs(), providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert session.get_providers() == ["CPUExecutionProvider"]
    with pytest.warns(UserWarning):
        ort.InferenceSession(two_inputs(), providers=[("CUDAExecutionProvider", {"device_id": 0})])


def test_values_and_bindings():
    session = ort.InferenceSession(two_inputs())
    value = ort.OrtValue.ortvalue_from_numpy(A)
    assert value.data_type() == "tensor(float)" and value.shape() == [1, 2] and value.device_name() == "cpu"
    assert value.is_tensor() and value.has_value() and value.element_type() == 1 and value.numpy() is A
    results = session.run_with_ort_values(["s"], {"a": value, "b": ort.OrtValue.ortvalue_from_numpy(B)})
    assert results[0].numpy().tolist() == [[6, 7]]
    assert np.from_dlpack(ort.OrtValue.from_dlpack(A)).tolist() == A.tolist()

    binding = session.io_binding()
    binding.bind_cpu_input("a", A)
    binding.bind_input("b", "cpu", 0, np.float32, B.shape, B.ctypes.data)
    binding.bind_output("s")
    session.run_with_iobinding(binding)
    assert [y.tolist() for y in binding.copy_outputs_to_cpu()] == [[[6, 7]]]
    binding.clear_binding_outputs()
    d, s = np.zeros((1, 2), np.float32), ort.OrtValue.ortvalue_from_shape_and_type([1, 2], np.float32)
    binding.bind_output("d", "cpu", 0, np.float32, d.shape, d.ctypes.data)
    binding.bind_ortvalue_output("s", s)
    session.run_with_iobinding(binding)
    assert d.tolist() == [[-4, -3]] and s.numpy().tolist() == [[6, 7]]
    assert [value.numpy().tolist() for value in binding.get_outputs()] == [[[-4, -3]], [[6, 7]]]
    value.update_inplace(np.array([[0, 0]], np.float32))
    try:
        binding.bind_ortvalue_input("a", value)
        binding.clear_binding_outputs()
        binding.bind_ortvalue_output("s", s)
        session.run_with_iobinding(binding)
        assert s.numpy().tolist() == [[5, 5]]
    finally:
        A[:] = [[1, 2]]
    wrong = ort.OrtValue.ortvalue_from_shape_and_type([3], np.float32)
    binding.bind_ortvalue_output("s", wrong)
    with pytest.raises(ort.InvalidArgument):
        session.run_with_iobinding(binding)


def test_async_and_terminate():
    session = ort.InferenceSession(two_inputs())
    done, told = threading.Event(), []

    def callback(results, data, error):
        told.append(([y.tolist() for y in results], data, error))
        done.set()

    session.run_async(["s"], {"a": A, "b": B}, callback, "mine")
    assert done.wait(60) and told == [([[[6, 7]]], "mine", "")]
    done.clear()
    session.run_async(["s"], {"a": A}, callback, None)
    assert done.wait(60) and "Required inputs" in told[1][2]

    options = ort.RunOptions()
    timer = threading.Timer(0.2, lambda: setattr(options, "terminate", True))
    slow = ort.InferenceSession(long_model(4000))
    timer.start()
    with pytest.raises(ort.Fail):
        slow.run(None, {"x": np.ones((1024, 1024), np.float32)}, options)
    timer.join()
    options.terminate = False
    assert len(session.run(None, {"a": A, "b": B}, options)) == 2


def test_profile_and_overridable(tmp_path):
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "profile")
    options.add_free_dimension_override_by_name("batch", 1)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(two_inputs(), options)
    assert session.get_inputs()[0].shape == [1, 2]
    assert [y.tolist() for y in session.run(["s"], {"a": A, "b": B})] == [[[6, 7]]]
    events = json.load(open(session.end_profiling()))
    assert {event["args"]["op_name"] for event in events} == {"Sub", "Add"}
    model = pen.model([pen.node("Add", ["x", "d"], ["y"])],
                      [("d", pen.tensor_type("float32", (1, ))), ("x", pen.tensor_type("float32", ("n", )))],
                      [("y", pen.tensor_type("float32"))], [pen.tensor("d", np.array([10], np.float32))])
    session = ort.InferenceSession(model)
    assert [i.name for i in session.get_inputs()] == ["x"]
    assert [i.name for i in session.get_overridable_initializers()] == ["d"]
    assert session.run(None, {"x": A[0]})[0].tolist() == [11, 12]
    assert session.run(None, {"x": A[0], "d": B[0, :1]})[0].tolist() == [6, 7]


def test_real_models(shared):
    """Every real model of vision that is small runs by its declared shapes."""
    ran = 0
    for path in sorted((shared / "data/models/vision").glob("*.onnx")):
        if os.path.getsize(path) > 2 << 20:
            continue
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        feed = {}
        for i in session.get_inputs():
            if i.type != "tensor(float)":
                break
            feed[i.name] = np.random.default_rng(0).random([e if isinstance(e, int) else 1 if k == 0 else 64
                                                             for k, e in enumerate(i.shape)], np.float32)
        else:
            assert len(session.run(None, feed)) == len(session.get_outputs())
            ran += 1
    assert ran >= 3
