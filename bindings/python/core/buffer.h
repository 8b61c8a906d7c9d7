// Buffers: tensors that stay in a device's memory, or in the host's, between runs.
#pragma once

#include "tensor.h"

namespace tessera::python {

/// The buffer of a _core.Buffer, which whoever uses it shares; NULL for None.
std::shared_ptr<tessera_buffer> buffer_of(PyObject* object);

}  // namespace tessera::python
