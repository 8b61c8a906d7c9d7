// Where a model runs fastest.
#include "tessera/tessera.h"
#include "tests/support.h"
#include "upscale/choice.h"

namespace tessera::upscale {
namespace {

std::string best(const std::vector<Trial>& trials) {
  const Place& place = best_of(trials).place;
  return cat(place.device, " ", place.precision);
}

TEST(UpscaleChoice, the_fastest_that_is_right) {
  const Trial cpu{{"cpu", "fp32"}, 1, 0, {}}, gpu{{"vulkan:0", "fp32"}, 0.2f, 0.001f, {}};
  const auto half = [](double seconds, float difference = 0.001f, const char* failure = "") {
    return Trial{{"vulkan:0", "fp16"}, seconds, difference, failure};
  };
  EXPECT_EQ(best({cpu}), "cpu fp32");
  EXPECT_EQ(best({cpu, gpu}), "vulkan:0 fp32");
  EXPECT_EQ(best({cpu, gpu, half(0.1)}), "vulkan:0 fp16");
  EXPECT_EQ(best({cpu, gpu, half(0.18)}), "vulkan:0 fp32") << "not worth the rounding";
  EXPECT_EQ(best({cpu, gpu, half(0.1, 0.1f)}), "vulkan:0 fp32") << "wrong";
  EXPECT_EQ(best({cpu, gpu, half(0.1, 0, "device lost")}), "vulkan:0 fp32");
  Trial wrong = gpu, slow = gpu, other = gpu;
  wrong.difference = 0.5f;
  slow.seconds = 3;
  other.place.device = "vulkan:1";
  other.seconds = 0.15;
  EXPECT_EQ(best({cpu, wrong, half(0.1)}), "vulkan:0 fp16");
  EXPECT_EQ(best({cpu, slow}), "cpu fp32");
  EXPECT_EQ(best({cpu, slow, half(2.5)}), "cpu fp32");
  EXPECT_EQ(best({cpu, gpu, other}), "vulkan:1 fp32");
}

TEST(UpscaleChoice, the_cpu_is_the_first_place) {
  Candidate candidate;
  candidate.options.model.precision = "fp32";
  const Machine machine = machine_for(candidate);
  const std::vector<Place>& places = machine.places;
  ASSERT_FALSE(places.empty());
  EXPECT_EQ(places[0], (Place{"cpu", "fp32"}));
  EXPECT_FALSE(choose(candidate, {{places[0]}, {}}, 1, nullptr)) << "there is nothing to choose from";
}

/// A cache folder of its own.
struct UpscaleCalibration : testing::Test {
  const test::TemporaryFolder folder;
  Candidate candidate;

  void SetUp() override {
    ::setenv("TESSERA_CACHE", folder.path().c_str(), 1);
    candidate.options.model.precision = "fp32";
    candidate.side = 40;
  }
  void TearDown() override { ::unsetenv("TESSERA_CACHE"); }
};

TEST_F(UpscaleCalibration, it_is_tried_once_for_a_model) {
  const std::vector<Place> places{{"cpu", "fp32"}, {"cpu", "exact"}, {"vulkan:99", "fp32"}};
  const auto first = choose(candidate, {places, {}}, 1, nullptr);
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->kept);
  EXPECT_EQ(first->place.device, "cpu");
  EXPECT_NE(first->told.find("cpu exact"), std::string::npos) << first->told;
  EXPECT_NE(first->told.find("vulkan:99 fp32"), std::string::npos) << first->told;
  const auto again = choose(candidate, {places, {}}, 1, nullptr);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->kept);
  EXPECT_EQ(again->place, first->place);
  EXPECT_EQ(again->told, first->told);
  EXPECT_FALSE(choose(candidate, {places, {}}, 2, nullptr)->kept) << "another model";
  EXPECT_FALSE(choose(candidate, {{places[0], places[2]}, {}}, 1, nullptr)->kept);
  EXPECT_FALSE(choose(candidate, {places, "another driver"}, 1, nullptr)->kept);
}

TEST_F(UpscaleCalibration, a_device_is_compared_with_the_cpu) {
  tessera_devices* devices = nullptr;
  ASSERT_EQ(tessera_devices_list(&devices), nullptr);
  const size_t count = tessera_devices_count(devices);
  tessera_devices_free(devices);
  if (count < 2) GTEST_SKIP() << "skipped: the CPU is alone here";
  const std::vector<Place> places{{"cpu", "fp32"}, {"vulkan:0", "fp32"}, {"vulkan:0", "fp16"}};
  const auto choice = choose(candidate, {places, {}}, 1, nullptr);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->told.find("wrong"), std::string::npos) << choice->told;
  EXPECT_NE(choice->told.find("vulkan:0 fp16 "), std::string::npos) << choice->told;
}

}  // namespace
}  // namespace tessera::upscale
