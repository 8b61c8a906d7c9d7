// Between planes of single floats and blocks of sixteen channels per pixel.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

struct ReorderSimd {
  /// out[p * 16 + c] = planes[c * plane_stride + p]; zero for c >= channels (1 to 16).
  void (*block)(const float* planes, int64_t plane_stride, int channels, int64_t pixels, float* out);
  /// planes[c * plane_stride + p] = in[p * 16 + c] for c < channels.
  void (*unblock)(const float* in, int channels, int64_t pixels, float* planes, int64_t plane_stride);
  /// The same for bytes.
  void (*block_bytes)(const std::byte* planes, int64_t plane_stride, int channels, int64_t pixels, std::byte* out);
  void (*unblock_bytes)(const std::byte* in, int channels, int64_t pixels, std::byte* planes, int64_t plane_stride);
  /// target[d * target_stride + i] = source[i * source_stride + d] for d < depth, i < n, of elements of 1, 2, 4, 8 and
  /// 16 bytes: by the binary logarithm.
  using Transpose = void (*)(const std::byte* source, int64_t source_stride, std::byte* target, int64_t target_stride,
                             int64_t depth, int64_t n);
  Transpose transpose[5];
};

TESSERA_SIMD_FAMILY(ReorderSimd, reorder)

}  // namespace tessera::cpu
