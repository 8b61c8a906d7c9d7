// F(4x4, 3x3) for small pictures of many channels: the whole picture is transformed, then each of the
// points is a product of its own, whose weights are read once, then the results are transformed back.
#pragma once

#include "ops/cpu/conv_winograd.h"

namespace tessera::cpu {

struct SmallWinogradShape {
  ops::ConvGeometry geometry;
  ConvPacking packing;
  int64_t tiles_y, tiles_x;
  int64_t pictures;  ///< of the batch at a time

  explicit SmallWinogradShape(const ops::ConvGeometry& geometry);
  int64_t tiles() const { return pictures * tiles_y * tiles_x; }
  /// Floats between points: a whole number of cache lines that is odd, because a tile's points are
  /// written together and must not share a cache set.
  int64_t input_plane() const { return (packing.depth / block_size * tiles() | 1) * block_size; }
  int64_t product_plane() const { return (packing.out_blocks * tiles() | 1) * block_size; }
};

/// Whether the picture is small, but has enough tiles that reading the weights, which are four times
/// those of the definition, does not take longer than using them.
bool small_winograd_fits(const ops::ConvGeometry& geometry);
int64_t small_winograd_scratch(const CpuKernel& kernel, const Problem& problem, int threads);
void run_small_winograd(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept;

}  // namespace tessera::cpu
