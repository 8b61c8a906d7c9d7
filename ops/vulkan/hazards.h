// Hazards: where dispatches have to wait for others.
#pragma once

#include <algorithm>
#include <vector>

#include "runtime/base/base.h"

namespace tessera::vulkan {

/// Bytes that a dispatch touches.
struct Access {
  const void* memory;
  int64_t offset, bytes;
  bool reads, writes;
};

/// What has been read and written since the last barrier.
class Hazards {
 public:
  /// Notes a dispatch; whether a barrier has to stand before it.
  bool note(List<Access> accesses) {
    const bool wait = std::any_of(accesses.begin(), accesses.end(), [&](const Access& access) {
      return std::any_of(before_.begin(), before_.end(), [&](const Access& b) { return conflict(b, access); });
    });
    if (wait) before_.clear();
    before_.insert(before_.end(), accesses.begin(), accesses.end());
    return wait;
  }

 private:
  static bool conflict(const Access& a, const Access& b) {
    return (a.writes || b.writes) && a.memory == b.memory && a.offset < b.offset + b.bytes &&
           b.offset < a.offset + a.bytes;
  }
  std::vector<Access> before_;
};

}  // namespace tessera::vulkan
