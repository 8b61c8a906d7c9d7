// What this process takes of the machine's memory.
#pragma once

#include "runtime/session/session.h"

namespace tessera::tools {

/// The most bytes of this program that were resident at once so far (VmHWM; unlike getrusage, without
/// those of the program that started it), and the bytes that are now (VmRSS).
int64_t peak_rss_bytes();
int64_t rss_bytes();

/// What peak_rss_bytes will be after a run with inputs of these types: what is resident now, with the
/// packed weights, and what the run adds.
int64_t forecast_rss_bytes(const Session& session, List<Type> in);

}  // namespace tessera::tools
