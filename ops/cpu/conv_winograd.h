// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) or F(6x6, 3x3): a quarter or a fifth of the
// multiplications.
#pragma once

#include "ops/cpu/conv_direct.h"
#include "ops/cpu/simd/winograd.h"

namespace tessera::cpu {

struct WinogradShape {
  ops::ConvGeometry geometry;
  int step;  ///< outputs of a tile along each axis: 4 or 6
  Layout out = Layout::row_major;
  bool shuffles;  ///< by a DepthToSpace in the epilogue
  ConvPacking packing;
  Rows rows;                   ///< of the output: a multiple of `step`, to another or the end
  int64_t tiles_y, tiles_x;    ///< of these rows
  int64_t groups_y, groups_x;  ///< rectangles of tiles that are transformed and multiplied together
  int64_t group = 0;           ///< tiles of such a rectangle at most, whatever the rows
  int64_t slice;               ///< output blocks that are multiplied and finished at a time

  /// `threads` decides only how the tiles are grouped, which results do not depend on.
  WinogradShape(const CpuKernel& kernel, const Node& node, const ops::ConvGeometry& geometry, int threads,
                Rows rows = {});
  int reach() const { return step + 2; }  ///< inputs of a tile along each axis
  int points() const { return reach() * reach(); }
  /// Whether tiles are finished where they belong in the output.
  bool in_place() const { return out == nchw16c && !shuffles; }
  int64_t groups() const { return geometry.batch * groups_y * groups_x; }
  int64_t columns() const { return (tiles_x + groups_x - 1) / groups_x; }  ///< of the largest group
  /// Floats between points of the transformed input, or of the products: a whole number of cache lines
  /// that is odd, because a tile's points are written together and must not share a cache set.
  int64_t plane(int64_t channels, int64_t tiles) const { return ((channels / block_size * tiles) | 1) * block_size; }
  int64_t worker_bytes() const;
};

/// Transforms of tiles, one channel block at a time.
class WinogradTiles {
 public:
  WinogradTiles(const ops::ConvGeometry& geometry, int step)
      : step_(step),
        simd_(winograd_simd(level()).of(step)),
        high_(geometry.window.axis[1]),
        wide_(geometry.window.axis[2]) {}

  /// The tile of a plane of input whose first output is (y, x) into places `apart` floats apart.
  void input(const float* plane, int64_t y, int64_t x, float* to, int64_t apart) const {
    const int64_t top = y - high_.pad_begin, left = x - wide_.pad_begin, reach = step_ + 2, row = wide_.in * block_size;
    const float* from = plane + top * row + left * block_size;
    if (top >= 0 && left >= 0 && top + reach <= high_.in && left + reach <= wide_.in)
      simd_.input(from, row, to, apart);
    else
      simd_.input_part(from, row, {-top, high_.in - top, -left, wide_.in - left}, to, apart);
  }

  /// A row of `tiles` tiles, one behind the other in `product`, whose points are `apart` floats apart, into
  /// `rows` rows of `pixels` outputs, `row_stride` floats apart, finished as `end` says for the first.
  void output(const float* product, int64_t apart, int64_t tiles, const float* bias, ConvEnd end, float* out,
              int64_t row_stride, int64_t rows, int64_t pixels) const {
    for (; tiles > 0; --tiles, product += block_size, out += step_ * block_size, pixels -= step_) {
      simd_.output(product, apart, bias, end, out, row_stride, rows, pixels < step_ ? pixels : step_);
      if (end.add) end.add += step_ * block_size;
    }
  }

 private:
  int step_;
  const WinogradSimd::Transforms& simd_;
  const ops::WindowAxis &high_, &wide_;
};

/// Whether the operator is a 3x3 convolution of stride 1.
bool winograd_fits(const ops::ConvGeometry& geometry);
int64_t winograd_scratch(const CpuKernel& kernel, const Problem& problem, int threads);
/// Bytes of the transformed weights.
int64_t winograd_kept(const CpuKernel& kernel, const Problem& problem);
/// With pack_winograd's weights; or, of kernels that keep something, with those of pack_taps, which the first rows of a
/// run then transform into Args::kept: of many tiles that is a small part of the work, and transformed weights are four
/// or seven times as large.
void run_winograd(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept;

}  // namespace tessera::cpu
