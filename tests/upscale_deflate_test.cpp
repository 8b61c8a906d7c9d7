// Parts that are deflated each for itself are one stream, and what repeats is found.
#include <zlib.h>

#include <random>

#include "tests/support.h"
#include "upscale/codecs/deflate.h"

namespace tessera::upscale {
namespace {

using Data = std::vector<uint8_t>;

Data inflated(const Bytes& stream, size_t size) {
  Data out(size + 1);
  z_stream z{};
  EXPECT_EQ(inflateInit2(&z, -MAX_WBITS), Z_OK);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(stream.data()));
  z.avail_in = static_cast<uInt>(stream.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END) << (z.msg ? z.msg : "");
  EXPECT_EQ(z.avail_in, 0u);
  out.resize(out.size() - z.avail_out);
  inflateEnd(&z);
  return out;
}

// In two parts as well, of which the second may refer to the first.
TEST(UpscaleDeflate, parts_are_one_stream) {
  std::mt19937 random(1);
  for (const size_t size : {1, 2, 255, 49152, 200001})
    for (const uint32_t kinds : {1, 3, 256}) {
      Data data(size);
      for (uint8_t& byte : data) byte = static_cast<uint8_t>(random() % kinds);
      const size_t half = size / 2;
      Bytes parts = deflate_part(data.data(), 0, half, false);
      const Bytes rest = deflate_part(data.data() + half, half, size - half, true);
      parts.insert(parts.end(), rest.begin(), rest.end());
      EXPECT_TRUE(inflated(parts, size) == data) << size << " bytes of " << kinds << " kinds";
    }
}

// A drawing repeats more than single bytes.
TEST(UpscaleDeflate, what_repeats_is_searched_for) {
  Data data;
  for (int i = 0; i < 3000; ++i)
    for (const int byte : {0, 0, 0, 5, 0, 0, 250, 0, 0, 0, 1, 0}) data.push_back(static_cast<uint8_t>(byte));
  const Bytes stream = deflate_part(data.data(), 0, data.size(), true);
  EXPECT_LT(stream.size(), data.size() / 50);
  EXPECT_TRUE(inflated(stream, data.size()) == data);
}

}  // namespace
}  // namespace tessera::upscale
