#include "ops/vulkan/device/loader.h"

#include <dlfcn.h>

namespace tessera::vulkan {
namespace {

Loader load() {
  Loader loader;
  void* library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    loader.why_none = "the Vulkan loader (libvulkan.so.1) is not installed";
    return loader;
  }
  loader.get = reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  const char* missing = loader.get ? nullptr : "vkGetInstanceProcAddr";
#define X(name)                                                                    \
  if (!missing) {                                                                  \
    loader.name = reinterpret_cast<PFN_vk##name>(loader.get(nullptr, "vk" #name)); \
    if (!loader.name) missing = "vk" #name;                                        \
  }
  TESSERA_VULKAN_GLOBAL(X)
#undef X
  if (missing) loader.why_none = cat("the Vulkan loader is too old: it has no ", missing);
  return loader;
}

}  // namespace

const Loader& Loader::instance() {
  static const Loader loader = load();
  return loader;
}

const char* InstanceTable::load(const Loader& loader, VkInstance instance) {
#define X(name)                                                            \
  name = reinterpret_cast<PFN_vk##name>(loader.get(instance, "vk" #name)); \
  if (!name) return "vk" #name;
  TESSERA_VULKAN_INSTANCE(X)
#undef X
  CreateDebugUtilsMessenger =
      reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(loader.get(instance, "vkCreateDebugUtilsMessengerEXT"));
  DestroyDebugUtilsMessenger =
      reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(loader.get(instance, "vkDestroyDebugUtilsMessengerEXT"));
  return nullptr;
}

const char* DeviceTable::load(const InstanceTable& table, VkDevice device) {
#define X(name)                                                                       \
  name = reinterpret_cast<PFN_vk##name>(table.GetDeviceProcAddr(device, "vk" #name)); \
  if (!name) return "vk" #name;
  TESSERA_VULKAN_DEVICE(X)
#undef X
  WaitSemaphoresKHR = reinterpret_cast<PFN_vkWaitSemaphoresKHR>(table.GetDeviceProcAddr(device, "vkWaitSemaphoresKHR"));
  GetMemoryFdKHR = reinterpret_cast<PFN_vkGetMemoryFdKHR>(table.GetDeviceProcAddr(device, "vkGetMemoryFdKHR"));
  return nullptr;
}

std::string result_name(VkResult result) {
  switch (result) {
// clang-format off
#define X(name) case name: return #name;
    X(VK_NOT_READY)
    X(VK_TIMEOUT)
    X(VK_ERROR_OUT_OF_HOST_MEMORY)
    X(VK_ERROR_OUT_OF_DEVICE_MEMORY)
    X(VK_ERROR_INITIALIZATION_FAILED)
    X(VK_ERROR_DEVICE_LOST)
    X(VK_ERROR_MEMORY_MAP_FAILED)
    X(VK_ERROR_LAYER_NOT_PRESENT)
    X(VK_ERROR_EXTENSION_NOT_PRESENT)
    X(VK_ERROR_FEATURE_NOT_PRESENT)
    X(VK_ERROR_INCOMPATIBLE_DRIVER)
    X(VK_ERROR_TOO_MANY_OBJECTS)
    X(VK_ERROR_FRAGMENTED_POOL)
    X(VK_ERROR_OUT_OF_POOL_MEMORY)
    X(VK_ERROR_UNKNOWN)
#undef X
    // clang-format on
    default: return cat("VkResult ", static_cast<int>(result));
  }
}

}  // namespace tessera::vulkan
