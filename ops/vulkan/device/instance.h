// Instance: the Vulkan of this process, and what can be known of its devices.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ops/vulkan/backend.h"
#include "ops/vulkan/device/loader.h"

namespace tessera::vulkan {

/// One VkInstance per process, kept to its end: opening it loads every driver, which takes tens of
/// milliseconds, and drivers do not survive being unloaded without a trace.
struct Instance {
  InstanceTable call;
  VkInstance handle = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;

  ~Instance();
  /// Null and a reason where Vulkan is not to be had.
  static std::shared_ptr<Instance> open(std::string* why_not);
  std::vector<VkPhysicalDevice> physical_devices(std::string* why_none) const;
};

DeviceInfo describe(const Instance& instance, VkPhysicalDevice physical, int index);

}  // namespace tessera::vulkan
