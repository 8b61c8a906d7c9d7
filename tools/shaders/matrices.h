// Cooperative matrices as Vulkan devices take them, from what older compilers write.
#pragma once

#include <cstdint>
#include <vector>

namespace shaders {

/// Rewrites a module of SPV_NV_cooperative_matrix to SPV_KHR_cooperative_matrix; other modules stay as they are.
/// The types of the three operands of a product have to differ: in GLSL, by the constants of their extents.
std::vector<uint32_t> to_khr_matrices(const std::vector<uint32_t>& words);

/// Whether a module divides matrices element by element: older optimizers fail where they simplify that.
bool divides_matrices(const std::vector<uint32_t>& words);

}  // namespace shaders
