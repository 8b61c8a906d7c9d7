// Values of all kinds: strings, sequences, optionals and maps.
#pragma once

#include "tensor.h"

namespace tessera::python {

using Value = std::shared_ptr<tessera_value>;

/// The value of a _core.Value; NULL where the object is something else.
const tessera_value* value_of(PyObject* object);
/// A dense tensor as a value, which keeps the object's memory as long as anything refers to it.
Value value_around(PyObject* object);
/// What Python gets: a Tensor where it is a dense one, else a Value.
Ref wrap_value(Value value);

}  // namespace tessera::python
