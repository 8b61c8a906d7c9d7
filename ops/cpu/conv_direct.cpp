#include "ops/cpu/conv_direct.h"

#include <algorithm>

#include "ops/cpu/kernel.h"
#include "runtime/base/rounding.h"

namespace tessera::cpu {
namespace {

// What a band's input may take of a core's second-level cache, beside weights and output.
constexpr int64_t band_bytes = 288 << 10;
// Weights that such a cache does not hold.
constexpr int64_t far_bytes = 1 << 20;
// Input and output together that near caches keep anyway: beyond, a 1x1 convolution fetches its input ahead.
constexpr int64_t near_bytes = 4 << 20;
// How far: more than one tile.
constexpr int64_t pixels_ahead = 16;
// No strip narrower than this is worth its halo.
constexpr int64_t narrow = 28;
// Taps and blocks of input channels of a short sum, multiplied: a row of a 3x3 kernel over one block. Longer sums
// lose digits, shorter ones time.
constexpr int short_sum = 3;

}  // namespace

DirectShape::DirectShape(const CpuKernel& kernel, const Node& node, const ops::ConvGeometry& geometry_, Rows part)
    : geometry(geometry_),
      transposed(kernel.member == conv_transpose),
      form(form_of(kernel)),
      out(kernel.out),
      packing(geometry, form),
      shuffle(Epilogue::shuffle_of(node)) {
  buffer.pixel = form == ConvForm::planar ? 1 : block_size;
  input_blocks = form == ConvForm::planar ? geometry.in_channels : blocks_of(geometry.in_channels);
  buffer.blocks = input_blocks;
  if (has_cells(form)) buffer.blocks = cell_blocks_of(geometry.in_channels) * (form == ConvForm::split ? 2 : 1);
  const int64_t all_rows = high().out, row = wide().out;
  part.end = std::min(part.end, all_rows);
  flat = shuffle == 1 && flatten(geometry.window);
  bands = {.pictures = geometry.batch, .high = {0, high().out}, .wide = {0, wide().out}};
  buffer.phases = transposed ? 1 : static_cast<int>(wide().stride);
  // Without padding and stride the input can be read where it is.
  const ops::WindowAxis& axis = wide();
  copies = has_cells(form) || transposed || axis.stride > 1 || axis.pad_begin > 0 ||
           axis.out - 1 - axis.pad_begin + axis.reach() > axis.in;
  // Few outputs take so little time that a copy costs half as much: the ends of rows have fewer taps instead.
  if (form == ConvForm::few && !transposed && axis.stride == 1) copies = false;
  choose_bands();
  if (part.begin > 0 || part.end < all_rows) choose_part(part, row);
}

// Some rows only, in no more scratch than all of them take.
void DirectShape::choose_part(Rows part, int64_t row) {
  const int64_t bytes = worker_bytes();
  if (flat)
    bands.wide = {part.begin * row, part.end * row};
  else
    bands.high = part;
  choose_bands();
  while (worker_bytes() > bytes && bands.columns > 1) narrow_strips();
}

// Rows and positions of a band's input, at most.
void DirectShape::measure_input() {
  const ops::WindowAxis &h = high(), &w = wide();
  if (transposed) {
    buffer.rows = std::min(h.in, (bands.rows - 1 + h.reach() - 1) / h.stride + 2);
    buffer.positions = (bands.columns - 1 + w.reach() - 1) / w.stride + 2;
  } else {
    buffer.rows = std::min(h.in, (bands.rows - 1) * h.stride + h.reach());
    buffer.positions = bands.columns + (w.reach() - 1) / w.stride;
  }
}

void DirectShape::set_strips(int64_t count) {
  bands.columns = std::max<int64_t>(1, ceil_div(bands.width(), count));
  // Strips of a transposed convolution begin at whole steps, so that every class has its share.
  if (transposed) bands.columns = round_up(bands.columns, wide().stride);
  measure_input();
}

// One step narrower at least: a count of strips that is only one higher may give the same columns.
void DirectShape::narrow_strips() {
  const int64_t unit = transposed ? wide().stride : 1;
  set_strips(ceil_div(bands.width(), bands.columns - unit));
}

void DirectShape::choose_bands() {
  int64_t &rows = bands.rows, &columns = bands.columns;
  const int64_t least = std::max<int64_t>(narrow, transposed ? wide().stride : 1);
  const auto set_rows = [&](int64_t count) {
    rows = count;
    measure_input();
  };
  rows = std::clamp<int64_t>(bands.height(), 1, 8);
  set_strips(1);
  while (buffer.elements() * 4 > band_bytes) {
    if (columns > 4 * least)
      narrow_strips();
    else if (rows > 1)
      set_rows(ceil_div(rows, 2));
    else if (columns > least)
      narrow_strips();
    else
      break;
  }
  // Enough work that some cores can share it; how much must not depend on how many there are. Bands each read all
  // weights, which near caches may not hold; parts of a band each copy its input, and row-major output is stored
  // for all channels at once.
  constexpr int64_t enough = 16;
  const bool divides = out == nchw16c && in_place() && form != ConvForm::depthwise;
  const int64_t input = geometry.batch * buffer.blocks * buffer.pixel * high().in * wide().in * 4;
  const int64_t weights = packing.groups * packing.out_blocks * packing.taps * packing.depth * 64;
  parts = 1;
  while (bands.count() * parts < enough) {
    const bool by_parts = divides && copies && parts < packing.units() && weights > far_bytes;
    if (by_parts && bands.count() * weights > parts * 2 * input)
      parts = std::min(2 * parts, packing.units());
    else if (rows > 1)
      set_rows(ceil_div(rows, 2));
    else
      break;
  }
  while (bands.count() * parts < enough && columns > 2 * least) narrow_strips();
  if (divides && !copies) parts = std::clamp<int64_t>(ceil_div(enough, bands.count()), 1, packing.units());
}

int64_t DirectShape::result_floats() const {
  if (in_place()) return 0;
  return packing.groups * packing.out_blocks * bands.rows * bands.columns * block_size;
}

int64_t DirectShape::tap_bytes() const {
  return round_up((form == ConvForm::split ? 3 : 1) * packing.taps * int64_t{sizeof(ConvTap)}, 64);
}

int64_t DirectShape::worker_bytes() const {
  // Tiles of pairs read whole grains of pixels.
  const int64_t behind = has_cells(form) ? int64_t{Bf16Simd::max_grain} * 64 : 0;
  return tap_bytes() + round_up(copies ? buffer.elements() * 4 : 0, 64) + round_up(result_floats() * 4, 64) + behind;
}

namespace {

/// One run of a direct convolution: what all bands share.
class Direct {
 public:
  Direct(const Args& args, const DirectShape& shape, bool short_sums, float* operands)
      : s_(shape),
        short_sums_(short_sums),
        conv_(conv_simd(level())),
        bf16_(has_cells(shape.form) ? bf16_simd(level()) : nullptr),
        map_(map_simd(level())),
        x_(args.in[0].as<const float>()),
        y_(args.out[0].as<float>()),
        in_plane_(s_.form == ConvForm::planar ? s_.high().in * s_.wide().in : args.in[0].plane()),
        out_plane_(s_.out == nchw16c ? args.out[0].plane() : 0),
        weights_(args.packed->tensors[0].as<const float>()),
        bias_(args.packed->tensors[1].as<const float>()) {
    const ConvPacking& p = s_.packing;
    const bool ragged = p.groups > 1 && p.group_out % block_size != 0;
    epilogue_.start(args, s_.out, s_.geometry.out_channels, s_.form != ConvForm::few && !ragged, operands);
    store_ = {&epilogue_, args.out[0], s_.geometry.out_channels, p.group_out};
    const bool tiles = s_.form != ConvForm::depthwise && s_.form != ConvForm::few;
    ends_ = tiles && !short_sums && epilogue_.ends(end_);
    streams_ = s_.form == ConvForm::blocked && !s_.copies && p.taps == 1 &&
               args.in[0].type.bytes() + args.out[0].type.bytes() > near_bytes;
  }

  void run_band(int64_t item, std::byte* scratch) const;

 private:
  // A band at work.
  struct Work : Band {
    int64_t first_unit = 0, last_unit = 0;    // of each group
    bool last = false;                        // of this part: the next band begins with the next units
    int64_t first_row = 0, first_column = 0;  // of the input, at the buffer's beginning
    const float* input = nullptr;             // at first_row, first_column, channel 0
    BandStrides strides = {};
    ConvTap* taps = nullptr;
    float* result = nullptr;  // row-major outputs only
  };

  int64_t input_row(int64_t y, int64_t tap) const;
  void load(Work& band, float* buffer) const;
  void round_columns(const float* row, int64_t plane, int64_t block, int64_t start, float* to) const;
  void copy_columns(const float* row, int64_t start, float* to) const;
  void run_unit(const Work& band, int64_t group, int64_t unit) const;
  int collect(const Work& band, int64_t y, int64_t first, const float* input, const float* weights,
              int64_t tap_floats) const;
  void run_short_sums(ConvTile tile, ConvTap* taps, int64_t count, int64_t first_block, int blocks) const;
  void run_class(ConvTile& tile, int64_t count, int64_t first_block, int blocks) const;
  int widest(int blocks) const { return bf16_ ? bf16_->pixels[blocks] : conv_.pixels[blocks]; }
  void shuffle_row(const Work& band, int64_t y) const;
  float* output(const Work& band, int64_t block, int64_t y) const;
  int64_t output_block() const;

  const DirectShape& s_;
  const bool short_sums_;
  const ConvSimd& conv_;
  const Bf16Simd* bf16_;  // of forms with cells
  const MapSimd& map_;
  const float* x_;
  float* y_;
  int64_t in_plane_, out_plane_;  // floats from one block of channels, or channel, to the next; of blocked outputs
  const float* weights_;
  const float* bias_;
  Epilogue epilogue_;
  RowStore store_;
  bool ends_ = false;     // tiles do the blocked part of the epilogue
  bool streams_ = false;  // the input comes from far
  ConvEnd end_;
};

// The input row that tap `tap` of output row `y` reads; -1 if there is none.
int64_t Direct::input_row(int64_t y, int64_t tap) const {
  const ops::WindowAxis& h = s_.high();
  int64_t row = h.at(y, tap);
  if (s_.transposed) {
    row = y + h.pad_begin - tap * h.dilation;
    if (row % h.stride != 0) return -1;
    row /= h.stride;
  }
  return row >= 0 && row < h.in ? row : -1;
}

// Finds the band's part of the input and copies it into the buffer, if need be.
void Direct::load(Work& band, float* buffer) const {
  const ops::WindowAxis &h = s_.high(), &w = s_.wide();
  int64_t first = h.in, last = -1;
  for (int64_t y = band.y.begin; y < band.y.end; ++y)
    for (int64_t k = 0; k < h.kernel; ++k)
      if (const int64_t row = input_row(y, k); row >= 0) first = std::min(first, row), last = std::max(last, row);
  band.first_row = first;
  band.first_column = s_.transposed ? floor_div(band.x.begin + w.pad_begin - (w.reach() - 1), w.stride)
                                    : band.x.begin * w.stride - w.pad_begin;
  const int64_t line = w.in * s_.buffer.pixel, plane = in_plane_;
  const float* picture = x_ + band.n * s_.input_blocks * plane;
  if (!s_.copies) {
    band.input = picture + first * line + band.first_column * s_.buffer.pixel;
    band.strides = {line, plane, 0};
    return;
  }
  band.input = buffer;
  band.strides = s_.buffer.strides();
  for (int64_t row = first; row <= last; ++row) {
    if (!s_.transposed && !reads(h, row + h.pad_begin)) continue;
    for (int64_t b = 0; b < s_.buffer.blocks; ++b)
      for (int phase = 0; phase < s_.buffer.phases; ++phase) {
        float* to = buffer + (row - first) * band.strides.row + b * band.strides.block + phase * band.strides.phase;
        if (bf16_)
          round_columns(picture + row * line, plane, b, band.first_column + phase, to);
        else
          copy_columns(picture + b * plane + row * line, band.first_column + phase, to);
      }
  }
}

// Columns start, start + phases, ... of an input row as cells, zeros beyond its ends: of channels 32 * block and on, or
// of what rounding left of them.
void Direct::round_columns(const float* row, int64_t plane, int64_t block, int64_t start, float* to) const {
  const auto [begin, end] = s_.wide().within(start, s_.buffer.phases, s_.buffer.positions);
  const int64_t channels = s_.geometry.in_channels, blocks = cell_blocks_of(channels), from = block % blocks;
  const float* low = row + 2 * from * plane + (start + begin * s_.buffer.phases) * block_size;
  std::fill(to, to + begin * block_size, 0.0f);
  bf16_->round(low, low + plane, s_.buffer.phases * block_size, end - begin,
               static_cast<int>(std::min<int64_t>(32, channels - from * 32)), block >= blocks, to + begin * block_size);
  std::fill(to + end * block_size, to + s_.buffer.positions * block_size, 0.0f);
}

// The same columns as they are.
void Direct::copy_columns(const float* row, int64_t start, float* to) const {
  const int64_t step = s_.buffer.phases, pixel = s_.buffer.pixel, count = s_.buffer.positions;
  const auto [begin, end] = s_.wide().within(start, s_.buffer.phases, s_.buffer.positions);
  std::fill(to, to + begin * pixel, 0.0f);
  const float* from = row + (start + begin * step) * pixel;
  if (step == 1) {
    if (end > begin) std::memcpy(to + begin * pixel, from, static_cast<size_t>((end - begin) * pixel) * sizeof(float));
  } else if (pixel == 1 && step == 2) {
    for (int64_t i = 0; i < end - begin; ++i) to[begin + i] = from[2 * i];
  } else if (pixel == 1) {
    for (int64_t i = begin; i < end; ++i, from += step) to[i] = *from;
  } else {
    for (int64_t i = begin; i < end; ++i, from += step * block_size)
      std::memcpy(to + i * block_size, from, block_size * sizeof(float));
  }
  std::fill(to + end * pixel, to + count * pixel, 0.0f);
}

// The taps that reach inside the picture for output row `y` and the columns of `first`'s class.
int Direct::collect(const Work& band, int64_t y, int64_t first, const float* input, const float* weights,
                    int64_t tap_floats) const {
  const ops::WindowAxis &h = s_.high(), &w = s_.wide();
  int count = 0;
  for (int64_t ky = 0; ky < h.kernel; ++ky) {
    const int64_t row = input_row(y, ky);
    if (row < 0) continue;
    const float* line = input + (row - band.first_row) * band.strides.row;
    for (int64_t kx = 0; kx < w.kernel; ++kx) {
      int64_t at = kx * w.dilation, phase = at % s_.buffer.phases;
      at = at / s_.buffer.phases + first - band.x.begin;
      if (!s_.copies && (band.first_column + at < 0 || band.first_column + at >= w.in)) continue;
      if (s_.transposed) {
        at = first + w.pad_begin - kx * w.dilation;
        if (at % w.stride != 0) continue;
        at = at / w.stride - band.first_column;
      }
      const ConvTap tap{line + phase * band.strides.phase + at * s_.buffer.pixel,
                        weights + (ky * w.kernel + kx) * tap_floats};
      band.taps[count++] = tap;
      if (s_.form != ConvForm::split) continue;
      const float *residue = tap.in + s_.buffer.blocks / 2 * band.strides.block, *rest = tap.weights + tap_floats / 2;
      band.taps[count++] = {tap.in, rest};
      band.taps[count++] = {residue, tap.weights};
    }
  }
  return count;
}

// A run of output pixels by short sums, each over some input blocks of some taps. Moves the taps along.
void Direct::run_short_sums(ConvTile tile, ConvTap* taps, int64_t count, int64_t first_block, int blocks) const {
  const int all_blocks = tile.blocks, all_taps = tile.tap_count, last = tile.last;
  const int some_taps = std::clamp(all_taps, 1, short_sum), some_blocks = std::max(1, short_sum / some_taps);
  float* out = tile.out;
  for (int block = 0; block < all_blocks; block += some_blocks) {
    tile.blocks = std::min(some_blocks, all_blocks - block);
    tile.last = block + tile.blocks < all_blocks ? block_size : last;
    for (int tap = 0; tap == 0 || tap < all_taps; tap += some_taps) {
      tile.taps = taps + tap;
      tile.tap_count = std::min(some_taps, all_taps - tap);
      tile.out = out;
      run_class(tile, count, first_block, blocks);
      tile.bias = nullptr;
      tile.end.add = out;  // the sum so far
      tile.end.add_block = tile.out_block;
    }
    for (int i = 0; i < all_taps; ++i) {
      taps[i].in += some_blocks * tile.block_stride;
      taps[i].weights += int64_t{some_blocks} * block_size * block_size * blocks;
    }
  }
}

// A run of output pixels in tiles of nearly equal width.
void Direct::run_class(ConvTile& tile, int64_t count, int64_t first_block, int blocks) const {
  const auto& kernels = s_.form == ConvForm::planar ? conv_.planar[blocks] : conv_.blocked[blocks];
  const int64_t tiles = ceil_div(count, widest(blocks)), grain = bf16_ ? bf16_->grain : 1;
  const int64_t add_more = first_block * (end_.add_block - out_plane_);
  float* out = tile.out;
  for (int64_t i = 0, begin = 0, end = 0; i < tiles; ++i, begin = end) {
    end = std::min(count, ceil_div(count * (i + 1) / tiles, grain) * grain);
    tile.at = begin * s_.buffer.pixel;
    tile.out = out + begin * tile.out_pixel;
    if (tile.fetch_jump) tile.fetch = tile.taps->in + tile.at + pixels_ahead * block_size;
    if (end_.add)
      tile.end.add = end_.add + (tile.out - y_) + add_more;
    else if (tile.end.add)
      tile.end.add = tile.out;
    if (bf16_)
      bf16_->tile(tile, blocks, static_cast<int>(end - begin));
    else
      kernels[end - begin](tile);
    if (!tile.fetch_jump) tile.fetch += tile.fetch_step * s_.packing.depth * tile.tap_count;
  }
}

float* Direct::output(const Work& band, int64_t block, int64_t y) const {
  if (s_.form == ConvForm::few && !s_.in_place()) return band.result;
  if (s_.form == ConvForm::few)
    return y_ + (band.n * s_.geometry.out_channels * s_.high().out + y) * s_.wide().out + band.x.begin;
  if (!s_.in_place()) return band.result + (block * s_.bands.rows + y - band.y.begin) * s_.bands.columns * block_size;
  const int64_t blocks = blocks_of(s_.geometry.out_channels);
  return y_ + (band.n * blocks + block) * out_plane_ + (y * s_.wide().out + band.x.begin) * block_size;
}

int64_t Direct::output_block() const {
  if (s_.form == ConvForm::few) return s_.in_place() ? s_.high().out * s_.wide().out : s_.bands.columns;
  if (!s_.in_place()) return s_.bands.rows * s_.bands.columns * block_size;
  return out_plane_;
}

// Stores one row of few outputs, which lie in planes, by way of their DepthToSpace: four, of 2x2 pixels.
void Direct::shuffle_row(const Work& band, int64_t y) const {
  const int64_t pixels = band.width();
  for (int64_t i = 0; i < 2; ++i) {
    const int64_t offset = (((band.n * s_.high().out + y) * 2 + i) * s_.wide().out + band.x.begin) * 2;
    const float *even = band.result + 2 * i * s_.bands.columns, *odd = even + s_.bands.columns;
    float* to = y_ + offset;
    for (int64_t x = 0; x < pixels; ++x) to[2 * x] = even[x], to[2 * x + 1] = odd[x];
    epilogue_.apply_row(map_, to, 2 * pixels, 0, offset);
  }
}

// One unit of output channels over all rows of the band.
void Direct::run_unit(const Work& band, int64_t group, int64_t unit) const {
  const ConvPacking& p = s_.packing;
  const int blocks = p.blocks_in(unit);
  const int64_t block = group * p.out_blocks + unit * p.unit_blocks;
  const float* weights = weights_ + p.unit_offset(group, unit);
  const float* input = band.input;
  ConvTile tile{};
  tile.taps = band.taps;
  tile.block_stride = band.strides.block;
  tile.bias = bias_ + p.bias_offset(group, unit);
  tile.out_block = output_block();
  if (ends_) tile.end = end_;
  tile.fetch = weights;
  if (streams_ && unit == band.first_unit) {
    tile.fetch_step = block_size;
    tile.fetch_jump = band.strides.block - block_size * block_size;
  } else if (unit + 1 < band.last_unit || (band.last && unit + 1 < p.units())) {
    tile.fetch_step = ceil_div(blocks * block_size, band.height() * ceil_div(band.width(), widest(blocks)));
    tile.fetch += p.taps * p.tap_floats(blocks);  // the next unit's lie behind these
  }
  if (tile.end.slopes) tile.end.slopes += block * block_size;
  if (s_.form == ConvForm::planar) {
    tile.blocks = static_cast<int>(p.group_in);
    input += group * p.group_in * band.strides.block;
  } else if (s_.form == ConvForm::depthwise) {
    input += unit * band.strides.block;
  } else if (bf16_) {
    tile.blocks = static_cast<int>(cell_blocks_of(p.group_in));
    tile.last = static_cast<int>(ceil_div(p.group_in, 2) - (tile.blocks - 1) * block_size);
    input += group * (p.group_in / 32) * band.strides.block;
  } else {
    tile.blocks = static_cast<int>(blocks_of(p.group_in));
    tile.last = static_cast<int>(p.group_in - (tile.blocks - 1) * block_size);
    input += group * (p.group_in / block_size) * band.strides.block;
  }
  const int64_t step = s_.transposed ? s_.wide().stride : 1;
  const int out_pixel = s_.form == ConvForm::few ? 1 : block_size;
  tile.out_pixel = step * out_pixel;
  for (int64_t y = band.y.begin; y < band.y.end; ++y) {
    float* row = output(band, block, y);
    const auto run = [&](int64_t first, int64_t count) {
      tile.tap_count = collect(band, y, first, input, weights, p.tap_floats(blocks));
      tile.out = row + (first - band.x.begin) * out_pixel;
      tile.at = 0;
      if (s_.form == ConvForm::depthwise)
        conv_.depthwise(tile, count);
      else if (s_.form == ConvForm::few)
        conv_.few(tile, count, static_cast<int>(p.group_out));
      else if (short_sums_)
        run_short_sums(tile, band.taps, count, block, blocks);
      else
        run_class(tile, count, block, blocks);
    };
    if (s_.form == ConvForm::few && !s_.copies) {
      // Pixels [from, to) have all columns of taps.
      const int64_t from = std::clamp(s_.wide().pad_begin, band.x.begin, band.x.end);
      const int64_t to = std::clamp(s_.wide().in + s_.wide().pad_begin - s_.wide().reach() + 1, from, band.x.end);
      for (int64_t x = band.x.begin; x < from; ++x) run(x, 1);
      if (from < to) run(from, to - from);
      for (int64_t x = to; x < band.x.end; ++x) run(x, 1);
    } else {
      for (int64_t first = band.x.begin; first < std::min(band.x.end, band.x.begin + step); ++first)
        run(first, ceil_div(band.x.end - first, step));
    }
    const int64_t pixels = band.width();
    if (s_.form == ConvForm::few && !s_.in_place()) {
      shuffle_row(band, y);
    } else if (s_.form == ConvForm::few) {
      for (int64_t c = 0; c < p.group_out; ++c)
        epilogue_.apply_row(map_, row + c * tile.out_block, pixels, c, row + c * tile.out_block - y_);
    } else if (!ends_) {
      for (int b = 0; b < blocks; ++b)
        epilogue_.apply_blocked(map_, row + b * tile.out_block, pixels, block + b,
                                s_.in_place() ? row + b * tile.out_block - y_ : 0);
    }
  }
}

void Direct::run_band(int64_t item, std::byte* scratch) const {
  const int64_t part = item / s_.bands.count(), units = s_.packing.units();
  item %= s_.bands.count();
  Work band{s_.bands.at(item)};
  band.first_unit = units * part / s_.parts;
  band.last_unit = units * (part + 1) / s_.parts;
  band.last = item + 1 == s_.bands.count();
  band.taps = reinterpret_cast<ConvTap*>(scratch);
  auto* buffer = reinterpret_cast<float*>(scratch + s_.tap_bytes());
  band.result = buffer + round_up(s_.copies ? s_.buffer.elements() * 4 : 0, 64) / 4;
  load(band, buffer);
  if (bf16_) bf16_->begin();
  for (int64_t group = 0; group < s_.packing.groups; ++group)
    for (int64_t unit = band.first_unit; unit < band.last_unit; ++unit) run_unit(band, group, unit);
  if (bf16_) bf16_->end();
  if (s_.in_place() || s_.form == ConvForm::few) return;
  const int64_t shape[4] = {s_.geometry.batch, s_.geometry.out_channels, s_.high().out, s_.wide().out};
  for (int64_t y = band.y.begin; y < band.y.end; ++y)
    store_.row(output(band, 0, y), output_block(), 0, s_.packing.groups * s_.packing.out_blocks, shape, band.n, y,
               band.x.begin, band.width());
}

}  // namespace

int64_t direct_scratch(const CpuKernel& kernel, const Problem& problem, int threads) {
  const DirectShape shape(kernel, problem.node, geometry_of(kernel, problem));
  return operand_bytes(problem.node, shape.geometry.out_channels) + threads * shape.worker_bytes();
}

void run_direct(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const DirectShape shape(kernel, args.node(), conv_geometry(kernel, args, args.in[0].shape(), args.in[1].shape()),
                          args.rows);
  if (args.out[0].elements() == 0) return;
  const Direct direct(args, shape, kernel.precision == Precision::exact, reinterpret_cast<float*>(args.scratch));
  std::byte* workers = args.scratch + operand_bytes(args.node(), shape.geometry.out_channels);
  for_each_item(threads, shape.parts * shape.bands.count(), workers, shape.worker_bytes(),
                [&](int64_t item, std::byte* scratch) { direct.run_band(item, scratch); });
}

}  // namespace tessera::cpu
