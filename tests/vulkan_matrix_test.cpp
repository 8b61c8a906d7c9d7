// Products by matrix units in every tiling: a device's own choice is one of them.
#include "ops/elementwise.h"
#include "ops/vulkan/matrix_tiles.h"
#include "tests/cases/device_case.h"
#include "tests/support.h"
#include "tests/vulkan_device.h"

namespace tessera::test {
namespace {

class VulkanMatrices : public VulkanDevice {
 protected:
  void TearDown() override {
    vulkan::only_tiling = {};
    VulkanDevice::TearDown();
  }

  // By the kernel of that name; a device without matrix units has none.
  void check(const Case& c, Text kernel) {
    const auto offers = offers_of(*device_, c);
    if (offers.empty() || offers[0].name != kernel) GTEST_SKIP() << "skipped: the device has no matrix units";
    const DeviceAnswer answer = ask_device(device_, in_half_precision(c), true);
    for (size_t i = 0; i < answer.given.size(); ++i)
      EXPECT_TRUE(close(answer.given[i], answer.wanted[i], c.relative, answer.absolute[i]))
          << Question(c).title() << " in tiling " << vulkan::only_tiling.shape << " and " << vulkan::only_tiling.parts
          << " parts";
  }
};

// Tiles that are not full, sums in parts, both operands packed, as they lie and turned.
TEST_F(VulkanMatrices, EveryTilingMultipliesAlike) {
  open(Precision::fp16);
  for (int shape = 0; shape < vulkan::tiling_count() && !IsSkipped(); ++shape) {
    vulkan::only_tiling = {shape, shape % 2 ? 1u : 3u};
    const int64_t turned = shape % 3 == 2;
    const Shape b = turned ? Shape{90, 280} : Shape{280, 90};
    check({.op = "Gemm",
           .in = {random({75, 280}), {random(b).tensor, shape % 3 == 0}, fixed(random({90}))},
           .attrs = {attr("transB", turned)},
           .epilogue = {{elementwise::Relu}},
           .relative = 1e-4,
           .absolute = 1e-4},
          "gemm.matrix");
  }
}

TEST_F(VulkanMatrices, SumsOfAConvolutionInParts) {
  open(Precision::fp16);
  vulkan::only_tiling = {vulkan::tiling_count() - 1, 3};
  for (const bool shuffled : {false, true}) {
    Case c{.op = "Conv",
           .in = {random({2, 35, 6, 7}), fixed(random({24, 35, 2, 3})), fixed(random({24}))},
           .attrs = {attr("strides", list({2, 1}))},
           .epilogue = {{elementwise::PRelu, 0}},
           .operands = {fixed(random({24, 1, 1}))},
           .relative = 1e-4,
           .absolute = 1e-4};
    if (shuffled) c.epilogue.push_back(Fused::depth_to_space(2, true));
    check(c, "conv.matrix");
  }
}

}  // namespace
}  // namespace tessera::test
