// What kernels may know of a device, and the shape of its matrices.
#pragma once

#include "ops/vulkan/device/features.h"
#include "ops/vulkan/facts.h"

namespace tessera::vulkan {

/// What kernels may know of a device. It has matrices if `features`, those that it offers, say so.
Facts read_facts(const Instance& instance, VkPhysicalDevice physical, const Features& features);

}  // namespace tessera::vulkan
