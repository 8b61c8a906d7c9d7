// What is deflated by our own codes is what zlib inflates, and no larger than what zlib makes of it.
#include <zlib.h>

#include <random>

#include "tests/support.h"
#include "upscale/codecs/deflate.h"
#include "upscale/codecs/huffman.h"

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

size_t size_by_zlib(const Data& data) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 1, Z_DEFLATED, -MAX_WBITS, 8, Z_RLE), Z_OK);
  Bytes out(deflateBound(&z, data.size()));
  z.next_in = const_cast<Bytef*>(data.data());
  z.avail_in = static_cast<uInt>(data.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  deflateEnd(&z);
  return out.size() - z.avail_out;
}

void expect_round_trip(const Data& data, const std::string& what) {
  EXPECT_TRUE(inflated(deflate_runs(data.data(), data.size(), true), data.size()) == data) << what;
  // In two parts, the first of which ends on a byte.
  const size_t half = data.size() / 2;
  Bytes parts = deflate_runs(data.data(), half, false);
  const Bytes rest = deflate_runs(data.data() + half, data.size() - half, true);
  parts.insert(parts.end(), rest.begin(), rest.end());
  EXPECT_TRUE(inflated(parts, data.size()) == data) << what << ", in two parts";
}

TEST(UpscaleDeflate, runs_of_every_length_come_back) {
  for (size_t length = 0; length < 600; ++length) {
    Data data(length, 7);
    expect_round_trip(data, cat(length, " alike"));
    data.insert(data.begin(), 3);
    data.push_back(9);
    expect_round_trip(data, cat(length, " alike between others"));
  }
}

TEST(UpscaleDeflate, blocks_of_every_size_come_back) {
  std::mt19937 random(1);
  for (const size_t size : {1, 2, 3, 4, 5, 255, 49151, 49152, 49153, 98304, 200001})
    for (const uint32_t kinds : {1, 2, 3, 20, 256}) {
      Data data(size);
      for (uint8_t& byte : data) byte = static_cast<uint8_t>(random() % kinds);
      expect_round_trip(data, cat(size, " bytes of ", kinds, " kinds"));
    }
}

// Huffman's own codes would have 24 bits.
TEST(UpscaleDeflate, codes_have_no_more_bits_than_deflate_allows) {
  Data data;
  for (uint32_t kind = 0, count = 1, before = 0; kind < 24; ++kind) {
    data.insert(data.end(), count, static_cast<uint8_t>(kind));
    const uint32_t next = count + before;
    before = count;
    count = std::min<uint32_t>(next, 20000);
  }
  std::shuffle(data.begin(), data.end(), std::mt19937(2));
  data.resize(45000);  // one block
  for (uint8_t kind = 0; kind < 24; ++kind) data[kind] = kind;
  expect_round_trip(data, "Fibonacci's numbers");
}

TEST(UpscaleDeflate, filtered_photos_are_no_larger_than_by_zlib) {
  std::mt19937 random(3);
  std::normal_distribution<double> noise(0, 4);
  Data data(300000);
  for (uint8_t& byte : data) byte = static_cast<uint8_t>(std::lround(noise(random)));
  EXPECT_LE(deflate_runs(data.data(), data.size(), true).size(), size_by_zlib(data));
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
