#include "ops/cpu/conv_winograd.h"

#include <algorithm>

#include "ops/cpu/kernel.h"
#include "runtime/base/rounding.h"

namespace tessera::cpu {
namespace {

// Bytes that transformed input and products of a group should take of the second-level cache.
constexpr int64_t group_bytes = 512 << 10;
// Tiles of a group, even so: its weights come from beyond that cache, once per group.
constexpr int64_t least_tiles = 28;
// Output blocks that a group's tiles are multiplied with at a time: products of more would leave the
// group too few tiles, of fewer would read the transformed input too often.
constexpr int64_t most_slice = 4;
// Tiles of a group at most: beyond, weights are read often enough from near caches.
constexpr int64_t most_tiles = 56;
// Rows of tiles in a group: the more, the fewer input rows are read twice.
constexpr int64_t most_rows = 4;
// Input and output together that near caches keep anyway: beyond, groups are fetched ahead.
constexpr int64_t near_bytes = 4 << 20;
// Share of the threads that must have work until the last group is done.
constexpr double least_busy = 0.9;

}  // namespace

bool winograd_fits(const ops::ConvGeometry& g) {
  if (g.groups != 1 || g.window.rank != 2) return false;
  for (int i = 1; i < 3; ++i) {
    const ops::WindowAxis& a = g.window.axis[i];
    if (a.kernel != 3 || a.stride != 1 || a.dilation != 1) return false;
  }
  return true;
}

WinogradShape::WinogradShape(const CpuKernel& kernel, const Node& node, const ops::ConvGeometry& geometry_, int threads,
                             Rows rows_)
    : geometry(geometry_),
      step(kernel.row_step),
      out(kernel.out),
      shuffles(Epilogue::shuffle_of(node) > 1),
      packing(geometry, ConvForm::blocked),
      rows{rows_.begin, std::min(rows_.end, geometry.window.axis[1].out)},
      tiles_y(ceil_div(rows.end - rows.begin, step)),
      tiles_x(ceil_div(geometry.window.axis[2].out, step)),
      // Planes are stored from all channels of a pixel.
      slice(out == nchw16c ? std::min(most_slice, packing.out_blocks) : packing.out_blocks) {
  const int64_t per_tile = points() * (packing.depth + slice * block_size) * 4;
  const int64_t tiles = std::clamp<int64_t>(group_bytes / per_tile, least_tiles, most_tiles);
  const int64_t high = std::min(tiles_y, most_rows);
  groups_y = ceil_div(tiles_y, high);
  groups_x = ceil_div(tiles_x, std::max<int64_t>(1, tiles / high));
  const auto busy = [&] {
    return static_cast<double>(groups()) / static_cast<double>(ceil_div(groups(), threads) * threads);
  };
  while (busy() < least_busy && groups_x < tiles_x) ++groups_x;
  group = std::min(tiles, tiles_y * tiles_x);
}

int64_t WinogradShape::worker_bytes() const {
  const int64_t outputs = slice * block_size;
  // Fewer rows may have longer groups.
  const int64_t result = in_place() ? 0 : step * std::min(group, tiles_x) * step * outputs;
  return round_up((points() * (plane(packing.depth, group) + plane(outputs, group)) + result) * 4, 64);
}

namespace {

class Winograd {
 public:
  Winograd(const Args& args, const WinogradShape& shape, const float* weights, float* operands)
      : s_(shape),
        conv_(conv_simd(level())),
        tiles_(shape.geometry, shape.step),
        map_(map_simd(level())),
        high_(shape.geometry.window.axis[1]),
        wide_(shape.geometry.window.axis[2]),
        x_(args.in[0].as<const float>()),
        y_(args.out[0].as<float>()),
        in_plane_(args.in[0].plane()),
        out_plane_(s_.in_place() ? args.out[0].plane() : 0),
        weights_(weights),
        weights_plane_(WinogradWeights{shape.packing, shape.step}.plane()),
        bias_(args.packed->tensors[1].as<const float>()),
        in_blocks_(shape.packing.depth / block_size),
        out_blocks_(shape.packing.out_blocks),
        fetches_((high_.in * wide_.in * in_blocks_ + high_.out * wide_.out * out_blocks_) * 64 > near_bytes) {
    epilogue_.start(args, s_.out, s_.geometry.out_channels, true, operands);
    ends_ = epilogue_.ends(end_);
    store_ = {&epilogue_, args.out[0], s_.geometry.out_channels, s_.geometry.out_channels};
  }

  /// `next` is the group that is likely to be this worker's next.
  void run_group(int64_t index, int64_t next, std::byte* scratch) const;

 private:
  // A rectangle of tiles, row by row, and where its intermediate values are kept.
  struct Group {
    int64_t n, y, x;  // of its first output
    int64_t columns, count;
    int64_t input_plane, product_plane;  // between points
    float* input;                        // [point][block][tile][16]
    float* product;                      // [point][block][tile][16], of one slice
    float* result;                       // unless in place: [block][step][tile * step pixels][16]

    int64_t rows() const { return count / columns; }
  };

  // A rectangle of pixels in each of several planes. The next group's input and this group's output are
  // brought into the second-level cache row by row while products are made, which need no memory beyond it.
  struct Ahead {
    const float* row;
    int64_t rows, pixels, row_stride, plane_stride, left, done = 0;

    void fetch(decltype(WinogradSimd::fetch) simd, int64_t count) {
      for (; count > 0 && left > 0; --count, --left) {
        simd(row, pixels);
        row += row_stride;
        if (++done < rows) continue;
        row += plane_stride - rows * row_stride;
        done = 0;
      }
    }
  };

  Group place(int64_t index) const;
  void transform_input(const Group& group) const;
  void multiply(const Group& group, Ahead (&ahead)[2], int64_t first_block) const;
  Ahead input_of(const Group& group) const;
  Ahead output_of(const Group& group) const;
  void finish_row(const Group& group, int64_t row, int64_t first_block) const;
  int64_t slice_end(int64_t first_block) const { return std::min(first_block + s_.slice, out_blocks_); }

  const WinogradShape& s_;
  const ConvSimd& conv_;
  const WinogradTiles tiles_;
  const MapSimd& map_;
  const ops::WindowAxis &high_, &wide_;
  const float* x_;
  float* y_;
  int64_t in_plane_, out_plane_;  // floats from one block of channels to the next; of blocked outputs
  const float* weights_;
  int64_t weights_plane_;  // between points
  const float* bias_;
  int64_t in_blocks_, out_blocks_;
  bool fetches_;  // whether memory is far enough that fetching ahead pays
  Epilogue epilogue_;
  RowStore store_;
  bool ends_ = false;  // tiles do the blocked part of the epilogue
  ConvEnd end_;
};

Winograd::Group Winograd::place(int64_t index) const {
  const int64_t column = index % s_.groups_x, row = index / s_.groups_x % s_.groups_y;
  const int64_t y0 = s_.tiles_y * row / s_.groups_y, y1 = s_.tiles_y * (row + 1) / s_.groups_y;
  const int64_t x0 = s_.tiles_x * column / s_.groups_x, x1 = s_.tiles_x * (column + 1) / s_.groups_x;
  Group group{};
  group.n = index / s_.groups_x / s_.groups_y;
  group.y = s_.rows.begin + y0 * s_.step;
  group.x = x0 * s_.step;
  group.columns = x1 - x0;
  group.count = (y1 - y0) * group.columns;
  group.input_plane = s_.plane(s_.packing.depth, group.count);
  group.product_plane = s_.plane(s_.slice * block_size, group.count);
  return group;
}

void Winograd::transform_input(const Group& group) const {
  const int64_t step = s_.step;
  for (int64_t block = 0; block < in_blocks_; ++block) {
    const float* from = x_ + (group.n * in_blocks_ + block) * in_plane_;
    float *to = group.input + block * group.count * block_size, *end = to + group.count * block_size;
    for (int64_t y = group.y; to < end; y += step)
      for (int64_t x = group.x; x < group.x + group.columns * step; x += step, to += block_size)
        tiles_.input(from, y, x, to, group.input_plane);
  }
}

// The input that a group reads; the output that it writes, where that is in place.
Winograd::Ahead Winograd::input_of(const Group& group) const {
  const int64_t top = std::max<int64_t>(0, group.y - high_.pad_begin);
  const int64_t left = std::max<int64_t>(0, group.x - wide_.pad_begin);
  const int64_t bottom = std::min(high_.in, group.y - high_.pad_begin + group.rows() * s_.step + 2);
  const int64_t right = std::min(wide_.in, group.x - wide_.pad_begin + group.columns * s_.step + 2);
  return {x_ + group.n * in_blocks_ * in_plane_ + (top * wide_.in + left) * block_size,
          bottom - top,
          right - left,
          wide_.in * block_size,
          in_plane_,
          (bottom - top) * in_blocks_};
}

Winograd::Ahead Winograd::output_of(const Group& group) const {
  if (!s_.in_place()) return {};
  const int64_t rows = std::min(high_.out - group.y, group.rows() * s_.step);
  const int64_t pixels = std::min(wide_.out - group.x, group.columns * s_.step);
  return {y_ + group.n * out_blocks_ * out_plane_ + (group.y * wide_.out + group.x) * block_size,
          rows,
          pixels,
          wide_.out * block_size,
          out_plane_,
          rows * out_blocks_};
}

// For each point: products[tile][output] = sum over inputs, for the outputs of a slice.
void Winograd::multiply(const Group& group, Ahead (&ahead)[2], int64_t first_block) const {
  const ConvPacking& p = s_.packing;
  // All parts together fetch all there is.
  const int64_t parts = s_.points() * ceil_div(out_blocks_ - first_block, s_.slice);
  const auto fetch = winograd_simd(level()).fetch;
  const int64_t lines[2] = {ceil_div(ahead[0].left, parts), ceil_div(ahead[1].left, parts)};
  ConvTap tap{};
  ConvTile run{};
  run.taps = &tap;
  run.tap_count = 1;
  run.blocks = static_cast<int>(in_blocks_);
  run.last = static_cast<int>(p.group_in - (in_blocks_ - 1) * block_size);
  run.block_stride = run.out_block = group.count * block_size;
  run.out_pixel = block_size;
  // How many register tiles of how many tiles each, by the output blocks of a unit.
  struct Cut {
    int64_t tiles, pixels, wider, fetch_step;
  } cuts[ConvSimd::max_blocks + 1] = {};
  for (int blocks = 1; blocks <= p.unit_blocks; ++blocks) {
    const int64_t tiles = ceil_div(group.count, conv_.pixels[blocks]);
    cuts[blocks] = {tiles, group.count / tiles, group.count % tiles, ceil_div(blocks * block_size, tiles)};
  }
  for (int point = 0; point < s_.points(); ++point) {
    if (fetches_)
      for (int i = 0; i < 2; ++i) ahead[i].fetch(fetch, lines[i]);
    tap.in = group.input + point * group.input_plane;
    tap.weights = weights_ + point * weights_plane_ + first_block * block_size * p.depth;
    float* product = group.product + point * group.product_plane;
    for (int64_t block = first_block; block < slice_end(first_block); block += p.unit_blocks) {
      const int blocks = p.blocks_in(block / p.unit_blocks);
      const float* behind = tap.weights + blocks * block_size * p.depth;
      // The next weights are brought near meanwhile: of the next unit, or of the next point.
      run.fetch = block + blocks < slice_end(first_block) ? behind
                  : point + 1 < s_.points()
                      ? behind + weights_plane_ - (block + blocks - first_block) * block_size * p.depth
                  : block + blocks < out_blocks_ ? weights_ + (block + blocks) * block_size * p.depth
                                                 : weights_;
      const Cut& cut = cuts[blocks];
      run.fetch_step = cut.fetch_step;
      run.out = product;
      run.at = 0;
      for (int64_t i = 0; i < cut.tiles; ++i, run.fetch += run.fetch_step * p.group_in) {
        const int64_t count = cut.pixels + (i < cut.wider);
        conv_.blocked[blocks][count](run);
        run.at += count * block_size;
        run.out += count * block_size;
      }
      product += blocks * block_size * group.count;
      tap.weights = behind;
    }
  }
}

// Transforms one row of tiles of a slice back and stores it.
void Winograd::finish_row(const Group& group, int64_t tile_row, int64_t first_block) const {
  const int64_t step = s_.step, height = high_.out, width = wide_.out, first_y = group.y + tile_row * step;
  const int64_t rows = std::min<int64_t>(step, height - first_y);
  const int64_t pixels = std::min(group.columns * step, width - group.x);
  const bool in_place = s_.in_place();
  const int64_t result_row = s_.columns() * step * block_size, result_block = step * result_row;
  const float* product = group.product + tile_row * group.columns * block_size;
  for (int64_t block = first_block; block < slice_end(first_block); ++block, product += group.count * block_size) {
    float* out = in_place ? y_ + (group.n * out_blocks_ + block) * out_plane_ + (first_y * width + group.x) * block_size
                          : group.result + (block - first_block) * result_block;
    const int64_t row = in_place ? width * block_size : result_row;
    tiles_.output(product, group.product_plane, group.columns, bias_ + block * block_size,
                  epilogue_.end_at(end_, block, out - y_), out, row, rows, pixels);
    for (int64_t y = 0; y < rows && !ends_; ++y)
      epilogue_.apply_blocked(map_, out + y * row, pixels, block, in_place ? out + y * row - y_ : 0);
  }
  if (in_place) return;
  const int64_t shape[4] = {s_.geometry.batch, s_.geometry.out_channels, height, width};
  for (int64_t y = 0; y < rows; ++y)
    store_.row(group.result + y * result_row, result_block, first_block, slice_end(first_block), shape, group.n,
               first_y + y, group.x, pixels);
}

void Winograd::run_group(int64_t index, int64_t next, std::byte* scratch) const {
  Group group = place(index);
  group.input = reinterpret_cast<float*>(scratch);
  group.product = group.input + s_.points() * group.input_plane;
  group.result = group.product + s_.points() * group.product_plane;
  Ahead ahead[2] = {input_of(place(next)), output_of(group)};
  transform_input(group);
  for (int64_t block = 0; block < out_blocks_; block += s_.slice) {
    multiply(group, ahead, block);
    for (int64_t row = 0; row < group.rows(); ++row) finish_row(group, row, block);
  }
}

void transform_weights(const WinogradWeights& shape, const float* taps, float* to, Threads& threads) {
  const ConvPacking& p = shape.packing;
  const int64_t blocks = shape.in_blocks(), unit_floats = p.unit_blocks * p.group_in * 9 * block_size;
  threads.parallel(p.units() * blocks, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) shape.transform(taps + i / blocks * unit_floats, i / blocks, i % blocks, to);
  });
}

}  // namespace

int64_t winograd_kept(const CpuKernel& kernel, const Problem& problem) {
  const ConvPacking packing(geometry_of(kernel, problem), ConvForm::blocked);
  return WinogradWeights{packing, kernel.row_step}.floats() * 4;
}

int64_t winograd_scratch(const CpuKernel& kernel, const Problem& problem, int threads) {
  const WinogradShape shape(kernel, problem.node, geometry_of(kernel, problem), threads);
  return operand_bytes(problem.node, shape.geometry.out_channels) + threads * shape.worker_bytes();
}

void run_winograd(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const WinogradShape shape(kernel, args.node(), conv_geometry(kernel, args, args.in[0].shape(), args.in[1].shape()),
                            threads.count(), args.rows);
  if (args.out[0].elements() == 0) return;
  const auto* weights = args.packed->tensors[0].as<const float>();
  if (kernel.kept) {
    auto* transformed = reinterpret_cast<float*>(args.kept);
    if (args.rows.begin == 0) transform_weights({shape.packing, shape.step}, weights, transformed, threads);
    weights = transformed;
  }
  const Winograd winograd(args, shape, weights, reinterpret_cast<float*>(args.scratch));
  std::byte* workers = args.scratch + operand_bytes(args.node(), shape.geometry.out_channels);
  for_each_item(threads, shape.groups(), workers, shape.worker_bytes(), [&](int64_t index, std::byte* scratch) {
    winograd.run_group(index, std::min(index + 1, shape.groups() - 1), scratch);
  });
}

}  // namespace tessera::cpu
