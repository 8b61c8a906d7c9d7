#include "operators.h"

#include <algorithm>

#include "value.h"

namespace tessera::python {
namespace {

PyObject *call_type = nullptr, *inference_type = nullptr;
thread_local OperatorErrors* listening = nullptr;

struct Functions {
  Ref create, infer, run;
};

// The exception that is set, which is no longer set then.
Ref taken() {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return Ref(value ? value : Py_NewRef(Py_None));
}

// "ValueError: what it says".
std::string text_of(PyObject* error) {
  const Ref type(PyType_GetName(Py_TYPE(error))), said(PyObject_Str(error));
  const Ref line(PyUnicode_FromFormat("%U: %U", type.get(), said.get()));
  const Ref bytes(PyUnicode_AsEncodedString(line.get(), "utf-8", "replace"));
  return PyBytes_AsString(bytes.get());
}

}  // namespace

// What Python's exception is to C. One that was to be expected is not for the caller.
tessera_status* python_failure(bool expected) {
  try {
    Ref error = taken();
    std::string text = "an operator's exception";
    try {
      text = text_of(error.get());
    } catch (const Raised&) {
      PyErr_Clear();
    }
    if (listening && !listening->error_ && !expected) listening->error_ = error.release();
    return tessera_status_create(TESSERA_MODEL, text.c_str());
  } catch (const Raised&) {
    PyErr_Clear();
    return tessera_status_create(TESSERA_MODEL, "an operator's exception");
  }
}

namespace {

// Calls `body` for a function of an operator, with Python's lock.
template <class Body>
tessera_status* told(Body body, const bool& expected = false) noexcept {
  const WithGil locked;
  try {
    const Ref done(guard([&] {
      body();
      return Ref::none();
    }));
    return nullptr;
  } catch (const Raised&) {
    return python_failure(expected);
  }
}

// --- What a node is: (name, version, inputs, outputs, attributes, constant inputs)

Ref value_or_none(tessera_value* value) { return value ? wrap_value({value, tessera_value_free}) : Ref::none(); }

Ref attribute_of(const tessera_node* node, size_t index) {
  tessera_attribute attribute;
  TESSERA_INIT(&attribute);
  check(tessera_node_attribute_at(node, index, &attribute));
  const auto text_at = [&](size_t i) {
    const char* text = nullptr;
    size_t length = 0;
    check(tessera_node_attribute_text(node, attribute.name, i, &text, &length));
    return Ref(PyUnicode_DecodeUTF8(text, static_cast<Py_ssize_t>(length), "surrogateescape"));
  };
  const auto integer_at = [&](size_t i) { return Ref(PyLong_FromLongLong(attribute.integers[i])); };
  const auto real_at = [&](size_t i) { return Ref(PyFloat_FromDouble(static_cast<double>(attribute.reals[i]))); };
  Ref value = Ref::none();
  switch (attribute.kind) {
    case TESSERA_INTEGER: value = integer_at(0); break;
    case TESSERA_REAL: value = real_at(0); break;
    case TESSERA_TEXT: value = text_at(0); break;
    case TESSERA_INTEGERS: value = list_of(attribute.count, integer_at); break;
    case TESSERA_REALS: value = list_of(attribute.count, real_at); break;
    case TESSERA_TEXTS: value = list_of(attribute.count, text_at); break;
    case TESSERA_TENSOR_ATTRIBUTE: {
      tessera_value* tensor = nullptr;
      check(tessera_node_attribute_value(node, attribute.name, &tensor));
      value = value_or_none(tensor);
      break;
    }
    case TESSERA_GRAPH:
    case TESSERA_NO_ATTRIBUTE: break;
  }
  return Ref(Py_BuildValue("(NN)", text(attribute.name).release(), value.release()));
}

Ref describe(const tessera_node* node) {
  Ref attributes = list_of(tessera_node_attribute_count(node), [&](size_t i) { return attribute_of(node, i); });
  Ref constants = list_of(tessera_node_input_count(node), [&](size_t i) {
    tessera_value* value = nullptr;
    check(tessera_node_constant(node, i, &value));
    return value_or_none(value);
  });
  return Ref(Py_BuildValue("(NinnNN)", text(tessera_node_name(node)).release(), tessera_node_version(node),
                           static_cast<Py_ssize_t>(tessera_node_input_count(node)),
                           static_cast<Py_ssize_t>(tessera_node_output_count(node)), attributes.release(),
                           constants.release()));
}

// --- Inference

struct Inference {
  tessera_inference* c;  // NULL when it is over
  tessera_status* failure = nullptr;
};

PyObject* inference_value(PyObject* self, PyObject* index) {
  return guard([&] {
    auto& inference = of<Inference>(self);
    if (!inference.c) raise(TESSERA_USAGE, "the function that infers has returned");
    tessera_value* value = nullptr;
    tessera_status* status = tessera_inference_value(inference.c, PyLong_AsSize_t(index), &value);
    if (!status) return value_or_none(value);
    tessera_status_free(std::exchange(inference.failure, status));
    raise(tessera_status_code(status), tessera_status_text(status));
  });
}

tessera_status* infer(void* user, void* state, const tessera_node* node, tessera_inference* inference) {
  tessera_status* unknown = nullptr;
  bool is_unknown = false;
  const auto body = [&] {
    const Ref types = list_of(tessera_node_input_count(node), [&](size_t i) {
      tessera_tensor type;
      check(tessera_inference_input(inference, i, &type));
      if (type.dtype == TESSERA_UNDEFINED) return Ref::none();
      return Ref(Py_BuildValue("(iN)", static_cast<int>(type.dtype), tuple_of({type.dims, type.rank}).release()));
    });
    const Ref asked = wrap(inference_type, std::make_unique<Inference>(Inference{inference}));
    PyObject* made = PyObject_CallFunctionObjArgs(static_cast<Functions*>(user)->infer.get(),
                                                  static_cast<PyObject*>(state), types.get(), asked.get(), nullptr);
    of<Inference>(asked.get()).c = nullptr;
    unknown = std::exchange(of<Inference>(asked.get()).failure, nullptr);
    is_unknown = unknown != nullptr;
    const Ref outputs(made);
    const std::vector<PyObject*> items = items_of(outputs.get());
    for (size_t i = 0; i < items.size(); ++i) {
      int number = 0;
      PyObject* shape = nullptr;
      if (!PyArg_ParseTuple(items[i], "iO", &number, &shape)) throw Raised();
      const std::vector<int64_t> dims = numbers_of(shape);
      check(tessera_inference_set(inference, i, static_cast<tessera_dtype>(number), dims.data(), dims.size()));
    }
  };
  tessera_status* status = told(body, is_unknown);
  // A value that is not there yet is no error: the library asks again.
  if (status && unknown) std::swap(status, unknown);
  tessera_status_free(unknown);
  return status;
}

// --- Runs

struct Call {
  tessera_call* c;           // NULL when it is over
  std::vector<Ref> outputs;  // that were handed out
};

tessera_call* call_of(PyObject* self) {
  if (!of<Call>(self).c) raise(TESSERA_USAGE, "the operator has run");
  return of<Call>(self).c;
}

// An output to be filled, as a Tensor; None where the node has no such.
PyObject* call_output(PyObject* self, PyObject* index) {
  return guard([&] {
    tessera_tensor tensor;
    check(tessera_call_output(call_of(self), PyLong_AsSize_t(index), TESSERA_UNDEFINED, nullptr, 0, &tensor));
    if (!tensor.data) return Ref::none();
    return Ref::share(of<Call>(self).outputs.emplace_back(wrap_tensor(tensor, nullptr)).get());
  });
}

// Index, a value.
PyObject* call_set(PyObject* self, PyObject* arguments) {
  return guard([&] {
    Py_ssize_t index = 0;
    PyObject* value = nullptr;
    if (!PyArg_ParseTuple(arguments, "nO", &index, &value)) throw Raised();
    if (!value_of(value)) raise(TESSERA_INTERNAL, "a value is due");
    check(tessera_call_set_output(call_of(self), static_cast<size_t>(index), value_of(value)));
    return Ref::none();
  });
}

Ref input_of(const tessera_call* call, const tessera_node* node, size_t index) {
  if (!tessera_node_has_input(node, index)) return Ref::none();
  tessera_value* value = nullptr;
  check(tessera_call_input_value(call, index, &value));
  const Value held(value, tessera_value_free);
  if (tessera_value_kind(value) != TESSERA_TENSOR || tessera_value_dtype(value) == TESSERA_STRING)
    return wrap_value(held);
  tessera_tensor tensor;
  check(tessera_call_input(call, index, &tensor));
  return wrap_tensor(tensor, nullptr, true);
}

// Arrays over the call's memory must not outlive it.
void check_let_go(const std::vector<Ref>& tensors, const char* what) {
  const auto is_kept = [](const Ref& one) { return Py_REFCNT(one.get()) > 1; };
  if (std::none_of(tensors.begin(), tensors.end(), is_kept)) return;
  PyGC_Collect();  // what refers to itself
  if (std::any_of(tensors.begin(), tensors.end(), is_kept)) {
    PyErr_Format(PyExc_ValueError, "the operator has kept an array of its %s, whose memory is gone: keep a copy", what);
    throw Raised();
  }
}

tessera_status* run(void* user, void* state, const tessera_node* node, tessera_call* call) {
  return told([&] {
    std::vector<Ref> inputs;
    for (size_t i = 0; i < tessera_node_input_count(node); ++i) inputs.push_back(input_of(call, node, i));
    const Ref handle = wrap(call_type, std::make_unique<Call>(Call{call, {}}));
    {
      const Ref list = list_of(inputs.size(), [&](size_t i) { return Ref::share(inputs[i].get()); });
      PyObject* done = PyObject_CallFunctionObjArgs(static_cast<Functions*>(user)->run.get(),
                                                    static_cast<PyObject*>(state), list.get(), handle.get(), nullptr);
      of<Call>(handle.get()).c = nullptr;
      const Ref owner(done);
    }
    std::erase_if(inputs, [](const Ref& one) { return one.get() == Py_None; });
    check_let_go(inputs, "inputs");
    check_let_go(of<Call>(handle.get()).outputs, "outputs");
  });
}

tessera_operator read(PyObject* tuple) {
  tessera_operator made;
  TESSERA_INIT(&made);
  Py_ssize_t counts[4];
  PyObject *create = nullptr, *infer_function = nullptr, *run_function = nullptr;
  if (!PyArg_ParseTuple(tuple, "ssiznnnnOOO", &made.domain, &made.name, &made.version, &made.types, &counts[0],
                        &counts[1], &counts[2], &counts[3], &create, &infer_function, &run_function))
    throw Raised();
  made.min_inputs = static_cast<size_t>(counts[0]);
  made.max_inputs = static_cast<size_t>(counts[1]);  // -1: any
  made.min_outputs = static_cast<size_t>(counts[2]);
  made.max_outputs = static_cast<size_t>(counts[3]);
  made.user = new Functions{Ref::share(create), Ref::share(infer_function), Ref::share(run_function)};
  made.release = [](void* user) {
    const WithGil locked;
    delete static_cast<Functions*>(user);
  };
  made.create = [](void* user, const tessera_node* node, void** state) {
    return told([&] {
      const Ref facts = describe(node);
      *state = Ref(PyObject_CallFunctionObjArgs(static_cast<Functions*>(user)->create.get(), facts.get(), nullptr))
                   .release();
    });
  };
  made.destroy = [](void*, void* state) {
    const WithGil locked;
    Py_XDECREF(static_cast<PyObject*>(state));
  };
  if (infer_function != Py_None) made.infer = infer;
  made.run = run;
  return made;
}

PyMethodDef inference_methods[] = {{"value", inference_value, METH_O, nullptr}, {}};
PyType_Slot inference_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate<Inference>)}, {Py_tp_methods, inference_methods}, {0, nullptr}};
PyType_Spec inference_spec = {"tessera._core.Inference", sizeof(Object<Inference>), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, inference_slots};
PyMethodDef call_methods[] = {
    {"output", call_output, METH_O, nullptr}, {"set_output", call_set, METH_VARARGS, nullptr}, {}};
PyType_Slot call_slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(deallocate<Call>)}, {Py_tp_methods, call_methods}, {0, nullptr}};
PyType_Spec call_spec = {"tessera._core.Call", sizeof(Object<Call>), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, call_slots};

}  // namespace

OperatorErrors::OperatorErrors() : outer_(std::exchange(listening, this)) {}

OperatorErrors::~OperatorErrors() {
  listening = outer_;
  Py_XDECREF(error_);
}

void OperatorErrors::raise_again(const tessera_status* status) {
  if (!error_ || !status) return;
  const Ref note = text(tessera_status_text(status));
  const Ref noted(PyObject_CallMethod(error_, "add_note", "O", note.get()));
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error_)), error_);
  throw Raised();
}

std::unique_ptr<tessera_operators, void (*)(tessera_operators*)> operators_of(PyObject* definitions) {
  std::unique_ptr<tessera_operators, void (*)(tessera_operators*)> all(nullptr, tessera_operators_free);
  for (PyObject* one : items_of(definitions)) {
    if (!all) {
      tessera_operators* made = nullptr;
      check(tessera_operators_create(&made));
      all.reset(made);
    }
    const tessera_operator definition = read(one);
    tessera_status* status = tessera_operators_add(all.get(), &definition);
    if (status) delete static_cast<Functions*>(definition.user);
    check(status);
  }
  return all;
}

void add_operators(PyObject* module) {
  call_type = add_type(module, call_spec).release();
  inference_type = add_type(module, inference_spec).release();
}

}  // namespace tessera::python
