// The CPU's own layout: blocks of channels.
#pragma once

#include <algorithm>

#include "ops/cpu/kernel.h"
#include "runtime/base/rounding.h"

namespace tessera::cpu {

/// Channels of a block. Vector code and packed weights are made for this number.
inline constexpr int block_size = 16;

inline constexpr LayoutForm nchw16c_form{"nchw16c", block_size};
/// [N, ceil(C/16), H, W, 16]; channels beyond C are zero.
inline constexpr Layout nchw16c{&nchw16c_form};

constexpr int64_t blocks_of(int64_t channels) { return ceil_div(channels, block_size); }
/// Of a tensor in nchw16c.
inline int64_t blocks_of(const Shape& shape) { return blocks_of(shape[1]); }
/// Channels that are there of a block; the others are zero.
constexpr int64_t channels_in(int64_t block, int64_t channels) {
  return std::min<int64_t>(block_size, channels - block * block_size);
}

/// The kernel that does the same in blocks of channels.
constexpr CpuKernel in_blocks(CpuKernel kernel, Text name, bool (*accepts)(const CpuKernel&, const Problem&),
                              void (*run)(const CpuKernel&, const Args&, Threads&) noexcept) {
  kernel.name = name;
  kernel.in = kernel.out = nchw16c;
  kernel.accepts = accepts;
  kernel.run = run;
  return kernel;
}

}  // namespace tessera::cpu
