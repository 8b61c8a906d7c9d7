#include "ops/cpu/conv_winograd_small.h"

#include <algorithm>

#include "ops/cpu/kernel.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

constexpr int points = 36, step = 4;
// Tiles from which larger groups of them are transformed and multiplied apart.
constexpr int64_t many_tiles = 64;

}  // namespace

bool small_winograd_fits(const ops::ConvGeometry& g) {
  if (!winograd_fits(g) || g.in_channels < block_size || g.out_channels < block_size) return false;
  const int64_t tiles = ceil_div(g.window.axis[1].out, step) * ceil_div(g.window.axis[2].out, step);
  return tiles >= 12 && tiles < many_tiles;
}

SmallWinogradShape::SmallWinogradShape(const ops::ConvGeometry& geometry_)
    : geometry(geometry_),
      packing(geometry, ConvForm::blocked),
      tiles_y(ceil_div(geometry.window.axis[1].out, step)),
      tiles_x(ceil_div(geometry.window.axis[2].out, step)),
      pictures(std::clamp<int64_t>(many_tiles / (tiles_y * tiles_x), 1, geometry.batch)) {}

namespace {

class SmallWinograd {
 public:
  SmallWinograd(const Args& args, const SmallWinogradShape& shape)
      : s_(shape),
        conv_(conv_simd(level())),
        simd_(shape.geometry, step),
        map_(map_simd(level())),
        high_(shape.geometry.window.axis[1]),
        wide_(shape.geometry.window.axis[2]),
        x_(args.in[0].as<const float>()),
        y_(args.out[0].as<float>()),
        weights_(args.packed->tensors[0].as<const float>()),
        weights_plane_(WinogradWeights{shape.packing, step}.plane()),
        bias_(args.packed->tensors[1].as<const float>()),
        in_blocks_(shape.packing.depth / block_size),
        out_blocks_(shape.packing.out_blocks) {
    auto* scratch = reinterpret_cast<float*>(args.scratch);
    epilogue_.start(args, nchw16c, s_.geometry.out_channels, true, scratch);
    input_ = scratch + operand_bytes(args.node(), s_.geometry.out_channels) / 4;
    product_ = input_ + points * s_.input_plane();
    ends_ = epilogue_.ends(end_);
  }

  void run(Threads& threads) {
    for (first_ = 0; first_ < s_.geometry.batch; first_ += s_.pictures) {
      const int64_t pictures = std::min(s_.pictures, s_.geometry.batch - first_);
      per_picture_ = s_.tiles_y * s_.tiles_x;
      tiles_ = pictures * per_picture_;
      threads.parallel(pictures * in_blocks_, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end && !stop_requested(); ++i) transform(i / in_blocks_, i % in_blocks_);
      });
      threads.parallel(points * s_.packing.units(), 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end && !stop_requested(); ++i)
          multiply(i / s_.packing.units(), i % s_.packing.units());
      });
      threads.parallel(pictures * out_blocks_, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end && !stop_requested(); ++i) finish(i / out_blocks_, i % out_blocks_);
      });
    }
  }

 private:
  // One block of channels of one picture.
  void transform(int64_t picture, int64_t block) const {
    const float* plane = x_ + ((first_ + picture) * in_blocks_ + block) * high_.in * wide_.in * block_size;
    float* to = input_ + (block * tiles_ + picture * per_picture_) * block_size;
    for (int64_t i = 0; i < per_picture_; ++i, to += block_size)
      simd_.input(plane, i / s_.tiles_x * step, i % s_.tiles_x * step, to, s_.input_plane());
  }

  // For one point and one unit of outputs: product[tile][output] = sum over inputs.
  void multiply(int64_t point, int64_t unit) const {
    const ConvPacking& p = s_.packing;
    const int blocks = p.blocks_in(unit);
    const int64_t outputs = unit * p.unit_blocks * block_size;
    const ConvTap tap{input_ + point * s_.input_plane(), weights_ + point * weights_plane_ + outputs * p.depth};
    ConvTile tile{};
    tile.taps = &tap;
    tile.tap_count = 1;
    tile.blocks = static_cast<int>(in_blocks_);
    tile.last = static_cast<int>(p.group_in - (in_blocks_ - 1) * block_size);
    tile.block_stride = tile.out_block = tiles_ * block_size;
    tile.out_pixel = block_size;
    const int64_t runs = ceil_div(tiles_, conv_.pixels[blocks]);
    // The next product's weights lie behind these.
    const bool last = point == points - 1 && unit == p.units() - 1;
    tile.fetch_step = last ? 0 : ceil_div(blocks * block_size, runs);
    tile.fetch = tap.weights + (last ? 0 : p.tap_floats(blocks));
    for (int64_t i = 0; i < runs; ++i) {
      const int64_t begin = tiles_ * i / runs, end = tiles_ * (i + 1) / runs;
      tile.at = begin * block_size;
      tile.out = product_ + point * s_.product_plane() + outputs * tiles_ + begin * block_size;
      conv_.blocked[blocks][end - begin](tile);
      tile.fetch += tile.fetch_step * p.depth;
    }
  }

  // One block of outputs of one picture.
  void finish(int64_t picture, int64_t block) const {
    const int64_t row = wide_.out * block_size;
    float* out = y_ + ((first_ + picture) * out_blocks_ + block) * high_.out * row;
    const float* product = product_ + (block * tiles_ + picture * per_picture_) * block_size;
    for (int64_t y = 0; y < high_.out; y += step, product += s_.tiles_x * block_size) {
      simd_.output(product, s_.product_plane(), s_.tiles_x, bias_ + block * block_size,
                   epilogue_.end_at(end_, block, out + y * row - y_), out + y * row, row,
                   std::min<int64_t>(step, high_.out - y), wide_.out);
    }
    if (!ends_) epilogue_.apply_blocked(map_, out, high_.out * wide_.out, block, out - y_);
  }

  const SmallWinogradShape& s_;
  const ConvSimd& conv_;
  const WinogradTiles simd_;
  const MapSimd& map_;
  const ops::WindowAxis &high_, &wide_;
  const float* x_;
  float* y_;
  const float* weights_;
  int64_t weights_plane_;  // between points
  const float* bias_;
  int64_t in_blocks_, out_blocks_;
  Epilogue epilogue_;
  bool ends_ = false;  // tiles do the epilogue
  ConvEnd end_;
  float* input_;                                     // [point][block][tile][16]
  float* product_;                                   // [point][block][tile][16]
  int64_t first_ = 0, tiles_ = 0, per_picture_ = 0;  // the pictures at work, and their tiles
};

}  // namespace

int64_t small_winograd_scratch(const CpuKernel& kernel, const Problem& problem, int) {
  const SmallWinogradShape shape(geometry_of(kernel, problem));
  return operand_bytes(problem.node, shape.geometry.out_channels) +
         points * (shape.input_plane() + shape.product_plane()) * 4;
}

void run_small_winograd(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const SmallWinogradShape shape(conv_geometry(kernel, args, args.in[0].shape(), args.in[1].shape()));
  if (args.out[0].elements() == 0) return;
  SmallWinograd(args, shape).run(threads);
}

}  // namespace tessera::cpu
