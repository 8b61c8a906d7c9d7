// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): a quarter of the multiplications.
#pragma once

#include "ops/cpu/conv_direct.h"
#include "ops/cpu/simd/winograd.h"

namespace tessera::cpu {

struct WinogradShape {
  ops::ConvGeometry geometry;
  Layout out = Layout::row_major;
  ConvPacking packing;
  int64_t tiles_y, tiles_x;    ///< tiles of 4x4 outputs
  int64_t groups_y, groups_x;  ///< rectangles of tiles that are transformed and multiplied together
  int64_t group = 0;           ///< tiles of the largest such rectangle

  WinogradShape(const Node& node, const Shape& x, const Shape& w, Layout out);
  int64_t groups() const { return geometry.batch * groups_y * groups_x; }
  int64_t columns() const { return (tiles_x + groups_x - 1) / groups_x; }  ///< of the largest group
  int64_t worker_bytes() const;
};

/// Whether the operator is one that F(4x4, 3x3) can do.
bool winograd_fits(const ops::ConvGeometry& geometry);
int64_t winograd_scratch(const Problem& problem, int threads, Layout out);
void run_winograd(const Args& args, Threads& threads, Layout out);

}  // namespace tessera::cpu
