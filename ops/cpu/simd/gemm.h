// Inner loops of the packed matrix product. A is packed in panels of `mr` rows, B in panels of
// `nr` columns; both run along the depth.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

/// c[i * ldc + j] = start[i * start_row + j] + sum over k of a[i * a_row + k * a_depth] * b[k * b_stride + j] for
/// i < rows <= mr.
struct GemmTile {
  int rows = 0, columns = 0;  ///< up to nr columns of b are read, `columns` of them are stored
  int64_t depth = 0;
  const float* a = nullptr;
  int64_t a_row = 1, a_depth = 0;  ///< one of them is 1
  const float* b = nullptr;
  int64_t b_stride = 0;
  float* c = nullptr;
  int64_t ldc = 0;
  const float* start = nullptr;  ///< null: zeros; may be c; only `columns` of a row are read
  int64_t start_row = 0;
  /// What the next tiles will read: fetched on the way, `fetch_step` bytes further for each depth.
  const char* fetch = nullptr;
  int64_t fetch_step = 0;
};

struct GemmSimd {
  int mr, nr;
  /// One panel of A: out[k * rows + i] = alpha * a[i * row_stride + k * depth_stride], rows <= mr.
  void (*pack_a)(const float* a, int64_t row_stride, int64_t depth_stride, int rows, int64_t depth, float alpha,
                 float* out);
  /// One panel of B: out[k * nr + j] = alpha * b[k * depth_stride + j * column_stride], zero from `columns` on.
  void (*pack_b)(const float* b, int64_t depth_stride, int64_t column_stride, int64_t depth, int columns, float alpha,
                 float* out);
  void (*tile)(const GemmTile& tile);
  /// The dot product of two contiguous vectors.
  float (*dot)(const float* x, const float* y, int64_t n);
};

/// Whether a left matrix can be multiplied where it lies. Rows (or depths) that are half pages apart would
/// fall on each other in the innermost cache.
constexpr bool reads_left_in_place(int64_t a_row, int64_t a_depth) {
  return (a_row == 1 && a_depth % 512) || (a_depth == 1 && a_row % 512);
}

TESSERA_SIMD_FAMILY(GemmSimd, gemm)

}  // namespace tessera::cpu
