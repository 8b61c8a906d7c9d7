#include "ops/cpu/conv_direct.h"

#include <algorithm>

#include "ops/cpu/kernel.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

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

DirectShape::DirectShape(const Node& node, const Shape& x, const Shape& w, ConvForm form_, Layout out_, Rows part)
    : geometry(conv_geometry(node, x, w)),
      transposed(is_transposed(node)),
      form(form_),
      out(out_),
      packing(geometry, form_),
      high_part{0, geometry.window.axis[1].out},
      wide_part{0, geometry.window.axis[2].out},
      shuffle(Epilogue::shuffle_of(node)) {
  pixel = form == ConvForm::planar ? 1 : 16;
  input_blocks = form == ConvForm::planar ? geometry.in_channels : blocks_of(geometry.in_channels);
  buffer_blocks = input_blocks;
  if (has_cells(form)) buffer_blocks = cell_blocks_of(geometry.in_channels) * (form == ConvForm::split ? 2 : 1);
  const int64_t all_rows = high().out, row = wide().out;
  part.end = std::min(part.end, all_rows);
  flatten();
  phases = transposed ? 1 : static_cast<int>(wide().stride);
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
    wide_part = {part.begin * row, part.end * row};
  else
    high_part = part;
  choose_bands();
  while (worker_bytes() > bytes && columns > 1) narrow_strips();
}

// A 1x1 convolution sees one long row.
void DirectShape::flatten() {
  ops::WindowAxis &h = geometry.window.axis[1], &w = geometry.window.axis[2];
  const auto plain = [](const ops::WindowAxis& a) {
    return a.kernel == 1 && a.stride == 1 && a.pad_begin == 0 && a.in == a.out;
  };
  if (!plain(h) || !plain(w) || shuffle > 1) return;
  flat = true;
  w.in = w.out = h.in * w.in;
  h.in = h.out = 1;
  high_part = {0, 1};
  wide_part = {0, w.out};
}

// Rows and positions of a band's input, at most.
void DirectShape::measure_input() {
  const ops::WindowAxis &h = high(), &w = wide();
  if (transposed) {
    buffer_rows = std::min(h.in, (rows - 1 + h.reach() - 1) / h.stride + 2);
    positions = (columns - 1 + w.reach() - 1) / w.stride + 2;
  } else {
    buffer_rows = std::min(h.in, (rows - 1) * h.stride + h.reach());
    positions = columns + (w.reach() - 1) / w.stride;
  }
}

void DirectShape::set_strips(int64_t count) {
  const int64_t all = wide_part.end - wide_part.begin;
  strips = count;
  columns = ceil_div(all, strips);
  // Strips of a transposed convolution begin at whole steps, so that every class has its share.
  if (transposed) columns = ceil_div(columns, wide().stride) * wide().stride;
  strips = std::max<int64_t>(1, ceil_div(all, columns));
  measure_input();
}

// One step narrower at least: a count of strips that is only one higher may give the same columns.
void DirectShape::narrow_strips() {
  const int64_t unit = transposed ? wide().stride : 1;
  set_strips(ceil_div(wide_part.end - wide_part.begin, columns - unit));
}

void DirectShape::choose_bands() {
  const int64_t height = high_part.end - high_part.begin;
  const int64_t least = std::max<int64_t>(narrow, transposed ? wide().stride : 1);
  rows = std::min<int64_t>(height, 8);
  set_strips(1);
  while (buffer_floats() * 4 > band_bytes) {
    if (columns > 4 * least)
      narrow_strips();
    else if (rows > 1)
      rows = ceil_div(rows, 2), measure_input();
    else if (columns > least)
      narrow_strips();
    else
      break;
  }
  // Enough work that some cores can share it; how much must not depend on how many there are. Bands each read all
  // weights, which near caches may not hold; parts of a band each copy its input, and row-major output is stored
  // for all channels at once.
  constexpr int64_t enough = 16;
  const auto set_rows = [&](int64_t count) {
    rows = count;
    row_bands = ceil_div(height, rows);
    measure_input();
  };
  set_rows(rows);
  const bool divides = out == nchw16c && in_place() && form != ConvForm::depthwise;
  const int64_t input = geometry.batch * buffer_blocks * pixel * high().in * wide().in * 4;
  const int64_t weights = packing.groups * packing.out_blocks * packing.taps * packing.depth * 64;
  parts = 1;
  while (bands() * parts < enough) {
    const bool by_parts = divides && copies && parts < packing.units() && weights > far_bytes;
    if (by_parts && bands() * weights > parts * 2 * input)
      parts = std::min(2 * parts, packing.units());
    else if (rows > 1)
      set_rows(ceil_div(rows, 2));
    else
      break;
  }
  while (bands() * parts < enough && columns > 2 * least) narrow_strips();
  if (divides && !copies) parts = std::clamp<int64_t>(ceil_div(enough, bands()), 1, packing.units());
}

int64_t DirectShape::result_floats() const {
  if (in_place()) return 0;
  return packing.groups * packing.out_blocks * rows * columns * 16;
}

int64_t DirectShape::tap_bytes() const {
  return round_up((form == ConvForm::split ? 3 : 1) * packing.taps * int64_t{sizeof(ConvTap)}, 64);
}

int64_t DirectShape::worker_bytes() const {
  // Tiles of pairs read whole grains of pixels.
  const int64_t behind = has_cells(form) ? int64_t{Bf16Simd::max_grain} * 64 : 0;
  return tap_bytes() + round_up(copies ? buffer_floats() * 4 : 0, 64) + round_up(result_floats() * 4, 64) + behind;
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
    const bool ragged = p.groups > 1 && p.group_out % 16 != 0;
    epilogue_.start(args, s_.out, s_.geometry.out_channels, s_.form != ConvForm::few && !ragged, operands);
    store_ = {&epilogue_, args.out[0], s_.geometry.out_channels, p.group_out};
    const bool tiles = s_.form != ConvForm::depthwise && s_.form != ConvForm::few;
    ends_ = tiles && !short_sums && epilogue_.ends(end_);
    streams_ = s_.form == ConvForm::blocked && !s_.copies && p.taps == 1 &&
               args.in[0].type.bytes() + args.out[0].type.bytes() > near_bytes;
  }

  void run_band(int64_t item, std::byte* scratch) const;

 private:
  struct Band {
    int64_t n, y0, y1, x0, x1;
    int64_t first_unit, last_unit;    // of each group
    bool last;                        // of this part: the next band begins with the next units
    int64_t first_row, first_column;  // of the input, at the buffer's beginning
    const float* input;               // at first_row, first_column, channel 0
    int64_t row_stride, block_stride, phase_stride;
    ConvTap* taps;
    float* result;  // row-major outputs only
  };

  void place(int64_t item, Band& band) const;
  int64_t input_row(int64_t y, int64_t tap) const;
  void load(Band& band, float* buffer) const;
  bool uses_row(int64_t row) const;
  void round_columns(const float* row, int64_t plane, int64_t block, int64_t start, float* to) const;
  void copy_columns(const float* row, int64_t start, float* to) const;
  void run_unit(const Band& band, int64_t group, int64_t unit) const;
  int collect(const Band& band, int64_t y, int64_t first, const float* input, const float* weights,
              int64_t tap_floats) const;
  void run_short_sums(ConvTile tile, ConvTap* taps, int64_t count, int64_t first_block, int blocks) const;
  void run_class(ConvTile& tile, int64_t count, int64_t first_block, int blocks) const;
  int widest(int blocks) const { return bf16_ ? bf16_->pixels[blocks] : conv_.pixels[blocks]; }
  void shuffle_row(const Band& band, int64_t y) const;
  float* output(const Band& band, int64_t block, int64_t y) const;
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

void Direct::place(int64_t item, Band& band) const {
  const int64_t part = item / s_.bands();
  band.first_unit = s_.packing.units() * part / s_.parts;
  band.last_unit = s_.packing.units() * (part + 1) / s_.parts;
  item %= s_.bands();
  band.last = item + 1 == s_.bands();
  const int64_t strip = item / s_.row_bands % s_.strips;
  band.n = item / s_.row_bands / s_.strips;
  band.y0 = s_.high_part.begin + item % s_.row_bands * s_.rows;
  band.y1 = std::min(s_.high_part.end, band.y0 + s_.rows);
  band.x0 = s_.wide_part.begin + strip * s_.columns;
  band.x1 = std::min(s_.wide_part.end, band.x0 + s_.columns);
}

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
void Direct::load(Band& band, float* buffer) const {
  const ops::WindowAxis &h = s_.high(), &w = s_.wide();
  int64_t first = h.in, last = -1;
  for (int64_t y = band.y0; y < band.y1; ++y)
    for (int64_t k = 0; k < h.kernel; ++k)
      if (const int64_t row = input_row(y, k); row >= 0) first = std::min(first, row), last = std::max(last, row);
  band.first_row = first;
  band.first_column =
      s_.transposed ? floor_div(band.x0 + w.pad_begin - (w.reach() - 1), w.stride) : band.x0 * w.stride - w.pad_begin;
  const int64_t line = w.in * s_.pixel, plane = in_plane_;
  const float* picture = x_ + band.n * s_.input_blocks * plane;
  if (!s_.copies) {
    band.input = picture + first * line + band.first_column * s_.pixel;
    band.row_stride = line;
    band.block_stride = plane;
    band.phase_stride = 0;
    return;
  }
  band.input = buffer;
  band.phase_stride = s_.positions * s_.pixel;
  band.block_stride = s_.phases * band.phase_stride;
  band.row_stride = s_.buffer_blocks * band.block_stride;
  for (int64_t row = first; row <= last; ++row) {
    if (!uses_row(row)) continue;
    for (int64_t b = 0; b < s_.buffer_blocks; ++b)
      for (int phase = 0; phase < s_.phases; ++phase) {
        float* to = buffer + (row - first) * band.row_stride + b * band.block_stride + phase * band.phase_stride;
        if (bf16_)
          round_columns(picture + row * line, plane, b, band.first_column + phase, to);
        else
          copy_columns(picture + b * plane + row * line, band.first_column + phase, to);
      }
  }
}

// Whether any tap reads that input row: strides wider than the kernel leave rows out.
bool Direct::uses_row(int64_t row) const {
  const ops::WindowAxis& h = s_.high();
  if (s_.transposed || h.stride == 1) return true;
  for (int64_t k = 0; k < h.kernel; ++k)
    if ((row + h.pad_begin - k * h.dilation) % h.stride == 0) return true;
  return false;
}

// Columns start, start + phases, ... of an input row as cells, zeros beyond its ends: of channels 32 * block and on, or
// of what rounding left of them.
void Direct::round_columns(const float* row, int64_t plane, int64_t block, int64_t start, float* to) const {
  const auto [begin, end] = s_.wide().within(start, s_.phases, s_.positions);
  const int64_t channels = s_.geometry.in_channels, blocks = cell_blocks_of(channels), from = block % blocks;
  const float* low = row + 2 * from * plane + (start + begin * s_.phases) * 16;
  std::fill(to, to + begin * 16, 0.0f);
  bf16_->round(low, low + plane, s_.phases * 16, end - begin,
               static_cast<int>(std::min<int64_t>(32, channels - from * 32)), block >= blocks, to + begin * 16);
  std::fill(to + end * 16, to + s_.positions * 16, 0.0f);
}

// The same columns as they are.
void Direct::copy_columns(const float* row, int64_t start, float* to) const {
  const int64_t step = s_.phases, pixel = s_.pixel, count = s_.positions;
  const auto [begin, end] = s_.wide().within(start, s_.phases, s_.positions);
  std::fill(to, to + begin * pixel, 0.0f);
  const float* from = row + (start + begin * step) * pixel;
  if (step == 1) {
    if (end > begin) std::memcpy(to + begin * pixel, from, static_cast<size_t>((end - begin) * pixel) * sizeof(float));
  } else if (pixel == 1 && step == 2) {
    for (int64_t i = 0; i < end - begin; ++i) to[begin + i] = from[2 * i];
  } else if (pixel == 1) {
    for (int64_t i = begin; i < end; ++i, from += step) to[i] = *from;
  } else {
    for (int64_t i = begin; i < end; ++i, from += step * 16) std::memcpy(to + i * 16, from, 16 * sizeof(float));
  }
  std::fill(to + end * pixel, to + count * pixel, 0.0f);
}

// The taps that reach inside the picture for output row `y` and the columns of `first`'s class.
int Direct::collect(const Band& band, int64_t y, int64_t first, const float* input, const float* weights,
                    int64_t tap_floats) const {
  const ops::WindowAxis &h = s_.high(), &w = s_.wide();
  int count = 0;
  for (int64_t ky = 0; ky < h.kernel; ++ky) {
    const int64_t row = input_row(y, ky);
    if (row < 0) continue;
    const float* line = input + (row - band.first_row) * band.row_stride;
    for (int64_t kx = 0; kx < w.kernel; ++kx) {
      int64_t at = kx * w.dilation, phase = at % s_.phases;
      at = at / s_.phases + first - band.x0;
      if (!s_.copies && (band.first_column + at < 0 || band.first_column + at >= w.in)) continue;
      if (s_.transposed) {
        at = first + w.pad_begin - kx * w.dilation;
        if (at % w.stride != 0) continue;
        at = at / w.stride - band.first_column;
      }
      const ConvTap tap{line + phase * band.phase_stride + at * s_.pixel, weights + (ky * w.kernel + kx) * tap_floats};
      band.taps[count++] = tap;
      if (s_.form != ConvForm::split) continue;
      const float *residue = tap.in + s_.buffer_blocks / 2 * band.block_stride, *rest = tap.weights + tap_floats / 2;
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
    tile.last = block + tile.blocks < all_blocks ? 16 : last;
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
      taps[i].weights += int64_t{some_blocks} * 16 * 16 * blocks;
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
    tile.at = begin * s_.pixel;
    tile.out = out + begin * tile.out_pixel;
    if (tile.fetch_jump) tile.fetch = tile.taps->in + tile.at + pixels_ahead * 16;
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

float* Direct::output(const Band& band, int64_t block, int64_t y) const {
  if (s_.form == ConvForm::few && !s_.in_place()) return band.result;
  if (s_.form == ConvForm::few)
    return y_ + (band.n * s_.geometry.out_channels * s_.high().out + y) * s_.wide().out + band.x0;
  if (!s_.in_place()) return band.result + (block * s_.rows + y - band.y0) * s_.columns * 16;
  const int64_t blocks = blocks_of(s_.geometry.out_channels);
  return y_ + (band.n * blocks + block) * out_plane_ + (y * s_.wide().out + band.x0) * 16;
}

int64_t Direct::output_block() const {
  if (s_.form == ConvForm::few) return s_.in_place() ? s_.high().out * s_.wide().out : s_.columns;
  if (!s_.in_place()) return s_.rows * s_.columns * 16;
  return out_plane_;
}

// Stores one row of few outputs, which lie in planes, by way of their DepthToSpace: four, of 2x2 pixels.
void Direct::shuffle_row(const Band& band, int64_t y) const {
  const int64_t pixels = band.x1 - band.x0;
  for (int64_t i = 0; i < 2; ++i) {
    const int64_t offset = (((band.n * s_.high().out + y) * 2 + i) * s_.wide().out + band.x0) * 2;
    const float *even = band.result + 2 * i * s_.columns, *odd = even + s_.columns;
    float* to = y_ + offset;
    for (int64_t x = 0; x < pixels; ++x) to[2 * x] = even[x], to[2 * x + 1] = odd[x];
    epilogue_.apply_row(map_, to, 2 * pixels, 0, offset);
  }
}

// One unit of output channels over all rows of the band.
void Direct::run_unit(const Band& band, int64_t group, int64_t unit) const {
  const ConvPacking& p = s_.packing;
  const int blocks = p.blocks_in(unit);
  const int64_t block = group * p.out_blocks + unit * p.unit_blocks;
  const float* weights = weights_ + p.unit_offset(group, unit);
  const float* input = band.input;
  ConvTile tile{};
  tile.taps = band.taps;
  tile.block_stride = band.block_stride;
  tile.bias = bias_ + p.bias_offset(group, unit);
  tile.out_block = output_block();
  if (ends_) tile.end = end_;
  tile.fetch = weights;
  if (streams_ && unit == band.first_unit) {
    tile.fetch_step = 16;
    tile.fetch_jump = band.block_stride - 256;
  } else if (unit + 1 < band.last_unit || (band.last && unit + 1 < p.units())) {
    tile.fetch_step = ceil_div(blocks * 16, (band.y1 - band.y0) * ceil_div(band.x1 - band.x0, widest(blocks)));
    tile.fetch += p.taps * p.tap_floats(blocks);  // the next unit's lie behind these
  }
  if (tile.end.slopes) tile.end.slopes += block * 16;
  if (s_.form == ConvForm::planar) {
    tile.blocks = static_cast<int>(p.group_in);
    input += group * p.group_in * band.block_stride;
  } else if (s_.form == ConvForm::depthwise) {
    input += unit * band.block_stride;
  } else if (bf16_) {
    tile.blocks = static_cast<int>(cell_blocks_of(p.group_in));
    tile.last = static_cast<int>(ceil_div(p.group_in, 2) - (tile.blocks - 1) * 16);
    input += group * (p.group_in / 32) * band.block_stride;
  } else {
    tile.blocks = static_cast<int>(blocks_of(p.group_in));
    tile.last = static_cast<int>(p.group_in - (tile.blocks - 1) * 16);
    input += group * (p.group_in / 16) * band.block_stride;
  }
  const int64_t step = s_.transposed ? s_.wide().stride : 1;
  const int out_pixel = s_.form == ConvForm::few ? 1 : 16;
  tile.out_pixel = step * out_pixel;
  for (int64_t y = band.y0; y < band.y1; ++y) {
    float* row = output(band, block, y);
    const auto run = [&](int64_t first, int64_t count) {
      tile.tap_count = collect(band, y, first, input, weights, p.tap_floats(blocks));
      tile.out = row + (first - band.x0) * out_pixel;
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
      const int64_t from = std::clamp(s_.wide().pad_begin, band.x0, band.x1);
      const int64_t to = std::clamp(s_.wide().in + s_.wide().pad_begin - s_.wide().reach() + 1, from, band.x1);
      for (int64_t x = band.x0; x < from; ++x) run(x, 1);
      if (from < to) run(from, to - from);
      for (int64_t x = to; x < band.x1; ++x) run(x, 1);
    } else {
      for (int64_t first = band.x0; first < std::min(band.x1, band.x0 + step); ++first)
        run(first, ceil_div(band.x1 - first, step));
    }
    const int64_t pixels = band.x1 - band.x0;
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
  Band band{};
  place(item, band);
  band.taps = reinterpret_cast<ConvTap*>(scratch);
  auto* buffer = reinterpret_cast<float*>(scratch + s_.tap_bytes());
  band.result = buffer + round_up(s_.copies ? s_.buffer_floats() * 4 : 0, 64) / 4;
  load(band, buffer);
  if (bf16_) bf16_->begin();
  for (int64_t group = 0; group < s_.packing.groups; ++group)
    for (int64_t unit = band.first_unit; unit < band.last_unit; ++unit) run_unit(band, group, unit);
  if (bf16_) bf16_->end();
  if (s_.in_place() || s_.form == ConvForm::few) return;
  const int64_t shape[4] = {s_.geometry.batch, s_.geometry.out_channels, s_.high().out, s_.wide().out};
  for (int64_t y = band.y0; y < band.y1; ++y)
    store_.row(output(band, 0, y), output_block(), 0, s_.packing.groups * s_.packing.out_blocks, shape, band.n, y,
               band.x0, band.x1 - band.x0);
}

}  // namespace

int64_t direct_scratch(const Problem& problem, int threads, ConvForm form, Layout out) {
  const DirectShape shape(problem.node, problem.in[0].shape, problem.in[1].shape, form, out);
  return round_up(Epilogue::scratch_floats(problem.node, shape.geometry.out_channels) * 4, 64) +
         threads * shape.worker_bytes();
}

void run_direct(const Args& args, Threads& threads, ConvForm form, Layout out, bool short_sums) {
  const DirectShape shape(args.node(), args.in[0].shape(), args.in[1].shape(), form, out, args.rows);
  if (args.out[0].elements() == 0) return;
  const Direct direct(args, shape, short_sums, reinterpret_cast<float*>(args.scratch));
  std::byte* workers =
      args.scratch + round_up(Epilogue::scratch_floats(args.node(), shape.geometry.out_channels) * 4, 64);
  const int64_t bytes = shape.worker_bytes();
  threads.parallel(shape.parts * shape.bands(), 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t item = begin; item < end && !stop_requested(); ++item) direct.run_band(item, workers + worker * bytes);
  });
}

}  // namespace tessera::cpu
