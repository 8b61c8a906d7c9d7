// What the module's files share: Python's stable interface, owned references, errors both ways.
#pragma once

#define Py_LIMITED_API 0x030B0000  // 3.11 and all later versions
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <tessera/upscale.h>

#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tessera::python {

/// A Python exception is set.
struct Raised {};

/// An owned reference. NULL where one is due means that a Python exception is set.
class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) : object_(owned) {
    if (!owned) throw Raised();
  }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }
  static Ref share(PyObject* borrowed) { return Ref(Py_NewRef(borrowed)); }
  static Ref none() { return share(Py_None); }

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }

 private:
  PyObject* object_ = nullptr;
};

inline void check_python(int result) {
  if (result < 0) throw Raised();
}

/// Raises the class of tessera._errors that belongs to the code.
[[noreturn]] void raise(tessera_code code, const char* text);
/// The same for a failure, which it frees.
void check(tessera_status* status);

/// Calls `body`, which gives a Ref, from a function that Python calls.
template <class Body>
PyObject* guard(Body body) {
  try {
    return body().release();
  } catch (const Raised&) {
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

/// Lets other threads of Python run while it lives.
class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  ~WithoutGil() { PyEval_RestoreThread(state_); }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};

/// Holds Python's lock while it lives, on any thread.
class WithGil {
 public:
  WithGil() : state_(PyGILState_Ensure()) {}
  ~WithGil() { PyGILState_Release(state_); }
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;

 private:
  PyGILState_STATE state_;
};

/// A view of another object's memory.
class Buffer {
 public:
  Buffer() = default;
  Buffer(PyObject* object, int flags) {
    if (PyObject_GetBuffer(object, &view_, flags) < 0) {
      view_.obj = nullptr;
      throw Raised();
    }
  }
  Buffer(Buffer&& other) noexcept : view_(other.view_) { other.view_.obj = nullptr; }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(view_, other.view_);
    return *this;
  }
  ~Buffer() {
    if (view_.obj) PyBuffer_Release(&view_);
  }
  const Py_buffer* operator->() const { return &view_; }

 private:
  Py_buffer view_{};
};

/// A Python object around a C++ one.
template <class T>
struct Object {
  PyObject_HEAD T* it;
};
template <class T>
T& of(PyObject* self) {
  return *reinterpret_cast<Object<T>*>(self)->it;
}
template <class T>
void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  delete reinterpret_cast<Object<T>*>(self)->it;
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}
/// A new object of a heap type around `it`.
template <class T>
Ref wrap(PyObject* type, std::unique_ptr<T> it) {
  auto* heap_type = reinterpret_cast<PyTypeObject*>(type);
  Ref made(reinterpret_cast<allocfunc>(PyType_GetSlot(heap_type, Py_tp_alloc))(heap_type, 0));
  reinterpret_cast<Object<T>*>(made.get())->it = it.release();
  return made;
}

inline Ref text(const char* utf8) {
  return Ref(PyUnicode_DecodeUTF8(utf8, static_cast<Py_ssize_t>(std::string_view(utf8).size()), "replace"));
}
Ref tuple_of(std::span<const int64_t> numbers);
std::vector<int64_t> numbers_of(PyObject* sequence);
/// A list of make(0) ... make(count - 1).
template <class Make>
Ref list_of(size_t count, Make make) {
  Ref list(PyList_New(static_cast<Py_ssize_t>(count)));
  for (size_t i = 0; i < count; ++i)
    check_python(PyList_SetItem(list.get(), static_cast<Py_ssize_t>(i), make(i).release()));
  return list;
}
/// The items of a list or tuple, borrowed.
std::vector<PyObject*> items_of(PyObject* sequence);

/// Each file adds its types and functions to the module.
void add_tensors(PyObject* module);
void add_buffers(PyObject* module);
void add_values(PyObject* module);
void add_cancel(PyObject* module);
void add_operators(PyObject* module);
void add_session(PyObject* module);
void add_upscaler(PyObject* module);
Ref add_type(PyObject* module, PyType_Spec& spec);
void add_functions(PyObject* module, PyMethodDef* functions);

}  // namespace tessera::python
