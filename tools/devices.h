// Devices as subcommands name them that work on graphs and not on sessions, and what devices tell.
#pragma once

#include "runtime/plan/cut.h"
#include "runtime/session/environment.h"

namespace tessera::tools {

/// "cpu", or "vulkan:N" with the CPU behind it, for a session's precision. Throws Error::usage, Error::device.
Backends backends_of(const std::string& device, const std::string& precision);

/// Of sessions that tune: how far that is goes to standard error.
std::shared_ptr<const Environment> tuning_environment();

}  // namespace tessera::tools
