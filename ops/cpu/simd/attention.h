// The softmax of scores that lie transposed: one column per query, so that nothing is summed across lanes.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

/// What is added to the scores of key j: row + j * key, one number per column, or one for all.
struct ScoreBias {
  const float* row = nullptr;  ///< null: nothing
  int64_t key = 0;
  bool one = false;
};

struct AttentionSimd {
  /// x[j * stride + i] = exp(x + biases - largest of the column) for j < keys, i < columns (whole vectors);
  /// inverse[i] = 1 / the sum of the column. Biases (the second only beside the first) are read up to
  /// `columns`.
  void (*softmax)(float* x, int64_t stride, int64_t keys, int64_t columns, const ScoreBias biases[2], float* inverse);
  /// out[i * position + e * channel] = x[e * stride + i] * inverse[i] for i < queries, e < depth.
  void (*store)(const float* x, int64_t stride, const float* inverse, int64_t queries, int64_t depth, int64_t position,
                int64_t channel, float* out);
  /// Pairs of numbers, (x[i], x[i + half]) or neighbours, turned by angles of which cosines and sines are given; y = x
  /// turned * scale.
  void (*turn)(const float* x, const float* cos, const float* sin, int64_t half, bool neighbours, float scale,
               float* y);
};

TESSERA_SIMD_FAMILY(AttentionSimd, attention)

}  // namespace tessera::cpu
