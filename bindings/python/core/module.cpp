// tessera._core: tessera's C interface for the Python code around it, which checks and converts.
#include "python.h"

namespace tessera::python {

void raise(tessera_code code, const char* text) {
  const Ref errors(PyImport_ImportModule("tessera._errors"));
  const Ref made(
      PyObject_CallMethod(errors.get(), "error_of", "iN", static_cast<int>(code), python::text(text).release()));
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.get())), made.get());
  throw Raised();
}

void check(tessera_status* status) {
  if (!status) return;
  const std::unique_ptr<tessera_status, void (*)(tessera_status*)> owner(status, tessera_status_free);
  raise(tessera_status_code(status), tessera_status_text(status));
}

Ref tuple_of(std::span<const int64_t> numbers) {
  Ref tuple(PyTuple_New(static_cast<Py_ssize_t>(numbers.size())));
  for (size_t i = 0; i < numbers.size(); ++i)
    check_python(
        PyTuple_SetItem(tuple.get(), static_cast<Py_ssize_t>(i), Ref(PyLong_FromLongLong(numbers[i])).release()));
  return tuple;
}

std::vector<PyObject*> items_of(PyObject* sequence) {
  if (!PyList_Check(sequence) && !PyTuple_Check(sequence)) {
    PyErr_SetString(PyExc_TypeError, "a list or tuple is due");
    throw Raised();
  }
  const bool list = PyList_Check(sequence);
  std::vector<PyObject*> items(static_cast<size_t>(list ? PyList_Size(sequence) : PyTuple_Size(sequence)));
  for (size_t i = 0; i < items.size(); ++i) {
    const auto at = static_cast<Py_ssize_t>(i);
    items[i] = list ? PyList_GetItem(sequence, at) : PyTuple_GetItem(sequence, at);
  }
  return items;
}

std::vector<int64_t> numbers_of(PyObject* sequence) {
  std::vector<int64_t> numbers;
  for (PyObject* item : items_of(sequence)) {
    numbers.push_back(PyLong_AsLongLong(item));
    if (numbers.back() == -1 && PyErr_Occurred()) throw Raised();
  }
  return numbers;
}

Ref add_type(PyObject* module, PyType_Spec& spec) {
  Ref type(PyType_FromModuleAndSpec(module, &spec, nullptr));
  check_python(PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())));
  return type;
}

void add_functions(PyObject* module, PyMethodDef* functions) { check_python(PyModule_AddFunctions(module, functions)); }

namespace {

int fill(PyObject* module) {
  const Ref done(guard([&] {
    add_tensors(module);
    add_buffers(module);
    add_values(module);
    add_cancel(module);
    add_operators(module);
    add_session(module);
    add_upscaler(module);
    check_python(PyModule_AddStringConstant(module, "version", tessera_version()));
    return Ref::none();
  }));
  return 0;
}

int execute(PyObject* module) noexcept {
  try {
    return fill(module);
  } catch (const Raised&) {
    return -1;
  }
}

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(execute)}, {0, nullptr}};
PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "tessera._core", nullptr, 0, nullptr, slots, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace tessera::python

PyMODINIT_FUNC PyInit__core() { return PyModuleDef_Init(&tessera::python::definition); }
