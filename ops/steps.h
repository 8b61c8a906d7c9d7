// Loops that take a while, and end when the caller of the run wishes so.
#pragma once

#include <cstdint>

#include "runtime/base/run_scope.h"

namespace tessera::ops {

/// `for (const int64_t row : Steps(rows))` counts from 0 to rows - 1, and throws Error::cancelled where the run is to
/// stop. For the loops of references over rows, planes, windows or draws: a step should be worth some dozen operations.
class Steps {
 public:
  explicit Steps(int64_t count) : count_(count) {}
  struct Iterator {
    int64_t at;
    int64_t operator*() const {
      check_cancelled();
      return at;
    }
    Iterator& operator++() {
      ++at;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at < other.at; }
  };
  Iterator begin() const { return {0}; }
  Iterator end() const { return {count_}; }

 private:
  int64_t count_;
};

}  // namespace tessera::ops
