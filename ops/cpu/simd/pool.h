// Rows of max and average pooling, plain and blocked by 16 channels.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

struct PoolAxis {
  int64_t in, out, kernel, stride, dilation, pad, pad_end;
  int64_t begin, end;                                            ///< outputs whose taps all lie inside the input
  int64_t reach() const { return (kernel - 1) * dilation + 1; }  ///< inputs from an output's first tap to its last
};

struct PoolShape {
  PoolAxis y, x;
  bool average, count_padding;
};

struct PoolSimd {
  /// Row `oy` of one output plane.
  void (*plane_row)(const PoolShape& shape, const float* plane, int64_t oy, float* out);
  /// The same for a plane of 16 channels side by side.
  void (*block_row)(const PoolShape& shape, const float* plane, int64_t oy, float* out);
};

TESSERA_SIMD_FAMILY(PoolSimd, pool)

}  // namespace tessera::cpu
