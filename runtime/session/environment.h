// Environment: what sessions share, and what they are told to use of their program's.
#pragma once

#include <functional>
#include <memory>

#include "runtime/base/allocator.h"
#include "runtime/base/base.h"

namespace tessera {

class Threads;

/// Where messages go.
struct Log {
  enum class Level : uint8_t { information, warning };
  std::function<void(Level level, const std::string& text)> tell;

  template <class... Words>
  void operator()(Level level, const Words&... words) const {
    if (tell) tell(level, cat(words...));
  }
};

struct Environment {
  std::shared_ptr<Threads> threads;  ///< of all sessions; null: each has its own
  Log log;
  Allocator allocator;
};

}  // namespace tessera
