#include "tools/memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace tessera::tools {

namespace {

int64_t status_bytes(const char* field) {
  std::ifstream status("/proc/self/status");
  int64_t kilobytes = 0;
  for (std::string word; status >> word;)
    if (word == field && status >> kilobytes) break;
  return kilobytes * 1024;
}

}  // namespace

int64_t peak_rss_bytes() { return status_bytes("VmHWM:"); }
int64_t rss_bytes() { return status_bytes("VmRSS:"); }

int64_t forecast_rss_bytes(const Session& session, List<Type> in) {
  const Memory memory = session.forecast(in);
  return std::max(peak_rss_bytes(), rss_bytes() + memory.arena_bytes + memory.ends_bytes);
}

}  // namespace tessera::tools
