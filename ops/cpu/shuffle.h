// DepthToSpace of rows that lie in blocks of channels.
#pragma once

#include <cstring>

#include "ops/cpu/layout.h"

namespace tessera::cpu {

/// One row of pixels, [block][pixel][16], whose blocks are `block_stride` elements apart.
template <class T>
struct BlockedRow {
  const T* data;
  int64_t block_stride, pixels;

  const T* channel(int64_t c) const { return data + c / block_size * block_stride + c % block_size; }

  /// out[x * run + i] = channel first + i of pixel x: a run of channels of one block.
  template <int run>
  void interleave(int64_t first, T* out) const {
    const T* from = channel(first);
    for (int64_t x = 0; x < pixels; ++x) std::memcpy(out + x * run, from + x * block_size, run * sizeof(T));
  }

  /// Row `i` of the `size` that channel `c` of `channels` becomes.
  void shuffle(int64_t size, bool crd, int64_t c, int64_t channels, int64_t i, T* out) const {
    const int64_t first = crd ? (c * size + i) * size : i * size * channels + c;
    const int64_t step = crd ? 1 : channels;
    const bool together = step == 1 && first / block_size == (first + size - 1) / block_size;
    if (together && size == 4) return interleave<4>(first, out);
    if (together && size == 3) return interleave<3>(first, out);
    if (together && size == 2) return interleave<2>(first, out);
    for (int64_t j = 0; j < size; ++j) {
      const T* from = channel(first + j * step);
      for (int64_t x = 0; x < pixels; ++x) out[x * size + j] = from[x * block_size];
    }
  }
};

}  // namespace tessera::cpu
