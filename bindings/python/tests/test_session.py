import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import onnx_pen as pen
import tessera

PLAIN = ["float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
         "complex64", "complex128"]


def long_model(steps=400):
    """Enough products that a run takes long."""
    names = ["x"] + [f"v{i}" for i in range(steps - 1)] + ["y"]
    square = pen.tensor_type("float32", (1024, 1024))
    return pen.model([pen.node("MatMul", [a, "w"], [b]) for a, b in zip(names, names[1:])], [("x", square)], [("y", square)],
                     [pen.tensor("w", np.eye(1024, dtype=np.float32))])


@pytest.mark.parametrize("dtype", PLAIN)
def test_every_plain_dtype_passes(dtype):
    session = tessera.Session(pen.unary("Identity", dtype))
    assert session.inputs == [tessera.Port("x", tessera.Type("tensor", dtype, ("n", )))]
    x = (np.arange(7) % 2).astype(dtype)
    y = session.run({"x": x})["y"]
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x)
    y[0] = 1  # its own memory
    assert x[0] == 0


def test_by_name_in_order_and_called():
    model = pen.model([pen.node("Sub", ["a", "b"], ["d"]), pen.node("Add", ["a", "b"], ["s"])],
                      [(name, pen.tensor_type("int64", ("n", ))) for name in "ab"],
                      [(name, pen.tensor_type("int64", ("n", ))) for name in "ds"])
    session = tessera.Session(model)
    assert {name: y.tolist() for name, y in session.run({"b": [1, 2], "a": [5, 5]}).items()} == {"d": [4, 3], "s": [6, 7]}
    assert [y.tolist() for y in session.run([[5, 5], [1, 2]])] == [[4, 3], [6, 7]]
    assert [y.tolist() for y in session([5, 5], [1, 2])] == [[4, 3], [6, 7]]
    assert list(session.run({"a": [1], "b": [1]}, ["s"])) == ["s"]
    assert [y.tolist() for y in session.run([[1], [1]], ["s", "d", "s"])] == [[2], [0], [2]]
    for wrong, what in [({"a": [1]}, "no value for input b"), ({"a": [1], "b": [1], "c": [1]}, "has no input c")]:
        with pytest.raises(tessera.UsageError, match=what):
            session.run(wrong)
    with pytest.raises(tessera.UsageError, match="2"):
        session.run([[1]])
    with pytest.raises(tessera.UsageError, match="no output z"):
        session.run({"a": [1], "b": [1]}, ["z"])


def test_arrays_of_any_layout():
    session = tessera.Session(pen.unary("Neg", "float32", ("a", "b")))
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    read_only = x.copy()
    read_only.flags.writeable = False
    for given in (x, x.T, x[::2, ::-1], x[1:3, 2:4], read_only, x.astype(">f4"), np.asfortranarray(x), x[:0], memoryview(x)):
        np.testing.assert_array_equal(session.run([given])[0], -np.asarray(given))
    odd = np.frombuffer(b"\0" + x.tobytes(), np.float32, offset=1).reshape(4, 6)
    np.testing.assert_array_equal(session.run([odd])[0], -x)


def test_dense_inputs_are_read_where_they_are():
    """A copy of 256 MB would show in what the process takes; the array itself was never touched."""
    script = """if True:
        import resource, numpy as np, onnx_pen as pen, tessera
        model = pen.model([pen.node("Gather", ["x", "last"], ["y"])], [("x", pen.tensor_type("uint8", ("n", )))],
                          [("y", pen.tensor_type("uint8"))], [pen.tensor("last", np.array([-1], np.int64))])
        session = tessera.Session(model)
        session.run([np.zeros(1 << 10, np.uint8)])
        x = np.zeros(1 << 28, np.uint8)
        x[-1] = 9
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert session.run([x])[0] == 9
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    paths = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    grown = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True,
                           env={**os.environ, "PYTHONPATH": paths}).stdout
    assert int(grown) < 1 << 16  # KiB: a quarter of a copy


def test_python_numbers_take_the_inputs_dtype():
    session = tessera.Session(pen.unary("Neg", "float32", None))
    assert session.run([2])[0] == -2 and session.run([[0.5, 1]])[0].dtype == np.float32
    small = tessera.Session(pen.unary("Identity", "uint8", None))
    assert small.run([[255, 0]])[0].tolist() == [255, 0]
    for wrong in ([256], [-1], [0.5]):
        with pytest.raises(tessera.DtypeError, match="input x is uint8"):
            small.run([wrong])
    with pytest.raises(tessera.DtypeError, match="x"):
        session.run([np.zeros(3)])  # an array says what it is


def test_results_outlive_their_session():
    session = tessera.Session(pen.unary("Identity", "float32"))
    y = session.run([np.ones(5, np.float32)])[0]
    session.close()
    del session
    gc.collect()
    assert y.sum() == 5
    with tessera.Session(pen.unary("Identity", "float32")) as session:
        pass
    with pytest.raises(tessera.UsageError, match="closed"):
        session.run([np.ones(5, np.float32)])
    assert "closed" in repr(session)


def test_nothing_leaks():
    session = tessera.Session(pen.unary("Identity", "float32"))
    x = np.ones(1 << 20, np.float32)
    gone = weakref.ref(x)
    y = session.run([x])[0]
    references = sys.getrefcount(x)
    for _ in range(50):
        session.run([x])
        session.run([x], tensors=True)[0].numpy()
        with pytest.raises(tessera.DtypeError):
            session.run([np.ones(2, np.int32)])
    assert sys.getrefcount(x) == references
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    before = int(status["VmRSS"].split()[0])
    for _ in range(50):
        y = session.run([x])[0]
        tessera.from_dlpack(y)
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    assert int(status["VmRSS"].split()[0]) - before < 50 * 1024  # a quarter of what the runs gave
    del x, y
    assert gone() is None


def test_into_arrays():
    session = tessera.Session(pen.unary("Neg", "float32"))
    out = np.empty(4, np.float32)
    assert session.run({"x": np.arange(4, dtype=np.float32)}, out={"y": out})["y"] is out
    assert out.tolist() == [0, -1, -2, -3]
    with pytest.raises(tessera.UsageError, match="y"):
        session.run([out], out={})
    with pytest.raises(tessera.UsageError, match="row-major"):
        session.run([out], out={"y": np.empty(8, np.float32)[::2]})
    with pytest.raises(tessera.ShapeError):
        session.run([out], out={"y": np.empty(5, np.float32)})


def test_inputs_with_defaults():
    model = pen.model([pen.node("Add", ["x", "d"], ["y"])],
                      [("d", pen.tensor_type("float32", (1, ))), ("x", pen.tensor_type("float32", ("n", )))],
                      [("y", pen.tensor_type("float32"))], [pen.tensor("d", np.array([10], np.float32))])
    session = tessera.Session(model)
    assert [(port.name, port.optional) for port in session.inputs] == [("x", False), ("d", True)]
    assert session.run({"x": [1]})["y"] == 11
    assert session.run({"x": [1], "d": [2]})["y"] == 3
    assert session.run([[1], None])[0] == 11
    assert tessera.Session(model, fixed={"d": 5}).run([[1]])[0] == 6


def test_what_a_model_says(bundled):
    model = pen.model([pen.node("Relu", ["x"], ["h"], name="first"), pen.node("Neg", ["h"], ["y"])],
                      [("x", pen.tensor_type("float32", ("n", 3)))], [("y", pen.tensor_type("float32", ("n", 3)))],
                      metadata=[("author", "Jürgen")])
    session = tessera.Session(model, name="small", optimize=False)
    told = session.model
    assert told.path == "small" and told.producer == "pen 1" and told.ir_version == 8 and told.node_count == 2
    assert session.metadata == {"author": "Jürgen"} and told.opsets == {"": 17, "ai.onnx.ml": 3}
    assert set(told.operators) == {tessera.Operator("", "Relu", 1), tessera.Operator("", "Neg", 1)}
    assert session.inputs[0].shape == ("n", 3) and session.device == "cpu" and session.device_note == ""
    assert session.output_type("y", {"x": (5, 3)}) == ("float32", (5, 3))
    assert session.forecast({"x": (1000, 3)}).ends == 2 * 1000 * 3 * 4
    steps = session.profile([np.ones((2, 3), np.float32)])
    assert [step.op for step in steps] == ["Relu", "Neg"] and steps[0].node == "first" and steps[0].seconds >= 0
    assert session.facts["threads"] >= 1
    assert "x: float32[n, 3]" in repr(session)
    assert tessera.Session(os.fsencode(bundled).decode()).outputs == tessera.Session(bundled).outputs
    assert tessera.Session(bundled.read_bytes()).model.weight_bytes > 0
    assert tessera.devices()[0].id == "cpu"


def test_errors_have_kinds(tmp_path):
    def kind_of(call):
        with pytest.raises(tessera.Error) as caught:
            call()
        return caught.value.kind, str(caught.value), caught.value

    kind, said, error = kind_of(lambda: tessera.Session(tmp_path / "gone.onnx"))
    assert kind == "file" and "gone.onnx" in said and isinstance(error, OSError)
    kind, said, error = kind_of(lambda: tessera.Session(b"no model"))
    assert kind == "model" and isinstance(error, ValueError)
    kind, said, error = kind_of(lambda: tessera.Session(pen.unary("Nothing", "float32")))
    assert kind == "unsupported" and "Nothing" in said and isinstance(error, NotImplementedError)
    session = tessera.Session(pen.unary("Neg", "float32", (3, )))
    assert kind_of(lambda: session.run([np.zeros(4, np.float32)]))[0] == "shape"
    kind, said, error = kind_of(lambda: session.run([np.zeros(3, np.int32)]))
    assert kind == "type" and isinstance(error, TypeError)
    assert kind_of(lambda: tessera.Session(pen.unary("Neg", "float32"), device="none"))[0] in ("usage", "device")
    tight = tessera.Session(long_model(2), memory_limit=1 << 16)
    kind, said, error = kind_of(lambda: tight.run([np.zeros((1024, 1024), np.float32)]))
    assert kind == "memory" and isinstance(error, MemoryError)
    with pytest.raises(TypeError):
        session.run([np.array([b"a", b"b", b"c"], dtype="V1")])
    with pytest.raises(TypeError):
        session.run([np.zeros(3, "datetime64[s]")])


def test_cancel_and_progress():
    session = tessera.Session(long_model())
    x = np.ones((1024, 1024), np.float32)
    cancel = tessera.Cancel()
    told = []

    def stop(done):
        told.append(done)
        cancel.cancel()

    with pytest.raises(tessera.Cancelled):
        session.run([x], cancel=cancel, progress=stop)
    assert told and told[0] < 1 and cancel.requested
    with pytest.raises(tessera.Cancelled):
        session.run([x], cancel=cancel)

    def fail(done):
        raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        session.run([x], progress=fail)

    other = tessera.Cancel()
    timer = threading.Timer(0.2, other.cancel)
    timer.start()
    with pytest.raises(tessera.Cancelled):
        for _ in range(100):  # the timer's thread gets on while a run computes
            session.run([x], cancel=other)
    timer.join()
    with pytest.raises(TypeError, match="tessera.Cancel"):
        session.run([x], cancel=True)


def interrupt_soon():
    def wait_and_send():
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=wait_and_send)
    thread.start()
    return thread


def test_ctrl_c_ends_a_run():
    session = tessera.Session(long_model(4000))
    x = np.ones((1024, 1024), np.float32)
    sender = interrupt_soon()
    with pytest.raises(KeyboardInterrupt):
        session.run([x])
    sender.join()
    ended = []
    sender = interrupt_soon()
    with pytest.raises(KeyboardInterrupt):
        session.run([x], progress=ended.append)
    sender.join()
    assert 1 not in ended


def test_a_handler_that_goes_on_lets_the_run_go_on():
    session = tessera.Session(long_model(100))
    x = np.ones((1024, 1024), np.float32)
    calls = []
    before = signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    try:
        sender = interrupt_soon()
        while not calls:
            np.testing.assert_array_equal(session.run([x])[0], x)
        sender.join()
        os.kill(os.getpid(), signal.SIGINT)  # Python's handler is back
        assert len(calls) == 2
    finally:
        signal.signal(signal.SIGINT, before)


def test_threads_share_a_session():
    session = tessera.Session(pen.unary("Neg", "float32"), threads=1)
    failures = []

    def work(seed):
        x = np.full(1000, seed, np.float32)
        for _ in range(200):
            if not np.array_equal(session.run([x])[0], -x):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed, )) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_python_runs_while_a_model_does():
    session = tessera.Session(long_model(30), threads=1)
    x = np.ones((1024, 1024), np.float32)
    count = [0]
    done = threading.Event()

    def counting():
        while not done.is_set():
            count[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=counting)
    thread.start()
    before = count[0]
    session.run([x])
    during = count[0] - before
    done.set()
    thread.join()
    assert during > 100
