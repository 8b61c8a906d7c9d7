#include "ops/vulkan/device/device.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "ops/vulkan/device/commands.h"

namespace tessera::vulkan {

Device::Device(std::shared_ptr<Instance> instance, VkPhysicalDevice physical, const DeviceInfo& info)
    : instance_(std::move(instance)), info_(info) {
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
  family_ = static_cast<uint32_t>(family - families.begin());
  read_limits(physical);
  if (family->timestampValidBits == 0) limits_.tick_ms = 0;
  limits_.tick_mask = family->timestampValidBits >= 64 ? ~uint64_t{0} : (uint64_t{1} << family->timestampValidBits) - 1;

  const float priority = 1;
  auto queue = structure<VkDeviceQueueCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO);
  queue.queueFamilyIndex = family_;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  auto create_info = structure<VkDeviceCreateInfo>(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO);
  create_info.queueCreateInfoCount = 1;
  create_info.pQueueCreateInfos = &queue;
  const VkResult result = instance.CreateDevice(physical, &create_info, nullptr, &handle_);
  if (result < 0) handle_ = VK_NULL_HANDLE;
  check(result, "vkCreateDevice");
  if (const char* missing = call.load(instance, handle_))
    fail(Error::Kind::device, "the driver of ", info_.name, " has no ", missing);
  call.GetDeviceQueue(handle_, family_, 0, &queue_);
  auto cache = structure<VkPipelineCacheCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
  check(call.CreatePipelineCache(handle_, &cache, nullptr, &cache_), "vkCreatePipelineCache");
}

void Device::read_limits(VkPhysicalDevice physical) {
  auto properties = structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  auto sizes =
      structure<VkPhysicalDeviceMaintenance3Properties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES);
  properties.pNext = &sizes;
  instance_->call.GetPhysicalDeviceProperties2(physical, &properties);
  const VkPhysicalDeviceLimits& limits = properties.properties.limits;
  limits_.bindings = limits.maxPerStageDescriptorStorageBuffers;
  limits_.storage_range = limits.maxStorageBufferRange;
  limits_.allocation =
      static_cast<int64_t>(std::min<uint64_t>(sizes.maxMemoryAllocationSize, std::numeric_limits<int64_t>::max()));
  limits_.alignment = static_cast<int64_t>(std::max<uint64_t>(64, limits.minStorageBufferOffsetAlignment));
  limits_.tick_ms = static_cast<double>(limits.timestampPeriod) * 1e-6;
}

void Device::release() {
  if (!handle_) return;
  if (call.DeviceWaitIdle) call.DeviceWaitIdle(handle_);
  chunks_.clear();
  for (const auto& [key, pipeline] : pipelines_) call.DestroyPipeline(handle_, pipeline, nullptr);
  if (cache_) call.DestroyPipelineCache(handle_, cache_, nullptr);
  for (const auto& [buffers, layouts] : layouts_) {
    if (layouts.pipeline) call.DestroyPipelineLayout(handle_, layouts.pipeline, nullptr);
    if (layouts.set) call.DestroyDescriptorSetLayout(handle_, layouts.set, nullptr);
  }
  if (call.DestroyDevice) call.DestroyDevice(handle_, nullptr);
}

// Other types want features with which no device is opened.
bool Device::runs(const Shader& shader) const {
  return shader.variant == Variant{DType::float32, DType::float32} && shader.buffers.size() <= limits_.bindings;
}

Layouts Device::layouts(const Shader& shader) {
  const std::lock_guard lock(pipelines_mutex_);
  return find_layouts(shader);
}

Layouts& Device::find_layouts(const Shader& shader) {
  Layouts& layouts = layouts_[shader.buffers.size()];
  if (layouts.pipeline) return layouts;
  std::vector<VkDescriptorSetLayoutBinding> bindings;
  for (uint32_t i = 0; i < shader.buffers.size(); ++i)
    bindings.push_back({i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr});
  auto set = structure<VkDescriptorSetLayoutCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
  set.bindingCount = static_cast<uint32_t>(bindings.size());
  set.pBindings = bindings.data();
  if (!layouts.set)
    check(call.CreateDescriptorSetLayout(handle_, &set, nullptr, &layouts.set), "vkCreateDescriptorSetLayout");
  auto pipeline = structure<VkPipelineLayoutCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
  pipeline.setLayoutCount = 1;
  pipeline.pSetLayouts = &layouts.set;
  check(call.CreatePipelineLayout(handle_, &pipeline, nullptr, &layouts.pipeline), "vkCreatePipelineLayout");
  return layouts;
}

VkPipeline Device::pipeline(const Shader& shader, const Constants& constants) {
  const std::lock_guard lock(pipelines_mutex_);
  VkPipeline& pipeline = pipelines_[{&shader, constants}];
  if (!pipeline) pipeline = make_pipeline(shader, constants);
  return pipeline;
}

VkPipeline Device::make_pipeline(const Shader& shader, const Constants& constants) {
  auto code = structure<VkShaderModuleCreateInfo>(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
  code.codeSize = shader.words.size_bytes();
  code.pCode = shader.words.data();
  VkShaderModule module = VK_NULL_HANDLE;
  check(call.CreateShaderModule(handle_, &code, nullptr, &module), "vkCreateShaderModule");
  std::vector<VkSpecializationMapEntry> entries;
  std::vector<uint32_t> data;
  for (const auto& [id, value] : constants) {
    entries.push_back({id, static_cast<uint32_t>(data.size() * sizeof(uint32_t)), sizeof(uint32_t)});
    data.push_back(value);
  }
  const VkSpecializationInfo specialization{static_cast<uint32_t>(entries.size()), entries.data(),
                                            data.size() * sizeof(uint32_t), data.data()};
  auto info = structure<VkComputePipelineCreateInfo>(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  info.layout = find_layouts(shader).pipeline;
  VkPipeline pipeline = VK_NULL_HANDLE;
  const VkResult result = call.CreateComputePipelines(handle_, cache_, 1, &info, nullptr, &pipeline);
  call.DestroyShaderModule(handle_, module, nullptr);
  check(result, cat("vkCreateComputePipelines of ", title_of(shader)));
  return pipeline;
}

Slice Device::reserve(int64_t bytes) {
  constexpr int64_t chunk_bytes = 4 << 20;
  const int64_t room = round_up(bytes, limits_.alignment);
  if (chunks_.empty() || chunks_.back()->bytes - chunk_used_ < room) {
    chunks_.push_back(std::make_unique<Buffer>(*this, std::max(room, chunk_bytes), Where::device));
    chunk_used_ = 0;
  }
  const Slice slice{chunks_.back().get(), chunk_used_, bytes};
  chunk_used_ += room;
  return slice;
}

Slice Device::constant(const std::shared_ptr<const Tensor>& tensor, Pack pack, int64_t parameter) {
  const std::lock_guard lock(constants_mutex_);
  const ConstantKey key{tensor.get(), pack, parameter};
  if (const auto found = constants_.find(key); found != constants_.end()) return found->second.slice;
  const Tensor packed = pack ? pack(*tensor, parameter) : *tensor;
  const int64_t bytes = packed.type.bytes();
  if (bytes > limits_.storage_range)
    fail(Error::Kind::device, "a constant of ", bytes >> 20, " MiB is needed, but ", info_.name, " binds at most ",
         limits_.storage_range >> 20, " MiB");
  const Slice slice = reserve(bytes);
  upload(*slice.buffer, slice.offset, packed.bytes.get(), bytes);
  constants_[key] = {slice, tensor};
  return slice;
}

void Device::submit(VkCommandBuffer commands, VkFence fence) {
  auto info = structure<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands;
  check(call.ResetFences(handle_, 1, &fence), "vkResetFences");
  {
    const std::lock_guard lock(queue_mutex_);
    check(call.QueueSubmit(queue_, 1, &info, fence), "vkQueueSubmit");
  }
  check(call.WaitForFences(handle_, 1, &fence, VK_TRUE, std::numeric_limits<uint64_t>::max()), "vkWaitForFences");
}

void Device::upload(const Buffer& to, int64_t offset, const void* from, int64_t bytes) {
  const Buffer staging(*this, bytes, Where::upload);
  std::memcpy(staging.mapped, from, static_cast<size_t>(bytes));
  staging.flush();
  Commands commands(*this);
  commands.copy({&staging, 0, bytes}, {&to, offset, bytes});
  commands.finish();
  commands.run();
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
  try {
    const VkPhysicalDevice chosen = physical[static_cast<size_t>(index)];
    return std::make_shared<Device>(instance, chosen, describe(*instance, chosen, index));
  } catch (const Error& error) {
    *why_not = error.what();
    return nullptr;
  }
}

}  // namespace tessera::vulkan
