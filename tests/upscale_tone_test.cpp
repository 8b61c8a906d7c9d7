// Colors brighter than white, mapped to sRGB where a format cannot say what they are.
#include "upscale/codecs/tone.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/upscale_pictures.h"
#include "upscale/light.h"

namespace tessera::upscale {
namespace {

using testing::HasSubstr;

constexpr int pq = 16, hlg = 18;

/// A row of 16 bits.
Picture row_of(std::initializer_list<float> samples, int channels, int primaries, int curve) {
  Picture picture = blank(static_cast<int64_t>(samples.size()) / channels, 1, channels, 16);
  auto* to = reinterpret_cast<uint16_t*>(picture.samples.data());
  for (const float sample : samples) *to++ = static_cast<uint16_t>(sample * 65535 + 0.5f);
  for (const int value : {primaries, curve, 0, 1}) picture.color.cicp.push_back(static_cast<std::byte>(value));
  return picture;
}

std::vector<float> mapped(const Picture& picture) {
  const std::optional<ToneMapper> mapper = ToneMapper::of(picture);
  if (!mapper) return {};
  Picture result = picture;
  mapper->run(picture.samples.data(), 1, result.samples.data());
  std::vector<float> samples;
  for (size_t i = 0; i < result.samples.size() / 2; ++i)
    samples.push_back(static_cast<float>(reinterpret_cast<const uint16_t*>(result.samples.data())[i]) / 65535);
  return samples;
}

// By SMPTE ST 2084: 0.4403 is 50 candelas, 0.5081 is 100, 0.5807 is 203 (white), 0.7518 is 1000, 1 is 10000.
TEST(UpscaleTone, what_is_dark_stays_and_what_is_bright_becomes_white) {
  const std::vector<float> gray = mapped(row_of({0, 0.4403f, 0.5081f, 0.5807f, 0.7518f, 1}, 1, 9, pq));
  EXPECT_EQ(gray[0], 0);
  EXPECT_NEAR(gray[1], code_light(50.0f / 203), 0.002f);
  EXPECT_NEAR(gray[2], code_light(100.0f / 203), 0.02f);
  EXPECT_GT(gray[3], gray[2]);
  EXPECT_LT(gray[3], 0.95f);
  EXPECT_NEAR(gray[4], 1, 0.002f);
  EXPECT_EQ(gray[5], 1);
}

// What a file says of its brightest light counts.
TEST(UpscaleTone, the_brightest_light_is_asked_of_the_file) {
  Picture picture = row_of({0.5807f}, 1, 9, pq);
  const float usual = mapped(picture)[0];
  const auto say = [&](uint32_t candelas) {
    picture.color.light.clear();
    for (const uint32_t value : {candelas * 10000, uint32_t{0}})
      for (int shift = 24; shift >= 0; shift -= 8)
        picture.color.light.push_back(static_cast<std::byte>(value >> shift));
  };
  say(1000);
  EXPECT_EQ(mapped(picture)[0], usual);
  say(4000);
  EXPECT_LT(mapped(picture)[0], usual);
  say(204);
  EXPECT_NEAR(mapped(picture)[0], 1, 0.01f);
}

TEST(UpscaleTone, colors_keep_their_hue_in_other_primaries) {
  // sRGB's red, 50 candelas, as BT.2020 has it: 0.6274, 0.0691, 0.0164 of it.
  const std::vector<float> red = mapped(row_of({0.3919f, 0.1920f, 0.1132f}, 3, 9, pq));
  EXPECT_GT(red[0], 3 * red[1]);
  EXPECT_NEAR(red[1], red[2], 0.08f);
  // What sRGB lacks is not cut channel by channel: BT.2020's own green stays greenish and legal.
  const std::vector<float> green = mapped(row_of({0, 0.58f, 0}, 3, 9, pq));
  EXPECT_GT(green[1], green[0]);
  EXPECT_GT(green[1], green[2]);
  // Grays are gray whatever the primaries.
  for (const int primaries : {1, 9, 12}) {
    const std::vector<float> gray = mapped(row_of({0.5f, 0.5f, 0.5f, 1}, 4, primaries, pq));
    EXPECT_NEAR(gray[0], gray[1], 0.002f) << primaries;
    EXPECT_NEAR(gray[1], gray[2], 0.002f) << primaries;
    EXPECT_EQ(gray[3], 1);
  }
}

// BT.2100: 75 % of HLG's signal is white, 203 candelas of 1000.
TEST(UpscaleTone, hlg_is_shown_as_its_screen_would) {
  const std::vector<float> gray = mapped(row_of({0, 0.25f, 0.5f, 0.75f, 1}, 1, 9, hlg));
  EXPECT_EQ(gray[0], 0);
  for (size_t i = 1; i < gray.size(); ++i) EXPECT_GT(gray[i], gray[i - 1]);
  EXPECT_NEAR(gray[3], mapped(row_of({0.5807f}, 1, 9, pq))[0], 0.01f);
  EXPECT_NEAR(gray[4], 1, 0.002f);
}

TEST(UpscaleTone, formats_that_cannot_say_it_get_srgb) {
  const Picture picture = row_of({0.4403f, 0.4403f, 0.4403f}, 3, 9, pq);
  std::vector<std::string> notes;
  const auto through = [&](Format format, Tone tone) {
    notes.clear();
    return decode(encode(picture, format, {.tone = tone}, notes));
  };
  const auto first = [](const Picture& made) {
    float sample = 0;
    made.load(0, 0, 1, 0, &sample);
    return sample;
  };
  const float srgb = code_light(50.0f / 203);
  EXPECT_NEAR(first(through(Format::tiff, Tone::fit)), srgb, 0.003f);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("(PQ), brighter than white, were mapped to sRGB"));
  EXPECT_NEAR(first(through(Format::webp, Tone::fit)), srgb, 0.005f);
  EXPECT_NEAR(first(through(Format::tiff, Tone::keep)), 0.4403f, 0.001f);
  EXPECT_EQ(through(Format::png, Tone::fit).color.cicp, picture.color.cicp);
  EXPECT_TRUE(notes.empty());
  EXPECT_NEAR(first(through(Format::png, Tone::map)), srgb, 0.003f);
  EXPECT_TRUE(through(Format::png, Tone::map).color.cicp.empty());
}

TEST(UpscaleTone, other_colors_are_left_alone) {
  Picture picture = row_of({0.5f}, 1, 9, 13);
  EXPECT_FALSE(ToneMapper::of(picture));
  picture = row_of({0.5f}, 1, 9, pq);
  Colorimetry linear;
  linear.gamma = 1.0;
  picture.icc = profile_of(linear, true);
  EXPECT_FALSE(ToneMapper::of(picture));
  picture = blank(1, 1, 1, 8);
  EXPECT_FALSE(ToneMapper::of(picture));
}

}  // namespace
}  // namespace tessera::upscale
