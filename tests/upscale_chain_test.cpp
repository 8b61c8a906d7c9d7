// Sizes of results, and pictures through several models.
#include <gmock/gmock.h>

#include "tests/support.h"
#include "tests/upscale_pictures.h"
#include "upscale/chain.h"

namespace tessera::upscale {
namespace {

/// The bundled model, x2.
std::shared_ptr<const Tiler> bundled(std::unique_ptr<Upsampler>& model) {
  std::string note, device;
  ModelOptions options;
  options.device = "cpu";
  model = open_upsampler("", options, nullptr, note, device);
  return std::make_shared<Tiler>(*model, TilerOptions{});
}

struct UpscaleChain : testing::Test {
  std::unique_ptr<Upsampler> model;
  const std::shared_ptr<const Tiler> tiler = bundled(model);

  Chain chain(const SizeRule& rule, int links = 1) const {
    Chain made(rule);
    for (int i = 0; i < links; ++i) made.add(tiler);
    return made;
  }
};

TEST_F(UpscaleChain, results_have_the_size_that_was_asked_for) {
  const struct {
    SizeRule rule;
    int64_t width, height;
  } cases[] = {
      {{}, 60, 40},
      {{3}, 90, 60},
      {{0, 100, 100}, 100, 100},
      {{0, 45, 0}, 45, 30},
      {{0, 0, 60}, 90, 60},
      {{0, 100, 100, true}, 100, 67},
      {{0, 1000, 20, true}, 30, 20},
      {{0, 1, 0}, 1, 1},
  };
  for (const auto& [rule, width, height] : cases) {
    const Wanted wanted = chain(rule).result_of(30, 20, 8);
    EXPECT_EQ(wanted.width, width);
    EXPECT_EQ(wanted.height, height);
    Report report;
    const Picture result = chain(rule).upscale(noise(30, 20, 3), report);
    EXPECT_EQ(result.width, width);
    EXPECT_EQ(result.height, height);
    EXPECT_EQ(result.bits, 8);
  }
  EXPECT_EQ(chain({}, 2).result_of(30, 20, 16).width, 120);
}

TEST_F(UpscaleChain, a_factor_and_the_size_that_it_gives_are_the_same) {
  Report report;
  const Picture picture = noise(30, 20, 4);
  for (const double scale : {1.0, 2.0, 3.5})
    EXPECT_EQ(chain({scale}).upscale(picture, report).samples,
              chain({0, std::llround(30 * scale), std::llround(20 * scale)}).upscale(picture, report).samples);
}

TEST_F(UpscaleChain, nothing_is_rounded_to_bytes_between_models) {
  const Picture picture = noise(30, 20, 3);
  Report report;
  std::vector<double> parts;
  const Picture twice = chain({}, 2).upscale(picture, report, [&](double part) { parts.push_back(part); });
  const Picture between = tiler->upscale(picture, {60, 40, 16}, report);
  EXPECT_EQ(between.bits, 16);
  EXPECT_EQ(twice.samples, tiler->upscale(between, {120, 80, 8}, report).samples);
  EXPECT_NE(twice.samples, tiler->upscale(tiler->upscale(picture, report), report).samples);
  EXPECT_TRUE(std::is_sorted(parts.begin(), parts.end())) << testing::PrintToString(parts);
  ASSERT_FALSE(parts.empty());
  EXPECT_DOUBLE_EQ(parts.back(), 1);
}

}  // namespace
}  // namespace tessera::upscale
