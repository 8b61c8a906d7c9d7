#include "tensor.h"

#include <algorithm>
#include <cstring>

#include "dlpack.h"

namespace tessera::python {
namespace {

PyObject* tensor_type = nullptr;

struct Format {
  tessera_dtype dtype;
  const char* format;  // as Python's struct module has it; NULL: it knows none
  size_t bits;
  uint8_t dlpack_code, dlpack_bits;
};
constexpr Format formats[] = {
    {TESSERA_FLOAT32, "f", 32, dlpack::floating, 32},
    {TESSERA_UINT8, "B", 8, dlpack::unsigned_integer, 8},
    {TESSERA_INT8, "b", 8, dlpack::integer, 8},
    {TESSERA_UINT16, "H", 16, dlpack::unsigned_integer, 16},
    {TESSERA_INT16, "h", 16, dlpack::integer, 16},
    {TESSERA_INT32, "i", 32, dlpack::integer, 32},
    {TESSERA_INT64, "q", 64, dlpack::integer, 64},
    {TESSERA_BOOL, "?", 8, dlpack::boolean, 8},
    {TESSERA_FLOAT16, "e", 16, dlpack::floating, 16},
    {TESSERA_FLOAT64, "d", 64, dlpack::floating, 64},
    {TESSERA_UINT32, "I", 32, dlpack::unsigned_integer, 32},
    {TESSERA_UINT64, "Q", 64, dlpack::unsigned_integer, 64},
    {TESSERA_COMPLEX64, "Zf", 64, dlpack::complex, 64},
    {TESSERA_COMPLEX128, "Zd", 128, dlpack::complex, 128},
    {TESSERA_BFLOAT16, nullptr, 16, dlpack::bfloat, 16},
    {TESSERA_FLOAT8E4M3FN, nullptr, 8, dlpack::float8_e4m3fn, 8},
    {TESSERA_FLOAT8E4M3FNUZ, nullptr, 8, dlpack::float8_e4m3fnuz, 8},
    {TESSERA_FLOAT8E5M2, nullptr, 8, dlpack::float8_e5m2, 8},
    {TESSERA_FLOAT8E5M2FNUZ, nullptr, 8, dlpack::float8_e5m2fnuz, 8},
    {TESSERA_FLOAT8E8M0, nullptr, 8, dlpack::float8_e8m0fnu, 8},
};

// 4- and 2-bit elements have no row: they are packed, and neither buffers nor DLPack say so.
const Format* format_of(tessera_dtype dtype) {
  const auto* found = std::ranges::find(formats, dtype, &Format::dtype);
  return found == std::end(formats) ? nullptr : found;
}

[[noreturn]] void buffer_error(const char* text) {
  PyErr_SetString(PyExc_BufferError, text);
  throw Raised();
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  Tensor& tensor = of<Tensor>(self);
  const Format* format = format_of(tensor.dtype);
  view->obj = nullptr;
  if (!format || !format->format) {
    PyErr_SetString(PyExc_BufferError, "Python's buffers have no format for elements of this dtype");
    return -1;
  }
  if (tensor.read_only && (flags & PyBUF_WRITABLE)) {
    PyErr_SetString(PyExc_BufferError, "this tensor is only to be read");
    return -1;
  }
  *view = {};
  view->obj = Py_NewRef(self);
  view->buf = tensor.data;
  view->len = static_cast<Py_ssize_t>(tensor.bytes);
  view->itemsize = static_cast<Py_ssize_t>(format->bits / 8);
  view->readonly = tensor.read_only;
  view->ndim = static_cast<int>(tensor.shape.size());
  if (flags & PyBUF_FORMAT) view->format = const_cast<char*>(format->format);
  if ((flags & PyBUF_ND) == PyBUF_ND) view->shape = tensor.shape.data();
  if ((flags & PyBUF_STRIDES) == PyBUF_STRIDES) view->strides = tensor.strides.data();
  return 0;
}

PyObject* get_number(PyObject* self, void*) { return PyLong_FromLong(of<Tensor>(self).dtype); }
PyObject* get_shape(PyObject* self, void*) {
  return guard([&] { return tuple_of(of<Tensor>(self).dims); });
}
PyObject* get_nbytes(PyObject* self, void*) { return PyLong_FromSize_t(of<Tensor>(self).bytes); }

// The same bytes as uint8 [bytes].
PyObject* as_bytes(PyObject* self, PyObject*) {
  return guard([&] {
    const Tensor& tensor = of<Tensor>(self);
    const auto bytes = static_cast<int64_t>(tensor.bytes);
    const std::shared_ptr<void> owner(Py_NewRef(self), [](void* gone) {
      const WithGil locked;
      Py_DECREF(static_cast<PyObject*>(gone));
    });
    return wrap_tensor({TESSERA_UINT8, 1, &bytes, tensor.data, tensor.bytes}, owner, tensor.read_only);
  });
}

struct Exported {
  dlpack::ManagedTensor managed;
  Tensor tensor;
};

void free_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, dlpack::fresh)) return;
  auto* managed = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule, dlpack::fresh));
  managed->deleter(managed);
}

PyObject* to_dlpack(PyObject* self, PyObject*, PyObject*) {
  return guard([&] {
    const Tensor& tensor = of<Tensor>(self);
    const Format* format = format_of(tensor.dtype);
    if (!format) buffer_error("DLPack has no packed elements of this dtype");
    if (tensor.read_only) buffer_error("DLPack cannot say that a tensor is only to be read");
    auto exported = std::make_unique<Exported>(Exported{{}, tensor});
    dlpack::ManagedTensor& managed = exported->managed;
    managed.tensor = {tensor.data,
                      {dlpack::cpu, 0},
                      static_cast<int32_t>(tensor.dims.size()),
                      {format->dlpack_code, format->dlpack_bits, 1},
                      exported->tensor.dims.data(),
                      nullptr,
                      0};
    managed.context = exported.get();
    managed.deleter = [](dlpack::ManagedTensor* gone) { delete static_cast<Exported*>(gone->context); };
    Ref capsule(PyCapsule_New(&managed, dlpack::fresh, free_capsule));
    (void)exported.release();
    return capsule;
  });
}

PyObject* dlpack_device(PyObject*, PyObject*) { return Py_BuildValue("ii", dlpack::cpu, 0); }

// What `capsule` holds, which is used up. None where its elements do not lie row-major.
PyObject* from_dlpack(PyObject*, PyObject* capsule) {
  return guard([&] {
    auto* managed = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule, dlpack::fresh));
    if (!managed) throw Raised();
    const dlpack::DenseTensor& from = managed->tensor;
    if (from.device.type != dlpack::cpu && from.device.type != dlpack::cuda_host)
      buffer_error("the tensor is in a device's memory: move it to the CPU first");
    const auto* format = std::ranges::find_if(formats, [&](const Format& row) {
      return row.dlpack_code == from.dtype.code && row.dlpack_bits == from.dtype.bits;
    });
    if (format == std::end(formats) || from.dtype.lanes != 1)
      buffer_error("tessera has no elements of this DLPack type");
    const std::span<const int64_t> dims(from.dims, static_cast<size_t>(from.rank));
    size_t count = 1;
    bool dense = true;
    for (size_t i = dims.size(); i-- > 0;) {
      dense = dense && (!from.strides || dims[i] == 1 || from.strides[i] == static_cast<int64_t>(count));
      count *= static_cast<size_t>(dims[i]);
    }
    if (!dense && count) return Ref::none();
    check_python(PyCapsule_SetName(capsule, dlpack::used));
    const std::shared_ptr<void> owner(managed, [](void* gone) {
      auto* tensor = static_cast<dlpack::ManagedTensor*>(gone);
      if (tensor->deleter) tensor->deleter(tensor);
    });
    return wrap_tensor(
        {format->dtype, dims.size(), from.dims, static_cast<char*>(from.data) + from.offset, count * format->bits / 8},
        owner);
  });
}

PyGetSetDef properties[] = {{"number", get_number, nullptr, "ONNX's number of the dtype.", nullptr},
                            {"shape", get_shape, nullptr, "Extents.", nullptr},
                            {"nbytes", get_nbytes, nullptr, "Size of the elements in bytes.", nullptr},
                            {}};
PyMethodDef methods[] = {{"as_bytes", as_bytes, METH_NOARGS, "The same bytes as a tensor of uint8."},
                         {"__dlpack__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(to_dlpack)),
                          METH_VARARGS | METH_KEYWORDS, "A DLPack capsule of the same memory."},
                         {"__dlpack_device__", dlpack_device, METH_NOARGS, "(1, 0): the CPU's memory."},
                         {}};
PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate<Tensor>)},
                       {Py_tp_getset, properties},
                       {Py_tp_methods, methods},
                       {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                       {0, nullptr}};
PyType_Spec spec = {"tessera._core.Tensor", sizeof(Object<Tensor>), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
PyMethodDef functions[] = {{"from_dlpack", from_dlpack, METH_O, "A Tensor of a capsule, or None if it is not dense."},
                           {}};

}  // namespace

Tensor::Tensor(const tessera_tensor& tensor, std::shared_ptr<void> owner_of_bytes)
    : owner(std::move(owner_of_bytes)),
      dtype(tensor.dtype),
      dims(tensor.dims, tensor.dims + tensor.rank),
      shape(dims.begin(), dims.end()),
      strides(dims.size()),
      data(tensor.data),
      bytes(tensor.bytes) {
  const Format* format = format_of(dtype);
  auto stride = static_cast<Py_ssize_t>(format ? format->bits / 8 : 1);
  for (size_t i = dims.size(); i-- > 0; stride *= shape[i]) strides[i] = stride;
}

Ref wrap_tensor(const tessera_tensor& tensor, std::shared_ptr<void> owner, bool read_only) {
  auto made = std::make_unique<Tensor>(tensor, std::move(owner));
  made->read_only = read_only;
  return wrap(tensor_type, std::move(made));
}

tessera_dtype dtype_of_format(const char* format, Py_ssize_t size) {
  std::string_view given(format ? format : "B");
  if (given.starts_with('<') || given.starts_with('=') || given.starts_with('@')) given.remove_prefix(1);
  const auto bits = static_cast<size_t>(size) * 8;
  if (given == "l" || given == "L")  // as long as the machine has it
    return bits == 64 ? (given == "l" ? TESSERA_INT64 : TESSERA_UINT64)
                      : (given == "l" ? TESSERA_INT32 : TESSERA_UINT32);
  for (const Format& row : formats)
    if (row.format && given == row.format && bits == row.bits) return row.dtype;
  return TESSERA_UNDEFINED;
}

Given::Given(PyObject* object, bool writable) {
  const int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
  if (object == Py_None) return;
  if (Py_TYPE(object) == reinterpret_cast<PyTypeObject*>(tensor_type) && !writable) {
    // Its memory stays where it is as long as the object does, which the caller's list holds.
    const Tensor& tensor = of<Tensor>(object);
    dtype_ = tensor.dtype;
    dims_ = tensor.dims;
    data_ = tensor.data;
    bytes_ = tensor.bytes;
    return;
  }
  if (PyTuple_Check(object)) {
    int number = 0;
    PyObject *shape = nullptr, *bytes = nullptr;
    if (!PyArg_ParseTuple(object, "iOO", &number, &shape, &bytes)) throw Raised();
    dtype_ = static_cast<tessera_dtype>(number);
    dims_ = numbers_of(shape);
    buffer_ = Buffer(bytes, flags);
  } else {
    buffer_ = Buffer(object, flags);
    dtype_ = dtype_of_format(buffer_->format, buffer_->itemsize);
    if (dtype_ == TESSERA_UNDEFINED) {
      PyErr_Format(PyExc_TypeError, "no tensor has elements of the format '%s'", buffer_->format);
      throw Raised();
    }
    dims_.assign(buffer_->shape, buffer_->shape + buffer_->ndim);
  }
  data_ = buffer_->buf;
  bytes_ = static_cast<size_t>(buffer_->len);
}

GivenList::GivenList(PyObject* list, bool writable) {
  for (PyObject* item : items_of(list)) given.emplace_back(item, writable);
  for (const Given& one : given) plain.push_back(one.c());
}

void add_tensors(PyObject* module) {
  tensor_type = add_type(module, spec).release();
  add_functions(module, functions);
}

}  // namespace tessera::python
