// Comparisons of spans of numbers, and which of them are infinite or none.
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
  /// Floats by their bits, of 16 or of 32: out = first <= (x & mask) <= first + rest.
  void (*within16)(const uint16_t* x, uint16_t mask, uint16_t first, uint16_t rest, uint8_t* out, int64_t n);
  void (*within32)(const uint32_t* x, uint32_t mask, uint32_t first, uint32_t rest, uint8_t* out, int64_t n);
};

TESSERA_SIMD_FAMILY(CompareSimd, compare)

}  // namespace tessera::cpu
