// What kernels may know of a device. Nothing here knows the Vulkan API.
#pragma once

#include <cstdint>

namespace tessera::vulkan {

/// What a device's matrix units multiply: [m, k] by [k, n] of float16, summed in float32. 0: there are none.
struct MatrixShape {
  uint32_t m = 0, n = 0, k = 0;
};

struct Facts {
  MatrixShape matrix;
  uint32_t subgroup = 1;          ///< invocations that own a matrix together
  uint32_t shared_bytes = 16384;  ///< of shared memory that a workgroup may have
  uint32_t invocations = 128;     ///< of a workgroup, at most
  uint32_t processors = 0;        ///< that run workgroups; 0: unknown
};

}  // namespace tessera::vulkan
