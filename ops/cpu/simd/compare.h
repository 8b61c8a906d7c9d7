// Comparisons of spans of numbers.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

enum class Relation : uint8_t { equal, less, less_or_equal, greater, greater_or_equal };
inline constexpr int relations = 5;
/// The number types that have loops.
enum class Compared : uint8_t { float32, int32, int64 };
inline constexpr int compared_types = 3;

struct CompareSimd {
  /// out = x relation y as bytes of 0 and 1; y is a span, or (one) a single number.
  using Compare = void (*)(const void* x, const void* y, bool one, void* out, int64_t n);
  Compare compare[compared_types][relations];
};

TESSERA_SIMD_FAMILY(CompareSimd, compare)

}  // namespace tessera::cpu
