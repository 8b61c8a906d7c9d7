// Loops over elements that end when the caller of the run wishes so, and vectors that count in its memory.
#pragma once

#include "ops/steps.h"
#include "runtime/base/run_vector.h"

namespace tessera::ops {

/// As Steps, for loops whose steps are worth a few operations: asks at every 4096th.
using Elements = StepsAsking<4096>;

/// An order for sorting, which throws where the run is to stop.
template <class Less>
auto asking(Less less) {
  return [less, asked = 0u](const auto& a, const auto& b) mutable {
    if ((++asked & 4095) == 0) check_cancelled();
    return less(a, b);
  };
}

/// Calls body(begin, end) over stretches of [0, count), and throws where the run is to stop: for loops that compilers
/// turn into vector code.
template <class Body>
void in_pieces(int64_t count, const Body& body) {
  constexpr int64_t piece = int64_t{1} << 16;
  for (int64_t begin = 0; begin < count; begin += piece) {
    check_cancelled();
    body(begin, std::min(count, begin + piece));
  }
}

}  // namespace tessera::ops
