// QLinearConv, QuantizedConv and QuantizedGemm over bytes: sums in 32 bits, exact at every level, then
// the steps to the result while they are at hand.
#include <cstring>

#include "ops/cpu/attrs.h"
#include "ops/cpu/bands.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/quantized_pack.h"
#include "ops/cpu/quantized_steps.h"
#include "ops/cpu/simd/bytes.h"

namespace tessera::cpu {
namespace {

using ops::ConvGeometry;
using ops::WindowAxis;

// How the input lies: a kernel's form.
enum class Source : uint8_t { blocked, planes, rows };

// What a band's input may take of a core's second-level cache, and the pixels whose sums wait for their
// last steps at a time.
constexpr int64_t band_bytes = 320 << 10, run_pixels = 56;

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
  bool copies = true;  ///< the input of a band is copied into scratch
  Bands bands;
  BandBuffer buffer;
  int64_t step = 0;                    ///< bytes between the input pixels of neighbouring outputs
  int64_t chunks = 1, item_units = 1;  ///< the units are divided too

  QuantShape(const Node& node, const Shape& x, DType type, const Shape& w, bool narrow, Source source, int threads)
      : geometry(geometry_of(node, x, w)), packing(node, w, narrow), source(source) {
    buffer.pixel = packing.tiles ? ByteSimd::pixel : packing.quads ? block_size : 32;
    buffer.blocks = ceil_div(geometry.in_channels, packing.channels_per_block());
    flatten(geometry.window);
    const WindowAxis &h = high(), &v = wide();
    if (!packing.depthwise) buffer.phases = static_cast<int>(v.stride);
    step = v.stride / buffer.phases * buffer.pixel;
    const auto padded = [](const WindowAxis& a) {
      return a.pad_begin > 0 || (a.out - 1) * a.stride - a.pad_begin + a.reach() > a.in;
    };
    copies = source != Source::blocked || !packing.quads || packing.tiles || packing.depthwise || type == DType::int8 ||
             buffer.phases > 1 || padded(h) || padded(v) || v.pad_begin < 0 || h.pad_begin < 0;
    choose_bands();
    const int64_t units = packing.units() * packing.groups;
    // Each chunk of units copies the band for itself.
    const int64_t wanted = copies && !packing.depthwise ? threads : 2 * threads;
    chunks = threads > 1 ? std::clamp<int64_t>(ceil_div(wanted, bands.count()), 1, units) : 1;
    item_units = ceil_div(units, chunks);
    chunks = ceil_div(units, item_units);
  }

  const WindowAxis& high() const { return geometry.window.axis[1]; }
  const WindowAxis& wide() const { return geometry.window.axis[2]; }
  int64_t buffer_bytes() const { return copies ? round_up(buffer.elements() + 64, 64) : 0; }
  int64_t sum_bytes() const { return packing.unit_blocks * run_pixels * 2 * 64; }
  int64_t worker_bytes() const {
    return round_up(packing.taps * int64_t{sizeof(QuantTap)}, 64) + buffer_bytes() + round_up(sum_bytes(), 64) +
           round_up(run_pixels * 64, 64);
  }

 private:
  void measure() {
    const WindowAxis &h = high(), &w = wide();
    buffer.rows = (bands.rows - 1) * h.stride + h.reach();
    buffer.positions =
        packing.depthwise ? (bands.columns - 1) * w.stride + w.reach() + 3 : bands.columns + (w.reach() - 1) / w.stride;
  }

  void choose_bands() {
    const WindowAxis &h = high(), &w = wide();
    int64_t &rows = bands.rows, &columns = bands.columns;
    bands.pictures = geometry.batch;
    bands.high = {0, h.out};
    bands.wide = {0, w.out};
    rows = std::min<int64_t>(h.out, 16);
    columns = w.out;
    const auto halve = [this](int64_t& extent) { extent = ceil_div(extent, 2), measure(); };
    measure();
    while (buffer.elements() > band_bytes && rows > 1) halve(rows);
    while (buffer.elements() > band_bytes && columns > 2 * run_pixels) halve(columns);
    // Pictures large enough for it give every core its bands; more of them would only read weights again.
    while (h.out * w.out >= 4096 && rows > 4 && bands.high_bands() < 16) halve(rows);
    while (h.out == 1 && columns > 16 * run_pixels && bands.wide_bands() < 8) halve(columns);
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
    const int64_t channels = s_.packing.groups * s_.packing.out_blocks * block_size;
    steps_.start(args, std::min(channels, s_.geometry.out_channels), tensors[2].as<const float>(),
                 tensors.size() > 3 ? tensors[3].as<const float>() : nullptr, operands);
    flip_ = args.in[quant::x].type.dtype == DType::int8 ? 0x80 : 0;
    wants_sums_ = args.out[0].type.dtype == DType::int32;
    pad_ = static_cast<uint8_t>(*args.in[quant::x_zero].as<const uint8_t>() ^ flip_);
  }

  void run_item(int64_t item, std::byte* scratch) const;

 private:
  // A band at work.
  struct Work : Band {
    const std::byte* input = nullptr;  // at the first input row and column that its first output reads, channel 0
    BandStrides strides = {};
    QuantTap* taps = nullptr;
    int32_t* sums = nullptr;
    std::byte* row = nullptr;  // results on their way into rows
  };

  void load(Work& band, std::byte* buffer, int64_t first_block, int64_t end_block) const;
  void load_row(int64_t n, int64_t row, int64_t column, int64_t block, std::byte* to) const;
  void copy_pixels(int64_t n, int64_t row, int64_t column, int64_t step, int64_t block, int64_t count,
                   std::byte* to) const;
  void fill(std::byte* to, int64_t pixels) const;
  void run_unit(const Work& band, int64_t group, int64_t unit) const;
  void collect(const Work& band, const std::byte* input, const std::byte* weights, int64_t tap_bytes) const;
  void run_span(const Work& band, QuantTile& tile, int blocks, int rows, int64_t y, int64_t x, int64_t pixels) const;
  void run_bytes(const Work& band, QuantTile& tile, int blocks, int64_t row, int pixels) const;
  void store(const Work& band, const int32_t* sums, int64_t block, int64_t y, int64_t x, int64_t pixels) const;

  const QuantShape& s_;
  const QuantSimd& simd_;
  const ByteSimd* bytes_;  // where products are AMX's
  const std::byte* x_;
  std::byte* y_;
  const std::byte* weights_;
  const int32_t* bias_;
  QuantSteps steps_;
  uint8_t flip_ = 0, pad_ = 0;
  bool wants_sums_ = false;  // as they are
};

void Quantized::fill(std::byte* to, int64_t pixels) const {
  if (s_.packing.quads)
    std::memset(to, pad_, static_cast<size_t>(pixels * s_.buffer.pixel));
  else
    std::fill_n(reinterpret_cast<int16_t*>(to), pixels * block_size, static_cast<int16_t>(pad_));
}

// Pixels column, column + step, ... of sixteen channels of an input row.
void Quantized::copy_pixels(int64_t n, int64_t row, int64_t column, int64_t step, int64_t block, int64_t count,
                            std::byte* to) const {
  const WindowAxis &h = s_.high(), &w = s_.wide();
  const int64_t channels = s_.geometry.in_channels, here = channels_in(block, channels);
  const bool widen = !s_.packing.quads;
  const auto lanes = static_cast<int>(here);
  switch (s_.source) {
    case Source::blocked: {
      const std::byte* from = x_ + (((n * blocks_of(channels) + block) * h.in + row) * w.in + column) * block_size;
      return simd_.copy(from, step * block_size, block_size, count, flip_, widen, to, s_.buffer.pixel);
    }
    case Source::rows:
      return simd_.copy(x_ + column * channels + block * block_size, step * channels, lanes, count, flip_, widen, to,
                        s_.buffer.pixel);
    case Source::planes: {
      const int64_t plane = h.in * w.in;
      const std::byte* from = x_ + (n * channels + block * block_size) * plane + row * w.in + column;
      return simd_.gather(from, step, plane, lanes, count, flip_, widen, to, s_.buffer.pixel);
    }
  }
}

// One block of an input row from `column` on, split into phases, zero points beyond its ends.
void Quantized::load_row(int64_t n, int64_t row, int64_t column, int64_t block, std::byte* to) const {
  const int64_t step = s_.buffer.phases, count = s_.buffer.positions;
  for (int phase = 0; phase < s_.buffer.phases; ++phase, to += count * s_.buffer.pixel) {
    if (!reads(s_.wide(), phase)) continue;
    const int64_t start = column + phase;
    const auto [begin, end] = s_.wide().within(start, step, count);
    fill(to, begin);
    const int64_t parts = s_.packing.channels_per_block() / block_size, all = blocks_of(s_.geometry.in_channels);
    const int64_t first = block * parts, last = std::min(all, first + parts);
    for (int64_t part = first; part < last && end > begin; ++part)
      copy_pixels(n, row, start + begin * step, step, part, end - begin,
                  to + begin * s_.buffer.pixel + (part - first) * block_size);
    fill(to + end * s_.buffer.pixel, count - end);
  }
}

// Finds the band's part of the input and copies it into the buffer, if need be.
void Quantized::load(Work& band, std::byte* buffer, int64_t first_block, int64_t end_block) const {
  const WindowAxis &h = s_.high(), &w = s_.wide();
  const int64_t top = h.at(band.y.begin, 0), left = w.at(band.x.begin, 0);
  if (!s_.copies) {
    const int64_t line = w.in * block_size;
    band.strides = {line, h.in * line, 0};
    band.input = x_ + band.n * s_.buffer.blocks * band.strides.block + top * line + left * block_size;
    return;
  }
  band.input = buffer;
  band.strides = s_.buffer.strides();
  const int64_t rows = (band.height() - 1) * h.stride + h.reach();
  for (int64_t r = 0; r < rows; ++r) {
    if (!reads(h, r)) continue;
    for (int64_t b = first_block; b < end_block; ++b) {
      std::byte* to = buffer + r * band.strides.row + b * band.strides.block;
      if (top + r < 0 || top + r >= h.in)
        fill(to, s_.buffer.phases * s_.buffer.positions);
      else
        load_row(band.n, top + r, left, b, to);
    }
  }
}

// The taps for the band's first row and column.
void Quantized::collect(const Work& band, const std::byte* input, const std::byte* weights, int64_t tap_bytes) const {
  const WindowAxis &h = s_.high(), &w = s_.wide();
  QuantTap* tap = band.taps;
  for (int64_t ky = 0; ky < h.kernel; ++ky)
    for (int64_t kx = 0; kx < w.kernel; kx += s_.packing.tap_columns, weights += tap_bytes) {
      const int64_t at = kx * w.dilation;
      *tap++ = {input + ky * h.dilation * band.strides.row + at % s_.buffer.phases * band.strides.phase +
                    at / s_.buffer.phases * s_.buffer.pixel,
                weights};
    }
}

// One block over a run of pixels of an output row.
void Quantized::store(const Work& band, const int32_t* sums, int64_t block, int64_t y, int64_t x,
                      int64_t pixels) const {
  const int64_t channels = s_.geometry.out_channels, here = channels_in(block, channels);
  const int64_t size = steps_.element_size();
  if (s_.source == Source::rows) {
    const std::byte* row = band.row;
    if (wants_sums_)
      row = reinterpret_cast<const std::byte*>(sums);
    else
      steps_.finish(simd_, sums, block * block_size, 0, pixels, band.row);
    for (int64_t p = 0; p < pixels; ++p)
      std::memcpy(y_ + ((x + p) * channels + block * block_size) * size, row + p * block_size * size,
                  static_cast<size_t>(here * size));
    return;
  }
  const int64_t blocks = blocks_of(channels);
  const int64_t offset = (((band.n * blocks + block) * s_.high().out + y) * s_.wide().out + x) * block_size;
  std::byte* out = y_ + offset * size;
  if (wants_sums_)
    std::memcpy(out, sums, static_cast<size_t>(pixels * block_size * size));
  else
    steps_.finish(simd_, sums, block * block_size, offset, pixels, out);
  if (here < block_size)
    for (int64_t p = 0; p < pixels; ++p)
      std::memset(out + (p * block_size + here) * size, 0, static_cast<size_t>((block_size - here) * size));
}

// One or two output rows from column `x` on, in tiles of nearly equal width.
void Quantized::run_span(const Work& band, QuantTile& tile, int blocks, int rows, int64_t y, int64_t x,
                         int64_t pixels) const {
  const WindowAxis& h = s_.high();
  const int64_t step = s_.step;
  const int64_t row = (y - band.y.begin) * h.stride * band.strides.row + (x - band.x.begin) * step;
  tile.second = h.stride * band.strides.row;
  // Tiles of AMX write beyond the last pixel.
  tile.out_block = (bytes_ ? 2 : rows) * run_pixels * block_size;
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
    tile.out += here * block_size;
    // A quarter of the next unit's weights was asked for.
    tile.ahead += tile.ahead_step * tile.blocks * tile.tap_count;
    if (tile.ahead >= ahead_end) tile.ahead_step = 0;
  }
}

void Quantized::run_bytes(const Work& band, QuantTile& tile, int blocks, int64_t row, int pixels) const {
  for (int begin = 0; begin < pixels; begin += bytes_->pixels) {
    tile.at = row + begin * s_.step;
    tile.out = band.sums + begin * block_size;
    bytes_->tile(tile, blocks, std::min(bytes_->pixels, pixels - begin));
  }
}

// One unit of output channels over all rows of the band.
void Quantized::run_unit(const Work& band, int64_t group, int64_t unit) const {
  const QuantPacking& p = s_.packing;
  const int blocks = p.blocks_in(unit);
  const int64_t block = group * p.out_blocks + unit * p.unit_blocks;
  QuantTile tile{};
  tile.taps = band.taps;
  tile.tap_count = static_cast<int>(p.taps);
  tile.blocks = static_cast<int>(p.in_blocks);
  tile.last = static_cast<int>(p.last);
  tile.block_stride = band.strides.block;
  tile.bias = bias_ + block * block_size;
  const int64_t first_block = p.depthwise ? block : group * p.in_blocks;
  const std::byte* weights = weights_ + p.unit_offset(group, unit);
  collect(band, band.input + first_block * band.strides.block, weights, p.tap_bytes() * blocks);
  // The next unit's weights lie behind this one's: the first tiles ask for a share of them each.
  tile.ahead = weights + p.unit_bytes(blocks);
  tile.ahead_step = 64 * blocks;
  // Narrow pictures fill a tile with two rows.
  const int64_t columns = band.width();
  const int together = !p.depthwise && !bytes_ && columns <= simd_.pixels / 2 ? 2 : 1;
  for (int64_t y = band.y.begin; y < band.y.end;) {
    const int rows = static_cast<int>(std::min<int64_t>(together, band.y.end - y));
    for (int64_t x = band.x.begin; x < band.x.end; x += run_pixels) {
      const int64_t pixels = std::min(run_pixels, band.x.end - x);
      run_span(band, tile, blocks, rows, y, x, pixels);
      for (int b = 0; b < blocks; ++b)
        for (int r = 0; r < rows; ++r)
          store(band, band.sums + b * tile.out_block + r * pixels * block_size, block + b, y + r, x, pixels);
    }
    y += rows;
  }
}

void Quantized::run_item(int64_t item, std::byte* scratch) const {
  const int64_t chunk = item % s_.chunks;
  Work band{s_.bands.at(item / s_.chunks)};
  band.taps = reinterpret_cast<QuantTap*>(scratch);
  std::byte* buffer = scratch + round_up(s_.packing.taps * int64_t{sizeof(QuantTap)}, 64);
  band.sums = reinterpret_cast<int32_t*>(buffer + s_.buffer_bytes());
  band.row = buffer + s_.buffer_bytes() + round_up(s_.sum_bytes(), 64);
  const int64_t units = s_.packing.units(), first = chunk * s_.item_units;
  const int64_t end = std::min(units * s_.packing.groups, first + s_.item_units);
  if (s_.packing.depthwise)
    load(band, buffer, first, end);
  else
    load(band, buffer, 0, s_.buffer.blocks);
  if (bytes_) bytes_->begin();
  for (int64_t i = first; i < end; ++i) run_unit(band, i / units, i % units);
  if (bytes_) bytes_->end();
}

// --- What the planner asks -----------------------------------------------------------------------

Source source_of(const CpuKernel& kernel) { return static_cast<Source>(kernel.form); }

bool accepts(const CpuKernel& kernel, const Problem& problem) {
  for (const size_t i : {quant::x_scale, quant::x_zero, quant::w, quant::w_scale, quant::w_zero})
    if (!problem.constants[i]) return false;
  for (const size_t i : {quant::y_scale, quant::y_zero, quant::bias})
    if (has_input(problem, i) && !problem.constants[i]) return false;
  for (const size_t i : {quant::x_scale, quant::x_zero, quant::y_scale, quant::y_zero})
    if (has_input(problem, i) && problem.in[i].shape.elements() != 1) return false;
  const bool real_bias = has_input(problem, quant::bias) && is_float32(problem.in[quant::bias]);
  if (problem.out[0].shape.elements() == 0 || problem.in[0].shape.elements() == 0 ||
      (real_bias && has_input(problem, quant::y_zero)))
    return false;
  const Source source = source_of(kernel);
  if (source == Source::rows) return true;
  if (problem.in[0].shape.rank() != 4) return false;
  if (source == Source::planes && (problem.in[0].shape[1] > 8 || problem.in[quant::w].shape[1] == 1)) return false;
  const ConvGeometry g = geometry_of(problem.node, problem.in[0].shape, problem.in[quant::w].shape);
  const int64_t group_in = g.in_channels / g.groups, group_out = g.out_channels / g.groups;
  return g.groups == 1 || (group_in == 1 && group_out == 1) ||
         (group_in % block_size == 0 && group_out % block_size == 0);
}

bool accepts_epilogue(const CpuKernel& kernel, const Problem& problem) {
  return QuantSteps::fits(problem, source_of(kernel) == Source::rows);
}

int64_t scratch(const CpuKernel& kernel, const Problem& problem, int threads) {
  const QuantShape shape(problem.node, problem.in[0].shape, problem.in[0].dtype, problem.in[quant::w].shape,
                         has_narrow_weights(problem), source_of(kernel), threads);
  return operand_bytes(problem.node, shape.geometry.out_channels) + threads * shape.worker_bytes();
}

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const QuantShape shape(args.node(), args.in[0].shape(), args.in[0].type.dtype, args.in[quant::w].shape(),
                         args.packed->tensors[0].type.dtype == DType::int8, source_of(kernel), threads.count());
  const Quantized quantized(args, shape, reinterpret_cast<float*>(args.scratch));
  std::byte* workers = args.scratch + operand_bytes(args.node(), shape.geometry.out_channels);
  for_each_item(threads, shape.bands.count() * shape.chunks, workers, shape.worker_bytes(),
                [&](int64_t item, std::byte* scratch) { quantized.run_item(item, scratch); });
}

constexpr CpuKernel from(Source source, Text op, Text domain, Text name) {
  CpuKernel kernel{.op = op, .name = name, .domain = domain, .form = static_cast<int>(source), .rank = 5};
  kernel.in = source == Source::blocked ? nchw16c : Layout::row_major;
  kernel.out = source == Source::rows ? Layout::row_major : nchw16c;
  kernel.accepts = accepts;
  kernel.accepts_epilogue = domain.empty() ? nullptr : accepts_epilogue;
  kernel.pack = pack_quantized;
  kernel.scratch = scratch;
  kernel.run = run;
  return kernel;
}

const CpuKernel kernels[] = {
    from(Source::blocked, "QLinearConv", "", "quantized conv"),
    from(Source::planes, "QLinearConv", "", "quantized conv first"),
    from(Source::blocked, "QuantizedConv", "tessera", "quantized conv"),
    from(Source::planes, "QuantizedConv", "tessera", "quantized conv first"),
    from(Source::rows, "QuantizedGemm", "tessera", "quantized gemm"),
};

}  // namespace

extern const KernelFile quantized_conv_kernels;
const KernelFile quantized_conv_kernels{kernels};

}  // namespace tessera::cpu
