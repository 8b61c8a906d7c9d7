// Statuses of the library's interface as errors.
#pragma once

#include <stdexcept>

#include "include/tessera/tessera.h"
#include "runtime/base/base.h"

namespace tessera::upscale {

inline Error::Kind kind_of(tessera_code code) {
  switch (code) {
    case TESSERA_USAGE: return Error::Kind::usage;
    case TESSERA_FILE: return Error::Kind::file;
    case TESSERA_MODEL: return Error::Kind::model;
    case TESSERA_SHAPE: return Error::Kind::shape;
    case TESSERA_TYPE: return Error::Kind::type;
    case TESSERA_MEMORY: return Error::Kind::memory;
    case TESSERA_DEVICE: return Error::Kind::device;
    case TESSERA_CANCELLED: return Error::Kind::cancelled;
    case TESSERA_DEADLINE: return Error::Kind::deadline;
    default: return Error::Kind::unsupported;
  }
}

/// Throws what a call of the library failed with.
inline void check(tessera_status* status) {
  if (!status) return;
  const tessera_code code = tessera_status_code(status);
  const std::string text = tessera_status_text(status);
  tessera_status_free(status);
  if (code == TESSERA_INTERNAL) throw std::runtime_error(text);
  throw Error(kind_of(code), text);
}

}  // namespace tessera::upscale
