// Residents: tensors in a device's memory that last from one run to the next, of this program or others.
#pragma once

#include "ops/vulkan/device/device.h"
#include "runtime/graph/backend.h"

namespace tessera::vulkan {

class VulkanResident final : public Resident {
 public:
  VulkanResident(std::shared_ptr<Device> device, int64_t bytes, const Sharing& sharing);
  Text device() const override { return name_; }
  void write(const std::byte* from) override;
  void read(std::byte* to) override;
  int descriptor() const override;

  bool is_on(const Device& device) const { return device_.get() == &device; }
  Slice slice(int64_t offset, int64_t bytes) const { return {&buffer_, offset, bytes}; }

 private:
  const std::shared_ptr<Device> device_;
  const std::string name_;
  const int64_t bytes_;
  const Buffer buffer_;
};

}  // namespace tessera::vulkan
