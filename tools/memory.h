// What this process takes of the machine's memory.
#pragma once

#include <cstdint>

namespace tessera::tools {

/// The most bytes of this program that were resident at once so far (VmHWM; unlike getrusage, without
/// those of the program that started it), and the bytes that are now (VmRSS).
int64_t peak_rss_bytes();
int64_t rss_bytes();

}  // namespace tessera::tools
