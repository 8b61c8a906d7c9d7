// What a picture shows is told by the picture: photos go to the model for photos, drawings to the one for drawings.
#include "upscale/subject.h"

#include <gtest/gtest.h>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "upscale/codecs/files.h"
#include "upscale/damage.h"

namespace tessera::upscale {
namespace {

Picture of_gray(int64_t side, const std::vector<float>& values, int channels, int bits) {
  Picture picture = blank(side, side, channels, bits);
  for (int c = 0; c < channels; ++c)
    for (int64_t y = 0; y < side; ++y) {
      std::vector<float> row(values.begin() + y * side, values.begin() + (y + 1) * side);
      if (c == channels - 1 && picture.has_alpha()) std::fill(row.begin(), row.end(), 1.0f);
      picture.store(0, y, side, c, row.data());
    }
  return picture;
}

/// Thin strokes and bars, dark on white, of which a pixel is the mean of 16 places.
Picture page(int64_t side, int channels = 3, int bits = 8) {
  const int64_t fine = 4 * side;
  std::vector<float> ink(static_cast<size_t>(fine * fine), 1.0f);
  std::mt19937 engine(7);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(engine() % static_cast<uint64_t>(n)); };
  for (int64_t i = 0; i < side * side / 60; ++i) {
    const int64_t x = below(fine), y = below(fine), length = 8 + below(40), wide = 4 + below(4);
    const bool down = below(2) == 0;
    const float tone = 0.2f * static_cast<float>(below(3));
    for (int64_t v = y; v < std::min(fine, y + (down ? length : wide)); ++v)
      for (int64_t u = x; u < std::min(fine, x + (down ? wide : length)); ++u)
        ink[static_cast<size_t>(v * fine + u)] = tone;
  }
  std::vector<float> values(static_cast<size_t>(side * side));
  for (int64_t y = 0; y < fine; ++y)
    for (int64_t x = 0; x < fine; ++x)
      values[static_cast<size_t>(y / 4 * side + x / 4)] += ink[static_cast<size_t>(y * fine + x)] / 16;
  return of_gray(side, values, channels, bits);
}

/// Clouds, and the grain of a film.
Picture clouds(int64_t side, int channels = 3, int bits = 8, float grain = 0.095f) {
  std::vector<float> values(static_cast<size_t>(side * side), 0.5f);
  const auto add = [&](const Picture& noise, float strength) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] += strength * (static_cast<float>(noise.samples[i]) / 255 - 0.5f);
  };
  float strength = 0.25f;
  for (int64_t size = 4; size <= 32; size *= 2, strength /= 2)
    add(resize(noise(size, size, 1), side, side, Filter::bicubic), strength);
  add(noise(side, side, 1), grain);
  return of_gray(side, values, channels, bits);
}

/// Gives rows alone, and counts.
struct Counted : PictureSource {
  using PictureSource::PictureSource;
  const Picture* whole() const override { return nullptr; }
  void restart() override {
    PictureSource::restart();
    ++restarts;
  }
  int restarts = 0;
};

std::unique_ptr<Upsampler> bundled(const char* name) {
  std::string note, device;
  ModelOptions options;
  options.device = "cpu";
  return open_upsampler(name, options, nullptr, note, device);
}

struct SubjectOf : testing::Test {
  const std::unique_ptr<Upsampler> models[2] = {bundled("photo-x2"), bundled("art-x2")};
  const Tiler photo{*models[0], {}}, drawing{*models[1], {}};

  Subject of(const Picture& picture) {
    PictureSource source(picture);
    return judged(source);
  }
  Subject judged(RowSource& source) const {
    RowSource* sources[] = {&source};
    const Tiler* both[] = {&photo, &drawing};
    return subject_of(sources, both);
  }
};

TEST_F(SubjectOf, strokes_are_drawings_and_clouds_are_photos) {
  for (const int channels : {1, 2, 3, 4})
    for (const int bits : {8, 16, 32}) {
      EXPECT_EQ(of(page(160, channels, bits)), Subject::drawing) << channels << " channels of " << bits << " bits";
      EXPECT_EQ(of(clouds(160, channels, bits)), Subject::photo) << channels << " channels of " << bits << " bits";
    }
}

TEST_F(SubjectOf, rows_tell_as_much_as_the_whole) {
  for (const auto& [picture, subject] : {std::pair{page(200), Subject::drawing}, {clouds(200), Subject::photo}}) {
    Counted source(picture);
    EXPECT_EQ(judged(source), subject);
    EXPECT_EQ(source.restarts, 1);
    Bytes row(static_cast<size_t>(picture.row_bytes()));
    source.read(1, row.data());
    EXPECT_TRUE(std::equal(row.begin(), row.end(), picture.row(0)));
  }
}

TEST_F(SubjectOf, where_there_is_the_most_decides) {
  // A page on an even ground that is much larger.
  Picture ground = blank(700, 300, 3);
  std::fill(ground.samples.begin(), ground.samples.end(), std::byte{255});
  const Picture small = page(128);
  for (int64_t y = 0; y < 128; ++y) std::copy_n(small.row(y), small.row_bytes(), ground.row(150 + y) + 3 * 500);
  EXPECT_EQ(of(ground), Subject::drawing);
  // What transparency hides is not looked at.
  Picture hidden = clouds(160, 4);
  const Picture colors = page(160);
  for (int64_t i = 0; i < 160 * 64; ++i) {
    std::copy_n(colors.samples.data() + i * 3, 3, hidden.samples.data() + i * 4);
    hidden.samples[static_cast<size_t>(i) * 4 + 3] = std::byte{0};
  }
  EXPECT_EQ(of(hidden), Subject::photo);
}

// Frames that belong together are judged together: a title on an even ground does not make a film a drawing.
TEST_F(SubjectOf, what_belongs_together_is_judged_together) {
  const Picture first = page(48), rest = clouds(200);
  PictureSource a(first), b(rest), c(rest);
  const Tiler* both[] = {&photo, &drawing};
  RowSource *one[] = {&a}, *all[] = {&a, &b, &c};
  EXPECT_EQ(subject_of(one, both), Subject::drawing);
  EXPECT_EQ(subject_of(all, both), Subject::photo);
}

TEST_F(SubjectOf, too_little_to_tell_by_is_a_photo) {
  EXPECT_EQ(of(page(15)), Subject::photo);
  EXPECT_EQ(of(blank(100, 3, 3)), Subject::photo);
  EXPECT_EQ(of(blank(100, 100, 3)), Subject::photo);
  EXPECT_EQ(of(page(40)), Subject::drawing);
}

TEST_F(SubjectOf, photographs_are_photos) {
  TESSERA_REQUIRE_SHARED(data);
  for (const char* name : {"1.png", "13.png", "19.png"})
    EXPECT_EQ(of(decode(read_file(data / "images" / "kodak" / name))), Subject::photo) << name;
}

// --- Damage -----------------------------------------------------------------------------------

Damage damage_of(const Picture& picture) {
  Damage damage;
  for (int64_t y = 0; y < picture.height; y += 64) {
    Picture band = blank(picture.width, std::min<int64_t>(64, picture.height - y), 3);
    std::copy_n(picture.row(y), static_cast<size_t>(band.height * band.row_bytes()), band.row(0));
    damage.add(band);
  }
  return damage;
}

Picture as_jpeg(const Picture& picture, int quality) {
  std::vector<std::string> notes;
  return decode(encode(picture, Format::jpeg, {.quality = quality}, notes));
}

TEST(Damage, noise_is_measured_where_it_is_calm) {
  EXPECT_EQ(damage_of(blank(200, 200, 3)).noise(), 0);
  for (const float grain : {0.02f, 0.05f, 0.1f, 0.2f}) {
    // Evenly spread over so many levels.
    const double deviation = static_cast<double>(grain) * 255 / std::sqrt(12);
    EXPECT_NEAR(damage_of(clouds(256, 3, 8, grain)).noise(), deviation, 0.15 * deviation) << grain;
  }
  EXPECT_EQ(damage_of(clouds(40)).noise(), 0);  // too small to tell
}

TEST(Damage, blocks_stand_out_where_a_jpeg_made_them) {
  const Picture clean = clouds(256, 3, 8, 0.02f);
  EXPECT_EQ(damage_of(clean).blocks(), 0);
  EXPECT_LT(damage_of(as_jpeg(clean, 90)).blocks(), 0.5);
  EXPECT_GT(damage_of(as_jpeg(clean, 10)).blocks(), 1.5);
  EXPECT_TRUE(damage_of(as_jpeg(clean, 10)).is_strong());
  EXPECT_FALSE(damage_of(clean).is_strong());
  // Not on the grid of its blocks, and drawn rather than photographed.
  EXPECT_LT(damage_of(page(256)).blocks(), 1.5);
}

TEST_F(SubjectOf, what_noise_has_spoilt_is_cleaned) {
  EXPECT_EQ(of(clouds(160, 3, 8, 0.2f)), Subject::spoilt_photo);
  EXPECT_EQ(of(as_jpeg(clouds(160), 90)), Subject::photo);
  EXPECT_EQ(model_for(Subject::spoilt_photo, 2), "photo-x2-clean");
  EXPECT_EQ(model_for(Subject::spoilt_photo, 1.5), "photo-x2-clean");
  EXPECT_EQ(model_for(Subject::spoilt_photo, 4), "photo-x4");
  EXPECT_EQ(model_for(Subject::photo, 2), "photo-x2");
}

}  // namespace
}  // namespace tessera::upscale
