// Pipelines: what a device's driver makes of shaders, once; by all threads, and kept on disk from one run of the
// program to the next.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "ops/vulkan/device/loader.h"
#include "ops/vulkan/shader.h"
#include "runtime/base/threads.h"

namespace tessera::vulkan {

class Device;

/// What a buffer is bound as.
inline VkDescriptorType descriptor_type(const Shader::Buffer& buffer) {
  return buffer.uniform ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
}

/// Of all shaders that are bound the same.
struct Layouts {
  VkDescriptorSetLayout set = VK_NULL_HANDLE;
  VkPipelineLayout pipeline = VK_NULL_HANDLE;
};

class Pipelines {
 public:
  using Key = std::pair<const Shader*, Constants>;

  /// `file`: its name in the cache folder.
  Pipelines(Device& device, std::string file);
  ~Pipelines() { release(); }
  Pipelines(const Pipelines&) = delete;
  Pipelines& operator=(const Pipelines&) = delete;

  Layouts layouts(const Shader& shader);
  /// Made before, or now.
  VkPipeline get(const Shader& shader, const Constants& constants);
  /// Makes those that there are not yet, and keeps them on disk; how many these were. `pool` may be null.
  int64_t make(const std::vector<Key>& wanted, Threads* pool);

 private:
  void create();
  void release();
  VkPipeline find(const Key& key);
  VkPipeline make_one(const Key& key);
  VkPipeline compile(const Shader& shader, const Constants& constants, VkPipelineLayout layout);
  void save() const;

  Device& device_;
  const std::string file_;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  std::mutex mutex_;
  std::map<std::vector<VkDescriptorType>, Layouts> layouts_;  // by what is bound
  std::map<Key, VkPipeline> pipelines_;
};

}  // namespace tessera::vulkan
