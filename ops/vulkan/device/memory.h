// Buffer: memory of a device, or memory that it shares with the host.
#pragma once

#include "ops/vulkan/device/loader.h"

namespace tessera::vulkan {

class Device;

enum class Where { device, upload, download };

/// A buffer with memory of its own; mapped if it is host memory.
struct Buffer {
  Buffer(const Device& device, int64_t bytes, Where where);
  ~Buffer() { release(); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void flush() const;       ///< after the host wrote
  void invalidate() const;  ///< before the host reads

  const Device& device;
  int64_t bytes;
  VkBuffer handle = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  std::byte* mapped = nullptr;
  bool coherent = true;

 private:
  void create(Where where);
  void release();
};

/// A part of a buffer.
struct Slice {
  const Buffer* buffer = nullptr;
  int64_t offset = 0, bytes = 0;
};

}  // namespace tessera::vulkan
