// A layer between tessera and the driver, for tests: it lets any call fail, and watches what is executed for hazards
// that no barrier orders. It knows Vulkan, and nothing of how tessera decides where barriers stand.
#pragma once

#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "ops/vulkan/device/instance.h"
#include "ops/vulkan/shader.h"

namespace tessera::test {

class VulkanLayer {
 public:
  /// Between tessera and every device that is opened from now on, until it goes.
  VulkanLayer();
  ~VulkanLayer();
  VulkanLayer(const VulkanLayer&) = delete;
  VulkanLayer& operator=(const VulkanLayer&) = delete;

  /// The call of that number, counted from now on, gives `result` and does nothing; 0: none does.
  static void fail_call(int number, VkResult result);
  /// Whether devices that are opened have no timeline semaphores.
  static void hide_timelines(bool hide);
  /// Calls since then that could fail, and the name of the one that did.
  static int calls();
  static std::string failed();

  /// Allocations within calls so far, on the threads that made them: the driver's, and this layer's.
  static int64_t own_allocations();

  /// What was executed since the last time it was asked for: of which conflicts no barrier ordered, a line each; and
  /// how many dispatches, copies and barriers there were, and bytes of the largest range that a dispatch was bound to.
  struct Seen {
    std::vector<std::string> conflicts;
    int dispatches = 0, copies = 0, barriers = 0, needless = 0, submits = 0, pipelines = 0;
    int64_t largest = 0;
  };
  static Seen take_seen();

 private:
  std::shared_ptr<vulkan::Instance> instance_;
  vulkan::InstanceTable before_;
};

}  // namespace tessera::test
