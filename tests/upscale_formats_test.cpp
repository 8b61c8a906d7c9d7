// Formats beside PNG, JPEG and WebP: what they hold, in what forms they come, and how they are refused.
#include <cmath>
#include <cstring>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "upscale/codecs/animation.h"
#include "upscale/codecs/files.h"
#include "upscale/light.h"
#include "upscale/resample.h"

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

/// Numbers of a file, the least byte first.
class Pen {
 public:
  Pen& text(Text text) {
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    bytes.insert(bytes.end(), first, first + text.size());
    return *this;
  }
  Pen& put(int size, std::initializer_list<int64_t> values) {
    for (const int64_t value : values)
      for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::byte>(value >> 8 * i & 0xff));
    return *this;
  }
  Bytes bytes;
};

Picture smooth(int64_t width, int64_t height, int channels, int bits) {
  Picture picture = blank(width, height, channels, bits);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) {
        const float value = 0.5f + 0.5f * std::sin(static_cast<float>(x * (c + 1) + 2 * y) / 9);
        picture.store(x, y, 1, c, &value);
      }
  return picture;
}

std::vector<int> levels(const Picture& picture) {
  std::vector<int> values;
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x)
      for (int c = 0; c < picture.channels; ++c) {
        float value = 0;
        picture.load(x, y, 1, c, &value);
        values.push_back(static_cast<int>(std::lround(value * 255)));
      }
  return values;
}
using Levels = std::vector<int>;

std::string refusal(List<std::byte> bytes, const DecodeLimits& limits = {}) {
  try {
    decode(bytes, limits);
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == Error::Kind::file || error.kind() == Error::Kind::memory) << error.what();
    return error.what();
  }
  return "";
}

TEST(UpscaleFormats, tiff_holds_everything) {
  for (const int channels : {1, 2, 3, 4})
    for (const int bits : {8, 16, 32}) {
      Picture picture = smooth(131, 257, channels, bits);
      if (bits == 32) reinterpret_cast<float*>(picture.samples.data())[7] = 12.5f;
      picture.density = {300 / 0.0254, 150 / 0.0254, true};
      picture.texts = {{"Title", "Gr\xc3\xbc\xc3\x9f", "", "", false},
                       {"parameters", "a prompt", "", "", false},
                       {"Author", "me", "", "", false}};
      picture.icc = profile_of({}, channels < 3);
      for (const char c : Text("<x:xmpmeta/>")) picture.xmp.push_back(static_cast<std::byte>(c));
      std::vector<std::string> notes;
      const Bytes file = encode(picture, Format::tiff, {.threads = 2}, notes);
      EXPECT_EQ(recognize(file), Format::tiff);
      const auto reader = open_reader(file);
      EXPECT_TRUE(reader->streams());
      const Picture back = reader->whole();
      EXPECT_EQ(back.samples, picture.samples) << channels << " " << bits;
      EXPECT_EQ(back.bits, bits);
      EXPECT_EQ(back.channels, channels);
      EXPECT_EQ(back.icc, picture.icc);
      EXPECT_EQ(back.xmp, picture.xmp);
      EXPECT_NEAR(back.density.value_or(Density{}).x * 0.0254, 300, 0.01);
      EXPECT_NEAR(back.density.value_or(Density{}).y * 0.0254, 150, 0.01);
      ASSERT_EQ(back.texts.size(), 3u);
      EXPECT_EQ(back.texts[0].text, "Gr\xc3\xbc\xc3\x9f");
      EXPECT_EQ(back.texts[1].text, "parameters: a prompt");
      EXPECT_EQ(back.texts[2].key, "Author");
      EXPECT_TRUE(notes.empty());
    }
}

TEST(UpscaleFormats, tiff_keeps_exif_in_either_order) {
  // A maker in the first directory, and a second one with an exposure time; what they point at lies behind.
  for (const bool big : {false, true}) {
    Bytes exif;
    const auto put = [&](int size, std::initializer_list<uint32_t> values) {
      for (const uint32_t value : values)
        for (int i = 0; i < size; ++i)
          exif.push_back(static_cast<std::byte>(value >> 8 * (big ? size - 1 - i : i) & 0xff));
    };
    put(1, {big ? 'M' : uint32_t{'I'}, big ? 'M' : uint32_t{'I'}});
    put(2, {42});
    put(4, {8});
    put(2, {2, 0x10f, 2}), put(4, {6, 38}), put(2, {0x8769, 4}), put(4, {1, 44, 0});
    for (const char c : {'H', 'o', 'u', 's', 'e', '\0'}) exif.push_back(static_cast<std::byte>(c));
    put(2, {1, 0x829a, 5}), put(4, {1, 62, 0}), put(4, {1, 250});
    for (const int bits : {8, 16}) {
      Picture picture = smooth(20, 30, 3, bits);
      picture.exif = exif;
      std::vector<std::string> notes;
      const Picture back = decode(encode(picture, Format::tiff, {}, notes));
      EXPECT_EQ(back.samples, picture.samples);
      EXPECT_TRUE(notes.empty());
      const Bytes maker = tiff_value(back.exif, 8, 0x10f);
      EXPECT_EQ(Text(reinterpret_cast<const char*>(maker.data()), maker.size()), Text("House\0", 6));
      const Bytes pointer = tiff_value(back.exif, 8, 0x8769);
      ASSERT_EQ(pointer.size(), 4u);
      uint64_t inner = 0;
      for (size_t i = 0; i < 4; ++i) inner |= std::to_integer<uint64_t>(pointer[big ? 3 - i : i]) << 8 * i;
      EXPECT_EQ(tiff_value(back.exif, inner, 0x829a).size(), 8u);
      // And on to another format.
      EXPECT_EQ(decode(encode(back, Format::png, {}, notes)).exif, back.exif);
    }
  }
}

/// A TIFF of one strip, or of one for each plane, with further entries.
struct Entry {
  int tag, type;
  std::vector<int64_t> values;
};
Bytes tiff_of(std::vector<Entry> entries, const std::vector<Bytes>& strips) {
  Pen pen;
  pen.text("II").put(2, {42}).put(4, {0});
  std::vector<int64_t> offsets, sizes;
  for (const Bytes& strip : strips) {
    offsets.push_back(static_cast<int64_t>(pen.bytes.size()));
    sizes.push_back(static_cast<int64_t>(strip.size()));
    pen.bytes.insert(pen.bytes.end(), strip.begin(), strip.end());
  }
  const bool tiled = std::any_of(entries.begin(), entries.end(), [](const Entry& e) { return e.tag == 322; });
  entries.push_back({tiled ? 324 : 273, 4, offsets});
  entries.push_back({tiled ? 325 : 279, 4, sizes});
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.tag < b.tag; });
  std::vector<int64_t> places;
  const auto size = [](int type) { return type == 2 ? 1 : type == 3 ? 2 : 4; };
  for (const Entry& entry : entries) {
    places.push_back(static_cast<int64_t>(pen.bytes.size()));
    for (const int64_t value : entry.values) pen.put(size(entry.type), {value});
  }
  if (pen.bytes.size() % 2) pen.put(1, {0});
  const auto at = static_cast<int64_t>(pen.bytes.size());
  for (int i = 0; i < 4; ++i) pen.bytes[static_cast<size_t>(4 + i)] = static_cast<std::byte>(at >> 8 * i & 0xff);
  pen.put(2, {static_cast<int64_t>(entries.size())});
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const auto count = static_cast<int64_t>(entry.values.size());
    pen.put(2, {entry.tag, entry.type}).put(4, {count});
    if (count * size(entry.type) > 4) {
      pen.put(4, {places[i]});
    } else {
      for (const int64_t value : entry.values) pen.put(size(entry.type), {value});
      pen.put(1, std::initializer_list<int64_t>{})
          .bytes.resize(pen.bytes.size() + static_cast<size_t>(4 - count * size(entry.type)));
    }
  }
  return pen.put(4, {0}).bytes;
}
Bytes raw(std::initializer_list<int64_t> values, int size = 1) { return Pen().put(size, values).bytes; }

TEST(UpscaleFormats, tiff_in_its_forms) {
  const auto of = [](int64_t width, int64_t height, int64_t photometric, std::vector<Entry> more) {
    more.push_back({256, 4, {width}});
    more.push_back({257, 4, {height}});
    more.push_back({262, 3, {photometric}});
    return more;
  };
  // Bits, of which 0 is white, and 4 bits.
  EXPECT_EQ(levels(decode(tiff_of(of(9, 1, 0, {}), {raw({0x7f, 0x80})}))), (Levels{255, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(levels(decode(tiff_of(of(3, 1, 1, {{258, 3, {4}}}), {raw({0x0f, 0x80})}))), (Levels{0, 255, 136}));
  // A palette.
  EXPECT_EQ(levels(decode(tiff_of(of(2, 1, 3, {{258, 3, {1}}, {320, 3, {0x100, 0x200, 0x300, 0x400, 0x500, 0x600}}}),
                                  {raw({0x40})}))),
            (Levels{1, 3, 5, 2, 4, 6}));
  // Planes apart, in 8 and 16 bits.
  const std::vector<Entry> apart = {{258, 3, {8, 8, 8}}, {277, 3, {3}}, {284, 3, {2}}};
  EXPECT_EQ(levels(decode(tiff_of(of(2, 1, 2, apart), {raw({1, 2}), raw({3, 4}), raw({5, 6})}))),
            (Levels{1, 3, 5, 2, 4, 6}));
  // Tiles of 16 pixels, of which the picture needs a part.
  Bytes tile(256 * 3);
  for (size_t i = 0; i < tile.size(); ++i) tile[i] = static_cast<std::byte>(i / 3 % 16 * 10 + i % 3);
  const std::vector<Entry> tiles = {{258, 3, {8, 8, 8}}, {277, 3, {3}}, {322, 4, {16}}, {323, 4, {16}}};
  const Picture tiled = decode(tiff_of(of(18, 2, 2, tiles), {tile, tile}));
  EXPECT_EQ(levels(tiled)[3 * 15], 150);
  EXPECT_EQ(levels(tiled)[3 * 17 + 2], 12);
  // Ink, alpha that colors were multiplied with, a further channel, 32 bits, half floats.
  EXPECT_EQ(levels(decode(tiff_of(of(1, 1, 5, {{258, 3, {8, 8, 8, 8}}, {277, 3, {4}}}), {raw({255, 0, 0, 0})}))),
            (Levels{0, 255, 255}));
  const std::vector<Entry> four = {{258, 3, {8, 8, 8, 8}}, {277, 3, {4}}};
  const auto with = [&](int64_t extra) {
    std::vector<Entry> entries = four;
    entries.push_back({338, 3, {extra}});
    return decode(tiff_of(of(1, 1, 2, entries), {raw({50, 100, 20, 100})}));
  };
  EXPECT_EQ(levels(with(1)), (Levels{128, 255, 51, 100}));
  EXPECT_EQ(levels(with(2)), (Levels{50, 100, 20, 100}));
  EXPECT_EQ(levels(with(0)), (Levels{50, 100, 20}));
  EXPECT_EQ(with(0).notes.size(), 1u);
  EXPECT_EQ(levels(decode(tiff_of(of(1, 1, 1, {{258, 3, {32}}}), {raw({0x80000000}, 4)}))), (Levels{128}));
  EXPECT_EQ(levels(decode(tiff_of(of(2, 1, 1, {{258, 3, {16}}, {339, 3, {3}}}), {raw({0x3800, 0x4000}, 2)}))),
            (Levels{128, 510}));
  EXPECT_EQ(levels(decode(tiff_of(of(2, 1, 1, {{258, 3, {16}}, {339, 3, {2}}}), {raw({0x4000, 0x8000}, 2)}))),
            (Levels{128, 0}));
  EXPECT_NE(refusal(tiff_of(of(1, 1, 1, {{258, 3, {8}}, {259, 3, {34712}}}), {raw({1})})), "");
  // What only pretends to be large takes no memory.
  EXPECT_NE(refusal(tiff_of(of(1, 1, 1, {{258, 3, {8}}, {277, 3, {60000}}}), {raw({1})})), "");
  // What libtiff says of the number of inks has two lines; a picture without rows is not read.
  const std::string inks =
      refusal(tiff_of(of(1, 0, 5, {{258, 3, {8, 8, 8, 8}}, {277, 3, {4}}, {333, 2, {65, 0}}}), {raw({1})}));
  EXPECT_NE(inks.find("NumberOfInks"), Text::npos) << inks;
  EXPECT_EQ(inks.find('\n'), Text::npos) << inks;
  EXPECT_NE(refusal(tiff_of(of(1, 1, 1, {{258, 3, {0}}}), {raw({1})})), "");
  EXPECT_NE(refusal(tiff_of(of(1, 1, 1, {{258, 3, {8}}, {322, 4, {65536}}, {323, 4, {65536}}}), {raw({1})})), "");
  EXPECT_NE(refusal(tiff_of(of(100000, 100000, 1, {{258, 3, {8}}}), {raw({1})})).find("100000x100000"),
            std::string::npos);
}

TEST(UpscaleFormats, bmp_in_its_forms) {
  std::vector<std::string> notes;
  for (const int channels : {1, 2, 3, 4}) {
    Picture picture = smooth(33, 17, channels, 8);
    picture.density = {2000, 3000, true};
    const Picture back = decode(encode(picture, Format::bmp, {}, notes));
    EXPECT_EQ(back.channels, channels == 2 ? 4 : channels);
    if (channels != 2) {
      EXPECT_EQ(back.samples, picture.samples);
    }
    EXPECT_EQ(back.density.value_or(Density{}).y, 3000);
    picture.icc = profile_of({}, channels < 3);
    EXPECT_EQ(decode(encode(picture, Format::bmp, {}, notes)).icc.empty(), false);
  }
  EXPECT_TRUE(notes.empty());
  const auto bmp = [](int64_t width, int64_t height, int bits, int compression, std::initializer_list<int64_t> palette,
                      const Bytes& data) {
    Pen pen;
    const auto start = static_cast<int64_t>(54 + 4 * palette.size());
    pen.text("BM").put(4, {0, 0, start, 40, width, height}).put(2, {1, bits}).put(4, {compression, 0, 0, 0});
    pen.put(4, {static_cast<int64_t>(compression == 3 ? 0 : palette.size()), 0}).put(4, palette);
    pen.bytes.insert(pen.bytes.end(), data.begin(), data.end());
    return pen.bytes;
  };
  EXPECT_EQ(levels(decode(bmp(9, 1, 1, 0, {0x102030, 0xffffff}, raw({0x80, 0x80, 0, 0})))),
            (Levels{255, 255, 255, 16, 32, 48, 16, 32, 48, 16, 32,  48,  16, 32,
                    48,  16,  32,  48, 16, 32, 48, 16, 32, 48, 255, 255, 255}));
  // From the top, 555 and 565.
  EXPECT_EQ(levels(decode(bmp(1, -2, 16, 0, {}, raw({0x7c00, 0, 0x1f, 0}, 2)))), (Levels{255, 0, 0, 0, 0, 255}));
  EXPECT_EQ(levels(decode(bmp(1, 1, 16, 3, {0xf800, 0x7e0, 0x1f}, raw({0x7e0, 0}, 2)))), (Levels{0, 255, 0}));
  // An empty fourth byte is no transparency.
  EXPECT_EQ(levels(decode(bmp(1, 1, 32, 0, {}, raw({1, 2, 3, 0})))), (Levels{3, 2, 1}));
  // Runs: three of one, a step to the next row, two as they are, the end.
  EXPECT_EQ(levels(decode(bmp(3, 2, 8, 1, {0, 0x010101, 0x020202}, raw({3, 1, 0, 0, 0, 3, 2, 1, 2, 0, 0, 1})))),
            (Levels{2, 1, 2, 1, 1, 1}));
  // A step to the next row behind an odd number as they are, which has a byte of nothing.
  EXPECT_EQ(levels(decode(bmp(3, 2, 8, 1, {0, 0x010101, 0x020202}, raw({0, 3, 2, 1, 2, 0, 0, 0, 3, 1, 0, 1})))),
            (Levels{1, 1, 1, 2, 1, 2}));
  EXPECT_EQ(levels(decode(bmp(3, 1, 4, 2, {0, 0x010101, 0x020202}, raw({3, 0x12, 0, 1})))), (Levels{1, 2, 1}));
  EXPECT_NE(refusal(bmp(1, 1, 8, 4, {}, {})), "");
  EXPECT_NE(refusal(bmp(100000, 100000, 24, 0, {}, raw({1, 2, 3}))), "");
}

TEST(UpscaleFormats, floats_keep_what_is_brighter_than_white) {
  std::vector<std::string> notes;
  for (const int channels : {1, 3}) {
    Picture picture = smooth(21, 10, channels, 32);
    reinterpret_cast<float*>(picture.samples.data())[4] = 40;
    reinterpret_cast<float*>(picture.samples.data())[5] = -0.25f;
    EXPECT_EQ(decode(encode(picture, Format::pfm, {}, notes)).samples, picture.samples);
    const Recycler memory(1);
    PictureSource source(picture);
    LightSource coded(source, memory);
    EXPECT_EQ(coded.peak(), 40);
    EXPECT_EQ(coded.head().bits, 16);
    Picture light;
    PictureSink sink(light);
    LightSink back(sink, coded.peak());
    back.begin(coded.head());
    Bytes rows(static_cast<size_t>(coded.head().row_bytes() * picture.height));
    coded.read(picture.height, rows.data());
    back.write(rows.data(), picture.height);
    EXPECT_EQ(light.bits, 32);
    for (size_t i = 0; i < picture.samples.size() / 4; ++i) {
      const float in = std::max(0.0f, reinterpret_cast<const float*>(picture.samples.data())[i]);
      EXPECT_NEAR(reinterpret_cast<const float*>(light.samples.data())[i], in, 0.001f + in / 1000) << i;
    }
    notes.clear();
    const Picture png = decode(encode(picture, Format::png, {}, notes));
    EXPECT_EQ(png.bits, 16);
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_NE(notes[0].find("above 1 is cut"), std::string::npos);
    notes.clear();
  }
  EXPECT_EQ(decode(encode(smooth(5, 5, 3, 8), Format::pfm, {}, notes)).bits, 32);
  // Middle gray by light is middle gray by samples; transparency has no curve.
  Picture gray = blank(1, 1, 2, 32);
  const float light[] = {0.18f, 0.18f};
  std::memcpy(gray.samples.data(), light, sizeof light);
  for (const bool dither : {false, true}) {
    const Picture png = decode(encode(gray, Format::png, {.dither = dither}, notes));
    EXPECT_NEAR(reinterpret_cast<const uint16_t*>(png.samples.data())[0], 0.4613f * 65535, 40);
    EXPECT_NEAR(reinterpret_cast<const uint16_t*>(png.samples.data())[1], 0.18f * 65535, 2);
  }
  notes.clear();
  Picture coded = blank(1, 1, 1, 8);
  coded.samples[0] = std::byte{118};
  const Picture pfm = decode(encode(coded, Format::pfm, {}, notes));
  EXPECT_NEAR(*reinterpret_cast<const float*>(pfm.samples.data()), 0.1812f, 0.001f);
  EXPECT_TRUE(notes.empty());
}

TEST(UpscaleFormats, avif_and_jpeg_xl_where_they_are_built_in) {
  for (const Format format : {Format::avif, Format::jxl}) {
    std::vector<std::string> notes;
    if (!is_built(format)) {
      EXPECT_THROW(encode(smooth(8, 8, 3, 8), format, {}, notes), Error);
      std::printf("skipped: built without %s\n", std::string(extension_of(format)).c_str());
      continue;
    }
    for (const int channels : {1, 2, 3, 4})
      for (const int bits : {8, 16}) {
        Picture picture = smooth(61, 47, channels, bits);
        const Bytes exif = exif_of({300 / 0.0254, 300 / 0.0254, true});
        picture.exif = exif;
        for (const char c : Text("<x:xmpmeta/>")) picture.xmp.push_back(static_cast<std::byte>(c));
        const Bytes file = encode(picture, format, {.threads = 2}, notes);
        EXPECT_EQ(recognize(file), format);
        const Picture back = decode(file);
        EXPECT_EQ(back.bits, bits);
        EXPECT_EQ(back.xmp, picture.xmp);
        EXPECT_TRUE(exif_has_density(back.exif));
        EXPECT_TRUE(back.icc.empty());
        const int colors = format == Format::jxl ? channels : channels < 3 ? channels + 2 : channels;
        ASSERT_EQ(back.channels, colors);
        if (format == Format::jxl) {
          EXPECT_EQ(back.samples, picture.samples) << channels << " " << bits;
        } else {
          const std::vector<int> a = levels(picture), b = levels(back);
          double sum = 0;
          for (int64_t i = 0; i < 61 * 47; ++i)
            sum += std::abs(a[static_cast<size_t>(i * channels)] - b[static_cast<size_t>(i * colors)]);
          EXPECT_LT(sum / (61 * 47), 3) << channels << " " << bits;
        }
        EXPECT_LT(encode(picture, format, {.quality = 30}, notes).size(),
                  encode(picture, format, {.quality = 95}, notes).size());
        picture.icc = profile_of({}, channels < 3);
        EXPECT_FALSE(decode(encode(picture, format, {}, notes)).icc.empty());
      }
    EXPECT_TRUE(notes.empty());
    Picture hdr = smooth(16, 16, 3, 16);
    for (const int value : {9, 16, 0, 1}) hdr.color.cicp.push_back(static_cast<std::byte>(value));
    if (format == Format::avif) {
      EXPECT_EQ(decode(encode(hdr, format, {}, notes)).color.cicp, hdr.color.cicp);
    }
    if (format == Format::avif)
      for (int orientation = 1; orientation <= 8; ++orientation) {
        const Picture upright = smooth(20, 10, 3, 8);
        Picture stored = upright;
        orient(stored, orientation == 6 ? 8 : orientation == 8 ? 6 : orientation);
        stored.exif = exif_of({1, 1, true});
        stored.exif[10] = std::byte{0x12};  // in place of a density
        stored.exif[11] = std::byte{1};
        stored.exif[12] = std::byte{3};
        stored.exif[18] = static_cast<std::byte>(orientation);
        ASSERT_EQ(exif_orientation(stored.exif), orientation);
        const Picture seen = decode(encode(stored, format, {}, notes));
        ASSERT_EQ(seen.width, 20) << orientation;
        const std::vector<int> a = levels(upright), b = levels(seen);
        for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 24) << orientation << " " << i;
      }
    const Bytes whole = encode(smooth(24, 24, 4, 8), format, {}, notes);
    for (size_t size = 0; size < whole.size(); size += 7)
      EXPECT_NE(refusal(List<std::byte>(whole).first(size)), "") << extension_of(format) << " cut at " << size;
    std::mt19937 engine(3);
    for (int i = 0; i < 300; ++i) {
      Bytes bytes = whole;
      for (int k = 0; k < 3; ++k) bytes[engine() % bytes.size()] = static_cast<std::byte>(engine());
      refusal(bytes, {int64_t{1} << 22});
    }
  }
}

TEST(UpscaleFormats, dithering_keeps_means_and_exact_levels) {
  std::vector<std::string> notes;
  Picture picture = blank(256, 64, 3, 16);
  for (int64_t i = 0; i < 256 * 64 * 3; ++i) {
    // A ramp from one level to the next, above rows that are exact.
    const int64_t x = i / 3 % 256, y = i / 3 / 256;
    reinterpret_cast<uint16_t*>(picture.samples.data())[i] = static_cast<uint16_t>(y < 32 ? 100 * 257 + x : 257 * x);
  }
  const Picture plain = decode(encode(picture, Format::bmp, {}, notes));
  const Picture dithered = decode(encode(picture, Format::bmp, {.dither = true}, notes));
  EXPECT_EQ(encode(picture, Format::tiff, {}, notes), encode(picture, Format::tiff, {.dither = true}, notes));
  for (int64_t first = 0; first < 256; first += 32) {
    double sum = 0;
    for (int64_t y = 0; y < 32; ++y)
      for (int64_t i = 3 * first; i < 3 * (first + 32); ++i) sum += std::to_integer<int>(dithered.row(y)[i]);
    EXPECT_NEAR(sum / (32 * 96), 100 + (static_cast<double>(first) + 15.5) / 257, 0.03) << first;
  }
  for (int64_t y = 32; y < 64; ++y)
    for (int64_t i = 0; i < 768; ++i) ASSERT_EQ(dithered.row(y)[i], plain.row(y)[i]);
}

TEST(UpscaleFormats, light_is_mixed_where_asked_for) {
  std::vector<std::string> notes;
  // Black of half alpha on white is half of white's light.
  Picture picture = blank(4, 4, 4, 8);
  for (size_t i = 3; i < picture.samples.size(); i += 4) picture.samples[i] = std::byte{128};
  EXPECT_EQ(levels(decode(encode(picture, Format::bmp, {}, notes)))[0], 0) << "bmp keeps alpha";
  EXPECT_EQ(levels(decode(encode(picture, Format::pnm, {}, notes)))[0], 127);
  EXPECT_NEAR(levels(decode(encode(picture, Format::pnm, {.linear = true}, notes)))[0], 188, 1);
  // So is a fine pattern of black and white that is made smaller.
  Picture pattern = blank(64, 64, 1, 8);
  for (int64_t i = 0; i < 64 * 64; ++i)
    pattern.samples[static_cast<size_t>(i)] = (i + i / 64) % 2 ? std::byte{255} : std::byte{0};
  const Resampler half(64, 64, 32, 32, Filter::lanczos3);
  for (const bool linear : {false, true}) {
    Picture small = blank(32, 32, 1, 8);
    Rows rows = small.rows();
    resize(half, pattern.rows(), {0, 0, 32, 32}, rows, linear);
    EXPECT_NEAR(levels(small)[16 * 32 + 16], linear ? 188 : 128, 2);
  }
}

TEST(UpscaleFormats, animations_keep_their_frames) {
  for (const Format format : {Format::png, Format::webp})
    for (const int channels : {3, 4}) {
      Animation animation;
      animation.loops = 3;
      for (int i = 0; i < 4; ++i) {
        // Frames that are the same for most of their extent, and one that is seen through.
        Picture& frame = animation.frames.emplace_back(smooth(40, 30, channels, 8));
        for (int64_t k = 0; k < 60; ++k) frame.row(9 + i)[k] = static_cast<std::byte>(k * (i + 1));
        for (int64_t k = 3; channels == 4 && k < static_cast<int64_t>(frame.samples.size()); k += 4)
          frame.samples[static_cast<size_t>(k)] = i == 2 ? std::byte{0} : std::byte{255};
        if (i == 2 && channels == 4) std::fill(frame.samples.begin(), frame.samples.end(), std::byte{0});
        animation.milliseconds.push_back(40 + 10 * i);
      }
      animation.frames[0].density = {2000, 2000, true};
      std::vector<std::string> notes;
      const Bytes file = encode_animation(animation, format, {}, notes);
      const std::optional<Animation> back = decode_animation(file);
      ASSERT_TRUE(back);
      ASSERT_EQ(back->frames.size(), 4u) << extension_of(format);
      EXPECT_EQ(back->loops, 3);
      EXPECT_EQ(back->milliseconds, animation.milliseconds);
      for (size_t i = 0; i < 4; ++i)
        EXPECT_EQ(back->frames[i].samples, animation.frames[i].samples) << extension_of(format) << i;
      EXPECT_TRUE(notes.empty());
      EXPECT_TRUE(format == Format::webp || back->frames[0].density);
      // Who asks for one picture gets the first frame, and is told.
      const Picture first = decode(file);
      EXPECT_EQ(levels(first)[300], levels(animation.frames[0])[static_cast<size_t>(300 / first.channels * channels)]);
      EXPECT_EQ(first.notes.size(), 1u);
      EXPECT_THROW(decode_animation(file, {40 * 30 * 3}), Error);
      for (size_t size = 0; size < file.size(); size += 5) {
        bool whole = false;
        try {
          const std::optional<Animation> cut = decode_animation(List<std::byte>(file).first(size));
          whole = cut && cut->frames.size() == 4 && cut->frames[0].notes.empty();
        } catch (const Error&) {
        }
        EXPECT_FALSE(whole) << extension_of(format) << " cut at " << size;
      }
      EXPECT_FALSE(decode_animation(encode(smooth(9, 9, 3, 8), format, {}, notes)));
    }
}

TEST(UpscaleFormats, gif_is_read) {
  // Two colors of four, two pixels a frame: the codes are those after the one that clears, in 3 bits each.
  const auto frame = [](Pen& pen, int left, int disposal, int first, int second) {
    pen.put(1, {0x21, 0xf9, 4, disposal << 2 | 1}).put(2, {7}).put(1, {3, 0});  // 3 is transparent
    pen.put(1, {0x2c}).put(2, {left, 0, 2, 1}).put(1, {0, 2, 2});
    pen.put(2, {4 | first << 3 | second << 6 | 5 << 9}).put(1, {0});
  };
  Pen pen;
  pen.text("GIF89a").put(2, {3, 1}).put(1, {0x81, 0, 0}).put(1, {1, 2, 3, 40, 50, 60, 70, 80, 90, 0, 0, 0});
  pen.put(1, {0x21, 0xff, 11}).text("NETSCAPE2.0").put(1, {3, 1, 0, 0, 0});
  frame(pen, 0, 1, 0, 1);
  Bytes one = pen.bytes;
  one.push_back(std::byte{0x3b});
  frame(pen, 1, 2, 3, 2);
  frame(pen, 0, 1, 1, 3);
  pen.put(1, {0x3b});
  EXPECT_EQ(levels(decode(one)), (Levels{1, 2, 3, 255, 40, 50, 60, 255, 0, 0, 0, 0}));
  EXPECT_FALSE(decode_animation(one));
  const std::optional<Animation> animation = decode_animation(pen.bytes);
  ASSERT_TRUE(animation);
  ASSERT_EQ(animation->frames.size(), 3u);
  EXPECT_EQ(animation->loops, 0);
  EXPECT_EQ(animation->milliseconds, (std::vector<int>{70, 70, 70}));
  EXPECT_EQ(levels(animation->frames[1]), (Levels{1, 2, 3, 255, 40, 50, 60, 255, 70, 80, 90, 255}));
  EXPECT_EQ(levels(animation->frames[2]), (Levels{40, 50, 60, 255, 0, 0, 0, 0, 0, 0, 0, 0}));
  std::vector<std::string> notes;
  EXPECT_THROW(encode(smooth(8, 8, 3, 8), Format::gif, {}, notes), Error);
  for (size_t size = 6; size < one.size() - 1; ++size)
    EXPECT_NE(refusal(List<std::byte>(one).first(size)), "") << "cut at " << size;
  std::mt19937 engine(7);
  for (int i = 0; i < 2000; ++i) {
    Bytes bytes = pen.bytes;
    for (int k = 0; k < 3; ++k) bytes[engine() % bytes.size()] = static_cast<std::byte>(engine());
    try {
      decode_animation(bytes, {int64_t{1} << 20});
    } catch (const Error&) {
    }
  }
}

TEST(UpscaleFormats, interlaced_gif_rows_find_their_places) {
  // Rows 0, 4, 2, 6, 1, 3, 5, 7 of one pixel each, in 3 bits; 4 clears before codes grow, 5 ends.
  int64_t codes = 0;
  int shift = 0;
  for (const int64_t code : {4, 0, 1, 4, 2, 0, 4, 1, 0, 4, 2, 1, 5}) codes |= code << shift, shift += 3;
  Pen pen;
  pen.text("GIF89a").put(2, {1, 8}).put(1, {0x81, 0, 0}).put(1, {10, 10, 10, 20, 20, 20, 30, 30, 30, 0, 0, 0});
  pen.put(1, {0x2c}).put(2, {0, 0, 1, 8}).put(1, {0x40, 2, 5}).put(5, {codes}).put(1, {0, 0x3b});
  const Picture picture = decode(pen.bytes);
  ASSERT_EQ(picture.height, 8);
  for (int64_t y = 0; y < 8; ++y) {
    float red = 0;
    picture.load(0, y, 1, 0, &red);
    EXPECT_EQ(std::lround(red * 255), 10 * (y % 3 + 1)) << "row " << y;
  }
}

TEST(UpscaleFormats, every_truncation_and_any_damage_is_told) {
  std::mt19937 engine(11);
  std::vector<std::string> notes;
  for (const Format format : {Format::tiff, Format::bmp, Format::pnm, Format::pam, Format::pfm})
    for (const int channels : {1, 3, 4}) {
      Picture picture = smooth(24, 24, channels, format == Format::tiff && channels == 3 ? 16 : 8);
      if (format == Format::tiff) picture.icc = profile_of({}, channels < 3);
      const Bytes whole = encode(picture, format, {}, notes);
      for (size_t size = 0; size < whole.size(); size += 3) {
        bool told = false;
        try {
          told = !decode(List<std::byte>(whole).first(size)).notes.empty();
        } catch (const Error&) {
          told = true;
        }
        EXPECT_TRUE(told) << extension_of(format) << " cut at " << size;
      }
      for (int i = 0; i < 1000; ++i) {
        Bytes bytes = whole;
        for (int k = 0; k < 3; ++k)
          bytes[engine() % std::min<size_t>(bytes.size(), i % 2 ? 120 : bytes.size())] =
              static_cast<std::byte>(engine());
        if (format == Format::tiff && i % 2)
          for (int k = 0; k < 3; ++k)
            bytes[bytes.size() - 1 - engine() % std::min<size_t>(bytes.size(), 800)] = static_cast<std::byte>(engine());
        refusal(bytes, {int64_t{1} << 22});
      }
    }
}

TEST(UpscaleFormats, pictures_of_others) {
  TESSERA_REQUIRE_SHARED(data);
  int good = 0, refused = 0;
  for (const char* folder : {"image-rs", "pillow", "mozjpeg", "image-png-bugfixes", "derived-extreme", "pngsuite"})
    for (const auto& entry : fs::recursive_directory_iterator(data / "images" / folder)) {
      if (!entry.is_regular_file() || !format_of(entry.path().extension().string())) continue;
      const Bytes bytes = read_file(entry.path());
      try {
        const Picture picture = decode(bytes);
        ++good;
        if (picture.width * picture.height > 1 << 18) continue;
        // Into every format and back: the same extents, and samples as near as the format keeps them.
        for (const Format format : {Format::png, Format::jpeg, Format::webp, Format::tiff, Format::bmp, Format::pnm,
                                    Format::pam, Format::pfm}) {
          std::vector<std::string> notes;
          if (std::max(picture.width, picture.height) > largest_extent(format)) continue;
          const Picture back = decode(
              encode(picture, format, {.quality = format == Format::jpeg ? 100 : -1, .tone = Tone::keep}, notes));
          EXPECT_EQ(back.width, picture.width) << entry.path();
          EXPECT_EQ(back.height, picture.height) << entry.path();
          if (format == Format::tiff || (format == Format::png && picture.bits < 32)) {
            EXPECT_EQ(back.samples, picture.samples) << entry.path() << extension_of(format);
          }
        }
      } catch (const Error& error) {
        EXPECT_TRUE(error.kind() == Error::Kind::file) << entry.path();
        EXPECT_EQ(Text(error.what()).find('\n'), Text::npos) << entry.path();
        ++refused;
      }
    }
  EXPECT_GT(good, 300);
  EXPECT_LT(refused, 60);
}

}  // namespace
}  // namespace tessera::upscale
