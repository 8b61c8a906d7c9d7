// Weights of convolutions in the orders that their inner loops read.
#pragma once

#include <algorithm>

#include "ops/cpu/cells.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/layout.h"
#include "ops/window.h"

namespace tessera::cpu {

/// How a direct convolution reads its input and forms its sums: a kernel's form.
enum class ConvForm : uint8_t {
  blocked,    ///< blocks of sixteen input channels
  planar,     ///< row-major planes
  depthwise,  ///< blocks, one input channel per output channel
  few,        ///< blocks, at most four output channels: sums along the lanes
  pairs,      ///< blocks, rounded to cells of two bfloat16 numbers (simd/bf16.h)
  split,      ///< pairs, of each number and of what rounding left of it: three products, nearly float32's
};

constexpr bool has_cells(ConvForm form) { return form == ConvForm::pairs || form == ConvForm::split; }

inline ConvForm form_of(const CpuKernel& kernel) { return static_cast<ConvForm>(kernel.form); }

/// Which operator a kernel is for: its member.
enum ConvMember { conv, conv_transpose };

/// Geometry of a node, from the shapes of its input and its weights.
ops::ConvGeometry conv_geometry(const CpuKernel& kernel, const AttrReader& attrs, const Shape& x, const Shape& w);

/// The same of a problem: worked out once for all kernels that ask.
const ops::ConvGeometry& geometry_of(const CpuKernel& kernel, const Problem& problem);

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
    return (group * out_blocks + unit * unit_blocks) * taps * depth * block_size;
  }
  int64_t tap_floats(int blocks) const { return depth * block_size * blocks; }
  int64_t bias_offset(int64_t group, int64_t unit) const {
    return (group * out_blocks + unit * unit_blocks) * block_size;
  }
};

/// Tensor 0: weights, 1: bias, padded with zeros to whole blocks of each group. Outputs that reach blocked
/// memory by way of a DepthToSpace are packed in the order of its DCR mode, whichever it has.
std::shared_ptr<const Packed> pack_conv(const CpuKernel& kernel, const Problem& problem);

/// Tensor 0: 3x3 weights of a single group, [output block][input channel][9][16], 1: bias; ordered as by pack_conv.
std::shared_ptr<const Packed> pack_taps(const CpuKernel& kernel, const Problem& problem);

/// The same weights in the domain of F(step x step, 3x3), [point][unit][input channel][unit's outputs].
struct WinogradWeights {
  const ConvPacking& packing;
  int step;

  int points() const { return (step + 2) * (step + 2); }
  /// Floats between points: a whole number of cache lines that is odd, because the points of a weight are
  /// written together and must not share a cache set.
  int64_t plane() const { return (packing.out_blocks * packing.depth | 1) * block_size; }
  int64_t floats() const { return points() * plane(); }
  int64_t in_blocks() const { return blocks_of(packing.group_in); }
  /// One block of input channels of a unit, whose weights are `taps`, to where they belong among all.
  void transform(const float* taps, int64_t unit, int64_t in_block, float* to) const;
};

/// Tensor 0: transformed weights for tiles of the kernel's row_step, 1: bias.
std::shared_ptr<const Packed> pack_winograd(const CpuKernel& kernel, const Problem& problem);

}  // namespace tessera::cpu
