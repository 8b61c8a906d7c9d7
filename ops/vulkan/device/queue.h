// Queue: one queue of a device. What is submitted to it runs in that order, and each submission has a number.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "ops/vulkan/device/loader.h"

namespace tessera::vulkan {

class Device;
class Queue;

/// What is submitted at once.
using Batch = std::vector<VkCommandBuffer>;

/// A submission that another one waits for.
struct After {
  const Queue* queue = nullptr;  ///< with a timeline
  uint64_t number = 0;
};

class Queue {
 public:
  Queue(Device& device, uint32_t family, uint32_t index, bool timeline);
  ~Queue() { release(); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  uint32_t family() const { return family_; }
  /// The number of what was submitted. Throws Error::device; then nothing was.
  uint64_t submit(List<VkCommandBuffer> commands, const After& after = {});
  /// Until that submission is done, and all before it. Throws Error::device; then nothing runs any more.
  void wait(uint64_t number);
  /// The same for what may have failed: whatever comes of it, nothing of it runs any more.
  void settle(uint64_t number) noexcept;
  /// Whether everything is done that was submitted.
  bool is_idle() const { return done_ >= submitted_; }
  /// Whether submissions are counted on a timeline semaphore; fences do it else.
  bool has_timeline() const { return timeline_ != VK_NULL_HANDLE; }

 private:
  struct Pending {
    uint64_t number;
    VkFence fence;
  };
  void release();
  VkFence take_fence();
  void wait_for_semaphore(uint64_t number);
  void wait_for_fences(uint64_t number);
  void reach(uint64_t number);
  [[noreturn]] void give_up(VkResult result, Text call);

  Device& device_;
  const uint32_t family_;
  VkQueue queue_ = VK_NULL_HANDLE;
  VkSemaphore timeline_ = VK_NULL_HANDLE;  // counts submissions; null where there are no such semaphores
  std::mutex wait_mutex_;
  std::atomic<uint64_t> submitted_{0}, done_{0};
  std::vector<Pending> pending_;  // without a timeline: a fence for each submission that is not known to be done
  std::vector<VkFence> free_;
};

}  // namespace tessera::vulkan
