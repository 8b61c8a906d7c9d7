#include "tests/vulkan_layer.h"

#include <algorithm>

#include "tests/allocations.h"

namespace tessera::test {
namespace {

using namespace vulkan;

std::mutex mutex;
DeviceTable driver;
InstanceTable host;

// --- Allocations -----------------------------------------------------------------------------

std::atomic<int64_t> inside{0};
thread_local int depth = 0;

// Stands in every call.
struct Within {
  int64_t before = allocations;
  Within() { ++depth; }
  ~Within() {
    if (--depth == 0) inside += allocations - before;
  }
};

// --- Failing calls ---------------------------------------------------------------------------

int call_count = 0, failing_call = 0;
VkResult failing_result = VK_SUCCESS;
std::string failed_name;

bool is_to_fail(const char* name) {
  const std::lock_guard lock(mutex);
  if (++call_count != failing_call) return false;
  failed_name = name;
  return true;
}

template <class Function>
struct Call;
template <class R, class... Args>
struct Call<R(VKAPI_PTR*)(Args...)> {
  template <auto Table, auto Member, const char* Name>
  static VKAPI_ATTR R VKAPI_CALL make(Args... args) {
    const Within within;
    if constexpr (std::is_same_v<R, VkResult>)
      if (is_to_fail(Name)) return failing_result;
    return ((*Table).*Member)(args...);
  }
};

#define X(name) constexpr char name##_name[] = "vk" #name;
TESSERA_VULKAN_DEVICE(X)
TESSERA_VULKAN_INSTANCE(X)
X(WaitSemaphoresKHR)
#undef X

#define PASSED(name) (&Call<PFN_vk##name>::make<&driver, &DeviceTable::name, name##_name>)

// --- Watching --------------------------------------------------------------------------------

struct Range {
  VkBuffer buffer;
  int64_t offset, bytes;
  bool reads, writes;
};
struct Command {
  std::string what;
  std::vector<Range> ranges;  // none: a barrier
};

std::map<VkShaderModule, const Shader*> modules;
std::map<VkPipeline, const Shader*> pipelines;
std::map<VkDescriptorSet, std::vector<VkDescriptorBufferInfo>> sets;
struct Recorded {
  const Shader* shader = nullptr;
  VkDescriptorSet set = VK_NULL_HANDLE;
  std::vector<Command> commands;
};
std::map<VkCommandBuffer, Recorded> recorded;
std::vector<Command> since;    // the last barrier
std::vector<Command> earlier;  // between the last two barriers
bool earlier_matter = true;    // whether something since has been in conflict with them
VulkanLayer::Seen seen;

bool conflict(const Range& a, const Range& b) {
  return (a.writes || b.writes) && a.buffer == b.buffer && a.offset < b.offset + b.bytes &&
         b.offset < a.offset + a.bytes;
}

bool conflict(const Command& a, const Command& b) {
  return std::any_of(a.ranges.begin(), a.ranges.end(), [&](const Range& x) {
    return std::any_of(b.ranges.begin(), b.ranges.end(), [&](const Range& y) { return conflict(x, y); });
  });
}

void execute(const Command& command) {
  if (command.ranges.empty()) {
    ++seen.barriers;
    seen.needless += !earlier_matter;
    if (!since.empty()) {
      earlier = std::move(since);
      earlier_matter = false;
    }
    since.clear();
    return;
  }
  for (const Command& other : since)
    if (conflict(other, command)) seen.conflicts.push_back(cat(other.what, ", then ", command.what));
  for (const Command& other : earlier) earlier_matter = earlier_matter || conflict(other, command);
  since.push_back(command);
}

VKAPI_ATTR VkResult VKAPI_CALL create_module(VkDevice device, const VkShaderModuleCreateInfo* info,
                                             const VkAllocationCallbacks* allocator, VkShaderModule* module) {
  const Within within;
  const VkResult result = PASSED(CreateShaderModule)(device, info, allocator, module);
  const std::lock_guard lock(mutex);
  for (const Shader& shader : all_shaders())
    if (result == VK_SUCCESS && shader.words.data() == info->pCode) modules[*module] = &shader;
  return result;
}

VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                                const VkComputePipelineCreateInfo* infos,
                                                const VkAllocationCallbacks* allocator, VkPipeline* made) {
  const Within within;
  const VkResult result = PASSED(CreateComputePipelines)(device, cache, count, infos, allocator, made);
  const std::lock_guard lock(mutex);
  for (uint32_t i = 0; result == VK_SUCCESS && i < count; ++i) pipelines[made[i]] = modules.at(infos[i].stage.module);
  seen.pipelines += static_cast<int>(count);
  return result;
}

VKAPI_ATTR void VKAPI_CALL update_sets(VkDevice device, uint32_t count, const VkWriteDescriptorSet* writes,
                                       uint32_t copies, const VkCopyDescriptorSet* copy) {
  const Within within;
  {
    const std::lock_guard lock(mutex);
    for (uint32_t i = 0; i < count; ++i) {
      auto& set = sets[writes[i].dstSet];
      const size_t first = writes[i].dstBinding, end = first + writes[i].descriptorCount;
      if (first == 0) set.clear();
      if (set.size() < end) set.resize(end);
      std::copy_n(writes[i].pBufferInfo, writes[i].descriptorCount, set.begin() + static_cast<ptrdiff_t>(first));
    }
  }
  driver.UpdateDescriptorSets(device, count, writes, copies, copy);
}

VKAPI_ATTR VkResult VKAPI_CALL begin(VkCommandBuffer commands, const VkCommandBufferBeginInfo* info) {
  const Within within;
  {
    const std::lock_guard lock(mutex);
    recorded[commands] = {};
  }
  return PASSED(BeginCommandBuffer)(commands, info);
}

VKAPI_ATTR void VKAPI_CALL bind_pipeline(VkCommandBuffer commands, VkPipelineBindPoint point, VkPipeline pipeline) {
  const Within within;
  {
    const std::lock_guard lock(mutex);
    recorded[commands].shader = pipelines.at(pipeline);
  }
  driver.CmdBindPipeline(commands, point, pipeline);
}

VKAPI_ATTR void VKAPI_CALL bind_sets(VkCommandBuffer commands, VkPipelineBindPoint point, VkPipelineLayout layout,
                                     uint32_t first, uint32_t count, const VkDescriptorSet* bound, uint32_t dynamic,
                                     const uint32_t* offsets) {
  const Within within;
  {
    const std::lock_guard lock(mutex);
    recorded[commands].set = bound[0];
  }
  driver.CmdBindDescriptorSets(commands, point, layout, first, count, bound, dynamic, offsets);
}

VKAPI_ATTR void VKAPI_CALL dispatch(VkCommandBuffer commands, uint32_t x, uint32_t y, uint32_t z) {
  const Within within;
  {
    const std::lock_guard lock(mutex);
    Recorded& own = recorded[commands];
    Command command{title_of(*own.shader), {}};
    const auto& buffers = sets.at(own.set);
    for (size_t i = 0; i < buffers.size(); ++i) {
      const auto bytes = static_cast<int64_t>(buffers[i].range);
      command.ranges.push_back({buffers[i].buffer, static_cast<int64_t>(buffers[i].offset), bytes,
                                own.shader->buffers[i].reads, own.shader->buffers[i].writes});
      seen.largest = std::max(seen.largest, bytes);
    }
    own.commands.push_back(std::move(command));
    ++seen.dispatches;
  }
  driver.CmdDispatch(commands, x, y, z);
}

VKAPI_ATTR void VKAPI_CALL copy(VkCommandBuffer commands, VkBuffer from, VkBuffer to, uint32_t count,
                                const VkBufferCopy* copies) {
  const Within within;
  {
    const std::lock_guard lock(mutex);
    Command command{"a copy", {}};
    for (uint32_t i = 0; i < count; ++i) {
      const auto bytes = static_cast<int64_t>(copies[i].size);
      command.ranges.push_back({from, static_cast<int64_t>(copies[i].srcOffset), bytes, true, false});
      command.ranges.push_back({to, static_cast<int64_t>(copies[i].dstOffset), bytes, false, true});
    }
    recorded[commands].commands.push_back(std::move(command));
    ++seen.copies;
  }
  driver.CmdCopyBuffer(commands, from, to, count, copies);
}

// One that orders all that came before, and all that follows, on the device.
VKAPI_ATTR void VKAPI_CALL barrier(VkCommandBuffer commands, VkPipelineStageFlags before, VkPipelineStageFlags after,
                                   VkDependencyFlags flags, uint32_t count, const VkMemoryBarrier* barriers,
                                   uint32_t buffers, const VkBufferMemoryBarrier* buffer, uint32_t images,
                                   const VkImageMemoryBarrier* image) {
  const Within within;
  constexpr VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  constexpr VkAccessFlags writes = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  constexpr VkAccessFlags all = writes | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
  const auto has = [](VkFlags flags_given, VkFlags wanted) { return (flags_given & wanted) == wanted; };
  if (has(before, stages) && has(after, stages) && count && has(barriers->srcAccessMask, writes) &&
      has(barriers->dstAccessMask, all)) {
    const std::lock_guard lock(mutex);
    recorded[commands].commands.push_back({"a barrier", {}});
  }
  driver.CmdPipelineBarrier(commands, before, after, flags, count, barriers, buffers, buffer, images, image);
}

VKAPI_ATTR VkResult VKAPI_CALL submit(VkQueue queue, uint32_t count, const VkSubmitInfo* infos, VkFence fence) {
  const Within within;
  const VkResult result = PASSED(QueueSubmit)(queue, count, infos, fence);
  const std::lock_guard lock(mutex);
  for (uint32_t i = 0; result == VK_SUCCESS && i < count; ++i) {
    ++seen.submits;
    for (uint32_t k = 0; k < infos[i].commandBufferCount; ++k)
      for (const Command& command : recorded[infos[i].pCommandBuffers[k]].commands) execute(command);
  }
  return result;
}

// Buffers that are gone have no bytes; their names may be given to others.
VKAPI_ATTR void VKAPI_CALL destroy_buffer(VkDevice device, VkBuffer buffer, const VkAllocationCallbacks* allocator) {
  const Within within;
  {
    const std::lock_guard lock(mutex);
    for (auto* list : {&since, &earlier})
      for (Command& command : *list)
        std::erase_if(command.ranges, [&](const Range& range) { return range.buffer == buffer; });
    std::erase_if(since, [](const Command& command) { return command.ranges.empty(); });
  }
  driver.DestroyBuffer(device, buffer, allocator);
}

bool timelines_hidden = false;

PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char* name) {
  if (timelines_hidden && std::strcmp(name, "vkWaitSemaphoresKHR") == 0) return nullptr;
  const PFN_vkVoidFunction real = host.GetDeviceProcAddr(device, name);
  if (!real) return real;
#define KEEP(function) \
  if (std::strcmp(name, "vk" #function) == 0) driver.function = reinterpret_cast<PFN_vk##function>(real);
#define WATCH(function, own) \
  if (std::strcmp(name, "vk" #function) == 0) return reinterpret_cast<PFN_vkVoidFunction>(own);
#define X(function) KEEP(function)
  TESSERA_VULKAN_DEVICE(X)
  X(WaitSemaphoresKHR)
#undef X
  WATCH(CreateShaderModule, create_module)
  WATCH(CreateComputePipelines, create_pipelines)
  WATCH(UpdateDescriptorSets, update_sets)
  WATCH(BeginCommandBuffer, begin)
  WATCH(CmdBindPipeline, bind_pipeline)
  WATCH(CmdBindDescriptorSets, bind_sets)
  WATCH(CmdDispatch, dispatch)
  WATCH(CmdCopyBuffer, copy)
  WATCH(CmdPipelineBarrier, barrier)
  WATCH(QueueSubmit, submit)
  WATCH(DestroyBuffer, destroy_buffer)
#define X(function) WATCH(function, PASSED(function))
  TESSERA_VULKAN_DEVICE(X)
  X(WaitSemaphoresKHR)
#undef X
  return real;
}

}  // namespace

VulkanLayer::VulkanLayer() {
  std::string why;
  instance_ = Instance::open(&why);
  if (!instance_) return;
  before_ = host = instance_->call;
  InstanceTable& call = instance_->call;
#define X(function) call.function = &Call<PFN_vk##function>::make<&host, &InstanceTable::function, function##_name>;
  X(EnumeratePhysicalDevices)
  X(EnumerateDeviceExtensionProperties)
  X(CreateDevice)
#undef X
  call.GetDeviceProcAddr = device_function;
}

VulkanLayer::~VulkanLayer() {
  fail_call(0, VK_SUCCESS);
  if (instance_) instance_->call = before_;
}

void VulkanLayer::fail_call(int number, VkResult result) {
  const std::lock_guard lock(mutex);
  call_count = 0;
  failing_call = number;
  failing_result = result;
  failed_name.clear();
}

void VulkanLayer::hide_timelines(bool hide) { timelines_hidden = hide; }

int VulkanLayer::calls() {
  const std::lock_guard lock(mutex);
  return call_count;
}

std::string VulkanLayer::failed() {
  const std::lock_guard lock(mutex);
  return failed_name;
}

int64_t VulkanLayer::own_allocations() { return inside; }

VulkanLayer::Seen VulkanLayer::take_seen() {
  const std::lock_guard lock(mutex);
  return std::exchange(seen, {});
}

}  // namespace tessera::test
