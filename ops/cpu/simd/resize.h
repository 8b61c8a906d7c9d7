// Rows of separable resampling: up to four taps per output and axis.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

struct ResizeSimd {
  /// out[i] = sum over t < taps of weights[t] * rows[t][i].
  void (*blend)(const float* const* rows, const float* weights, int taps, float* out, int64_t n);
  /// out[i] = sum over t < taps of weights[i * taps + t] * in[index[i * taps + t]].
  void (*plain)(const float* in, const int32_t* index, const float* weights, int taps, float* out, int64_t n);
  /// The same for pixels of 16 channels.
  void (*blocked)(const float* in, const int32_t* index, const float* weights, int taps, float* out, int64_t n);
};

TESSERA_SIMD_FAMILY(ResizeSimd, resize)

}  // namespace tessera::cpu
