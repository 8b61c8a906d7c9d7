// Device: what lives as long as a Vulkan device is in use. Constants, pipelines, and the one queue that all programs
// of a session share.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "ops/vulkan/device/instance.h"
#include "ops/vulkan/device/memory.h"
#include "ops/vulkan/shader.h"
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

/// Of all shaders with so many buffers.
struct Layouts {
  VkDescriptorSetLayout set = VK_NULL_HANDLE;
  VkPipelineLayout pipeline = VK_NULL_HANDLE;
};

class Device {
 public:
  Device(std::shared_ptr<Instance> instance, VkPhysicalDevice physical, const DeviceInfo& info);
  ~Device() { release(); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }
  const Limits& limits() const { return limits_; }
  VkDevice handle() const { return handle_; }
  uint32_t queue_family() const { return family_; }
  const VkPhysicalDeviceMemoryProperties& memory() const { return memory_; }

  /// Whether it has what the shader needs.
  bool runs(const Shader& shader) const;
  /// Made once.
  Layouts layouts(const Shader& shader);
  /// The pipeline of a shader with these constants, made once.
  VkPipeline pipeline(const Shader& shader, const Constants& constants);
  /// A constant in device memory, packed (unless `pack` is null) and uploaded once.
  Slice constant(const std::shared_ptr<const Tensor>& tensor, Pack pack, int64_t parameter);
  /// Submits, and waits until it is done.
  void submit(VkCommandBuffer commands, VkFence fence);
  /// Copies host memory into a buffer of the device, now.
  void upload(const Buffer& to, int64_t offset, const void* from, int64_t bytes);

  DeviceTable call;

 private:
  using ConstantKey = std::tuple<const Tensor*, Pack, int64_t>;
  struct Constant {
    Slice slice;
    std::shared_ptr<const Tensor> tensor;  // kept, so that its address stays its own
  };
  void create(VkPhysicalDevice physical);
  void read_limits(VkPhysicalDevice physical);
  void release();
  Slice reserve(int64_t bytes);
  Layouts& find_layouts(const Shader& shader);
  VkPipeline make_pipeline(const Shader& shader, const Constants& constants);

  std::shared_ptr<Instance> instance_;
  DeviceInfo info_;
  Limits limits_;
  VkPhysicalDeviceMemoryProperties memory_{};
  VkDevice handle_ = VK_NULL_HANDLE;
  uint32_t family_ = 0;
  VkQueue queue_ = VK_NULL_HANDLE;
  std::mutex queue_mutex_;
  VkPipelineCache cache_ = VK_NULL_HANDLE;

  std::mutex pipelines_mutex_;
  std::map<size_t, Layouts> layouts_;  // by the number of buffers
  std::map<std::pair<const Shader*, Constants>, VkPipeline> pipelines_;

  std::mutex constants_mutex_;
  std::vector<std::unique_ptr<Buffer>> chunks_;  // of constants; the last one has room left
  int64_t chunk_used_ = 0;
  std::map<ConstantKey, Constant> constants_;
};

/// Device `index`; -1: as make_backend chooses. Null, and one line in `why_not`, if there is none.
std::shared_ptr<Device> open_device(int index, std::string* why_not);

}  // namespace tessera::vulkan
