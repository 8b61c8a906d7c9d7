#include "ops/vulkan/resident.h"

#include <cstring>

#include "ops/vulkan/device/commands.h"

namespace tessera::vulkan {

// A tensor without elements has a buffer, too.
VulkanResident::VulkanResident(std::shared_ptr<Device> device, int64_t bytes, const Sharing& sharing)
    : device_(std::move(device)),
      name_(cat("vulkan:", device_->info().index)),
      bytes_(bytes),
      buffer_(*device_, round_up(std::max<int64_t>(bytes, 1), device_->limits().alignment), Where::device, sharing) {}

void VulkanResident::write(const std::byte* from) {
  if (bytes_) device_->upload(buffer_, 0, from, bytes_);
  traffic.uploaded_bytes += bytes_;
}

void VulkanResident::read(std::byte* to) {
  if (bytes_) {
    const Pool::Loan host(device_->downloads(), bytes_);
    Commands commands(*device_);
    commands.barrier();
    commands.copy(slice(0, bytes_), {host.get(), 0, bytes_});
    commands.barrier_to_host();
    commands.finish();
    commands.run();
    host->invalidate();
    std::memcpy(to, host->mapped, static_cast<size_t>(bytes_));
  }
  traffic.downloaded_bytes += bytes_;
}

int VulkanResident::descriptor() const { return buffer_.descriptor(); }

}  // namespace tessera::vulkan
