// What a device can do at most, measured.
#pragma once

#include "ops/vulkan/device/device.h"

namespace tessera::vulkan {

Peaks measure_peaks(const std::shared_ptr<Device>& device);

}  // namespace tessera::vulkan
