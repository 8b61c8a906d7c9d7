// What is kept on disk of a device: pipelines, and which variants gave their known answers. Where a file is damaged,
// another's, or cannot be written, everything is made and asked anew. And which memory buffers are given.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ops/vulkan/device/device.h"
#include "ops/vulkan/known_answer.h"
#include "tests/vulkan_device.h"
#include "tests/vulkan_layer.h"

namespace tessera::test {
namespace {

using namespace vulkan;
namespace fs = std::filesystem;

class VulkanCache : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (vulkan::devices(&why).empty()) GTEST_SKIP() << "skipped: " << why;
    folder_ = fs::path(testing::TempDir()) / cat("tessera-vulkan-", ::getpid());
    fs::remove_all(folder_);
    setenv("TESSERA_CACHE", folder_.c_str(), 1);
  }
  void TearDown() override {
    setenv("TESSERA_CACHE", "/dev/null", 1);
    fs::remove_all(folder_);
    for (const std::string& message : take_validation_messages()) ADD_FAILURE() << message;
  }

  // A device that this process has not asked before.
  static std::shared_ptr<Device> open() {
    static int number = 0;
    std::string why;
    const auto instance = Instance::open(&why);
    const auto physical = instance->physical_devices(&why);
    DeviceInfo info = describe(*instance, physical.at(0), 0);
    info.name = cat("fresh ", ++number);
    return std::make_shared<Device>(instance, physical[0], info);
  }

  static const Shader& shader(Text name) {
    for (const Shader& shader : all_shaders())
      if (shader.name == name) return shader;
    throw std::runtime_error("no such shader");
  }

  std::vector<fs::path> files(const std::string& prefix) const {
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error))
      if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
    return found;
  }

  fs::path folder_;
};

TEST_F(VulkanCache, AnswersAreAskedOncePerDeviceAndDriver) {
  const VulkanLayer layer;
  VulkanLayer::take_seen();
  EXPECT_EQ(known_answer_failure(open(), shader("map")), "");
  EXPECT_GT(VulkanLayer::take_seen().dispatches, 0);
  ASSERT_EQ(files("device-").size(), 1u);
  EXPECT_EQ(known_answer_failure(open(), shader("map")), "");
  const auto again = VulkanLayer::take_seen();
  EXPECT_EQ(again.dispatches, 0);
  EXPECT_EQ(again.pipelines, 0);
  // Another one has not been asked yet.
  EXPECT_EQ(known_answer_failure(open(), shader("resize")), "");
  EXPECT_GT(VulkanLayer::take_seen().dispatches, 0);
  // Without the file it is asked anew.
  fs::resize_file(files("device-").at(0), 20);
  EXPECT_EQ(known_answer_failure(open(), shader("map")), "");
  EXPECT_GT(VulkanLayer::take_seen().dispatches, 0);
}

TEST_F(VulkanCache, AWrongAnswerIsRememberedToo) {
  const auto device = open();
  EXPECT_EQ(known_answer_failure(device, shader("map")), "");
  const std::string file = files("device-").at(0).filename().string();
  const std::vector<std::byte> bytes = load_cached(file);
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const size_t at = text.find("\tright");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 6, "\tit was wrong");
  ASSERT_TRUE(store_cached(file, std::as_bytes(List<char>(text))));
  const auto later = open();
  EXPECT_EQ(known_answer_failure(later, shader("map")), "it was wrong");
  EXPECT_TRUE(is_distrusted(*later, shader("map")));
  EXPECT_FALSE(is_distrusted(*device, shader("map")));
}

TEST_F(VulkanCache, ACallThatFailsOnceIsNoWrongAnswer) {
  const VulkanLayer layer;
  const auto device = open();
  VulkanLayer::fail_call(1, VK_ERROR_OUT_OF_DEVICE_MEMORY);
  EXPECT_NE(known_answer_failure(device, shader("map")).find("VK_ERROR_OUT_OF_DEVICE_MEMORY"), std::string::npos);
  EXPECT_FALSE(is_distrusted(*device, shader("map")));
  EXPECT_EQ(known_answer_failure(device, shader("map")), "");
}

TEST_F(VulkanCache, DamagedAndForeignPipelinesAreMadeAnew) {
  EXPECT_EQ(known_answer_failure(open(), shader("map")), "");
  ASSERT_EQ(files("pipelines-").size(), 1u);
  const fs::path file = files("pipelines-")[0];
  const auto good = load_cached(file.filename().string());
  EXPECT_FALSE(good.empty());
  const std::vector<std::byte> foreign(good.size() + 100, std::byte{0x5a});
  fs::remove(files("device-").at(0));
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_EQ(known_answer_failure(open(), shader("map")), "");
  EXPECT_FALSE(load_cached(file.filename().string()).empty());  // replaced
  fs::remove(files("device-").at(0));
  ASSERT_TRUE(store_cached(file.filename().string(), foreign));
  EXPECT_EQ(known_answer_failure(open(), shader("map")), "");
  take_validation_messages();  // it may say that this is no cache of this device
  EXPECT_NE(load_cached(file.filename().string()), foreign);
}

TEST_F(VulkanCache, WithoutATimelineThereAreFences) {
  const VulkanLayer layer;
  VulkanLayer::hide_timelines(true);
  const auto device = open();
  VulkanLayer::hide_timelines(false);
  EXPECT_FALSE(device->queue().has_timeline());
  for (const char* name : {"map", "reduce", "conv"}) EXPECT_EQ(known_answer_failure(device, shader(name)), "") << name;
  EXPECT_TRUE(device->queue().is_idle());
}

// --- Kinds of memory -------------------------------------------------------------------------

constexpr VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
constexpr VkMemoryPropertyFlags coherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

uint32_t chosen(const std::vector<VkMemoryPropertyFlags>& types, Where where, uint32_t allowed = ~uint32_t{0}) {
  VkPhysicalDeviceMemoryProperties memory{};
  memory.memoryTypeCount = static_cast<uint32_t>(types.size());
  for (size_t i = 0; i < types.size(); ++i) memory.memoryTypes[i].propertyFlags = types[i];
  return find_memory_type(memory, allowed, where);
}

// As drivers list them. What the host sees of a device's own memory may be a window of 256 MiB: it is for no large
// buffer.
TEST(VulkanMemory, EveryKindOfDeviceHasMemoryForEveryKindOfBuffer) {
  const std::vector<VkMemoryPropertyFlags> discrete{0, local, visible | coherent, visible | coherent | cached,
                                                    local | visible | coherent};
  EXPECT_EQ(chosen(discrete, Where::device), 1u);
  EXPECT_EQ(chosen(discrete, Where::upload), 2u);
  EXPECT_EQ(chosen(discrete, Where::download), 3u);
  const std::vector<VkMemoryPropertyFlags> whole_bar{local, local | visible | coherent, visible | coherent,
                                                     visible | coherent | cached};
  EXPECT_EQ(chosen(whole_bar, Where::device), 0u);
  EXPECT_EQ(chosen(whole_bar, Where::upload), 2u);
  EXPECT_EQ(chosen(whole_bar, Where::download), 3u);
  const std::vector<VkMemoryPropertyFlags> integrated{local | visible | coherent, local | visible | coherent | cached};
  EXPECT_EQ(chosen(integrated, Where::device), 0u);
  EXPECT_EQ(chosen(integrated, Where::upload), 0u);
  EXPECT_EQ(chosen(integrated, Where::download), 1u);
  const std::vector<VkMemoryPropertyFlags> one{local | visible | coherent | cached};
  for (const Where where : {Where::device, Where::upload, Where::download}) EXPECT_EQ(chosen(one, where), 0u);
  const std::vector<VkMemoryPropertyFlags> incoherent{local, visible | cached};
  EXPECT_EQ(chosen(incoherent, Where::upload), 1u);
  EXPECT_EQ(chosen(incoherent, Where::download), 1u);
  // Of what a buffer may lie in; and never in memory of a special kind.
  EXPECT_EQ(chosen(discrete, Where::device, 1 << 4), 4u);
  EXPECT_EQ(chosen(discrete, Where::upload, 1 << 1), 5u);
  EXPECT_EQ(chosen({local | VK_MEMORY_PROPERTY_PROTECTED_BIT, local}, Where::device), 1u);
  EXPECT_EQ(chosen({visible | coherent | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD}, Where::upload), 1u);
}

}  // namespace
}  // namespace tessera::test
