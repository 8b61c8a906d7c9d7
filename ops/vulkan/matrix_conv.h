// How convolutions by matrices divide their work: see shaders/conv_rolling.comp and
// shaders/conv_staged.comp. Those by conv_gathered.comp are products: see matrix_tiles.h.
#pragma once

#include <optional>

#include "ops/vulkan/facts.h"
#include "runtime/base/base.h"

namespace tessera::vulkan {

/// A convolution in blocks of 16 channels.
struct BlockedConv {
  uint32_t images, in_blocks, out_blocks, out_h, out_w;
};

/// Constants of conv_rolling, as the shader names them.
struct Rolling {
  uint32_t warps_x, warps_n, warps_k, each_k, step_rows;
  uint32_t strip_rows = 0;
  uint32_t groups = 0;  ///< workgroups that share the strips of the same output channels

  uint32_t warps() const { return warps_x * warps_n * warps_k; }
};

/// Constants of conv_staged.
struct Staged {
  uint32_t warps_y, warps_x, warps_n, each_rows, each_n, flush_rows;
  uint32_t groups = 0;

  uint32_t warps() const { return warps_y * warps_x * warps_n; }
};

/// How to roll, where that is the faster way and the device has room; `channel_rows` as in finish8.glsl.
std::optional<Rolling> choose_rolling(const BlockedConv& conv, const Facts& facts, uint32_t channel_rows);
/// How to stage: every convolution by 3x3 cells can be done so on every device with matrices.
Staged choose_staged(const BlockedConv& conv, const Facts& facts, uint32_t channel_rows);
/// The ways that it may be done, and that one of them; nothing where the device has no room for it.
List<Staged> staged_ways();
std::optional<Staged> staged_by(const Staged& way, const BlockedConv& conv, const Facts& facts, uint32_t channel_rows);

}  // namespace tessera::vulkan
