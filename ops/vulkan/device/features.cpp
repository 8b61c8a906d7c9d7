#include "ops/vulkan/device/features.h"

namespace tessera::vulkan {

std::set<std::string> extensions_of(const Instance& instance, VkPhysicalDevice physical) {
  uint32_t count = 0;
  if (instance.call.EnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr) < 0) return {};
  std::vector<VkExtensionProperties> found(count);
  if (instance.call.EnumerateDeviceExtensionProperties(physical, nullptr, &count, found.data()) < 0) return {};
  std::set<std::string> names;
  for (const VkExtensionProperties& extension : found) names.emplace(extension.extensionName);
  return names;
}

Features::Features(const Instance& instance, VkPhysicalDevice physical)
    : capabilities{shader_capability, subgroup_capability} {
  enabled = structure<VkPhysicalDeviceFeatures2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
  storage16_ =
      structure<VkPhysicalDevice16BitStorageFeatures>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES);
  storage8_ = structure<VkPhysicalDevice8BitStorageFeatures>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES);
  small_ = structure<VkPhysicalDeviceShaderFloat16Int8Features>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);
  timeline_ = structure<VkPhysicalDeviceTimelineSemaphoreFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES);
  memory_model_ = structure<VkPhysicalDeviceVulkanMemoryModelFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES);
  subgroups_ = structure<VkPhysicalDeviceSubgroupSizeControlFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES);
  matrices_ = structure<VkPhysicalDeviceCooperativeMatrixFeaturesKHR>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
  uniform_ = structure<VkPhysicalDeviceUniformBufferStandardLayoutFeatures>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_UNIFORM_BUFFER_STANDARD_LAYOUT_FEATURES);
  const auto names = extensions_of(instance, physical);
  void** end = &enabled.pNext;
  const auto chain = [&](auto& features, const char* extension) {
    if (extension && !names.contains(extension)) return;
    if (extension) extensions.push_back(extension);
    *end = &features;
    end = &features.pNext;
  };
  chain(storage16_, nullptr);  // a part of Vulkan 1.1
  chain(storage8_, VK_KHR_8BIT_STORAGE_EXTENSION_NAME);
  chain(small_, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME);
  chain(timeline_, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME);
  chain(uniform_, VK_KHR_UNIFORM_BUFFER_STANDARD_LAYOUT_EXTENSION_NAME);
  has_budget = names.contains(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  if (has_budget) extensions.push_back(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  if (names.contains(VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME))
    extensions.push_back(VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME);
  // Matrices belong to whole subgroups, and want the memory model.
  if (names.contains(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME)) {
    chain(memory_model_, VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME);
    chain(subgroups_, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    chain(matrices_, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  }
  instance.call.GetPhysicalDeviceFeatures2(physical, &enabled);
  has_timeline = timeline_.timelineSemaphore;
  has_uniform_layout = uniform_.uniformBufferStandardLayout;

  // Of all that is on offer, what shaders can use. The rest is left off.
  VkPhysicalDeviceFeatures base{};
  base.shaderInt16 = enabled.features.shaderInt16;
  base.shaderInt64 = enabled.features.shaderInt64;
  enabled.features = base;
  storage16_.uniformAndStorageBuffer16BitAccess = storage16_.storagePushConstant16 = storage16_.storageInputOutput16 =
      0;
  storage8_.uniformAndStorageBuffer8BitAccess = storage8_.storagePushConstant8 = 0;
  const auto note = [&](VkBool32 has, Capability capability) {
    if (has) capabilities.insert(capability);
  };
  note(base.shaderInt16, int16_capability);
  note(base.shaderInt64, int64_capability);
  note(storage16_.storageBuffer16BitAccess, storage16_capability);
  note(storage8_.storageBuffer8BitAccess, storage8_capability);
  note(small_.shaderFloat16, float16_capability);
  note(small_.shaderInt8, int8_capability);
  auto subgroup = structure<VkPhysicalDeviceSubgroupProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
  auto properties = structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  properties.pNext = &subgroup;
  instance.call.GetPhysicalDeviceProperties2(physical, &properties);
  note(subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT, shuffle_capability);
  memory_model_.vulkanMemoryModelDeviceScope = memory_model_.vulkanMemoryModelAvailabilityVisibilityChains = 0;
  matrices_.cooperativeMatrixRobustBufferAccess = 0;
  note(memory_model_.vulkanMemoryModel, memory_model_capability);
  note(matrices_.cooperativeMatrix && subgroups_.computeFullSubgroups, matrix_capability);
}

}  // namespace tessera::vulkan
