// Weights of quantized convolutions in the orders that their inner loops read.
#pragma once

#include <algorithm>

#include "ops/cpu/kernel.h"
#include "ops/cpu/layout.h"
#include "ops/window.h"

namespace tessera::cpu {

/// Sizes of packed quantized weights. A unit is what one tile makes: one or two blocks of output channels.
struct QuantPacking {
  int64_t groups = 1, group_in = 0, group_out = 0;  ///< channels per group
  int64_t out_blocks = 0;                           ///< of sixteen output channels, per group
  int64_t in_blocks = 0, last = 0;  ///< input blocks per group, groups of channels in the last as packed
  int64_t taps = 0;                 ///< as packed
  int64_t tap_columns = 1;          ///< depthwise: kernel columns that one tap covers
  int unit_blocks = 1;
  bool quads = false, depthwise = false;
  bool tiles = false;  ///< quads in blocks of 64 input channels, for AMX

  /// `narrow`: all weights less their zero point fit into signed bytes.
  QuantPacking(const Node& node, const Shape& w, bool narrow);

  /// Of input channels, or of columns of a depthwise kernel.
  int channels_per_group() const { return quads ? 4 : 2; }
  int channels_per_block() const { return tiles ? 64 : block_size; }
  int64_t units() const { return (out_blocks + unit_blocks - 1) / unit_blocks; }
  int blocks_in(int64_t unit) const {
    return static_cast<int>(std::min<int64_t>(unit_blocks, out_blocks - unit * unit_blocks));
  }
  /// Bytes of one block of output channels in one tap, and where a unit's weights begin.
  int64_t tap_bytes() const {
    return depthwise ? 64 : ((in_blocks - 1) * (channels_per_block() / channels_per_group()) + last) * 64;
  }
  int64_t unit_bytes(int blocks) const { return taps * tap_bytes() * blocks; }
  int64_t unit_offset(int64_t group, int64_t unit) const {
    return (group * out_blocks + unit * unit_blocks) * taps * tap_bytes();
  }
};

/// Whether the weights less their zero points fit into signed bytes.
bool has_narrow_weights(const Problem& problem);

/// Tensor 0: weights (int8 in quads, int16 in pairs), 1: int32 bias with the input's zero point worked
/// in, 2: scales, 3: float32 bias, if there is one; 1 to 3 padded with zeros to whole blocks of each group.
std::shared_ptr<const Packed> pack_quantized(const CpuKernel&, const Problem& problem);

}  // namespace tessera::cpu
