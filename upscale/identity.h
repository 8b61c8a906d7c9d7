// Identity: a name for a model by its bytes, under which what was found out of it is kept.
#pragma once

#include <string>

#include "runtime/base/base.h"

namespace tessera::upscale {

/// 32 hexadecimal digits; other bytes have others.
std::string identity_of(List<std::byte> bytes);

}  // namespace tessera::upscale
