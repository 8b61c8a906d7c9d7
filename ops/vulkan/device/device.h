// Device: what lives as long as a Vulkan device is in use, shared by all sessions that use it: its queue, its
// pipelines, and the memory that runs take.
#pragma once

#include <atomic>
#include <memory>
#include <set>

#include "ops/vulkan/device/instance.h"
#include "ops/vulkan/device/memory.h"
#include "ops/vulkan/device/pipelines.h"
#include "ops/vulkan/device/queue.h"
#include "ops/vulkan/facts.h"
#include "ops/vulkan/tuning.h"
#include "runtime/base/disk_cache.h"
#include "runtime/base/rounding.h"

namespace tessera::vulkan {

struct Limits {
  int64_t storage_range = 0;  ///< bytes of one binding
  int64_t allocation = 0;     ///< bytes of one allocation
  int64_t alignment = 0;      ///< of a binding's offset
  size_t bindings = 0;        ///< buffers of one shader
  double tick_ms = 0;         ///< of a timestamp; 0: the queue has none
  uint64_t tick_mask = 0;
};

/// What a device is taken to do at least, for the splitting of submissions; it may turn out to be faster.
struct Speed {
  double flops_per_ms = 1e9, bytes_per_ms = 5e7;
};

class Device {
 public:
  Device(std::shared_ptr<Instance> instance, VkPhysicalDevice physical, const DeviceInfo& info);
  ~Device() { release(); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }
  const Limits& limits() const { return limits_; }
  const Facts& facts() const { return facts_; }
  VkDevice handle() const { return handle_; }
  /// Of all its queues, each once.
  List<uint32_t> queue_families() const { return families_; }
  const VkPhysicalDeviceMemoryProperties& memory() const { return memory_; }

  /// Why other programs cannot have a buffer for such use; empty if they can.
  std::string why_not_shared(VkBufferUsageFlags usage) const;
  /// Whether it has what the shader needs.
  bool runs(const Shader& shader) const;
  /// The one that computes, and those that bring inputs up and outputs down meanwhile, which may be the same.
  Queue& queue() { return *queue_; }
  Queue& up_queue() { return up_queue_ ? *up_queue_ : *queue_; }
  Queue& down_queue() { return down_queue_ ? *down_queue_ : *queue_; }
  /// Whether to go that way with so many bytes: to wait for another queue takes longer than to copy a few.
  bool goes_by(const Queue& queue, int64_t bytes) const { return &queue != queue_.get() && bytes >= least_by_others_; }
  std::mutex& queue_mutex() { return queue_mutex_; }
  /// From being lent the arena to having submitted what uses it.
  std::mutex& arena_mutex() { return arena_mutex_; }
  /// The device is gone: what is submitted fails.
  bool is_lost() const { return lost_; }
  void lose() { lost_ = true; }
  Pipelines& pipelines() { return *pipelines_; }
  Pool& ports() { return *ports_; }
  Pool& uploads() { return *uploads_; }
  Pool& downloads() { return *downloads_; }
  Arena& arena() { return *arena_; }
  /// What was found out of this device with this driver, on disk. Values and keys are without tabs and line ends.
  Remembered& remembered() const { return *remembered_; }
  Tuning& tuning() const { return *tuning_; }

  /// Copies host memory into a buffer of the device, now.
  void upload(const Buffer& to, int64_t offset, const void* from, int64_t bytes);
  /// Of the device's memory.
  DeviceMemory memory_now() const;
  /// For reports; without what is known of variants.
  DeviceDetails details() const;
  void count(int64_t bytes) const { used_ += bytes; }
  /// Frees what is kept for later runs.
  void trim() const;

  Speed speed;
  /// How many times faster than `speed` it was seen to be, at least.
  std::atomic<double> seen_faster{1};

  DeviceTable call;

 private:
  void create(VkPhysicalDevice physical);
  void make_queues(uint32_t copiers, bool timeline);
  std::string read_limits(VkPhysicalDevice physical);
  void release();

  std::shared_ptr<Instance> instance_;
  DeviceInfo info_;
  Limits limits_;
  Facts facts_;
  std::set<uint32_t> capabilities_;  // of SPIR-V
  VkPhysicalDeviceMemoryProperties memory_{};
  VkDevice handle_ = VK_NULL_HANDLE;
  std::vector<uint32_t> families_;
  int64_t least_by_others_ = int64_t{2} << 20;
  VkPhysicalDevice physical_ = VK_NULL_HANDLE;
  bool has_budget_ = false;
  bool has_uniform_layout_ = false;
  std::string uuid_;
  mutable std::atomic<int64_t> used_{0};
  std::atomic<bool> lost_{false};
  std::mutex queue_mutex_, arena_mutex_;
  std::unique_ptr<Queue> queue_, up_queue_, down_queue_;
  std::unique_ptr<Pipelines> pipelines_;
  std::unique_ptr<Pool> ports_, uploads_, downloads_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Remembered> remembered_;
  std::unique_ptr<Tuning> tuning_;
};

/// Device `index`; -1: as make_backend chooses. All who have it open share it. Null, and one line in `why_not`, if
/// there is none.
std::shared_ptr<Device> open_device(int index, std::string* why_not);

}  // namespace tessera::vulkan
