// The CPU as a backend: all that other rooms need of it.
#pragma once

#include <memory>

#include "runtime/graph/backend.h"

namespace tessera::cpu {

/// Whether this machine has kernels of that precision that are worth asking for.
bool gains_from(Precision precision);

/// The CPU as a backend. Offers every kernel whose level this machine has, then the reference.
std::unique_ptr<HostBackend> make_backend(Precision precision = Precision::fp32);

}  // namespace tessera::cpu
