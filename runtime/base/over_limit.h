// What ends a run, or loading, that takes more than its caller allows.
#pragma once

#include "runtime/base/base.h"

namespace tessera {

/// It took longer, or more rounds of loops. Of Kind::cancelled: it ends as what is cancelled.
class OverLimit : public Error {
 public:
  explicit OverLimit(const std::string& what) : Error(Kind::cancelled, what) {}
};

}  // namespace tessera
