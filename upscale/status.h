// Statuses of the library's interface as errors.
#pragma once

#include <stdexcept>

#include "runtime/base/c_interface.h"

namespace tessera::upscale {

/// Throws what a call of the library failed with.
inline void check(tessera_status* status) {
  if (!status) return;
  const tessera_code code = tessera_status_code(status);
  const std::string text = tessera_status_text(status);
  tessera_status_free(status);
  if (code == TESSERA_INTERNAL) throw std::runtime_error(text);
  throw Error(c_api::kind_of(code, Error::Kind::unsupported), text);
}

}  // namespace tessera::upscale
