// Commands: what a device is to do, recorded once and run any number of times.
#pragma once

#include <array>
#include <vector>

#include "ops/vulkan/device/device.h"

namespace tessera::vulkan {

class Commands {
 public:
  /// Room for as many dispatches, with as many buffers in all, and for as many time stamps.
  explicit Commands(Device& device, size_t dispatches = 0, size_t buffers = 0, size_t stamps = 0);
  ~Commands() { release(); }
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  // Recording, in order.
  void copy(const Slice& from, const Slice& to);
  /// What was written before is seen by what follows.
  void barrier();
  /// The buffers by binding.
  void dispatch(const Shader& shader, const Constants& constants, List<Slice> buffers,
                const std::array<uint32_t, 3>& groups);
  /// The time when all before is done.
  void stamp();
  void finish();

  /// Runs what was recorded, and waits until it is done.
  void run();
  /// Of the last run: milliseconds between the stamps.
  std::vector<double> times() const;

 private:
  void create(size_t dispatches, size_t buffers, size_t stamps);
  VkDescriptorSet make_set(const Shader& shader, List<Slice> buffers);
  void release();

  Device& device_;
  const DeviceTable& call_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
  VkQueryPool queries_ = VK_NULL_HANDLE;
  uint32_t stamps_ = 0;
};

}  // namespace tessera::vulkan
