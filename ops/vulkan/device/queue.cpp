#include "ops/vulkan/device/queue.h"

#include <limits>

#include "ops/vulkan/device/device.h"

namespace tessera::vulkan {
namespace {

constexpr uint64_t forever = std::numeric_limits<uint64_t>::max();

}  // namespace

Queue::Queue(Device& device, uint32_t family, uint32_t index, bool timeline) : device_(device), family_(family) {
  device_.call.GetDeviceQueue(device_.handle(), family, index, &queue_);
  if (!timeline) return;
  auto type = structure<VkSemaphoreTypeCreateInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO);
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  auto info = structure<VkSemaphoreCreateInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO);
  info.pNext = &type;
  check(device_.call.CreateSemaphore(device_.handle(), &info, nullptr, &timeline_), "vkCreateSemaphore");
}

void Queue::release() {
  if (timeline_) device_.call.DestroySemaphore(device_.handle(), timeline_, nullptr);
  for (const Pending& pending : pending_) device_.call.DestroyFence(device_.handle(), pending.fence, nullptr);
  for (const VkFence fence : free_) device_.call.DestroyFence(device_.handle(), fence, nullptr);
}

VkFence Queue::take_fence() {
  VkFence fence = VK_NULL_HANDLE;
  if (!free_.empty()) {
    fence = free_.back();
    free_.pop_back();
    return fence;
  }
  pending_.reserve(pending_.size() + 1);
  free_.reserve(pending_.size() + 1);
  const auto info = structure<VkFenceCreateInfo>(VK_STRUCTURE_TYPE_FENCE_CREATE_INFO);
  check(device_.call.CreateFence(device_.handle(), &info, nullptr, &fence), "vkCreateFence");
  return fence;
}

uint64_t Queue::submit(List<VkCommandBuffer> commands, const After& after) {
  const std::lock_guard lock(device_.queue_mutex());
  if (device_.is_lost()) fail(Error::Kind::device, device_.info().name, " was lost");
  const uint64_t number = submitted_ + 1;
  auto count = structure<VkTimelineSemaphoreSubmitInfo>(VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);
  count.signalSemaphoreValueCount = 1;
  count.pSignalSemaphoreValues = &number;
  auto info = structure<VkSubmitInfo>(VK_STRUCTURE_TYPE_SUBMIT_INFO);
  info.commandBufferCount = static_cast<uint32_t>(commands.size());
  info.pCommandBuffers = commands.data();
  constexpr VkPipelineStageFlags stages = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
  VkFence fence = VK_NULL_HANDLE;
  if (timeline_) {
    info.pNext = &count;
    info.signalSemaphoreCount = 1;
    info.pSignalSemaphores = &timeline_;
    if (after.queue) {
      count.waitSemaphoreValueCount = info.waitSemaphoreCount = 1;
      count.pWaitSemaphoreValues = &after.number;
      info.pWaitSemaphores = &after.queue->timeline_;
      info.pWaitDstStageMask = &stages;
    }
  } else {
    fence = take_fence();
  }
  const VkResult result = device_.call.QueueSubmit(queue_, 1, &info, fence);
  if (result < 0) {
    if (fence) free_.push_back(fence);
    if (result == VK_ERROR_DEVICE_LOST) device_.lose();
  }
  check(result, "vkQueueSubmit");
  submitted_ = number;
  if (fence) pending_.push_back({number, fence});
  return number;
}

void Queue::reach(uint64_t number) {
  uint64_t before = done_;
  while (before < number && !done_.compare_exchange_weak(before, number)) {
  }
}

void Queue::wait(uint64_t number) {
  if (number <= done_) return;
  if (timeline_)
    wait_for_semaphore(number);
  else
    wait_for_fences(number);
}

void Queue::wait_for_semaphore(uint64_t number) {
  auto info = structure<VkSemaphoreWaitInfo>(VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO);
  info.semaphoreCount = 1;
  info.pSemaphores = &timeline_;
  info.pValues = &number;
  const VkResult result = device_.call.WaitSemaphoresKHR(device_.handle(), &info, forever);
  if (result < 0) give_up(result, "vkWaitSemaphores");
  reach(number);
}

// The oldest first: they are done in that order.
void Queue::wait_for_fences(uint64_t number) {
  const std::lock_guard wait_lock(wait_mutex_);
  while (done_ < number) {
    Pending oldest;
    {
      const std::lock_guard lock(device_.queue_mutex());
      oldest = pending_.front();
    }
    VkResult result = device_.call.WaitForFences(device_.handle(), 1, &oldest.fence, VK_TRUE, forever);
    if (result < 0) give_up(result, "vkWaitForFences");
    const std::lock_guard lock(device_.queue_mutex());
    pending_.erase(pending_.begin());
    result = device_.call.ResetFences(device_.handle(), 1, &oldest.fence);
    if (result < 0)
      device_.call.DestroyFence(device_.handle(), oldest.fence, nullptr);
    else
      free_.push_back(oldest.fence);
    reach(oldest.number);
  }
}

// Whoever waits in vain may not take memory back that the device still works in.
void Queue::give_up(VkResult result, Text call) {
  {
    const std::lock_guard lock(device_.queue_mutex());
    if (result == VK_ERROR_DEVICE_LOST) device_.lose();
    device_.call.DeviceWaitIdle(device_.handle());
    if (timeline_) reach(submitted_);
  }
  check(result, call);
  fail(Error::Kind::device, call, " failed");
}

void Queue::settle(uint64_t number) noexcept {
  try {
    wait(number);
  } catch (const Error&) {
  }
}

}  // namespace tessera::vulkan
