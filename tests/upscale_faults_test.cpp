// The upscaler's C interface when memory is short: a status says so, nothing leaks, and the upscaler goes on.
#include <gtest/gtest.h>

#include "include/tessera/upscale.h"
#include "tests/allocations.h"
#include "tests/statuses.h"
#include "tests/support.h"
#include "tests/upscale_pictures.h"

namespace tessera::upscale {
namespace {

using test::FailingAllocations;

struct Scene {
  Picture source = noise(14, 11, 3), whole = blank(28, 22, 3), part = blank(9, 7, 3);
  std::vector<tessera_code> codes;  // of all that failed

  Scene() { codes.reserve(8); }

  static tessera_picture plain(const Picture& picture) {
    tessera_picture made;
    TESSERA_INIT(&made);
    made.width = picture.width;
    made.height = picture.height;
    made.channels = picture.channels;
    made.dtype = TESSERA_UINT8;
    made.data = const_cast<std::byte*>(picture.samples.data());
    return made;
  }

  bool note(tessera_status* status) {
    if (!status) return true;
    codes.push_back(tessera_status_code(status));
    tessera_status_free(status);
    return false;
  }

  void upscale(const tessera_upscaler* upscaler) {
    const tessera_picture from = plain(source), to = plain(whole), to_part = plain(part);
    tessera_upscale_report* report = nullptr;
    if (note(tessera_upscale(upscaler, &from, &to, nullptr, &report))) tessera_upscale_report_free(report);
    tessera_upscale_options region;
    TESSERA_INIT(&region);
    region.width = whole.width;
    region.height = whole.height;
    region.x = 11;
    region.y = 8;
    note(tessera_upscale(upscaler, &from, &to_part, &region, nullptr));
    tessera_findings* findings = nullptr;
    if (note(tessera_upscaler_explain(upscaler, &findings))) tessera_findings_free(findings);
    tessera_upscale_forecast forecast;
    TESSERA_INIT(&forecast);
    note(tessera_upscaler_forecast(upscaler, source.width, source.height, 3, &forecast));
  }

  // Opens, makes a picture, a part of it, findings and a forecast, and frees all; whether it could be opened. Then
  // memory is there again, and the upscaler is as good as ever.
  bool use(FailingAllocations* failing) {
    codes.clear();
    tessera_upscaler_options options;
    TESSERA_INIT(&options);
    options.devices = "cpu";
    options.threads = 2;
    tessera_upscaler* upscaler = nullptr;
    if (!note(tessera_upscaler_open(nullptr, &options, &upscaler))) return false;
    upscale(upscaler);
    if (failing) failing->stop();
    const size_t failed = codes.size();
    std::fill(whole.samples.begin(), whole.samples.end(), std::byte{});
    std::fill(part.samples.begin(), part.samples.end(), std::byte{});
    upscale(upscaler);
    EXPECT_EQ(codes.size(), failed) << "it fails although there is memory";
    tessera_upscaler_free(upscaler);
    return true;
  }
};

// TESSERA_ALL_FAULTS=1: every allocation; else some.
TEST(UpscaleFaults, EveryAllocationMayFail) {
  Scene scene;
  scene.use(nullptr);
  ASSERT_TRUE(scene.codes.empty());
  const auto whole = scene.whole.samples, part = scene.part.samples;
  const int64_t before = test::allocations;
  scene.use(nullptr);
  const int64_t count = test::allocations - before;
  ASSERT_GT(count, 1000);
  const int64_t step = std::getenv("TESSERA_ALL_FAULTS") ? 1 : count / 40;
  // What is kept for good is made in the first round: the second leaves nothing.
  int64_t failed = 0, opened = 0, living = 0;
  for (int round = 0; round < 2; ++round) {
    if (round) living = test::living_allocations;
    for (const bool all : {true, false})
      for (int64_t number = 1; number <= count; number += step) {
        FailingAllocations failing(number, all ? std::numeric_limits<int64_t>::max() : number + 1);
        const bool was_opened = scene.use(&failing);
        failing.stop();
        failed += !scene.codes.empty();
        opened += was_opened;
        for (const tessera_code code : scene.codes) EXPECT_EQ(code, TESSERA_MEMORY) << "allocation " << number;
        EXPECT_TRUE(!was_opened || (scene.whole.samples == whole && scene.part.samples == part)) << number;
      }
  }
  EXPECT_GT(failed, 30);
  EXPECT_GT(opened, 10);
  EXPECT_EQ(test::living_allocations, living);
}

}  // namespace
}  // namespace tessera::upscale
