#include "wish.h"

#include <sys/syscall.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <atomic>

namespace tessera::python {
namespace {

PyObject* cancel_type = nullptr;

// Of the main thread's innermost run.
std::atomic<unsigned char*> listening = nullptr;
struct sigaction before = {};

void set(unsigned char* flag) { __atomic_store_n(flag, 1, __ATOMIC_RELEASE); }

void on_interrupt(int number, siginfo_t* info, void* context) {
  if (unsigned char* flag = listening.load()) set(flag);
  if (before.sa_flags & SA_SIGINFO)
    before.sa_sigaction(number, info, context);
  else if (before.sa_handler != SIG_IGN && before.sa_handler != SIG_DFL)
    before.sa_handler(number);
}

bool is_main_thread() { return getpid() == static_cast<pid_t>(syscall(SYS_gettid)); }

// Python's handler gives way to ours, unless nobody listens to the signal, or it ends the process.
bool listen() {
  struct sigaction now = {};
  if (sigaction(SIGINT, nullptr, &now) != 0) return false;
  if (!(now.sa_flags & SA_SIGINFO) && (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)) return false;
  before = now;
  struct sigaction ours = now;
  ours.sa_flags |= SA_SIGINFO;
  ours.sa_sigaction = on_interrupt;
  return sigaction(SIGINT, &ours, nullptr) == 0;
}

// What Python code has put there in between stays.
void end_listening() {
  struct sigaction now = {};
  if (sigaction(SIGINT, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_interrupt)
    sigaction(SIGINT, &before, nullptr);
}

PyObject* make_cancel(PyTypeObject* type, PyObject*, PyObject*) {
  return guard([&] { return wrap(reinterpret_cast<PyObject*>(type), std::make_unique<Cancel>()); });
}

PyObject* request(PyObject* self, PyObject*) {
  Cancel& cancel = of<Cancel>(self);
  cancel.requested = true;
  for (unsigned char* flag : cancel.flags) set(flag);
  return Py_NewRef(Py_None);
}

PyObject* requested(PyObject* self, void*) { return PyBool_FromLong(of<Cancel>(self).requested); }

PyGetSetDef properties[] = {{"requested", requested, nullptr, "Whether cancel() was called.", nullptr}, {}};
PyMethodDef methods[] = {{"cancel", request, METH_NOARGS, "Ends all that runs with it, from any thread; for good."},
                         {}};
PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate<Cancel>)},
                       {Py_tp_new, reinterpret_cast<void*>(make_cancel)},
                       {Py_tp_getset, properties},
                       {Py_tp_methods, methods},
                       {Py_tp_doc, const_cast<char*>("A wish to stop runs, made from another thread or a callback.\n\n"
                                                     "Give it to any number of runs as cancel=...; call cancel(): they "
                                                     "raise tessera.Cancelled.")},
                       {0, nullptr}};
PyType_Spec spec = {"tessera._core.Cancel", sizeof(Object<Cancel>), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

Wish::Wish(PyObject* cancel) {
  if (cancel != Py_None) {
    if (Py_TYPE(cancel) != reinterpret_cast<PyTypeObject*>(cancel_type)) {
      PyErr_SetString(PyExc_TypeError, "cancel has to be a tessera.Cancel");
      throw Raised();
    }
    cancel_ = &of<Cancel>(cancel);
    flag_ = cancel_->requested;
  }
  check(tessera_cancel_watch(&flag_, &wish_));
  if (cancel_) cancel_->flags.push_back(&flag_);
  if (!is_main_thread()) return;
  outer_ = listening.load();
  first_ = !outer_;
  listens_ = !first_ || listen();
  if (listens_) listening.store(&flag_);
}

Wish::~Wish() {
  if (listens_) {
    if (first_) end_listening();
    listening.store(outer_);
  }
  if (cancel_) std::erase(cancel_->flags, &flag_);
  tessera_cancel_free(wish_);
}

bool Wish::was_in_vain(const tessera_status* status) {
  check_python(PyErr_CheckSignals());
  const bool stopped = tessera_status_code(status) == TESSERA_CANCELLED;
  if (!stopped || (cancel_ && cancel_->requested)) return false;
  flag_ = 0;
  return true;
}

Callback::~Callback() {
  Py_XDECREF(type_);
  Py_XDECREF(value_);
  Py_XDECREF(trace_);
}

void Callback::raise_again() {
  if (!type_) return;
  PyErr_Restore(std::exchange(type_, nullptr), std::exchange(value_, nullptr), std::exchange(trace_, nullptr));
  throw Raised();
}

void add_cancel(PyObject* module) { cancel_type = add_type(module, spec).release(); }

}  // namespace tessera::python
