#include "ops/vulkan/device/device.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>

#include "ops/vulkan/device/constants.h"
#include "ops/vulkan/device/facts.h"

namespace tessera::vulkan {

Device::Device(std::shared_ptr<Instance> instance, VkPhysicalDevice physical, const DeviceInfo& info)
    : instance_(std::move(instance)), info_(info), physical_(physical) {
  try {
    create(physical);
  } catch (...) {
    release();
    throw;
  }
}

void Device::create(VkPhysicalDevice physical) {
  const InstanceTable& instance = instance_->call;
  instance.GetPhysicalDeviceMemoryProperties(physical, &memory_);
  uint32_t count = 0;
  instance.GetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  instance.GetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
  const auto family = std::find_if(families.begin(), families.end(), [](const VkQueueFamilyProperties& f) {
    return f.queueCount && f.queueFlags & VK_QUEUE_COMPUTE_BIT;
  });
  if (family == families.end()) fail(Error::Kind::device, info_.name, " has no compute queue");
  families_ = {static_cast<uint32_t>(family - families.begin())};
  // Engines that only copy work beside the kernels.
  const auto copier = std::find_if(families.begin(), families.end(), [](const VkQueueFamilyProperties& f) {
    return f.queueCount && f.queueFlags & VK_QUEUE_TRANSFER_BIT &&
           !(f.queueFlags & (VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT));
  });
  const uint32_t copiers = copier == families.end() ? 0 : std::min<uint32_t>(copier->queueCount, 2);
  if (copiers) families_.push_back(static_cast<uint32_t>(copier - families.begin()));
  const std::string identity = read_limits(physical);
  if (family->timestampValidBits == 0) limits_.tick_ms = 0;
  limits_.tick_mask = family->timestampValidBits >= 64 ? ~uint64_t{0} : (uint64_t{1} << family->timestampValidBits) - 1;

  const float priorities[] = {1, 1};
  auto queue = structure<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
  queue.pQueuePriorities = priorities;
  std::vector<VkDeviceQueueCreateInfo> queues;
  for (const uint32_t index : families_) {
    queue.queueFamilyIndex = index;
    queue.queueCount = queues.empty() ? 1 : copiers;
    queues.push_back(queue);
  }
  auto create_info = structure<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
  create_info.queueCreateInfoCount = static_cast<uint32_t>(queues.size());
  create_info.pQueueCreateInfos = queues.data();
  const Features features(*instance_, physical);
  create_info.pNext = &features.enabled;
  create_info.enabledExtensionCount = static_cast<uint32_t>(features.extensions.size());
  create_info.ppEnabledExtensionNames = features.extensions.data();
  capabilities_ = features.capabilities;
  facts_ = read_facts(*instance_, physical, features);
  has_budget_ = features.has_budget;
  has_uniform_layout_ = features.has_uniform_layout;
  const VkResult result = instance.CreateDevice(physical, &create_info, nullptr, &handle_);
  if (result < 0) handle_ = VK_NULL_HANDLE;
  check(result, "vkCreateDevice");
  if (const char* missing = call.load(instance, handle_))
    fail(Error::Kind::device, "the driver of ", info_.name, " has no ", missing);
  make_queues(copiers, features.has_timeline && call.WaitSemaphoresKHR);
  pipelines_ = std::make_unique<Pipelines>(*this, "pipelines-" + identity);
  ports_ = std::make_unique<Pool>(*this, Where::port);
  uploads_ = std::make_unique<Pool>(*this, Where::upload);
  downloads_ = std::make_unique<Pool>(*this, Where::download);
  arena_ = std::make_unique<Arena>(*this);
  remembered_ = std::make_unique<Remembered>("device-" + identity);
  tuning_ = std::make_unique<Tuning>("tuning-" + identity);
}

// With a timeline, copies have queues of their own: downloads first, which are larger. TESSERA_VULKAN_QUEUES=1 leaves
// all to one queue; 3 makes three, even where they are one and the same, and sends all that way.
void Device::make_queues(uint32_t copiers, bool timeline) {
  queue_ = std::make_unique<Queue>(*this, families_[0], 0, timeline);
  const char* wanted = std::getenv("TESSERA_VULKAN_QUEUES");
  const std::string queues = wanted ? wanted : "";
  if (!timeline || queues == "1") return;
  if (queues == "3") least_by_others_ = 1;
  const bool feigned = queues == "3" && copiers < 2;
  const uint32_t family = feigned ? families_[0] : families_.back();
  if (copiers || feigned) down_queue_ = std::make_unique<Queue>(*this, family, 0, true);
  if (copiers > 1 || feigned) up_queue_ = std::make_unique<Queue>(*this, family, feigned ? 0 : 1, true);
}

// The limits, and what tells this device with this driver from others.
std::string Device::read_limits(VkPhysicalDevice physical) {
  auto properties = structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  auto sizes =
      structure<VkPhysicalDeviceMaintenance3Properties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
  auto ids = structure<VkPhysicalDeviceIDProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES);
  properties.pNext = &sizes;
  sizes.pNext = &ids;
  instance_->call.GetPhysicalDeviceProperties2(physical, &properties);
  const VkPhysicalDeviceLimits& limits = properties.properties.limits;
  limits_.bindings = limits.maxPerStageDescriptorStorageBuffers;
  limits_.storage_range = limits.maxStorageBufferRange;
  limits_.allocation =
      static_cast<int64_t>(std::min<uint64_t>(sizes.maxMemoryAllocationSize, std::numeric_limits<int64_t>::max()));
  limits_.alignment = static_cast<int64_t>(
      std::max<uint64_t>({64, limits.minStorageBufferOffsetAlignment, limits.minUniformBufferOffsetAlignment}));
  limits_.tick_ms = static_cast<double>(limits.timestampPeriod) * 1e-6;
  std::string identity;
  const auto add = [&](const auto& bytes) {
    for (const uint8_t byte : bytes) identity += cat("0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]);
  };
  add(ids.deviceUUID);
  uuid_ = identity;
  add(ids.driverUUID);
  add(properties.properties.pipelineCacheUUID);
  return cat(identity, '-', properties.properties.driverVersion);
}

void Device::release() {
  if (!handle_) return;
  if (call.DeviceWaitIdle) call.DeviceWaitIdle(handle_);
  arena_.reset();
  ports_.reset();
  uploads_.reset();
  downloads_.reset();
  pipelines_.reset();
  for (auto* queue : {&down_queue_, &up_queue_, &queue_}) queue->reset();
  if (call.DestroyDevice) call.DestroyDevice(handle_, nullptr);
}

bool Device::runs(const Shader& shader) const {
  if (shader.variant.units == Units::matrix && facts_.matrix.m == 0) return false;
  const bool uniform = std::any_of(shader.buffers.begin(), shader.buffers.end(),
                                   [](const Shader::Buffer& buffer) { return buffer.uniform; });
  if (uniform && !has_uniform_layout_) return false;
  return shader.buffers.size() <= limits_.bindings &&
         std::all_of(shader.capabilities.begin(), shader.capabilities.end(),
                     [&](uint32_t capability) { return capabilities_.contains(capability); });
}

std::string Device::why_not_shared(VkBufferUsageFlags usage) const {
  const std::string none = cat(info_.name, " shares no memory by file descriptors");
  if (!call.GetMemoryFdKHR) return none;
  auto info = structure<VkPhysicalDeviceExternalBufferInfo>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO);
  info.usage = usage;
  info.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
  auto answer = structure<VkExternalBufferProperties>(VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES);
  instance_->call.GetPhysicalDeviceExternalBufferProperties(physical_, &info, &answer);
  constexpr VkExternalMemoryFeatureFlags wanted =
      VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
  const VkExternalMemoryFeatureFlags has = answer.externalMemoryProperties.externalMemoryFeatures;
  return (has & wanted) == wanted && !(has & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT) ? "" : none;
}

// What runs of every program take, in the heap of their buffers.
DeviceMemory Device::memory_now() const {
  const uint32_t type = find_memory_type(memory_, ~uint32_t{0}, Where::device);
  if (type == memory_.memoryTypeCount) return {};
  const uint32_t heap = memory_.memoryTypes[type].heapIndex;
  DeviceMemory now{used_, static_cast<int64_t>(memory_.memoryHeaps[heap].size / 10 * 9)};
  if (!has_budget_) return now;
  auto budget = structure<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
  auto properties = structure<VkPhysicalDeviceMemoryProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
  properties.pNext = &budget;
  instance_->call.GetPhysicalDeviceMemoryProperties2(physical_, &properties);
  const uint64_t left = budget.heapBudget[heap] - std::min(budget.heapBudget[heap], budget.heapUsage[heap]);
  now.budget = now.used + static_cast<int64_t>(left);
  return now;
}

DeviceDetails Device::details() const {
  DeviceDetails details;
  details.uuid = uuid_;
  auto budget = structure<VkPhysicalDeviceMemoryBudgetPropertiesEXT>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT);
  auto properties = structure<VkPhysicalDeviceMemoryProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2);
  if (has_budget_) properties.pNext = &budget;
  instance_->call.GetPhysicalDeviceMemoryProperties2(physical_, &properties);
  for (uint32_t i = 0; i < memory_.memoryHeapCount; ++i)
    details.heaps.push_back({static_cast<int64_t>(memory_.memoryHeaps[i].size),
                             static_cast<int64_t>(budget.heapBudget[i]), static_cast<int64_t>(budget.heapUsage[i]),
                             (memory_.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0});
  const auto note = [&](bool has, const char* feature) {
    if (has) details.features.emplace_back(feature);
  };
  note(capabilities_.contains(storage16_capability), "16-bit storage");
  note(capabilities_.contains(storage8_capability), "8-bit storage");
  note(capabilities_.contains(float16_capability), "float16 arithmetic");
  note(capabilities_.contains(int8_capability), "int8 arithmetic");
  note(capabilities_.contains(int16_capability), "int16 arithmetic");
  note(capabilities_.contains(int64_capability), "int64 arithmetic");
  note(capabilities_.contains(shuffle_capability), "subgroup shuffles");
  note(capabilities_.contains(matrix_capability), "cooperative matrices");
  note(has_uniform_layout_, "uniform buffers in standard layout");
  note(queue_->has_timeline(), "timeline semaphores");
  note(has_budget_, "memory budget");
  note(limits_.tick_ms > 0, "time stamps");
  details.matrices = matrix_shapes(*instance_, physical_);
  if (facts_.matrix.m) details.matrix = cat(facts_.matrix.m, 'x', facts_.matrix.n, 'x', facts_.matrix.k);
  details.shared_bytes = facts_.shared_bytes;
  details.storage_range = limits_.storage_range;
  details.allocation = limits_.allocation;
  details.invocations = static_cast<int>(facts_.invocations);
  details.processors = static_cast<int>(facts_.processors);
  details.copy_queues = int{up_queue_ != nullptr} + int{down_queue_ != nullptr};
  return details;
}

void Device::upload(const Buffer& to, int64_t offset, const void* from, int64_t bytes) {
  Uploader uploader(*this, nullptr);
  uploader.copy({&to, offset, bytes}, static_cast<const std::byte*>(from));
  uploader.finish();
}

void Device::trim() const {
  for (Pool* pool : {ports_.get(), uploads_.get(), downloads_.get()})
    if (pool) pool->trim();
  if (arena_) arena_->trim();
}

namespace {

// Of the devices that are not of CPU type: a discrete one, else the first.
int automatic_index(const Instance& instance, List<VkPhysicalDevice> physical) {
  int best = -1;
  for (size_t i = 0; i < physical.size(); ++i) {
    auto properties = structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
    instance.call.GetPhysicalDeviceProperties2(physical[i], &properties);
    const VkPhysicalDeviceType type = properties.properties.deviceType;
    if (type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU) return static_cast<int>(i);
    if (type != VK_PHYSICAL_DEVICE_TYPE_CPU && best < 0) best = static_cast<int>(i);
  }
  return best;
}

}  // namespace

std::shared_ptr<Device> open_device(int index, std::string* why_not) {
  const auto instance = Instance::open(why_not);
  if (!instance) return nullptr;
  const auto physical = instance->physical_devices(why_not);
  if (physical.empty()) return nullptr;
  if (index < 0) {
    index = automatic_index(*instance, physical);
    if (index < 0)
      return *why_not = "the only Vulkan device is the CPU itself (name it, as vulkan:0, to use it)", nullptr;
  }
  if (static_cast<size_t>(index) >= physical.size()) {
    *why_not = cat("there is no vulkan:", index, "; the last one is vulkan:", physical.size() - 1);
    return nullptr;
  }
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<Device>> open;
  const std::lock_guard lock(mutex);
  if (auto device = open[index].lock(); device && !device->is_lost()) return device;
  try {
    const VkPhysicalDevice chosen = physical[static_cast<size_t>(index)];
    auto device = std::make_shared<Device>(instance, chosen, describe(*instance, chosen, index));
    open[index] = device;
    return device;
  } catch (const Error& error) {
    *why_not = error.what();
    return nullptr;
  }
}

}  // namespace tessera::vulkan
