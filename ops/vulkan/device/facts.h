// What kernels may know of a device, and the shape of its matrices.
#pragma once

#include <string>
#include <vector>

#include "ops/vulkan/device/features.h"
#include "ops/vulkan/facts.h"

namespace tessera::vulkan {

/// What kernels may know of a device. It has matrices if `features`, those that it offers, say so.
Facts read_facts(const Instance& instance, VkPhysicalDevice physical, const Features& features);

/// All shapes of matrices that it offers, in words: "float16 16x16x16 to float32".
std::vector<std::string> matrix_shapes(const Instance& instance, VkPhysicalDevice physical);

}  // namespace tessera::vulkan
