#include "ops/vulkan/device/commands.h"

#include <algorithm>
#include <utility>

namespace tessera::vulkan {

Commands::Commands(Device& device, size_t dispatches, size_t buffers, size_t stamps)
    : device_(device), call_(device.call) {
  try {
    create(device.queue(), dispatches, buffers, stamps);
  } catch (...) {
    release();
    throw;
  }
}

Commands::Commands(Device& device, const Queue& queue) : device_(device), call_(device.call) {
  try {
    create(queue, 0, 0, 0);
  } catch (...) {
    release();
    throw;
  }
}

void Commands::create(const Queue& queue, size_t dispatches, size_t buffers, size_t stamps) {
  const VkDevice device = device_.handle();
  auto pool = structure<VkCommandPoolCreateInfo>(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO);
  pool.queueFamilyIndex = queue.family();
  check(call_.CreateCommandPool(device, &pool, nullptr, &pool_), "vkCreateCommandPool");
  if (dispatches) {
    const VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, static_cast<uint32_t>(std::max(buffers, size_t{1}))},
        {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, static_cast<uint32_t>(dispatches)}};
    auto sets = structure<VkDescriptorPoolCreateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
    sets.maxSets = static_cast<uint32_t>(dispatches);
    sets.poolSizeCount = 2;
    sets.pPoolSizes = sizes;
    check(call_.CreateDescriptorPool(device, &sets, nullptr, &sets_), "vkCreateDescriptorPool");
  }
  if (stamps) {
    auto queries = structure<VkQueryPoolCreateInfo>(VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
    queries.queryType = VK_QUERY_TYPE_TIMESTAMP;
    queries.queryCount = room_ = static_cast<uint32_t>(stamps);
    check(call_.CreateQueryPool(device, &queries, nullptr, &queries_), "vkCreateQueryPool");
  }
  begin();
}

void Commands::begin() {
  used_ = 0;
  stamps_ = 0;
  begin_part();
  if (room_) call_.CmdResetQueryPool(commands_, queries_, 0, room_);
}

void Commands::begin_part() {
  end_part();
  if (used_ == parts_.size()) {
    parts_.reserve(used_ + 1);
    auto allocate = structure<VkCommandBufferAllocateInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO);
    allocate.commandPool = pool_;
    allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocate.commandBufferCount = 1;
    VkCommandBuffer part = VK_NULL_HANDLE;
    check(call_.AllocateCommandBuffers(device_.handle(), &allocate, &part), "vkAllocateCommandBuffers");
    parts_.push_back(part);
  }
  auto begin = structure<VkCommandBufferBeginInfo>(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO);
  begin.flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT;
  check(call_.BeginCommandBuffer(parts_[used_], &begin), "vkBeginCommandBuffer");
  commands_ = parts_[used_++];
}

void Commands::end_part() {
  if (!commands_) return;
  const VkCommandBuffer ended = std::exchange(commands_, VK_NULL_HANDLE);
  check(call_.EndCommandBuffer(ended), "vkEndCommandBuffer");
}

void Commands::finish() { end_part(); }

void Commands::restart() {
  commands_ = VK_NULL_HANDLE;
  check(call_.ResetCommandPool(device_.handle(), pool_, 0), "vkResetCommandPool");
  begin();
}

void Commands::run() { device_.queue().wait(device_.queue().submit(parts())); }

void Commands::release() {
  const VkDevice device = device_.handle();
  if (queries_) call_.DestroyQueryPool(device, queries_, nullptr);
  if (sets_) call_.DestroyDescriptorPool(device, sets_, nullptr);
  if (pool_) call_.DestroyCommandPool(device, pool_, nullptr);
}

void Commands::copy(const Slice& from, const Slice& to) {
  if (to.bytes == 0) return;
  const VkBufferCopy copy{static_cast<VkDeviceSize>(from.offset), static_cast<VkDeviceSize>(to.offset),
                          static_cast<VkDeviceSize>(to.bytes)};
  call_.CmdCopyBuffer(commands_, from.buffer->handle, to.buffer->handle, 1, &copy);
}

void Commands::barrier() {
  auto memory = structure<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
  memory.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  memory.dstAccessMask =
      memory.srcAccessMask | VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_UNIFORM_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
  constexpr VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  call_.CmdPipelineBarrier(commands_, stages, stages, 0, 1, &memory, 0, nullptr, 0, nullptr);
}

VkDescriptorSet Commands::make_set(const Shader& shader, List<Slice> slices) {
  const VkDescriptorSetLayout layout = device_.pipelines().layouts(shader).set;
  auto allocate = structure<VkDescriptorSetAllocateInfo>(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
  allocate.descriptorPool = sets_;
  allocate.descriptorSetCount = 1;
  allocate.pSetLayouts = &layout;
  VkDescriptorSet set = VK_NULL_HANDLE;
  check(call_.AllocateDescriptorSets(device_.handle(), &allocate, &set), "vkAllocateDescriptorSets");
  std::vector<VkDescriptorBufferInfo> buffers;
  for (const Slice& slice : slices)
    buffers.push_back(
        {slice.buffer->handle, static_cast<VkDeviceSize>(slice.offset), static_cast<VkDeviceSize>(slice.bytes)});
  auto write = structure<VkWriteDescriptorSet>(VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET);
  write.dstSet = set;
  write.descriptorCount = 1;
  std::vector<VkWriteDescriptorSet> writes;
  for (uint32_t i = 0; i < buffers.size(); ++i) {
    write.dstBinding = i;
    write.descriptorType = descriptor_type(shader.buffers[i]);
    write.pBufferInfo = &buffers[i];
    writes.push_back(write);
  }
  call_.UpdateDescriptorSets(device_.handle(), static_cast<uint32_t>(writes.size()), writes.data(), 0, nullptr);
  return set;
}

void Commands::dispatch(const Shader& shader, const Constants& constants, List<Slice> buffers,
                        const std::array<uint32_t, 3>& groups) {
  const VkDescriptorSet set = make_set(shader, buffers);
  call_.CmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, device_.pipelines().get(shader, constants));
  call_.CmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, device_.pipelines().layouts(shader).pipeline,
                              0, 1, &set, 0, nullptr);
  call_.CmdDispatch(commands_, groups[0], groups[1], groups[2]);
}

void Commands::stamp() {
  if (room_) call_.CmdWriteTimestamp(commands_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries_, stamps_++);
}

void Commands::barrier_to_host() {
  auto host = structure<VkMemoryBarrier>(VK_STRUCTURE_TYPE_MEMORY_BARRIER);
  host.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
  host.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
  call_.CmdPipelineBarrier(commands_, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &host, 0,
                           nullptr, 0, nullptr);
}

std::vector<double> Commands::times() const {
  std::vector<uint64_t> stamps(stamps_);
  read_stamps(stamps);
  std::vector<double> times;
  for (size_t i = 1; i < stamps.size(); ++i) times.push_back(milliseconds(stamps[i] - stamps[i - 1]));
  return times;
}

double Commands::between(const Commands& first, const Commands& second) {
  uint64_t begin = 0, end = 0;
  first.read_stamps({&begin, 1});
  second.read_stamps({&end, 1});
  return first.milliseconds(end - begin);
}

void Commands::read_stamps(std::span<uint64_t> stamps) const {
  check(call_.GetQueryPoolResults(device_.handle(), queries_, 0, static_cast<uint32_t>(stamps.size()),
                                  stamps.size_bytes(), stamps.data(), sizeof(uint64_t),
                                  VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
        "vkGetQueryPoolResults");
}

double Commands::milliseconds(uint64_t ticks) const {
  const Limits& limits = device_.limits();
  return static_cast<double>(ticks & limits.tick_mask) * limits.tick_ms;
}

}  // namespace tessera::vulkan
