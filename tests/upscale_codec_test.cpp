// Picture files: what goes out comes back, what is damaged is refused with a reason.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <set>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "upscale/codecs/files.h"
#include "upscale/resample.h"

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

Picture gradient(int64_t width, int64_t height, int channels, int bits) {
  Picture picture = blank(width, height, channels, bits);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) {
        const float value = static_cast<float>((x * (c + 1) + y * 3) % 97) / 96;
        picture.store(x, y, 1, c, &value);
      }
  return picture;
}

/// A TIFF structure with an orientation, in the given byte order.
Bytes exif_with(int orientation, bool big) {
  const std::vector<int> little = {'I', 'I', 42, 0, 8, 0,           0, 0, 1, 0, 0x12, 1, 3,
                                   0,   1,   0,  0, 0, orientation, 0, 0, 0, 0, 0,    0, 0};
  const std::vector<int> large = {'M', 'M', 0, 42, 0, 0, 0,           8, 0, 1, 1, 0x12, 0,
                                  3,   0,   0, 0,  1, 0, orientation, 0, 0, 0, 0, 0,    0};
  Bytes bytes;
  for (const int value : big ? large : little) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::string refusal(List<std::byte> bytes, const DecodeLimits& limits = {}) {
  try {
    decode(bytes, limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::file);
    return error.what();
  }
  return "";
}

double mean_difference(const Picture& a, const Picture& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.channels, b.channels);
  if (a.width != b.width || a.height != b.height || a.channels != b.channels) return 1;
  double sum = 0;
  for (int c = 0; c < a.channels; ++c)
    for (int64_t y = 0; y < a.height; ++y)
      for (int64_t x = 0; x < a.width; ++x) {
        float p = 0, q = 0;
        a.load(x, y, 1, c, &p);
        b.load(x, y, 1, c, &q);
        sum += std::abs(p - q);
      }
  return sum / static_cast<double>(a.width * a.height * a.channels);
}

TEST(UpscaleCodec, png_holds_everything) {
  for (const int channels : {1, 2, 3, 4})
    for (const int bits : {8, 16}) {
      Picture picture = gradient(31, 17, channels, bits);
      picture.exif = exif_with(1, false);
      picture.color.gamma = 0.45455;
      std::vector<std::string> notes;
      const Picture back = decode(encode(picture, Format::png, {}, notes));
      EXPECT_EQ(back.samples, picture.samples);
      EXPECT_EQ(back.channels, channels);
      EXPECT_EQ(back.bits, bits);
      EXPECT_EQ(back.exif, picture.exif);
      EXPECT_NEAR(back.color.gamma.value_or(0), 0.45455, 1e-5);
      EXPECT_TRUE(notes.empty());
    }
}

TEST(UpscaleCodec, png_is_the_same_from_any_number_of_threads) {
  for (const auto& [width, height] : {std::pair{900, 1201}, {1, 300000}, {600001, 2}}) {
    const Picture picture = gradient(width, height, 3, 8);
    std::vector<std::string> notes;
    const Bytes one = encode(picture, Format::png, {.threads = 1}, notes);
    EXPECT_EQ(one, encode(picture, Format::png, {.threads = 3}, notes)) << width << "x" << height;
    EXPECT_EQ(decode(one).samples, picture.samples) << width << "x" << height;
    EXPECT_LT(one.size(), picture.samples.size()) << width << "x" << height;
  }
}

// Rows are filtered by those above them, also where a batch of strips ends.
TEST(UpscaleCodec, png_filters_rows_by_the_batch_before) {
  Picture picture = noise(900, 1201, 3);
  for (int64_t y = 1; y < picture.height; ++y)
    std::memcpy(picture.row(y), picture.row(0), static_cast<size_t>(picture.row_bytes()));
  std::vector<std::string> notes;
  const Bytes one = encode(picture, Format::png, {.threads = 1}, notes);
  EXPECT_EQ(one, encode(picture, Format::png, {.threads = 3}, notes));
  EXPECT_EQ(decode(one).samples, picture.samples);
  EXPECT_LT(one.size(), picture.samples.size() / 100);
}

TEST(UpscaleCodec, jpeg_and_webp_hold_what_they_can) {
  for (const int channels : {1, 2, 3, 4})
    for (const int bits : {8, 16}) {
      Picture picture = gradient(48, 40, channels, bits);
      picture.exif = exif_with(1, true);
      std::vector<std::string> notes;
      const Picture jpeg = decode(encode(picture, Format::jpeg, {.quality = 100}, notes));
      EXPECT_EQ(jpeg.channels, picture.color_channels());
      EXPECT_EQ(jpeg.exif, picture.exif);
      EXPECT_EQ(notes.size(), size_t(picture.has_alpha()) + size_t(bits == 16));
      notes.clear();
      const Picture webp = decode(encode(picture, Format::webp, {}, notes));
      EXPECT_EQ(webp.channels, picture.has_alpha() ? 4 : 3);
      EXPECT_EQ(webp.exif, picture.exif);
      EXPECT_TRUE(bits == 16 || channels < 3 || webp.samples == picture.samples);
    }
}

constexpr Format all_formats[] = {Format::png, Format::jpeg, Format::webp, Format::pnm, Format::pam};

TEST(UpscaleCodec, rows_are_those_of_the_whole) {
  for (const Format format : all_formats)
    for (const int channels : {1, 2, 3, 4})
      for (const int bits : {8, 16}) {
        Picture picture = gradient(37, 211, channels, bits);
        picture.exif = exif_with(1 + channels % 3, false);
        std::vector<std::string> notes;
        const Bytes whole = encode(picture, format, {.threads = 2}, notes);
        Bytes parts;
        Sink sink;
        sink.write = [&](List<std::byte> more) { parts.insert(parts.end(), more.begin(), more.end()); };
        sink.overwrite = [&](int64_t at, List<std::byte> better) {
          std::copy(better.begin(), better.end(), parts.begin() + at);
        };
        const auto writer = open_writer(picture, format, {.threads = 2}, sink, notes);
        for (int64_t y = 0, count = 1; y < picture.height; y += count, count = std::min(picture.height - y, 7 + y % 5))
          writer->rows(picture.row(y), count);
        writer->finish();
        ASSERT_EQ(parts, whole) << extension_of(format) << channels << " " << bits;
        const Picture expected = decode(whole);
        const auto reader = open_reader(whole);
        Picture back(reader->head());
        back.allocate();
        for (int64_t y = 0, count = 3; y < back.height; y += count, count = std::min(back.height - y, 2 + y % 3))
          reader->rows(count, back.row(y));
        EXPECT_EQ(back.samples, expected.samples) << extension_of(format) << channels << " " << bits;
        EXPECT_EQ(back.exif, expected.exif);
        EXPECT_EQ(reader->head().notes, expected.notes);
      }
}

TEST(UpscaleCodec, what_streams_holds_nothing) {
  std::vector<std::string> notes;
  Picture picture = gradient(300, 200, 3, 8);
  for (const Format format : {Format::png, Format::jpeg, Format::pnm, Format::pam})
    EXPECT_TRUE(open_reader(encode(picture, format, {}, notes))->streams()) << extension_of(format);
  EXPECT_EQ(open_reader(encode(picture, Format::webp, {}, notes))->held_bytes(), 300 * 200 * 3);
  picture.exif = exif_with(6, false);
  EXPECT_EQ(open_reader(encode(picture, Format::png, {}, notes))->held_bytes(), 300 * 200 * 3);
}

TEST(UpscaleCodec, netpbm_in_all_its_forms) {
  const auto samples = [](Text file) {
    const auto* first = reinterpret_cast<const std::byte*>(file.data());
    const Picture picture = decode({first, file.size()});
    std::vector<int> values;
    for (int64_t i = 0; i < picture.width * picture.height * picture.channels; ++i) {
      float value = 0;
      picture.load(i / picture.channels % picture.width, i / picture.channels / picture.width, 1,
                   static_cast<int>(i % picture.channels), &value);
      values.push_back(static_cast<int>(std::lround(value * 255)));
    }
    return values;
  };
  using Values = std::vector<int>;
  EXPECT_EQ(samples("P1 # a comment\n3 2\n0101 1 0\n"), (Values{255, 0, 255, 0, 0, 255}));
  EXPECT_EQ(samples("P2\n2 1\n15\n0 15\n"), (Values{0, 255}));
  EXPECT_EQ(samples("P3\n1 1 255 1 2 3"), (Values{1, 2, 3}));
  EXPECT_EQ(samples({"P4\n9 1\n\x7f\x80", 9}), (Values{255, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(samples({"P5 2 1 255\n\x07\xff", 13}), (Values{7, 255}));
  EXPECT_EQ(samples({"P5 2 1 1023\n\x03\xff\x01\x00", 16}), (Values{255, 64}));
  EXPECT_EQ(samples({"P5 2 1 65535\n\x01\x01\x80\x00", 17}), (Values{1, 128}));
  EXPECT_EQ(samples("P7\nWIDTH 1\nHEIGHT 1\n# no word\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\nab"),
            (Values{'a', 'b'}));
  for (const Text bad : {"P6\n", "P6 1", "P6 1 1 255\nab", "P6 0 1 255\n", "P6 1 1 0\nabc", "P6 1 1 70000\nabcdef",
                         "P6 99999999999999999999 1 255\nabc", "P3 1 1 255 1 2", "P3 1 1 255 1 2 x", "P1 1 1 7",
                         "P7\nWIDTH 1\nHEIGHT 1\nMAXVAL 255\nENDHDR\na", "P7\nWIDTH 1\n"})
    EXPECT_NE(refusal({reinterpret_cast<const std::byte*>(bad.data()), bad.size()}), "") << bad;
}

TEST(UpscaleCodec, orientation_is_applied_and_reset) {
  const Picture upright = gradient(20, 10, 3, 8);
  for (const Format format : {Format::png, Format::jpeg, Format::webp})
    for (int orientation = 1; orientation <= 8; ++orientation)
      for (const bool big : {false, true}) {
        Picture stored = upright;
        // The stored picture is what the camera saw: the inverse turn.
        orient(stored, orientation == 6 ? 8 : orientation == 8 ? 6 : orientation);
        stored.exif = exif_with(orientation, big);
        std::vector<std::string> notes;
        const Picture seen = decode(encode(stored, format, {.quality = format == Format::jpeg ? 100 : -1}, notes));
        EXPECT_LT(mean_difference(seen, upright), format == Format::jpeg ? 0.02 : 1e-9) << orientation;
        EXPECT_EQ(exif_orientation(seen.exif), 1);
      }
}

TEST(UpscaleCodec, every_truncation_is_told) {
  std::vector<std::string> notes;
  Picture picture = gradient(24, 24, 3, 8);
  for (const Format format : {Format::png, Format::jpeg, Format::webp}) {
    const Bytes whole = encode(picture, format, {}, notes);
    // A JPEG without its last marker has lost nothing; one whose lower half is missing is opened with a note.
    const size_t slack = format == Format::jpeg ? 2 : 0;
    for (size_t size = 0; size + slack < whole.size(); ++size) {
      bool told = false;
      try {
        told = !decode(List<std::byte>(whole).first(size)).notes.empty() && format == Format::jpeg;
      } catch (const Error&) {
        told = true;
      }
      EXPECT_TRUE(told) << extension_of(format) << " cut at " << size;
    }
  }
}

TEST(UpscaleCodec, changed_bytes_never_crash) {
  std::vector<std::string> notes;
  Picture picture = gradient(24, 24, 4, 8);
  picture.exif = exif_with(6, false);
  std::mt19937 engine(5);
  for (const Format format : {Format::png, Format::jpeg, Format::webp}) {
    const Bytes whole = encode(picture, format, {}, notes);
    for (int i = 0; i < 2000; ++i) {
      Bytes bytes = whole;
      for (int k = 0; k < 3; ++k) bytes[engine() % bytes.size()] = static_cast<std::byte>(engine());
      refusal(bytes, {int64_t{1} << 22});
    }
  }
}

TEST(UpscaleCodec, declared_sizes_are_checked_first) {
  std::vector<std::string> notes;
  const Bytes png = encode(gradient(64, 64, 1, 8), Format::png, {}, notes);
  EXPECT_NE(refusal(png, {64 * 64 - 1}).find("64x64"), std::string::npos);
  EXPECT_EQ(refusal(png, {64 * 64}), "");
  TESSERA_REQUIRE_SHARED(data);
  const Bytes bomb = read_file(data / "malformed" / "png_bomb_30000x30000_1bit.png");
  EXPECT_NE(refusal(bomb).find("30000x30000"), std::string::npos);
}

TEST(UpscaleCodec, exif_damage_is_harmless) {
  std::mt19937 engine(9);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = exif_with(6, i % 2);
    for (int k = 0; k < 4; ++k) bytes[engine() % bytes.size()] = static_cast<std::byte>(engine());
    bytes.resize(engine() % (bytes.size() + 1));
    const int orientation = exif_orientation(bytes);
    EXPECT_TRUE(orientation >= 1 && orientation <= 8);
    Picture picture = gradient(3, 2, 1, 8);
    picture.exif = bytes;
    renew_metadata(picture);
  }
}

TEST(UpscaleCodec, png_suite_is_exact_about_good_and_bad) {
  TESSERA_REQUIRE_SHARED(data);
  int good = 0, bad = 0;
  for (const auto& entry : fs::directory_iterator(data / "images" / "pngsuite")) {
    if (entry.path().extension() != ".png") continue;
    const std::string name = entry.path().stem().string();
    const std::string reason = refusal(read_file(entry.path()));
    if (name.starts_with('x')) {
      EXPECT_NE(reason, "") << name;
      ++bad;
    } else {
      EXPECT_EQ(reason, "") << name;
      ++good;
    }
  }
  EXPECT_GT(good, 150);
  EXPECT_GE(bad, 13);
}

TEST(UpscaleCodec, exif_orientation_set_looks_the_same_upright) {
  TESSERA_REQUIRE_SHARED(data);
  for (const char* kind : {"Landscape", "Portrait"}) {
    const auto load = [&](int i) {
      return decode(read_file(data / "images" / "exif-orientation" / cat(kind, "_", i, ".jpg")));
    };
    const Picture upright = load(1);
    for (int i = 2; i <= 8; ++i) EXPECT_LT(mean_difference(load(i), upright), 0.02) << kind << i;
  }
}

/// By how many bytes this process grows at most while a picture is encoded, in a process of its own.
int64_t growth_of(const Picture& picture, Format format, const EncodeOptions& options) {
  int64_t grown = 0;
  int ends[2];
  if (pipe(ends) != 0) return -1;
  if (fork() == 0) {
    const auto kib = [](const char* name) {
      std::ifstream file("/proc/self/status");
      for (std::string word; file >> word;)
        if (int64_t value; word == name && file >> value) return value;
      return int64_t{0};
    };
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << "5";
    const int64_t before = kib("VmRSS:");
    std::vector<std::string> notes;
    encode(picture, format, options, notes);
    grown = (kib("VmHWM:") - before) << 10;
    _exit(write(ends[1], &grown, sizeof grown) == sizeof grown ? 0 : 1);
  }
  close(ends[1]);
  const bool told = read(ends[0], &grown, sizeof grown) == sizeof grown;
  close(ends[0]);
  wait(nullptr);
  return told ? grown : -1;
}

TEST(Codec, tells_what_encoders_take) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "a sanitizer's memory is counted with the rest";
#endif
  for (const Format format : {Format::webp, Format::avif, Format::jxl}) {
    if (!is_written(format)) continue;
    for (const int channels : {3, 4})
      for (const int quality : {-1, 90}) {
        Picture picture = resize(noise(100, 75, channels), 800, 600, Filter::bicubic);
        const auto told = static_cast<double>(writing_bytes(picture, format));
        const auto grown = static_cast<double>(growth_of(picture, format, {.quality = quality, .threads = 1}));
        EXPECT_GT(grown, 0.25 * told) << extension_of(format) << ' ' << channels << ' ' << quality;
        EXPECT_LT(grown, 1.2 * told + (8 << 20)) << extension_of(format) << ' ' << channels << ' ' << quality;
      }
  }
  for (const Format format : {Format::png, Format::jpeg, Format::tiff, Format::bmp, Format::pnm})
    EXPECT_EQ(writing_bytes(blank(100, 100, 3), format), 0);
}

}  // namespace
}  // namespace tessera::upscale
