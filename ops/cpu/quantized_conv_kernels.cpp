// QLinearConv, QuantizedConv and QuantizedGemm over bytes: sums in 32 bits, exact at every level, then
// the steps to the result while they are at hand.
#include <cstring>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/quantized_pack.h"
#include "ops/cpu/quantized_steps.h"
#include "ops/cpu/simd/bytes.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

using ops::ConvGeometry;
using ops::WindowAxis;

// How the input lies.
enum class Source : uint8_t { blocked, planes, rows };

// What a band's input may take of a core's second-level cache, and the pixels whose sums wait for their
// last steps at a time.
constexpr int64_t band_bytes = 320 << 10, run_pixels = 56;

// Whether any tap reads that row (or phase of columns) of the buffer: strides wider than the kernel leave
// some out.
bool uses(const WindowAxis& a, int64_t at) {
  for (int64_t k = 0; k < a.kernel; ++k)
    if ((at - k * a.dilation) % a.stride == 0) return true;
  return false;
}

// Rows of a matrix are the pixels of one long row.
ConvGeometry geometry_of(const Node& node, const Shape& x, const Shape& w) {
  if (w.rank() > 2) return ops::conv_geometry(AttrReader(node), x, w);
  ConvGeometry g;
  g.batch = 1;
  g.in_channels = w[1];
  g.out_channels = w[0];
  g.window.rank = 1;
  g.window.axis[2].in = g.window.axis[2].out = x.elements() / std::max<int64_t>(1, w[1]);
  return g;
}

struct QuantShape {
  ConvGeometry geometry;
  QuantPacking packing;
  Source source;
  bool copies = true;             ///< the input of a band is copied into scratch
  int64_t rows = 1, columns = 1;  ///< outputs per band
  int64_t row_bands = 1, strips = 1, chunks = 1;
  int phases = 1;  ///< input columns are split by their remainder modulo the stride
  int64_t buffer_rows = 0, positions = 0, blocks = 0;
  int pixel = 16;    ///< bytes per input pixel of a block, as the inner loops read it
  int64_t step = 0;  ///< bytes between the input pixels of neighbouring outputs
  int64_t item_units = 1;

  QuantShape(const Node& node, const Shape& x, DType type, const Shape& w, bool narrow, Source source, int threads)
      : geometry(geometry_of(node, x, w)), packing(node, w, narrow), source(source) {
    pixel = packing.tiles ? ByteSimd::pixel : packing.quads ? 16 : 32;
    blocks = ceil_div(geometry.in_channels, packing.channels_per_block());
    flatten();
    const WindowAxis &h = high(), &v = wide();
    if (!packing.depthwise) phases = static_cast<int>(v.stride);
    step = v.stride / phases * pixel;
    const auto padded = [](const WindowAxis& a) {
      return a.pad_begin > 0 || (a.out - 1) * a.stride - a.pad_begin + a.reach() > a.in;
    };
    copies = source != Source::blocked || !packing.quads || packing.tiles || packing.depthwise || type == DType::int8 ||
             phases > 1 || padded(h) || padded(v) || v.pad_begin < 0 || h.pad_begin < 0;
    choose_bands();
    const int64_t bands = geometry.batch * row_bands * strips, units = packing.units() * packing.groups;
    // Each chunk of units copies the band for itself.
    const int64_t wanted = copies && !packing.depthwise ? threads : 2 * threads;
    chunks = threads > 1 ? std::clamp<int64_t>(ceil_div(wanted, bands), 1, units) : 1;
    item_units = ceil_div(units, chunks);
    chunks = ceil_div(units, item_units);
  }

  const WindowAxis& high() const { return geometry.window.axis[1]; }
  const WindowAxis& wide() const { return geometry.window.axis[2]; }
  int64_t row_bytes() const { return blocks * phases * positions * pixel; }
  int64_t buffer_bytes() const { return copies ? round_up(buffer_rows * row_bytes() + 64, 64) : 0; }
  int64_t sum_bytes() const { return packing.unit_blocks * run_pixels * 2 * 64; }
  int64_t worker_bytes() const {
    return round_up(packing.taps * int64_t{sizeof(QuantTap)}, 64) + buffer_bytes() + round_up(sum_bytes(), 64) +
           round_up(run_pixels * 64, 64);
  }

 private:
  // A 1x1 convolution sees one long row.
  void flatten() {
    WindowAxis &h = geometry.window.axis[1], &w = geometry.window.axis[2];
    const auto plain = [](const WindowAxis& a) {
      return a.kernel == 1 && a.stride == 1 && a.pad_begin == 0 && a.in == a.out;
    };
    if (!plain(h) || !plain(w)) return;
    w.in = w.out = h.in * w.in;
    h.in = h.out = 1;
  }

  void measure() {
    const WindowAxis &h = high(), &w = wide();
    buffer_rows = (rows - 1) * h.stride + h.reach();
    positions = packing.depthwise ? (columns - 1) * w.stride + w.reach() + 3 : columns + (w.reach() - 1) / w.stride;
  }

  void choose_bands() {
    const WindowAxis &h = high(), &w = wide();
    rows = std::min<int64_t>(h.out, 16);
    columns = w.out;
    measure();
    const auto bytes = [this] { return buffer_rows * row_bytes(); };
    while (bytes() > band_bytes && rows > 1) rows = ceil_div(rows, 2), measure();
    while (bytes() > band_bytes && columns > 2 * run_pixels) columns = ceil_div(columns, 2), measure();
    // Pictures large enough for it give every core its bands; more of them would only read weights again.
    while (h.out * w.out >= 4096 && rows > 4 && ceil_div(h.out, rows) < 16) rows = ceil_div(rows, 2), measure();
    while (h.out == 1 && columns > 16 * run_pixels && ceil_div(w.out, columns) < 8)
      columns = ceil_div(columns, 2), measure();
    row_bands = ceil_div(h.out, rows);
    strips = ceil_div(w.out, columns);
  }
};

class Quantized {
 public:
  Quantized(const Args& args, const QuantShape& shape, float* operands)
      : s_(shape),
        simd_(quantized_vnni_simd(level())),
        bytes_(shape.packing.tiles ? byte_simd(level()) : nullptr),
        x_(args.in[quant::x].data),
        y_(args.out[0].data),
        weights_(args.packed->tensors[0].bytes.get()),
        bias_(args.packed->tensors[1].as<const int32_t>()) {
    const auto& tensors = args.packed->tensors;
    const int64_t channels = s_.packing.groups * s_.packing.out_blocks * 16;
    steps_.start(args, std::min(channels, s_.geometry.out_channels), tensors[2].as<const float>(),
                 tensors.size() > 3 ? tensors[3].as<const float>() : nullptr, operands);
    flip_ = args.in[quant::x].type.dtype == DType::int8 ? 0x80 : 0;
    pad_ = static_cast<uint8_t>(*args.in[quant::x_zero].as<const uint8_t>() ^ flip_);
  }

  void run_item(int64_t item, std::byte* scratch) const;

 private:
  struct Band {
    int64_t n, y0, y1, x0, x1;
    const std::byte* input;  // at the first input row and column that output (y0, x0) reads, channel 0
    int64_t row_stride, block_stride, phase_stride;
    QuantTap* taps;
    int32_t* sums;
    std::byte* row;  // results on their way into rows
  };

  void load(Band& band, std::byte* buffer, int64_t first_block, int64_t end_block) const;
  void load_row(int64_t n, int64_t row, int64_t column, int64_t block, std::byte* to) const;
  void copy_pixels(int64_t n, int64_t row, int64_t column, int64_t step, int64_t block, int64_t count,
                   std::byte* to) const;
  void fill(std::byte* to, int64_t pixels) const;
  void run_unit(const Band& band, int64_t group, int64_t unit) const;
  void collect(const Band& band, const std::byte* input, const std::byte* weights, int64_t tap_bytes) const;
  void run_span(const Band& band, QuantTile& tile, int blocks, int rows, int64_t y, int64_t x, int64_t pixels) const;
  void run_bytes(const Band& band, QuantTile& tile, int blocks, int64_t row, int pixels) const;
  void store(const Band& band, const int32_t* sums, int64_t block, int64_t y, int64_t x, int64_t pixels) const;

  const QuantShape& s_;
  const QuantSimd& simd_;
  const ByteSimd* bytes_;  // where products are AMX's
  const std::byte* x_;
  std::byte* y_;
  const std::byte* weights_;
  const int32_t* bias_;
  QuantSteps steps_;
  uint8_t flip_ = 0, pad_ = 0;
};

void Quantized::fill(std::byte* to, int64_t pixels) const {
  if (s_.packing.quads)
    std::memset(to, pad_, static_cast<size_t>(pixels * s_.pixel));
  else
    std::fill_n(reinterpret_cast<int16_t*>(to), pixels * 16, static_cast<int16_t>(pad_));
}

// Pixels column, column + step, ... of sixteen channels of an input row.
void Quantized::copy_pixels(int64_t n, int64_t row, int64_t column, int64_t step, int64_t block, int64_t count,
                            std::byte* to) const {
  const WindowAxis &h = s_.high(), &w = s_.wide();
  const int64_t channels = s_.geometry.in_channels, here = std::min<int64_t>(16, channels - block * 16);
  const bool widen = !s_.packing.quads;
  const auto lanes = static_cast<int>(here);
  switch (s_.source) {
    case Source::blocked: {
      const std::byte* from = x_ + (((n * ceil_div(channels, 16) + block) * h.in + row) * w.in + column) * 16;
      return simd_.copy(from, step * 16, 16, count, flip_, widen, to, s_.pixel);
    }
    case Source::rows:
      return simd_.copy(x_ + column * channels + block * 16, step * channels, lanes, count, flip_, widen, to, s_.pixel);
    case Source::planes: {
      const int64_t plane = h.in * w.in;
      const std::byte* from = x_ + (n * channels + block * 16) * plane + row * w.in + column;
      return simd_.gather(from, step, plane, lanes, count, flip_, widen, to, s_.pixel);
    }
  }
}

// One block of an input row from `column` on, split into phases, zero points beyond its ends.
void Quantized::load_row(int64_t n, int64_t row, int64_t column, int64_t block, std::byte* to) const {
  const int64_t step = s_.phases, count = s_.positions;
  for (int phase = 0; phase < s_.phases; ++phase, to += count * s_.pixel) {
    if (!uses(s_.wide(), phase)) continue;
    const int64_t start = column + phase;
    const auto [begin, end] = s_.wide().within(start, step, count);
    fill(to, begin);
    const int64_t parts = s_.packing.channels_per_block() / 16, all = ceil_div(s_.geometry.in_channels, 16);
    const int64_t first = block * parts, last = std::min(all, first + parts);
    for (int64_t part = first; part < last && end > begin; ++part)
      copy_pixels(n, row, start + begin * step, step, part, end - begin, to + begin * s_.pixel + (part - first) * 16);
    fill(to + end * s_.pixel, count - end);
  }
}

// Finds the band's part of the input and copies it into the buffer, if need be.
void Quantized::load(Band& band, std::byte* buffer, int64_t first_block, int64_t end_block) const {
  const WindowAxis &h = s_.high(), &w = s_.wide();
  const int64_t top = band.y0 * h.stride - h.pad_begin, left = band.x0 * w.stride - w.pad_begin;
  if (!s_.copies) {
    band.row_stride = w.in * 16;
    band.block_stride = h.in * band.row_stride;
    band.phase_stride = 0;
    band.input = x_ + band.n * s_.blocks * band.block_stride + top * band.row_stride + left * 16;
    return;
  }
  band.input = buffer;
  band.phase_stride = s_.positions * s_.pixel;
  band.block_stride = s_.phases * band.phase_stride;
  band.row_stride = s_.blocks * band.block_stride;
  const int64_t rows = (band.y1 - band.y0 - 1) * h.stride + h.reach();
  for (int64_t r = 0; r < rows; ++r) {
    if (!uses(h, r)) continue;
    for (int64_t b = first_block; b < end_block; ++b) {
      std::byte* to = buffer + r * band.row_stride + b * band.block_stride;
      if (top + r < 0 || top + r >= h.in)
        fill(to, s_.phases * s_.positions);
      else
        load_row(band.n, top + r, left, b, to);
    }
  }
}

// The taps for the band's first row and column.
void Quantized::collect(const Band& band, const std::byte* input, const std::byte* weights, int64_t tap_bytes) const {
  const WindowAxis &h = s_.high(), &w = s_.wide();
  QuantTap* tap = band.taps;
  for (int64_t ky = 0; ky < h.kernel; ++ky)
    for (int64_t kx = 0; kx < w.kernel; kx += s_.packing.tap_columns, weights += tap_bytes) {
      const int64_t at = kx * w.dilation;
      *tap++ = {
          input + ky * h.dilation * band.row_stride + at % s_.phases * band.phase_stride + at / s_.phases * s_.pixel,
          weights};
    }
}

// One block over a run of pixels of an output row.
void Quantized::store(const Band& band, const int32_t* sums, int64_t block, int64_t y, int64_t x,
                      int64_t pixels) const {
  const int64_t channels = s_.geometry.out_channels, here = std::min<int64_t>(16, channels - block * 16);
  const int64_t size = steps_.element_size();
  if (s_.source == Source::rows) {
    steps_.finish(simd_, sums, block * 16, 0, pixels, band.row);
    for (int64_t p = 0; p < pixels; ++p)
      std::memcpy(y_ + ((x + p) * channels + block * 16) * size, band.row + p * 16 * size,
                  static_cast<size_t>(here * size));
    return;
  }
  const int64_t blocks = (channels + 15) / 16;
  const int64_t offset = (((band.n * blocks + block) * s_.high().out + y) * s_.wide().out + x) * 16;
  std::byte* out = y_ + offset * size;
  steps_.finish(simd_, sums, block * 16, offset, pixels, out);
  if (here < 16)
    for (int64_t p = 0; p < pixels; ++p)
      std::memset(out + (p * 16 + here) * size, 0, static_cast<size_t>((16 - here) * size));
}

// One or two output rows from column `x` on, in tiles of nearly equal width.
void Quantized::run_span(const Band& band, QuantTile& tile, int blocks, int rows, int64_t y, int64_t x,
                         int64_t pixels) const {
  const WindowAxis& h = s_.high();
  const int64_t step = s_.step;
  const int64_t row = (y - band.y0) * h.stride * band.row_stride + (x - band.x0) * step;
  tile.second = h.stride * band.row_stride;
  // Tiles of AMX write beyond the last pixel.
  tile.out_block = (bytes_ ? 2 : rows) * run_pixels * 16;
  if (s_.packing.depthwise) {
    tile.at = row;
    tile.out = band.sums;
    (s_.packing.quads ? simd_.depthwise_quads : simd_.depthwise_pairs)(tile, pixels, step);
    return;
  }
  if (bytes_) return run_bytes(band, tile, blocks, row, static_cast<int>(pixels));
  const std::byte* ahead_end = band.taps[0].weights + 2 * s_.packing.unit_bytes(blocks);
  const auto& kernels = (s_.packing.quads ? simd_.quads : simd_.pairs)[rows - 1][blocks - 1];
  const int count = static_cast<int>(pixels), widest = simd_.pixels / rows, tiles = (count + widest - 1) / widest;
  const int width = count / tiles, wider = count % tiles;
  tile.at = row;
  tile.out = band.sums;
  for (int i = 0; i < tiles; ++i) {
    const int here = width + (i < wider ? 1 : 0);
    kernels[here](tile);
    tile.at += here * step;
    tile.out += here * 16;
    // A quarter of the next unit's weights was asked for.
    tile.ahead += tile.ahead_step * tile.blocks * tile.tap_count;
    if (tile.ahead >= ahead_end) tile.ahead_step = 0;
  }
}

void Quantized::run_bytes(const Band& band, QuantTile& tile, int blocks, int64_t row, int pixels) const {
  for (int begin = 0; begin < pixels; begin += bytes_->pixels) {
    tile.at = row + begin * s_.step;
    tile.out = band.sums + begin * 16;
    bytes_->tile(tile, blocks, std::min(bytes_->pixels, pixels - begin));
  }
}

// One unit of output channels over all rows of the band.
void Quantized::run_unit(const Band& band, int64_t group, int64_t unit) const {
  const QuantPacking& p = s_.packing;
  const int blocks = p.blocks_in(unit);
  const int64_t block = group * p.out_blocks + unit * p.unit_blocks;
  QuantTile tile{};
  tile.taps = band.taps;
  tile.tap_count = static_cast<int>(p.taps);
  tile.blocks = static_cast<int>(p.in_blocks);
  tile.last = static_cast<int>(p.last);
  tile.block_stride = band.block_stride;
  tile.bias = bias_ + block * 16;
  const int64_t first_block = p.depthwise ? block : group * p.in_blocks;
  const std::byte* weights = weights_ + p.unit_offset(group, unit);
  collect(band, band.input + first_block * band.block_stride, weights, p.tap_bytes() * blocks);
  // The next unit's weights lie behind this one's: the first tiles ask for a share of them each.
  tile.ahead = weights + p.unit_bytes(blocks);
  tile.ahead_step = 64 * blocks;
  // Narrow pictures fill a tile with two rows.
  const int64_t columns = band.x1 - band.x0;
  const int together = !p.depthwise && !bytes_ && columns <= simd_.pixels / 2 ? 2 : 1;
  for (int64_t y = band.y0; y < band.y1;) {
    const int rows = static_cast<int>(std::min<int64_t>(together, band.y1 - y));
    for (int64_t x = band.x0; x < band.x1; x += run_pixels) {
      const int64_t pixels = std::min(run_pixels, band.x1 - x);
      run_span(band, tile, blocks, rows, y, x, pixels);
      for (int b = 0; b < blocks; ++b)
        for (int r = 0; r < rows; ++r)
          store(band, band.sums + b * tile.out_block + r * pixels * 16, block + b, y + r, x, pixels);
    }
    y += rows;
  }
}

void Quantized::run_item(int64_t item, std::byte* scratch) const {
  const int64_t bands = s_.row_bands * s_.strips, chunk = item % s_.chunks, at = item / s_.chunks;
  Band band{};
  band.n = at / bands;
  band.y0 = at % bands / s_.strips * s_.rows;
  band.y1 = std::min(s_.high().out, band.y0 + s_.rows);
  band.x0 = at % s_.strips * s_.columns;
  band.x1 = std::min(s_.wide().out, band.x0 + s_.columns);
  band.taps = reinterpret_cast<QuantTap*>(scratch);
  std::byte* buffer = scratch + round_up(s_.packing.taps * int64_t{sizeof(QuantTap)}, 64);
  band.sums = reinterpret_cast<int32_t*>(buffer + s_.buffer_bytes());
  band.row = buffer + s_.buffer_bytes() + round_up(s_.sum_bytes(), 64);
  const int64_t units = s_.packing.units(), first = chunk * s_.item_units;
  const int64_t end = std::min(units * s_.packing.groups, first + s_.item_units);
  if (s_.packing.depthwise)
    load(band, buffer, first, end);
  else
    load(band, buffer, 0, s_.blocks);
  if (bytes_) bytes_->begin();
  for (int64_t i = first; i < end; ++i) run_unit(band, i / units, i % units);
  if (bytes_) bytes_->end();
}

// --- What the planner asks -----------------------------------------------------------------------

bool accepts(const Problem& problem) {
  for (const size_t i : {quant::x_scale, quant::x_zero, quant::w, quant::w_scale, quant::w_zero})
    if (!problem.constants[i]) return false;
  for (const size_t i : {quant::y_scale, quant::y_zero, quant::bias})
    if (has_input(problem, i) && !problem.constants[i]) return false;
  for (const size_t i : {quant::x_scale, quant::x_zero, quant::y_scale, quant::y_zero})
    if (has_input(problem, i) && problem.in[i].shape.elements() != 1) return false;
  const bool real_bias = has_input(problem, quant::bias) && is_float32(problem.in[quant::bias]);
  return problem.out[0].shape.elements() > 0 && problem.in[0].shape.elements() > 0 &&
         !(real_bias && has_input(problem, quant::y_zero));
}

bool accepts_blocked(const Problem& problem) {
  if (!accepts(problem) || problem.in[0].shape.rank() != 4) return false;
  const ConvGeometry g = geometry_of(problem.node, problem.in[0].shape, problem.in[quant::w].shape);
  const int64_t group_in = g.in_channels / g.groups, group_out = g.out_channels / g.groups;
  return g.groups == 1 || (group_in == 1 && group_out == 1) || (group_in % 16 == 0 && group_out % 16 == 0);
}

bool accepts_planes(const Problem& problem) {
  return accepts_blocked(problem) && problem.in[0].shape[1] <= 8 && problem.in[quant::w].shape[1] > 1;
}

QuantShape shape_of(const Node& node, const Type& x, const Shape& w, bool narrow, Source source, int threads) {
  return {node, x.shape, x.dtype, w, narrow, source, threads};
}

template <Source source>
int64_t scratch(const Problem& problem, int threads) {
  const QuantShape shape =
      shape_of(problem.node, problem.in[0], problem.in[quant::w].shape, has_narrow_weights(problem), source, threads);
  return round_up(QuantSteps::scratch_floats(problem.node, shape.geometry.out_channels) * 4, 64) +
         threads * shape.worker_bytes();
}

template <Source source>
void run(const Args& args, Threads& threads) noexcept {
  const QuantShape shape = shape_of(args.node(), args.in[0].type, args.in[quant::w].shape(),
                                    args.packed->tensors[0].type.dtype == DType::int8, source, threads.count());
  const Quantized quantized(args, shape, reinterpret_cast<float*>(args.scratch));
  std::byte* workers =
      args.scratch + round_up(QuantSteps::scratch_floats(args.node(), shape.geometry.out_channels) * 4, 64);
  const int64_t bytes = shape.worker_bytes();
  threads.parallel(shape.geometry.batch * shape.row_bands * shape.strips * shape.chunks, 1,
                   [&](int64_t begin, int64_t end, int worker) {
                     for (int64_t item = begin; item < end && !stop_requested(); ++item)
                       quantized.run_item(item, workers + worker * bytes);
                   });
}

template <Source source>
constexpr CpuKernel kernel(Text op, Text domain, Text name, bool (*fits)(const Problem&)) {
  CpuKernel row{.op = op, .name = name, .domain = domain, .rank = 5};
  row.in = source == Source::blocked ? nchw16c : Layout::row_major;
  row.out = source == Source::rows ? Layout::row_major : nchw16c;
  row.accepts = fits;
  row.accepts_epilogue = domain.empty() ? nullptr : QuantSteps::fits;
  row.pack = pack_quantized;
  row.scratch = scratch<source>;
  row.run = run<source>;
  return row;
}

const CpuKernel kernels[] = {
    kernel<Source::blocked>("QLinearConv", "", "quantized conv", accepts_blocked),
    kernel<Source::planes>("QLinearConv", "", "quantized conv first", accepts_planes),
    kernel<Source::blocked>("QuantizedConv", "tessera", "quantized conv", accepts_blocked),
    kernel<Source::planes>("QuantizedConv", "tessera", "quantized conv first", accepts_planes),
    kernel<Source::rows>("QuantizedGemm", "tessera", "quantized gemm", accepts),
};

}  // namespace

extern const KernelFile quantized_conv_kernels;
const KernelFile quantized_conv_kernels{kernels};

}  // namespace tessera::cpu
