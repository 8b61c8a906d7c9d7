// Opening Vulkan, what can be known of its devices, and the validation layer for tests.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "ops/vulkan/device/features.h"

namespace tessera::vulkan {
namespace {

std::mutex messages_mutex;
std::vector<std::string> messages;
bool validating = false;

VKAPI_ATTR VkBool32 VKAPI_CALL keep_message(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                            const VkDebugUtilsMessengerCallbackDataEXT* data, void*) {
  const std::lock_guard lock(messages_mutex);
  messages.emplace_back(data->pMessage ? data->pMessage : "(no text)");
  return VK_FALSE;
}

bool wants_validation() {
  const char* value = std::getenv("TESSERA_VULKAN_VALIDATION");
  return value && std::strcmp(value, "1") == 0;
}

bool has_layer(const Loader& loader, const char* name) {
  uint32_t count = 0;
  if (loader.EnumerateInstanceLayerProperties(&count, nullptr) < 0) return false;
  std::vector<VkLayerProperties> layers(count);
  if (loader.EnumerateInstanceLayerProperties(&count, layers.data()) < 0) return false;
  return std::any_of(layers.begin(), layers.end(),
                     [&](const VkLayerProperties& layer) { return std::strcmp(layer.layerName, name) == 0; });
}

void listen(Instance& instance) {
  if (!instance.call.CreateDebugUtilsMessenger) return;
  auto info = structure<VkDebugUtilsMessengerCreateInfoEXT>(VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT);
  info.messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
  info.pfnUserCallback = keep_message;
  if (instance.call.CreateDebugUtilsMessenger(instance.handle, &info, nullptr, &instance.messenger) == VK_SUCCESS)
    validating = true;
}

std::string version_text(uint32_t version) {
  return cat(VK_API_VERSION_MAJOR(version), '.', VK_API_VERSION_MINOR(version), '.', VK_API_VERSION_PATCH(version));
}

}  // namespace

std::vector<std::string> take_validation_messages() {
  const std::lock_guard lock(messages_mutex);
  return std::exchange(messages, {});
}

bool validation_active() { return validating; }

Instance::~Instance() {
  if (messenger) call.DestroyDebugUtilsMessenger(handle, messenger, nullptr);
  if (handle) call.DestroyInstance(handle, nullptr);
}

std::shared_ptr<Instance> Instance::open(std::string* why_not) {
  static std::mutex mutex;
  static auto& current = *new std::shared_ptr<Instance>;  // never destroyed: see Instance
  const std::lock_guard lock(mutex);
  if (current) return current;

  const Loader& loader = Loader::instance();
  if (!loader.why_none.empty()) return *why_not = loader.why_none, nullptr;
  constexpr const char* layer = "VK_LAYER_KHRONOS_validation";
  constexpr const char* debug = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  const bool validate = wants_validation() && has_layer(loader, layer);
  auto application = structure<VkApplicationInfo>(VK_STRUCTURE_TYPE_APPLICATION_INFO);
  application.pApplicationName = "tessera";
  application.apiVersion = VK_API_VERSION_1_3;
  auto info = structure<VkInstanceCreateInfo>(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO);
  info.pApplicationInfo = &application;
  info.enabledLayerCount = info.enabledExtensionCount = validate ? 1 : 0;
  info.ppEnabledLayerNames = &layer;
  info.ppEnabledExtensionNames = &debug;
  auto instance = std::make_shared<Instance>();
  const VkResult result = loader.CreateInstance(&info, nullptr, &instance->handle);
  if (result != VK_SUCCESS) {
    instance->handle = VK_NULL_HANDLE;
    *why_not = result == VK_ERROR_INCOMPATIBLE_DRIVER ? "no Vulkan driver is installed"
                                                      : "vkCreateInstance failed: " + result_name(result);
    return nullptr;
  }
  if (const char* missing = instance->call.load(loader, instance->handle)) {
    // Without its destroyer the instance can only be left behind.
    if (!instance->call.DestroyInstance) instance->handle = VK_NULL_HANDLE;
    return *why_not = cat("the Vulkan loader is too old: it has no ", missing), nullptr;
  }
  if (validate) listen(*instance);
  current = instance;
  return instance;
}

std::vector<VkPhysicalDevice> Instance::physical_devices(std::string* why_none) const {
  uint32_t count = 0;
  VkResult result = call.EnumeratePhysicalDevices(handle, &count, nullptr);
  std::vector<VkPhysicalDevice> found(count);
  if (result >= 0 && count) result = call.EnumeratePhysicalDevices(handle, &count, found.data());
  found.resize(result >= 0 ? count : 0);
  if (found.empty())
    *why_none =
        result < 0 ? "vkEnumeratePhysicalDevices failed: " + result_name(result) : "no Vulkan driver found a device";
  return found;
}

DeviceInfo describe(const Instance& instance, VkPhysicalDevice physical, int index) {
  DeviceInfo info;
  info.index = index;
  const auto extensions = extensions_of(instance, physical);

  auto properties = structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  auto subgroup = structure<VkPhysicalDeviceSubgroupProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
  auto driver = structure<VkPhysicalDeviceDriverProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES);
  properties.pNext = &subgroup;
  if (extensions.contains(VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME)) subgroup.pNext = &driver;
  instance.call.GetPhysicalDeviceProperties2(physical, &properties);
  const VkPhysicalDeviceProperties& p = properties.properties;
  info.name = p.deviceName;
  info.api = version_text(p.apiVersion);
  info.driver = driver.driverName[0] ? cat(driver.driverName, ' ', driver.driverInfo) : version_text(p.driverVersion);
  info.cpu_type = p.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  info.subgroup_size = static_cast<int>(subgroup.subgroupSize);

  info.fp16 = Features(instance, physical).capabilities.contains(storage16_capability);
  info.coopmat = extensions.contains("VK_KHR_cooperative_matrix");

  VkPhysicalDeviceMemoryProperties memory;
  instance.call.GetPhysicalDeviceMemoryProperties(physical, &memory);
  for (uint32_t i = 0; i < memory.memoryHeapCount; ++i)
    if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      info.memory += static_cast<int64_t>(memory.memoryHeaps[i].size);
  return info;
}

std::vector<DeviceInfo> devices(std::string* why_none) {
  std::string ignored;
  std::string& why = why_none ? *why_none : ignored;
  std::vector<DeviceInfo> result;
  const auto instance = Instance::open(&why);
  if (!instance) return result;
  const auto physical = instance->physical_devices(&why);
  for (size_t i = 0; i < physical.size(); ++i) result.push_back(describe(*instance, physical[i], static_cast<int>(i)));
  return result;
}

bool gpu_may_be_there() {
  for (const char* node : {"/dev/nvidiactl", "/dev/dxg", "/dev/mali0", "/dev/kgsl-3d0"})
    if (::access(node, F_OK) == 0) return true;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/dri", error))
    if (entry.path().filename().string().starts_with("renderD")) return true;
  return false;
}

}  // namespace tessera::vulkan
