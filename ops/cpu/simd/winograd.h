// Transforms of F(4x4, 3x3) on the points 0, +-sqrt(1/2), +-sqrt(2), infinity; one block of sixteen
// channels of one tile at a time.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

struct WinogradSimd {
  /// 6x6 pixels of sixteen channels, rows `row_stride` floats apart, into 36 places `plane` apart.
  void (*input)(const float* in, int64_t row_stride, float* out, int64_t plane);
  /// 36 places `plane` apart into 4x4 pixels plus bias, rows `row_stride` floats apart.
  void (*output)(const float* in, int64_t plane, const float* bias, float* out, int64_t row_stride);
};

TESSERA_SIMD_FAMILY(WinogradSimd, winograd)

}  // namespace tessera::cpu
