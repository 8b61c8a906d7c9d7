// The functions of Vulkan that tessera calls, found at run time: nothing links the loader.
#pragma once

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include "runtime/base/base.h"

namespace tessera::vulkan {

// Every name without its vk prefix, by what has to exist to ask for it.
#define TESSERA_VULKAN_GLOBAL(X) X(CreateInstance) X(EnumerateInstanceLayerProperties) X(EnumerateInstanceVersion)
// clang-format off
#define TESSERA_VULKAN_INSTANCE(X)                                                                    \
  X(DestroyInstance)                                                                                  \
  X(EnumeratePhysicalDevices)                                                                         \
  X(GetPhysicalDeviceProperties2) X(GetPhysicalDeviceFeatures2) X(GetPhysicalDeviceMemoryProperties) X(GetPhysicalDeviceMemoryProperties2)  \
      X(GetPhysicalDeviceQueueFamilyProperties) X(EnumerateDeviceExtensionProperties) X(CreateDevice) \
          X(GetDeviceProcAddr) X(GetPhysicalDeviceExternalBufferProperties)
#define TESSERA_VULKAN_DEVICE(X)                                                                                      \
  X(DestroyDevice)                                                                                                    \
  X(GetDeviceQueue)                                                                                                   \
  X(AllocateMemory) X(FreeMemory) X(MapMemory) X(UnmapMemory) X(FlushMappedMemoryRanges)                              \
      X(InvalidateMappedMemoryRanges) X(CreateBuffer) X(DestroyBuffer) X(GetBufferMemoryRequirements)                 \
          X(BindBufferMemory) X(CreateShaderModule) X(DestroyShaderModule) X(CreateDescriptorSetLayout)               \
              X(DestroyDescriptorSetLayout) X(CreatePipelineLayout) X(DestroyPipelineLayout) X(CreatePipelineCache)   \
                  X(DestroyPipelineCache) X(CreateComputePipelines) X(DestroyPipeline) X(CreateDescriptorPool)        \
                      X(DestroyDescriptorPool) X(AllocateDescriptorSets) X(UpdateDescriptorSets) X(CreateCommandPool) X(ResetCommandPool) X(GetPipelineCacheData) \
                          X(DestroyCommandPool) X(AllocateCommandBuffers) X(BeginCommandBuffer) X(EndCommandBuffer)   \
                              X(CmdBindPipeline) X(CmdBindDescriptorSets) X(CmdDispatch) X(CmdPipelineBarrier)        \
                                  X(CmdCopyBuffer) X(CmdResetQueryPool) X(CmdWriteTimestamp) X(CreateQueryPool)       \
                                      X(DestroyQueryPool) X(GetQueryPoolResults) X(CreateFence) X(DestroyFence) X(CreateSemaphore) X(DestroySemaphore)       \
                                          X(ResetFences) X(WaitForFences) X(QueueSubmit) X(DeviceWaitIdle)
// clang-format on

/// The loader itself. Loaded once per process and never unloaded: drivers leave threads behind.
struct Loader {
  PFN_vkGetInstanceProcAddr get = nullptr;
#define X(name) PFN_vk##name name = nullptr;
  TESSERA_VULKAN_GLOBAL(X)
#undef X
  std::string why_none;  ///< empty if it is usable

  static const Loader& instance();
};

struct InstanceTable {
#define X(name) PFN_vk##name name = nullptr;
  TESSERA_VULKAN_INSTANCE(X)
#undef X
  PFN_vkCreateDebugUtilsMessengerEXT CreateDebugUtilsMessenger = nullptr;
  PFN_vkDestroyDebugUtilsMessengerEXT DestroyDebugUtilsMessenger = nullptr;
  /// The first function that is missing, or null.
  const char* load(const Loader& loader, VkInstance instance);
};

struct DeviceTable {
#define X(name) PFN_vk##name name = nullptr;
  TESSERA_VULKAN_DEVICE(X)
#undef X
  PFN_vkWaitSemaphoresKHR WaitSemaphoresKHR = nullptr;  ///< null where there are no timeline semaphores
  PFN_vkGetMemoryFdKHR GetMemoryFdKHR = nullptr;        ///< null where memory has no file descriptors
  const char* load(const InstanceTable& table, VkDevice device);
};

/// "VK_ERROR_DEVICE_LOST".
std::string result_name(VkResult result);

/// Throws Error::device "vkQueueSubmit failed: VK_ERROR_DEVICE_LOST" unless `result` is a success.
inline void check(VkResult result, Text call) {
  if (result < 0) fail(Error::Kind::device, call, " failed: ", result_name(result));
}

/// A zeroed structure of Vulkan's, with its type set.
template <class S>
S structure(VkStructureType type) {
  S result{};
  result.sType = type;
  return result;
}

}  // namespace tessera::vulkan
