// What files say beside their pixels: kept where the format can, told where it cannot.
#include <bit>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "upscale/codecs/files.h"

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

Picture plain(int channels = 3, int64_t width = 40, int64_t height = 32, int bits = 8) {
  Picture picture = blank(width, height, channels, bits);
  for (int64_t i = 0; i < static_cast<int64_t>(picture.samples.size()); ++i)
    picture.samples[static_cast<size_t>(i)] = static_cast<std::byte>(i / 3 % 200);
  return picture;
}

Bytes bytes_of(Text text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return Bytes(first, first + text.size());
}
std::string text_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Picture through(const Picture& picture, Format format, std::vector<std::string>& notes) {
  notes.clear();
  Picture back = decode(encode(picture, format, {}, notes));
  notes.insert(notes.end(), back.notes.begin(), back.notes.end());
  return back;
}

bool has(const std::vector<std::string>& notes, Text what) {
  return std::any_of(notes.begin(), notes.end(), [&](const std::string& n) { return n.find(what) != Text::npos; });
}

/// One number of a color profile: the i-th of a tag of fixed-point numbers.
double number_in(const Bytes& icc, Text tag, size_t i) {
  const auto read = [&](size_t at) {
    uint32_t value = 0;
    for (size_t k = 0; k < 4; ++k) value = value << 8 | std::to_integer<uint32_t>(icc.at(at + k));
    return value;
  };
  for (size_t entry = 132; entry < 132 + 12 * read(128); entry += 12)
    if (text_of(icc).substr(entry, 4) == tag)
      return static_cast<double>(std::bit_cast<int32_t>(read(read(entry + 4) + 8 + 4 * i))) / 65536;
  ADD_FAILURE() << "no tag " << tag;
  return 0;
}

constexpr std::array<double, 8> p3 = {0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060};

Colorimetry cicp(int primaries, int transfer) {
  Colorimetry color;
  for (const int value : {primaries, transfer, 0, 1}) color.cicp.push_back(static_cast<std::byte>(value));
  return color;
}

TEST(UpscaleMetadata, png_keeps_what_it_says_of_colors) {
  std::vector<std::string> notes;
  Picture picture = plain(3, 8, 8, 16);
  picture.color = cicp(9, 16);
  picture.color.gamma = 0.5;
  picture.color.chromaticities = p3;
  picture.color.mastering = Bytes(24, std::byte{3});
  picture.color.light = Bytes(8, std::byte{4});
  const Picture back = through(picture, Format::png, notes);
  EXPECT_EQ(back.color.cicp, picture.color.cicp);
  EXPECT_EQ(back.color.mastering, picture.color.mastering);
  EXPECT_EQ(back.color.light, picture.color.light);
  EXPECT_NEAR(back.color.gamma.value_or(0), 0.5, 1e-5);
  EXPECT_NEAR(back.color.chromaticities.value_or(std::array<double, 8>{})[2], 0.68, 1e-5);
  EXPECT_TRUE(notes.empty());
}

TEST(UpscaleMetadata, other_formats_get_a_profile) {
  std::vector<std::string> notes;
  Colorimetry gamma_and_primaries;
  gamma_and_primaries.gamma = 0.45455;
  gamma_and_primaries.chromaticities = p3;
  for (const Colorimetry& color : {gamma_and_primaries, cicp(12, 13)})
    for (const Format format : {Format::jpeg, Format::webp}) {
      Picture picture = plain();
      picture.color = color;
      const Picture back = through(picture, format, notes);
      ASSERT_FALSE(back.icc.empty());
      EXPECT_TRUE(has(notes, "became a color profile"));
      // Display P3's red, adapted to the profile's white.
      EXPECT_NEAR(number_in(back.icc, "rXYZ", 0), 0.5151, 1e-3);
      EXPECT_NEAR(number_in(back.icc, "rXYZ", 1), 0.2412, 1e-3);
      std::vector<std::string> again;
      EXPECT_EQ(encode(picture, format, {}, again), encode(picture, format, {}, again)) << "the same every time";
    }
  for (const int channels : {1, 3}) {
    Picture linear = plain(channels);
    linear.color.gamma = 1.0;
    const Picture back = through(linear, Format::jpeg, notes);
    // A curve of no points is the identity.
    EXPECT_EQ(number_in(back.icc, channels == 1 ? "kTRC" : "gTRC", 0), 0) << channels;
  }
}

TEST(UpscaleMetadata, colors_that_no_profile_can_say_are_told) {
  std::vector<std::string> notes;
  for (const Format format : {Format::jpeg, Format::webp}) {
    Picture picture = plain();
    picture.color = cicp(9, 16);
    EXPECT_TRUE(decode(encode(picture, format, {.tone = Tone::keep}, notes)).icc.empty());
    EXPECT_TRUE(has(notes, "cICP"));
    notes.clear();
    // What is sRGB anyway needs no words.
    picture.color = cicp(1, 13);
    picture.color = {};
    picture.color.srgb_intent = 0;
    picture.color.gamma = 0.45455;
    EXPECT_TRUE(through(picture, format, notes).icc.empty());
    EXPECT_TRUE(notes.empty());
  }
}

TEST(UpscaleMetadata, profiles_follow_the_number_of_channels) {
  std::vector<std::string> notes;
  Colorimetry color;
  color.chromaticities = p3;
  Picture gray = plain(1);
  gray.icc = profile_of(color, false);
  for (const Format format : {Format::png, Format::jpeg}) {
    const Picture back = through(gray, format, notes);
    EXPECT_EQ(text_of(back.icc).substr(16, 4), "GRAY");
    EXPECT_TRUE(notes.empty());
  }
  gray.icc = profile_of(color, true);
  EXPECT_EQ(through(gray, Format::png, notes).icc, gray.icc);
  EXPECT_EQ(text_of(through(gray, Format::webp, notes).icc).substr(16, 4), "RGB ");
  EXPECT_TRUE(notes.empty());
  gray.icc = Bytes(200, std::byte{7});
  for (const Format format : {Format::png, Format::jpeg, Format::webp}) {
    EXPECT_TRUE(through(gray, format, notes).icc.empty());
    EXPECT_TRUE(has(notes, "color profile does not fit")) << extension_of(format);
  }
}

TEST(UpscaleMetadata, density_texts_xmp_and_iptc_go_everywhere_they_can) {
  std::vector<std::string> notes;
  Picture picture = plain();
  picture.density = {300 / 0.0254, 150 / 0.0254, true};
  picture.xmp = bytes_of(
      "<x:xmpmeta xmlns:x='adobe:ns:meta/' tiff:Orientation='6' exif:PixelXDimension=\"7\">"
      "<tiff:ImageLength>9</tiff:ImageLength></x:xmpmeta>");
  picture.iptc = bytes_of("\x1c\x02\x69\x00\x03 ab");
  picture.texts = {{"parameters", "a prompt", "", "", false},
                   {"Title", "Gr\xc3\xbc\xc3\x9f", "", "", true},
                   {"Comment", "\xe2\x82\xac 5", "de", "Kommentar", false}};
  for (const Format first : {Format::png, Format::jpeg, Format::webp}) {
    const Picture back = through(picture, first, notes);
    // Orientation and size are those of the pixels.
    EXPECT_EQ(text_of(back.xmp),
              "<x:xmpmeta xmlns:x='adobe:ns:meta/' tiff:Orientation='1' exif:PixelXDimension=\"40\">"
              "<tiff:ImageLength>32</tiff:ImageLength></x:xmpmeta>");
    if (first == Format::webp) {
      EXPECT_TRUE(exif_has_density(back.exif)) << "in EXIF instead";
      for (const char* what : {"parameters", "Title", "Comment", "IPTC"}) EXPECT_TRUE(has(notes, what)) << what;
      continue;
    }
    EXPECT_TRUE(notes.empty());
    ASSERT_TRUE(back.density);
    EXPECT_NEAR(back.density->x * 0.0254, 300, 0.01);
    EXPECT_NEAR(back.density->y * 0.0254, 150, 0.02);
    EXPECT_EQ(back.iptc, picture.iptc);
    ASSERT_EQ(back.texts.size(), 3u);
    const bool png = first == Format::png;
    EXPECT_EQ(back.texts[0].key, png ? "parameters" : "Comment");
    EXPECT_EQ(back.texts[0].text, png ? "a prompt" : "parameters: a prompt");
    EXPECT_EQ(back.texts[1].text, png ? "Gr\xc3\xbc\xc3\x9f" : "Title: Gr\xc3\xbc\xc3\x9f");
    EXPECT_EQ(back.texts[2].text, "\xe2\x82\xac 5");
    EXPECT_EQ(back.texts[2].language, png ? "de" : "");
    // And from there to the other.
    const Picture other = through(back, png ? Format::jpeg : Format::png, notes);
    EXPECT_EQ(other.iptc, picture.iptc);
    EXPECT_EQ(other.xmp, back.xmp);
    EXPECT_NEAR(other.density.value_or(Density{}).x * 0.0254, 300, 0.01);
    EXPECT_EQ(other.texts.size(), 3u);
  }
  picture.density = {2, 1, false};
  for (const Format format : {Format::png, Format::jpeg}) {
    const Density back = through(picture, format, notes).density.value_or(Density{});
    EXPECT_EQ(back.x / back.y, 2);
    EXPECT_FALSE(back.absolute);
  }
}

TEST(UpscaleMetadata, names_that_png_does_not_allow_are_changed) {
  std::vector<std::string> notes;
  Picture picture = plain();
  const std::pair<std::string, std::string> names[] = {{"  a  b ", "a b"},
                                                       {"", "Comment"},
                                                       {"\x01", "Comment"},
                                                       {"\xe2\x82\xac", "Comment"},
                                                       {std::string(90, 'x'), std::string(79, 'x')},
                                                       {std::string(78, 'x') + " y", std::string(78, 'x')}};
  for (const auto& [name, allowed] : names) {
    picture.texts = {{name, "text", "", "", false}, {name, "\xe2\x82\xac", "no language", "\x01", true}};
    const Picture back = through(picture, Format::png, notes);
    ASSERT_EQ(back.texts.size(), 2u) << name;
    EXPECT_EQ(back.texts[0].key, allowed);
    EXPECT_EQ(back.texts[1].text, "\xe2\x82\xac");
  }
}

TEST(UpscaleMetadata, what_a_marker_cannot_hold_is_told) {
  std::vector<std::string> notes;
  Picture picture = plain();
  picture.xmp = Bytes(70000, std::byte{'x'});
  picture.texts = {{"Comment", std::string(70000, 'x'), "", "", false}};
  const Picture back = through(picture, Format::jpeg, notes);
  EXPECT_TRUE(back.xmp.empty());
  EXPECT_TRUE(has(notes, "XMP"));
  EXPECT_TRUE(has(notes, "Comment"));
  EXPECT_EQ(through(picture, Format::png, notes).xmp, picture.xmp);
}

TEST(UpscaleMetadata, text_is_utf8_or_latin1) {
  EXPECT_EQ(utf8_of("Gr\xfc\xdf"), "Gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(utf8_of("Gr\xc3\xbc\xc3\x9f"), "Gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(latin1_of("Gr\xc3\xbc\xc3\x9f").value_or(""), "Gr\xfc\xdf");
  for (const char* wrong : {"\xe2\x82\xac", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\x80"})
    EXPECT_FALSE(latin1_of(wrong)) << wrong;
}

TEST(UpscaleMetadata, damaged_jpegs_are_read_as_viewers_read_them) {
  std::vector<std::string> notes;
  const Picture picture = plain(3, 64, 400);
  const Bytes whole = encode(picture, Format::jpeg, {.quality = 95}, notes);
  EXPECT_TRUE(decode(whole).notes.empty());
  // Cut off below the middle: what is there is shown, what is missing is told.
  const Picture cut = decode(List<std::byte>(whole).first(whole.size() * 3 / 4));
  ASSERT_EQ(cut.notes.size(), 1u);
  EXPECT_NE(cut.notes[0].find("of 400 on pixels are missing"), std::string::npos) << cut.notes[0];
  const Picture intact = decode(whole);
  EXPECT_EQ(Bytes(cut.samples.begin(), cut.samples.begin() + 64 * 3 * 200),
            Bytes(intact.samples.begin(), intact.samples.begin() + 64 * 3 * 200));
  EXPECT_THROW(decode(List<std::byte>(whole).first(whole.size() / 4)), Error);
  // Without its last marker nothing is missing.
  EXPECT_TRUE(decode(List<std::byte>(whole).first(whole.size() - 2)).notes.empty());
}

TEST(UpscaleMetadata, given_cases) {
  TESSERA_REQUIRE_SHARED(data);
  const fs::path cases = data.parent_path() / "cases" / "upscale";
  if (!fs::exists(cases)) GTEST_SKIP() << "skipped: the cases are not on this machine";
  std::vector<std::string> notes;
  EXPECT_TRUE(has(decode(read_file(cases / "pictures" / "bad_icc_marker.jpg")).notes, "color profile is damaged"));
  EXPECT_FALSE(decode(read_file(cases / "pictures" / "cicp_display_p3.png")).color.cicp.empty());
  EXPECT_FALSE(decode(read_file(cases / "png-colour-chunks" / "hdr.png")).color.cicp.empty());
  for (const char* name : {"in.png", "in.jpg"}) {
    const Picture picture = decode(read_file(cases / "density-and-text" / name));
    EXPECT_NEAR(picture.density.value_or(Density{}).x * 0.0254, 300, 0.01);
    EXPECT_EQ(picture.texts.size(), 1u);
  }
  EXPECT_FALSE(decode(read_file(cases / "density-and-text" / "in.png")).xmp.empty());
}

}  // namespace
}  // namespace tessera::upscale
