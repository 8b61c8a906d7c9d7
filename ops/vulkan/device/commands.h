// Commands: what a device is to do, recorded once and run any number of times, or recorded anew for each run.
#pragma once

#include <array>
#include <vector>

#include "ops/vulkan/device/device.h"

namespace tessera::vulkan {

class Commands {
 public:
  /// Room for as many dispatches, with as many buffers in all, and for as many time stamps. They are for the device's
  /// queue, or, if there are neither, for `queue`.
  explicit Commands(Device& device, size_t dispatches = 0, size_t buffers = 0, size_t stamps = 0);
  Commands(Device& device, const Queue& queue);
  ~Commands() { release(); }
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  // Recording, in order.
  void copy(const Slice& from, const Slice& to);
  /// What was written before is seen by what follows.
  void barrier();
  /// What was copied before is seen by the host when all is done.
  void barrier_to_host();
  /// The buffers by binding.
  void dispatch(const Shader& shader, const Constants& constants, List<Slice> buffers,
                const std::array<uint32_t, 3>& groups);
  /// The time when all before is done; nothing without room for stamps.
  void stamp();
  /// What follows can be submitted apart from what was recorded before.
  void begin_part();
  void finish();
  /// Forgets what was recorded, which must not be running; for commands without dispatches.
  void restart();

  List<VkCommandBuffer> parts() const { return List<VkCommandBuffer>(parts_).first(used_); }
  /// Runs what was recorded, and waits until it is done.
  void run();
  /// Of the last run: milliseconds between the stamps.
  std::vector<double> times() const;
  /// Milliseconds from the first stamp of one's last run to the first of the other's.
  static double between(const Commands& first, const Commands& second);

 private:
  void create(const Queue& queue, size_t dispatches, size_t buffers, size_t stamps);
  void begin();
  void end_part();
  void read_stamps(std::span<uint64_t> stamps) const;
  double milliseconds(uint64_t ticks) const;
  VkDescriptorSet make_set(const Shader& shader, List<Slice> buffers);
  void release();

  Device& device_;
  const DeviceTable& call_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;  // the part that is being recorded
  std::vector<VkCommandBuffer> parts_;         // the first used_ of them are recorded
  size_t used_ = 0;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
  VkQueryPool queries_ = VK_NULL_HANDLE;
  uint32_t room_ = 0, stamps_ = 0;  // for stamps; stamps that are recorded
};

}  // namespace tessera::vulkan
