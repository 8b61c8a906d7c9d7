// The wish to stop what runs: by a Cancel that Python holds, or by Ctrl-C.
#pragma once

#include "operators.h"

namespace tessera::python {

/// What a tessera.Cancel holds: whether it was requested, and the flags of all that runs with it.
struct Cancel {
  bool requested = false;
  std::vector<unsigned char*> flags;
};

/// The wish of one run, made and ended with Python's lock. On the main thread Ctrl-C is such a wish while it lives: the
/// signal's handler sets a flag before it calls the one that was there, which is Python's.
class Wish {
 public:
  explicit Wish(PyObject* cancel_or_none);
  ~Wish();
  Wish(const Wish&) = delete;
  Wish& operator=(const Wish&) = delete;
  const tessera_cancel* c() const { return wish_; }
  /// Behind a run that ended: throws what a signal's handler raised. Whether the run ended for a signal alone, whose
  /// handler raised nothing: then it is to be done again.
  bool was_in_vain(const tessera_status* status);

 private:
  unsigned char flag_ = 0;
  unsigned char* outer_ = nullptr;  ///< of the run that called this one
  bool listens_ = false, first_ = false;
  Cancel* cancel_ = nullptr;
  tessera_cancel* wish_ = nullptr;
};

/// A Python function that is called on the way. What it raises ends the run, and is raised behind it.
class Callback {
 public:
  explicit Callback(PyObject* function) : function_(function == Py_None ? nullptr : function) {}
  ~Callback();
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  explicit operator bool() const { return function_ != nullptr; }
  /// Calls the function with the tuple that `arguments` makes, on whichever thread. Anything but 0: the run is to end.
  template <class Arguments>
  int operator()(Arguments arguments) noexcept {
    const WithGil locked;
    if (type_) return 1;
    PyObject* answer = guard([&] { return Ref(PyObject_CallObject(function_, arguments().get())); });
    Py_XDECREF(answer);
    if (!answer) PyErr_Fetch(&type_, &value_, &trace_);
    return answer ? 0 : 1;
  }
  /// Behind the run: raises what the function raised.
  void raise_again();

 private:
  PyObject* function_;
  PyObject *type_ = nullptr, *value_ = nullptr, *trace_ = nullptr;
};

/// Calls `call` with the wish, without Python's lock, until it is done; throws its failure, or what Python raised.
template <class Call>
void run_until_done(PyObject* cancel, Callback& callback, Call call) {
  Wish wish(cancel);
  for (;;) {
    OperatorErrors errors;
    tessera_status* status = nullptr;
    {
      const WithoutGil freely;
      status = call(wish.c());
    }
    const std::unique_ptr<tessera_status, void (*)(tessera_status*)> owner(status, tessera_status_free);
    callback.raise_again();
    errors.raise_again(status);
    if (wish.was_in_vain(status)) continue;
    if (status) raise(tessera_status_code(status), tessera_status_text(status));
    return;
  }
}

}  // namespace tessera::python
