// What programs record on a device, seen between tessera and the driver.
#include <gtest/gtest.h>

#include "ops/vulkan/device/device.h"
#include "ops/vulkan/known_answer.h"

namespace tessera::test {
namespace {

using namespace vulkan;

std::string recorded;  // C: a copy, D: a dispatch, B: a barrier
DeviceTable driver;

void VKAPI_CALL copy(VkCommandBuffer commands, VkBuffer from, VkBuffer to, uint32_t count, const VkBufferCopy* copies) {
  recorded += 'C';
  driver.CmdCopyBuffer(commands, from, to, count, copies);
}

void VKAPI_CALL dispatch(VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z) {
  recorded += 'D';
  driver.CmdDispatch(commands, x, y, z);
}

void VKAPI_CALL barrier(VkCommandBuffer commands, VkPipelineStageFlags before, VkPipelineStageFlags after,
                        VkDependencyFlags flags, uint32_t count, const VkMemoryBarrier* barriers, uint32_t buffers,
                        const VkBufferMemoryBarrier* buffer, uint32_t images, const VkImageMemoryBarrier* image) {
  recorded += 'B';
  driver.CmdPipelineBarrier(commands, before, after, flags, count, barriers, buffers, buffer, images, image);
}

std::string recorded_for(const std::shared_ptr<Device>& device, Text name) {
  recorded.clear();
  for (const Shader& shader : all_shaders())
    if (shader.name == name && !known_answer_failure(device, shader).empty()) return "a wrong answer";
  return recorded;
}

// A lost barrier seldom shows in results: software renderers run dispatches one after another.
TEST(VulkanCommands, BarriersStandBetweenStepsThatShareBytes) {
  std::string why;
  const auto instance = Instance::open(&why);
  const auto physical = instance ? instance->physical_devices(&why) : std::vector<VkPhysicalDevice>();
  if (physical.empty()) GTEST_SKIP() << "skipped: " << why;
  DeviceInfo info = describe(*instance, physical[0], 0);
  info.name = "watched";  // no other test has asked this device
  const auto device = std::make_shared<Device>(instance, physical[0], info);
  driver = device->call;
  device->call.CmdCopyBuffer = copy;
  device->call.CmdDispatch = dispatch;
  device->call.CmdPipelineBarrier = barrier;
  // The input's way up and the tables', the output's way down; then two steps by way of scratch. What the host reads
  // has a barrier of its own.
  EXPECT_EQ(recorded_for(device, "reduce"), "BCCBBCBDBD");
  // A constant, before all that; one step.
  EXPECT_EQ(recorded_for(device, "map"), "CBCCBBCBD");
}

}  // namespace
}  // namespace tessera::test
