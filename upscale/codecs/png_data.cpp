#include "upscale/codecs/png_data.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

namespace tessera::upscale {
namespace {

// Filtered bytes that one thread deflates at a time.
constexpr size_t strip_bytes = size_t{512} << 10;
// How far back deflate refers: a strip may refer to the one before it.
constexpr size_t window_bytes = size_t{32} << 10;
// Beyond this level the time grows much faster than the files shrink.
constexpr int compression_level = 4;

enum Filter : uint8_t { none, sub, up, average, paeth, filters };

// One row and the row above it, with zeros before their first pixels.
struct Rows {
  std::vector<uint8_t> bytes;
  size_t lead, length;

  Rows(size_t lead_, size_t length_) : bytes(2 * (lead_ + length_)), lead(lead_), length(length_) {}
  uint8_t* row() { return bytes.data() + lead; }
  uint8_t* above() { return row() + length + lead; }

  /// Reads a row; 16-bit samples are big-endian in a PNG.
  static void read(const Picture& picture, int64_t y, uint8_t* to) {
    const auto* from = reinterpret_cast<const uint8_t*>(picture.row(y));
    const auto count = static_cast<size_t>(picture.row_bytes());
    if (picture.bits == 8 || std::endian::native == std::endian::big) {
      std::memcpy(to, from, count);
      return;
    }
    for (size_t i = 0; i < count; i += 2) to[i] = from[i + 1], to[i + 1] = from[i];
  }
};

uint8_t nearest_of(int left, int above, int corner) {
  const int p = std::abs(above - corner), q = std::abs(left - corner), r = std::abs(left + above - 2 * corner);
  return static_cast<uint8_t>(p <= q && p <= r ? left : q <= r ? above : corner);
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
  uint64_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += static_cast<unsigned>(std::min<int>(bytes[i], 256 - bytes[i]));
  return sum;
}

// Rows [y0, y1), each behind the number of the filter that suits it best.
void filter_rows(const Picture& picture, int64_t y0, int64_t y1, uint8_t* out) {
  const auto count = static_cast<size_t>(picture.row_bytes());
  const auto step = static_cast<size_t>(picture.channels) * static_cast<size_t>(picture.bits) / 8;
  Rows rows(step, count);
  std::vector<uint8_t> candidate(count);
  for (int64_t y = y0; y < y1; ++y, out += count + 1) {
    if (y > 0) Rows::read(picture, y - 1, rows.above());
    Rows::read(picture, y, rows.row());
    uint64_t least = UINT64_MAX;
    for (int filter = none; filter < filters; ++filter) {
      apply(static_cast<Filter>(filter), rows.row(), rows.above(), step, count, candidate.data());
      const uint64_t sum = cost(candidate.data(), count);
      if (sum >= least) continue;
      least = sum;
      out[0] = static_cast<uint8_t>(filter);
      std::memcpy(out + 1, candidate.data(), count);
    }
  }
}

// A strip of the stream's data; `before` bytes of it may be referred to.
Bytes deflate_strip(const uint8_t* from, size_t before, size_t count, bool last) {
  z_stream z{};
  if (deflateInit2(&z, compression_level, Z_DEFLATED, -MAX_WBITS, 8, Z_FILTERED) != Z_OK)
    fail(Error::Kind::memory, "no memory for zlib");
  const size_t known = std::min(before, window_bytes);
  deflateSetDictionary(&z, from - known, static_cast<uInt>(known));
  Bytes out(deflateBound(&z, static_cast<uLong>(count)) + 16);  // and an empty block, to end on a byte
  z.next_in = const_cast<Bytef*>(from);                         // zlib only reads it
  z.avail_in = static_cast<uInt>(count);
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&z, last ? Z_FINISH : Z_SYNC_FLUSH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  if (status != (last ? Z_STREAM_END : Z_OK)) fail(Error::Kind::file, "zlib failed with ", status);
  return out;
}

void append(Bytes& to, std::initializer_list<uLong> bytes) {
  for (const uLong byte : bytes) to.push_back(static_cast<std::byte>(byte & 0xff));
}

}  // namespace

std::vector<Bytes> png_data(const Picture& picture, Threads& threads) {
  const size_t row = static_cast<size_t>(picture.row_bytes()) + 1;
  const auto rows = static_cast<int64_t>(std::max<size_t>(1, strip_bytes / row));
  const int64_t strips = (picture.height + rows - 1) / rows;
  std::vector<uint8_t> filtered(static_cast<size_t>(picture.height) * row);
  std::vector<Bytes> parts(static_cast<size_t>(strips));
  std::vector<uLong> sums(parts.size());
  std::vector<std::exception_ptr> errors(parts.size());
  const auto each = [&](const auto& body) {
    threads.parallel(strips, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) try {
          body(static_cast<size_t>(i), i * rows, std::min(picture.height, (i + 1) * rows));
        } catch (...) {
          errors[static_cast<size_t>(i)] = std::current_exception();
        }
    });
    for (const auto& error : errors)
      if (error) std::rethrow_exception(error);
  };
  const auto at = [&](int64_t y) { return static_cast<size_t>(y) * row; };
  each([&](size_t, int64_t y0, int64_t y1) { filter_rows(picture, y0, y1, filtered.data() + at(y0)); });
  each([&](size_t i, int64_t y0, int64_t y1) {
    const uint8_t* from = filtered.data() + at(y0);
    const size_t count = at(y1) - at(y0);
    parts[i] = deflate_strip(from, at(y0), count, y1 == picture.height);
    sums[i] = adler32_z(adler32_z(0, nullptr, 0), from, count);
  });
  uLong sum = sums[0];
  for (int64_t i = 1; i < strips; ++i) {
    const int64_t y1 = std::min(picture.height, (i + 1) * rows);
    sum = adler32_combine(sum, sums[static_cast<size_t>(i)], static_cast<z_off_t>(at(y1) - at(i * rows)));
  }
  // A window of 32 KiB, a quick level, and a remainder of 31 as a check.
  Bytes head;
  append(head, {0x78, 0x5e});
  parts[0].insert(parts[0].begin(), head.begin(), head.end());
  append(parts.back(), {sum >> 24, sum >> 16, sum >> 8, sum});
  return parts;
}

}  // namespace tessera::upscale
