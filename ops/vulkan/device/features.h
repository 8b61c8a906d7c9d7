// What a device is asked for beyond Vulkan 1.1: all that it offers of what shaders may need.
#pragma once

#include <set>
#include <vector>

#include "ops/vulkan/device/compat.h"
#include "ops/vulkan/device/instance.h"

namespace tessera::vulkan {

struct Features {
  Features(const Instance& instance, VkPhysicalDevice physical);
  Features(const Features&) = delete;
  Features& operator=(const Features&) = delete;

  VkPhysicalDeviceFeatures2 enabled;  ///< and what follows it: for VkDeviceCreateInfo::pNext
  std::vector<const char*> extensions;
  std::set<uint32_t> capabilities;  ///< of SPIR-V that shaders may have
  bool has_budget = false;          ///< VK_EXT_memory_budget
  bool has_timeline = false;        ///< timeline semaphores
  bool has_uniform_layout = false;  ///< uniform buffers may lie as storage buffers do

 private:
  VkPhysicalDevice16BitStorageFeatures storage16_;
  VkPhysicalDevice8BitStorageFeatures storage8_;
  VkPhysicalDeviceShaderFloat16Int8Features small_;
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline_;
  VkPhysicalDeviceUniformBufferStandardLayoutFeatures uniform_;
  VkPhysicalDeviceVulkanMemoryModelFeatures memory_model_;
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroups_;
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices_;
};

/// Names of the extensions that a device has.
std::set<std::string> extensions_of(const Instance& instance, VkPhysicalDevice physical);

/// As SPIR-V numbers them.
enum Capability : uint32_t {
  shader_capability = 1,
  float16_capability = 9,
  int64_capability = 11,
  int16_capability = 22,
  int8_capability = 39,
  subgroup_capability = 61,
  shuffle_capability = 65,
  storage16_capability = 4433,
  storage8_capability = 4448,
  memory_model_capability = 5345,
  matrix_capability = 6022,
};

}  // namespace tessera::vulkan
