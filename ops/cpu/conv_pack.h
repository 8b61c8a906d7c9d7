// Weights of convolutions in the orders that their inner loops read.
#pragma once

#include <algorithm>

#include "ops/cpu/cells.h"
#include "ops/cpu/layout.h"
#include "ops/window.h"
#include "runtime/graph/backend.h"

namespace tessera::cpu {

/// How a direct convolution reads its input and forms its sums.
enum class ConvForm : uint8_t {
  blocked,    ///< blocks of sixteen input channels
  planar,     ///< row-major planes
  depthwise,  ///< blocks, one input channel per output channel
  few,        ///< blocks, at most four output channels: sums along the lanes
  pairs,      ///< blocks, rounded to cells of two bfloat16 numbers (simd/bf16.h)
  split,      ///< pairs, of each number and of what rounding left of it: three products, nearly float32's
};

constexpr bool has_cells(ConvForm form) { return form == ConvForm::pairs || form == ConvForm::split; }

inline int64_t blocks_of(int64_t channels) { return (channels + 15) / 16; }

/// Geometry of a Conv or ConvTranspose node, from the shapes of its input and its weights.
ops::ConvGeometry conv_geometry(const Node& node, const Shape& x, const Shape& w);
bool is_transposed(const Node& node);

/// Sizes of packed weights. A unit is what one tile makes: one to three blocks of output channels.
struct ConvPacking {
  int64_t groups, group_in, group_out;  ///< channels per group
  int64_t depth;                        ///< input channels or cells per tap as packed; residues follow
  int64_t out_blocks;                   ///< output blocks per group
  int64_t taps;
  int unit_blocks;  ///< output blocks per unit; the last of a group may have fewer

  ConvPacking(const ops::ConvGeometry& geometry, ConvForm form);
  int64_t units() const { return (out_blocks + unit_blocks - 1) / unit_blocks; }
  int blocks_in(int64_t unit) const {
    return static_cast<int>(std::min<int64_t>(unit_blocks, out_blocks - unit * unit_blocks));
  }
  /// Floats before a unit, and of one tap of a unit of `blocks`.
  int64_t unit_offset(int64_t group, int64_t unit) const {
    return (group * out_blocks + unit * unit_blocks) * taps * depth * 16;
  }
  int64_t tap_floats(int blocks) const { return depth * 16 * blocks; }
  int64_t bias_offset(int64_t group, int64_t unit) const { return (group * out_blocks + unit * unit_blocks) * 16; }
};

/// Tensor 0: weights, 1: bias, padded with zeros to whole blocks of each group. Outputs that reach blocked
/// memory by way of a DepthToSpace are packed in the order of its DCR mode, whichever it has.
std::shared_ptr<const Packed> pack_conv(const Problem& problem, ConvForm form, Layout out);

/// Tensor 0: 3x3 weights of a single group, [output block][input channel][9][16], 1: bias; ordered as by pack_conv.
std::shared_ptr<const Packed> pack_taps(const Problem& problem, Layout out);

/// The same weights in the domain of F(step x step, 3x3), [point][unit][input channel][unit's outputs].
struct WinogradWeights {
  const ConvPacking& packing;
  int step;

  int points() const { return (step + 2) * (step + 2); }
  /// Floats between points: a whole number of cache lines that is odd, because the points of a weight are
  /// written together and must not share a cache set.
  int64_t plane() const { return (packing.out_blocks * packing.depth | 1) * 16; }
  int64_t floats() const { return points() * plane(); }
  int64_t in_blocks() const { return blocks_of(packing.group_in); }
  /// One block of input channels of a unit, whose weights are `taps`, to where they belong among all.
  void transform(const float* taps, int64_t unit, int64_t in_block, float* to) const;
};

/// Tensor 0: transformed weights, 1: bias.
std::shared_ptr<const Packed> pack_winograd(const Problem& problem, int step, Layout out);

}  // namespace tessera::cpu
