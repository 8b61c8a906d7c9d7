// Products of floats with numbers of 4 and 8 bits that share a scale and a zero point by blocks.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

/// Columns that lie one behind the other: of each, blocks of `block` numbers, a multiple of 32, the lower half of a
/// byte first. x is as long as all blocks, zeros behind its end; where numbers have 4 bits, the 16 even ones of every
/// 32 lie before the odd ones.
struct BitsDots {
  int64_t blocks = 0, block = 0;
  const float* x = nullptr;
  const uint8_t* weights = nullptr;
  const float* scales = nullptr;
  const float* zeros = nullptr;
};

struct BitsSimd {
  static constexpr int columns = 4;  ///< of one call, or one
  /// y[c] = the sum of scale * (number - zero) * x over column c, for `columns` of them or for one.
  void (*dots4[2])(const BitsDots& dots, float* y);  ///< numbers of 4 bits: one column, `columns`
  void (*dots8[2])(const BitsDots& dots, float* y);
  /// out = (x - zero) * scale of n numbers of 4 or 8 bits; n is a multiple of 16.
  void (*widen4)(const uint8_t* x, float zero, float scale, float* out, int64_t n);
  void (*widen8)(const uint8_t* x, float zero, float scale, float* out, int64_t n);
};

TESSERA_SIMD_FAMILY(BitsSimd, bits)

}  // namespace tessera::cpu
