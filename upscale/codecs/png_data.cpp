#include "upscale/codecs/png_data.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "upscale/codecs/deflate.h"
#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

// Filtered bytes that one thread deflates at a time.
constexpr size_t strip_bytes = size_t{512} << 10;
// Strips that wait for each thread.
constexpr int64_t strips_for_each = 4;

enum Filter : uint8_t { none, sub, up, average, paeth, filters };

// In 16 bits and without jumps, so that compilers take many at once.
uint8_t nearest_of(int16_t left, int16_t above, int16_t corner) {
  const auto size = [](int16_t value) { return static_cast<int16_t>(value < 0 ? -value : value); };
  const auto p = static_cast<int16_t>(above - corner), q = static_cast<int16_t>(left - corner);
  const int16_t from_left = size(p), from_above = size(q), from_corner = size(static_cast<int16_t>(p + q));
  const int16_t other = from_above <= from_corner ? above : corner;
  return static_cast<uint8_t>((from_left <= from_above && from_left <= from_corner) ? left : other);
}

void apply(Filter filter, const uint8_t* x, const uint8_t* b, size_t step, size_t count, uint8_t* out) {
  const uint8_t *a = x - step, *c = b - step;
  const auto byte = [](int value) { return static_cast<uint8_t>(value); };
  switch (filter) {
    case none: std::memcpy(out, x, count); break;
    case sub:
      for (size_t i = 0; i < count; ++i) out[i] = byte(x[i] - a[i]);
      break;
    case up:
      for (size_t i = 0; i < count; ++i) out[i] = byte(x[i] - b[i]);
      break;
    case average:
      for (size_t i = 0; i < count; ++i) out[i] = byte(x[i] - ((a[i] + b[i]) >> 1));
      break;
    case paeth:
      for (size_t i = 0; i < count; ++i) out[i] = byte(x[i] - nearest_of(a[i], b[i], c[i]));
      break;
    case filters: break;
  }
}

// What deflate is likely to make of it: small differences to either side of zero.
uint64_t cost(const uint8_t* bytes, size_t count) {
  constexpr size_t part = 4096;  // of which the sum fits into 32 bits
  uint64_t sum = 0;
  for (size_t start = 0; start < count; start += part) {
    uint32_t partial = 0;
    for (size_t i = start; i < std::min(count, start + part); ++i) {
      const auto difference = static_cast<int8_t>(bytes[i]);
      partial += static_cast<uint8_t>(difference < 0 ? -difference : difference);
    }
    sum += partial;
  }
  return sum;
}

// A row behind the number of the filter that suits it best; `step` zeros lie before the row and the one above.
void filter_row(const uint8_t* row, const uint8_t* above, size_t step, std::vector<uint8_t>& candidate, uint8_t* out) {
  uint64_t least = UINT64_MAX;
  for (int filter = none; filter < filters; ++filter) {
    apply(static_cast<Filter>(filter), row, above, step, candidate.size(), candidate.data());
    const uint64_t sum = cost(candidate.data(), candidate.size());
    if (sum >= least) continue;
    least = sum;
    out[0] = static_cast<uint8_t>(filter);
    std::memcpy(out + 1, candidate.data(), candidate.size());
  }
}

size_t step_of(const Head& head) { return static_cast<size_t>(head.channels * head.bits / 8); }

}  // namespace

PngData::PngData(const Head& head, int threads) : head_(head), threads_(threads) {
  const auto row = static_cast<size_t>(head.row_bytes()) + 1;
  strip_ = static_cast<int64_t>(std::max<size_t>(1, strip_bytes / row));
  room_ = std::min<int64_t>(strip_ * threads_.count() * strips_for_each, head.height);
  raw_.resize(static_cast<size_t>(room_ + 1) * (step_of(head) + row - 1));
  filtered_.resize(window_bytes + static_cast<size_t>(room_) * row);
  sum_ = adler32_z(0, nullptr, 0);
}

void PngData::add(const std::byte* from, int64_t count, const Take& take) {
  const auto length = static_cast<size_t>(head_.row_bytes());
  const size_t lead = step_of(head_), stride = lead + length;
  for (int64_t y = 0; y < count; ++y) {
    const auto* row = reinterpret_cast<const uint8_t*>(from) + static_cast<size_t>(y) * length;
    uint8_t* to = raw_.data() + static_cast<size_t>(++waiting_) * stride + lead;
    // 16-bit samples are big-endian in a PNG.
    if (head_.bits == 8 || std::endian::native == std::endian::big)
      std::memcpy(to, row, length);
    else
      for (size_t i = 0; i < length; i += 2) to[i] = row[i + 1], to[i + 1] = row[i];
    if (waiting_ == room_ || done_ + waiting_ == head_.height) compress(take);
  }
}

void PngData::compress(const Take& take) {
  const auto length = static_cast<size_t>(head_.row_bytes());
  const size_t lead = step_of(head_), stride = lead + length;
  const int64_t strips = (waiting_ + strip_ - 1) / strip_;
  const bool last = done_ + waiting_ == head_.height;
  std::vector<Bytes> parts(static_cast<size_t>(strips));
  std::vector<uLong> sums(parts.size());
  const auto each = [&](const auto& body) {
    in_parallel(threads_, strips,
                [&](int64_t i) { body(static_cast<size_t>(i), i * strip_, std::min(waiting_, (i + 1) * strip_)); });
  };
  const auto at = [&](int64_t y) { return static_cast<size_t>(y) * (length + 1); };
  uint8_t* filtered = filtered_.data() + window_bytes;
  each([&](size_t, int64_t y0, int64_t y1) {
    std::vector<uint8_t> candidate(length);
    for (int64_t y = y0; y < y1; ++y) {
      const uint8_t* above = raw_.data() + static_cast<size_t>(y) * stride + lead;
      filter_row(above + stride, above, lead, candidate, filtered + at(y));
    }
  });
  each([&](size_t i, int64_t y0, int64_t y1) {
    const uint8_t* from = filtered + at(y0);
    const size_t count = at(y1) - at(y0);
    parts[i] = deflate_part(from, known_ + at(y0), count, last && y1 == waiting_);
    sums[i] = adler32_z(adler32_z(0, nullptr, 0), from, count);
  });
  for (int64_t i = 0; i < strips; ++i)
    sum_ = adler32_combine(sum_, sums[static_cast<size_t>(i)],
                           static_cast<z_off_t>(at(std::min(waiting_, (i + 1) * strip_)) - at(i * strip_)));
  if (done_ == 0) parts[0].insert(parts[0].begin(), std::begin(zlib_start), std::end(zlib_start));
  if (last) append_sum(parts.back(), sum_);
  for (const Bytes& part : parts) take(part);
  const size_t end = at(waiting_);
  known_ = std::min(known_ + end, window_bytes);
  std::memmove(filtered - known_, filtered + end - known_, known_);
  std::memcpy(raw_.data(), raw_.data() + static_cast<size_t>(waiting_) * stride, stride);
  done_ += waiting_;
  waiting_ = 0;
}

}  // namespace tessera::upscale
