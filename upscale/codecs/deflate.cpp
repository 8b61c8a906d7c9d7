#include "upscale/codecs/deflate.h"

#include <zlib.h>

#include <algorithm>

namespace tessera::upscale {
namespace {

// Beyond this level the time grows much faster than the files shrink.
constexpr int thorough_level = 4;

Bytes deflate_with(const uint8_t* from, size_t before, size_t count, bool last, int level, int strategy) {
  z_stream z{};
  if (deflateInit2(&z, level, Z_DEFLATED, -MAX_WBITS, 8, strategy) != Z_OK)
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

}  // namespace

// Filtered photos repeat nothing but single bytes: looking for more takes thrice the time and finds a hundredth. What
// becomes much smaller without may be a drawing, which repeats a lot.
Bytes deflate_part(const uint8_t* from, size_t before, size_t count, bool last) {
  Bytes quick = deflate_with(from, before, count, last, 1, Z_RLE);
  if (quick.size() > count / 10 * 3) return quick;
  Bytes thorough = deflate_with(from, before, count, last, thorough_level, Z_FILTERED);
  return thorough.size() < quick.size() ? thorough : quick;
}

void append_sum(Bytes& stream, unsigned long adler) {
  for (int shift = 24; shift >= 0; shift -= 8) stream.push_back(static_cast<std::byte>(adler >> shift & 0xff));
}

Bytes zlib_stream(const uint8_t* from, size_t count) {
  Bytes stream = deflate_part(from, 0, count, true);
  stream.insert(stream.begin(), std::begin(zlib_start), std::end(zlib_start));
  append_sum(stream, adler32_z(adler32_z(0, nullptr, 0), from, count));
  return stream;
}

}  // namespace tessera::upscale
