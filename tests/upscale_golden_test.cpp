// The bundled model on the demo's picture: what the documentation shows is what the program does.
#include <algorithm>
#include <cmath>

#include "tests/support.h"
#include "upscale/codecs/files.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

Picture load(const char* name) { return decode(read_file(fs::path(test::source_dir()) / name)); }

float worst_difference(const Picture& a, const Picture& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.channels, b.channels);
  if (a.samples.size() != b.samples.size()) return 1;
  float worst = 0;
  std::vector<float> p(static_cast<size_t>(a.width)), q(p);
  for (int c = 0; c < a.channels; ++c)
    for (int64_t y = 0; y < a.height; ++y) {
      a.load(0, y, a.width, c, p.data());
      b.load(0, y, b.width, c, q.data());
      for (size_t x = 0; x < p.size(); ++x) worst = std::max(worst, std::abs(p[x] - q[x]));
    }
  return worst;
}

double luma(const Picture& picture, int64_t x, int64_t y) {
  static constexpr double weights[] = {65.481, 128.553, 24.966};
  double sum = 0;
  for (int c = 0; c < 3; ++c) {
    float value = 0;
    picture.load(x, y, 1, c, &value);
    sum += weights[c] * static_cast<double>(value);
  }
  return sum;
}

// Of luma, without two pixels along the border.
double decibels(const Picture& a, const Picture& b) {
  double sum = 0;
  const int64_t width = std::min(a.width, b.width), height = std::min(a.height, b.height);
  for (int64_t y = 2; y < height - 2; ++y)
    for (int64_t x = 2; x < width - 2; ++x) sum += std::pow(luma(a, x, y) - luma(b, x, y), 2);
  return 10 * std::log10(255 * 255 * static_cast<double>((width - 4) * (height - 4)) / sum);
}

Picture twice(const Picture& picture) {
  return resize(picture, picture.width * 2, picture.height * 2, Filter::bicubic);
}

struct Bundled : testing::Test {
  std::string note, device;
  ModelOptions session;
  std::unique_ptr<Upsampler> model;

  void SetUp() override {
    session.device = "cpu";
    model = open_upsampler("", session, nullptr, note, device);
  }
  Picture upscale(const Picture& picture, const TilerOptions& options) {
    Report report;
    return Tiler(*model, options).upscale(picture, report);
  }
};

TEST_F(Bundled, demo_looks_as_documented) {
  EXPECT_LE(worst_difference(upscale(load("examples/demo.png"), {}), load("docs/demo_x2.png")), 1.5f / 255);
}

TEST_F(Bundled, tiles_agree_with_the_whole) {
  TilerOptions options;
  options.tile = 32;
  options.verify_tiles = true;
  Report report;
  Tiler(*model, options).upscale(load("examples/demo.png"), report);
  EXPECT_GT(report.windows, 4);
  EXPECT_GE(report.tile_difference, 0);
  EXPECT_LE(report.tile_difference, 2e-6);
  // With an overlap that covers the blocks of every kernel on the way, they agree to the last bit.
  options.overlap = 48;
  Tiler(*model, options).upscale(load("examples/demo.png"), report);
  EXPECT_EQ(report.tile_difference, 0);
}

TEST_F(Bundled, its_convention_is_as_documented) {
  const Tiler tiler(*model, {});
  EXPECT_EQ(tiler.convention().scale, 2);
  EXPECT_EQ(tiler.convention().channels, 3);
  EXPECT_EQ(tiler.convention().multiple, 1);
  EXPECT_TRUE(tiler.reach().followed);
  EXPECT_FALSE(tiler.reach().global);
  EXPECT_EQ(tiler.reach().radius, 11);
}

TEST_F(Bundled, is_a_decibel_better_than_bicubic_on_set5) {
  TESSERA_REQUIRE_SHARED(data);
  double ours = 0, bicubic = 0;
  for (int i = 1; i <= 5; ++i) {
    const auto read = [&](const char* kind) {
      return decode(read_file(data / "images" / "set5_x2" / cat("img_00", i, "_SRF_2_", kind, ".png")));
    };
    const Picture low = read("LR"), high = read("HR");
    ours += decibels(upscale(low, {}), high) / 5;
    bicubic += decibels(twice(low), high) / 5;
  }
  EXPECT_GT(ours, bicubic + 1);
  EXPECT_NEAR(ours, 36.96, 0.02);
}

// What a photo loses as a JPEG is not enlarged too.
TEST_F(Bundled, is_better_than_bicubic_on_jpegs) {
  TESSERA_REQUIRE_SHARED(data);
  for (const auto& [quality, gain] : {std::pair(90, 1.0), {75, 0.5}, {50, 0.4}, {30, 0.3}}) {
    double ours = 0, bicubic = 0;
    for (const char* name : {"1.png", "7.png", "13.png", "19.png"}) {
      const Picture high = decode(read_file(data / "images" / "kodak" / name));
      std::vector<std::string> notes;
      const Picture small = resize(high, high.width / 2, high.height / 2, Filter::bicubic);
      const Picture low = decode(encode(small, Format::jpeg, {.quality = quality}, notes));
      ours += decibels(upscale(low, {}), high) / 4;
      bicubic += decibels(twice(low), high) / 4;
    }
    EXPECT_GT(ours, bicubic + gain) << quality;
    std::printf("JPEG %d: %.2f dB, bicubic %.2f dB\n", quality, ours, bicubic);
  }
}

}  // namespace
}  // namespace tessera::upscale
