// Devices as subcommands name them that work on graphs and not on sessions.
#pragma once

#include "runtime/plan/cut.h"

namespace tessera::tools {

/// "cpu", or "vulkan:N" with the CPU behind it, for a session's precision. Throws Error::usage, Error::device.
Backends backends_of(const std::string& device, const std::string& precision);

}  // namespace tessera::tools
