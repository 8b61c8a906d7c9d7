// Products of bfloat16 numbers summed in float32. A cell is a pair of neighbouring input channels, the first in
// the lower half; a block of sixteen cells is a pixel of 32 channels. Tiles are those of simd/conv.h with cells
// in place of channels; the float pointers of a ConvTile point to cells where it reads input and weights.
#pragma once

#include "ops/cpu/simd/conv.h"

namespace tessera::cpu {

struct Bf16Simd {
  static constexpr int max_blocks = 2, max_grain = 16;
  int pixels[max_blocks + 1];  ///< of the widest tile, by its output blocks
  int grain;                   ///< pixels that a tile computes at a time
  /// `pixels` pixels times `blocks` blocks of output channels. Blocks of weights are whole, zeros behind the
  /// last channel; as many pixels are read as there are in whole grains.
  void (*tile)(const ConvTile& tile, int blocks, int pixels);
  /// Rounds pixels of 32 numbers, sixteen from `low` and sixteen from `high`, `step` floats apart, into blocks of
  /// cells; zeros behind the first `channels`. Residue: rounds what rounding leaves instead.
  void (*round)(const float* low, const float* high, int64_t step, int64_t pixels, int channels, bool residue,
                float* out);
  /// A thread calls these around its tiles.
  void (*begin)();
  void (*end)();
};

TESSERA_SIMD_FAMILY_BF16(Bf16Simd, bf16)

}  // namespace tessera::cpu
