// What sessions and upscalers share: opened from a path or from bytes, closed by any thread.
#pragma once

#include "operators.h"

namespace tessera::python {

/// Numbers for inputs that are none any more, of (name, number) pairs that outlive them.
inline std::vector<tessera_fixed_input> fixed_inputs(PyObject* pairs) {
  std::vector<tessera_fixed_input> fixed;
  for (PyObject* pair : items_of(pairs)) {
    tessera_fixed_input one = {};
    if (!PyArg_ParseTuple(pair, "sd", &one.name, &one.value)) throw Raised();
    fixed.push_back(one);
  }
  return fixed;
}

/// What `work` gives, while other threads of Python run.
template <class Work>
auto unlocked(Work work) {
  const WithoutGil freely;
  return work();
}

/// load_path(a path), or load_memory(bytes, how many).
template <class LoadPath, class LoadMemory>
void open_source(PyObject* source, LoadPath load_path, LoadMemory load_memory) {
  OperatorErrors errors;
  const auto done = [&](tessera_status* status) {
    const std::unique_ptr<tessera_status, void (*)(tessera_status*)> owner(status, tessera_status_free);
    errors.raise_again(status);
    if (status) raise(tessera_status_code(status), tessera_status_text(status));
  };
  if (PyUnicode_Check(source)) {
    const Ref path(PyUnicode_EncodeFSDefault(source));
    const char* bytes = PyBytes_AsString(path.get());
    done(unlocked([&] { return load_path(bytes); }));
  } else {
    const Buffer model(source, PyBUF_SIMPLE);
    done(unlocked([&] { return load_memory(model->buf, static_cast<size_t>(model->len)); }));
  }
}

/// A copy: work may go on while another thread closes the object. `closed` is said where that has happened.
template <class T>
std::shared_ptr<T> opened(PyObject* self, const char* closed) {
  std::shared_ptr<T> it = of<std::shared_ptr<T>>(self);
  if (!it) raise(TESSERA_USAGE, closed);
  return it;
}

template <class T>
PyObject* close(PyObject* self, PyObject*) {
  std::shared_ptr<T> gone;
  of<std::shared_ptr<T>>(self).swap(gone);
  const WithoutGil freely;
  gone.reset();
  return guard([] { return Ref::none(); });
}

}  // namespace tessera::python
