// Loops that take a while, and end when the caller of the run wishes so.
#pragma once

#include <cstdint>

#include "runtime/base/run_scope.h"

namespace tessera::ops {

/// Counts from 0 to count - 1, and throws Error::cancelled where the run is to stop: asks at every `every`-th step.
template <int64_t every>
class StepsAsking {
 public:
  explicit StepsAsking(int64_t count) : count_(count) {}
  struct Iterator {
    int64_t at;
    int64_t operator*() const {
      if (at % every == 0) check_cancelled();
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

/// `for (const int64_t row : Steps(rows))`: for the loops of references over rows, planes, windows or draws. A step
/// should be worth some dozen operations.
using Steps = StepsAsking<1>;

}  // namespace tessera::ops
