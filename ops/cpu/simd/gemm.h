// Inner loops of the packed matrix product. A is packed in panels of `mr` rows, B in panels of
// `nr` columns; both run along the depth.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

struct GemmSimd {
  int mr, nr;
  /// One panel of A: out[k * rows + i] = alpha * a[i * row_stride + k * depth_stride], rows <= mr.
  void (*pack_a)(const float* a, int64_t row_stride, int64_t depth_stride, int rows, int64_t depth, float alpha,
                 float* out);
  /// One panel of B: out[k * nr + j] = b[k * depth_stride + j * column_stride], zero from `columns` on.
  void (*pack_b)(const float* b, int64_t depth_stride, int64_t column_stride, int64_t depth, int columns, float* out);
  /// c[i * ldc + j] (+)= sum over k of a[k * rows + i] * b[k * b_stride + j]; up to nr columns of
  /// b are read, `columns` of them are stored. With `accumulate` the sum is added to c.
  void (*tile)(int rows, int64_t depth, const float* a, const float* b, int64_t b_stride, float* c, int64_t ldc,
               int columns, bool accumulate);
  /// The dot product of two contiguous vectors.
  float (*dot)(const float* x, const float* y, int64_t n);
};

TESSERA_SIMD_FAMILY(GemmSimd, gemm)

}  // namespace tessera::cpu
