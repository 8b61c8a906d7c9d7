// Operators whose functions are Python's.
#pragma once

#include "python.h"

namespace tessera::python {

/// The set of operators that a list of definitions makes; NULL of an empty one. A definition is a tuple: domain, name,
/// version, types or None, least and most inputs, least and most outputs (-1: any), and the functions create(node),
/// infer(operator, types, inference) or None, run(operator, inputs, call).
std::unique_ptr<tessera_operators, void (*)(tessera_operators*)> operators_of(PyObject* definitions);

/// While it lives, the first exception of an operator's function on this thread is kept.
class OperatorErrors {
 public:
  OperatorErrors();
  ~OperatorErrors();
  OperatorErrors(const OperatorErrors&) = delete;
  OperatorErrors& operator=(const OperatorErrors&) = delete;
  /// Raises it again behind the call that ended with `status`, whose text it gets as a note.
  void raise_again(const tessera_status* status);

 private:
  friend tessera_status* python_failure(bool expected);
  OperatorErrors* outer_;
  PyObject* error_ = nullptr;
};

}  // namespace tessera::python
