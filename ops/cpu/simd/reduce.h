// Sums and other reductions of rows and of columns, softmax, and the inner loops of normalizations.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

enum class Reduction : uint8_t { sum, sum_squares, sum_abs, product, max, min };
inline constexpr int reductions = 6;

struct ReduceSimd {
  /// Of n contiguous numbers; the neutral element for n = 0.
  float (*row[reductions])(const float* x, int64_t n);
  /// The least and the greatest of n contiguous numbers at once; NaN where one of them is.
  void (*extremes)(const float* x, int64_t n, float* least, float* greatest);
  /// out[j] = the reduction over r of x[r * stride + j], for j < n.
  void (*columns[reductions])(const float* x, int64_t stride, int64_t rows, float* out, int64_t n);
  /// Sum of (x - mean)^2.
  float (*row_spread)(const float* x, int64_t n, float mean);
  void (*columns_spread)(const float* x, int64_t stride, int64_t rows, const float* mean, float* out, int64_t n);
  /// Rows of n: out = (x - mean) * inverse * scale[j] + bias[j], where mean is the row's and inverse =
  /// 1 / sqrt(mean of (x - mean)^2 + epsilon). bias, means and inverses may be null.
  void (*layer_norm)(const float* x, int64_t rows, int64_t n, float epsilon, const float* scale, const float* bias,
                     float* out, float* means, float* inverses);
  /// Softmax (or its logarithm) of one contiguous row; out may be x.
  void (*softmax)(const float* x, float* out, int64_t n, bool logarithm);
  /// The same along the first axis of [rows, n] with rows `stride` apart.
  void (*softmax_columns)(const float* x, float* out, int64_t stride, int64_t rows, int64_t n, bool logarithm);
};

TESSERA_SIMD_FAMILY(ReduceSimd, reduce)

}  // namespace tessera::cpu
