#include "buffer.h"

#include <algorithm>

namespace tessera::python {
namespace {

PyObject* buffer_type = nullptr;

struct Kept {
  Ref object;                     // whose memory it is, if it is Python's
  std::unique_ptr<Given> around;  // that memory
  std::shared_ptr<tessera_buffer> buffer;
};

tessera_buffer_facts facts_of(PyObject* self) {
  tessera_buffer_facts facts;
  TESSERA_INIT(&facts);
  check(tessera_buffer_get(of<Kept>(self).buffer.get(), &facts));
  return facts;
}

template <class Make>
tessera_status* without_gil(Make make) {
  const WithoutGil freely;
  return make();
}

// Device, number of the dtype, extents, -1 and whether it is exported; or the descriptor of its memory, and 0.
PyObject* make_buffer(PyTypeObject* type, PyObject* arguments, PyObject*) {
  return guard([&] {
    const char* device = nullptr;
    int number = 0, descriptor = -1, exported = 0;
    PyObject* shape = nullptr;
    if (!PyArg_ParseTuple(arguments, "siOip", &device, &number, &shape, &descriptor, &exported)) throw Raised();
    const std::vector<int64_t> dims = numbers_of(shape);
    const tessera_tensor wanted{static_cast<tessera_dtype>(number), dims.size(), dims.data(), nullptr, 0};
    tessera_buffer* made = nullptr;
    check(without_gil([&] {
      return descriptor < 0 ? tessera_buffer_create(device, &wanted, exported, &made)
                            : tessera_buffer_import(device, &wanted, descriptor, &made);
    }));
    auto kept = std::make_unique<Kept>();
    kept->buffer.reset(made, tessera_buffer_free);
    return wrap(reinterpret_cast<PyObject*>(type), std::move(kept));
  });
}

// A tensor and whether runs write it: a buffer around its memory.
PyObject* around(PyObject*, PyObject* arguments) {
  return guard([&] {
    PyObject* tensor = nullptr;
    int writable = 0;
    if (!PyArg_ParseTuple(arguments, "Op", &tensor, &writable)) throw Raised();
    auto kept = std::make_unique<Kept>();
    kept->object = Ref::share(tensor);
    kept->around = std::make_unique<Given>(tensor, writable != 0);
    const tessera_tensor plain = kept->around->c();
    tessera_buffer* made = nullptr;
    check(tessera_buffer_create_around(&plain, &made));
    kept->buffer.reset(made, tessera_buffer_free);
    return wrap(buffer_type, std::move(kept));
  });
}

PyObject* facts(PyObject* self, PyObject*) {
  return guard([&] {
    const tessera_buffer_facts facts = facts_of(self);
    return Ref(Py_BuildValue("{sssisNsLsL}", "device", facts.device, "number", static_cast<int>(facts.tensor.dtype),
                             "shape", tuple_of({facts.tensor.dims, facts.tensor.rank}).release(), "uploaded",
                             facts.uploaded, "downloaded", facts.downloaded));
  });
}

PyObject* write(PyObject* self, PyObject* tensor) {
  return guard([&] {
    const std::shared_ptr<tessera_buffer> buffer = buffer_of(self);
    const Given given(tensor);
    const tessera_tensor from = given.c(), to = facts_of(self).tensor;
    if (from.dtype != to.dtype || !std::ranges::equal(std::span(from.dims, from.rank), std::span(to.dims, to.rank)))
      raise(TESSERA_SHAPE, "the array has another dtype or shape than the buffer");
    check(without_gil([&] { return tessera_buffer_write(buffer.get(), from.data, from.bytes); }));
    return Ref::none();
  });
}

// A copy, as a Tensor.
PyObject* read(PyObject* self, PyObject*) {
  return guard([&] {
    const std::shared_ptr<tessera_buffer> buffer = buffer_of(self);
    tessera_tensor to = facts_of(self).tensor;
    const std::shared_ptr<void> memory(::operator new(to.bytes, std::align_val_t(64)),
                                       [](void* gone) { ::operator delete(gone, std::align_val_t(64)); });
    to.data = memory.get();
    check(without_gil([&] { return tessera_buffer_read(buffer.get(), to.data, to.bytes); }));
    return wrap_tensor(to, memory);
  });
}

// A Tensor over its memory; None where that is a device's.
PyObject* tensor(PyObject* self, PyObject*) {
  return guard([&] {
    const tessera_tensor tensor = facts_of(self).tensor;
    if (!tensor.data) return Ref::none();
    if (!of<Kept>(self).around) return wrap_tensor(tensor, buffer_of(self));
    return Ref::share(of<Kept>(self).object.get());
  });
}

PyObject* descriptor(PyObject* self, PyObject*) {
  return guard([&] {
    int made = -1;
    check(tessera_buffer_descriptor(of<Kept>(self).buffer.get(), &made));
    return Ref(PyLong_FromLong(made));
  });
}

PyMethodDef methods[] = {{"facts", facts, METH_NOARGS, nullptr},
                         {"write", write, METH_O, nullptr},
                         {"read", read, METH_NOARGS, nullptr},
                         {"tensor", tensor, METH_NOARGS, nullptr},
                         {"descriptor", descriptor, METH_NOARGS, nullptr},
                         {}};
PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate<Kept>)},
                       {Py_tp_new, reinterpret_cast<void*>(make_buffer)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"tessera._core.Buffer", sizeof(Object<Kept>), 0, Py_TPFLAGS_DEFAULT, slots};
PyMethodDef functions[] = {{"around", around, METH_VARARGS, nullptr}, {}};

}  // namespace

std::shared_ptr<tessera_buffer> buffer_of(PyObject* object) {
  if (object == Py_None) return nullptr;
  if (Py_TYPE(object) != reinterpret_cast<PyTypeObject*>(buffer_type)) raise(TESSERA_INTERNAL, "a buffer is due");
  return of<Kept>(object).buffer;
}

void add_buffers(PyObject* module) {
  buffer_type = add_type(module, spec).release();
  add_functions(module, functions);
}

}  // namespace tessera::python
