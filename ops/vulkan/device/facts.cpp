#include "ops/vulkan/device/facts.h"

#include <algorithm>

namespace tessera::vulkan {
namespace {

// Kernels move 8 channels at a time, and count channels in blocks of 16; as many invocations of a subgroup share each
// row.
bool is_usable(const VkCooperativeMatrixPropertiesKHR& p, uint32_t subgroup) {
  const auto fits = [](uint32_t extent) { return extent == 8 || extent == 16; };
  return p.scope == VK_SCOPE_SUBGROUP_KHR && p.AType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
         p.BType == VK_COMPONENT_TYPE_FLOAT16_KHR && p.CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
         p.ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && !p.saturatingAccumulation && fits(p.MSize) && fits(p.NSize) &&
         fits(p.KSize) && subgroup % p.MSize == 0;
}

std::vector<VkCooperativeMatrixPropertiesKHR> all_shapes(const Instance& instance, VkPhysicalDevice physical) {
  const auto get = reinterpret_cast<PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR>(
      Loader::instance().get(instance.handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  uint32_t count = 0;
  if (!get || get(physical, &count, nullptr) < 0) return {};
  std::vector<VkCooperativeMatrixPropertiesKHR> shapes(
      count, structure<VkCooperativeMatrixPropertiesKHR>(VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR));
  if (get(physical, &count, shapes.data()) < 0) return {};
  shapes.resize(count);
  return shapes;
}

MatrixShape largest_shape(const Instance& instance, VkPhysicalDevice physical, uint32_t subgroup) {
  MatrixShape best;
  for (const VkCooperativeMatrixPropertiesKHR& p : all_shapes(instance, physical))
    if (is_usable(p, subgroup) && p.MSize * p.NSize * p.KSize > best.m * best.n * best.k)
      best = {p.MSize, p.NSize, p.KSize};
  return best;
}

}  // namespace

std::vector<std::string> matrix_shapes(const Instance& instance, VkPhysicalDevice physical) {
  const auto name = [](VkComponentTypeKHR type) -> std::string {
    constexpr Text names[] = {"float16", "float32", "float64", "int8",   "int16", "int32",
                              "int64",   "uint8",   "uint16",  "uint32", "uint64"};
    const auto i = static_cast<size_t>(type);
    return i < std::size(names) ? std::string(names[i]) : cat("type ", i);
  };
  std::vector<std::string> shapes;
  if (!extensions_of(instance, physical).contains(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME)) return shapes;
  for (const VkCooperativeMatrixPropertiesKHR& p : all_shapes(instance, physical))
    shapes.push_back(cat(name(p.AType), p.BType == p.AType ? "" : " by " + name(p.BType), ' ', p.MSize, 'x', p.NSize,
                         'x', p.KSize, " to ", name(p.ResultType), p.saturatingAccumulation ? ", saturating" : ""));
  return shapes;
}

Facts read_facts(const Instance& instance, VkPhysicalDevice physical, const Features& features) {
  Facts facts;
  auto properties = structure<VkPhysicalDeviceProperties2>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2);
  auto subgroup = structure<VkPhysicalDeviceSubgroupProperties>(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
  auto processors = structure<VkPhysicalDeviceShaderSMBuiltinsPropertiesNV>(
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV);
  properties.pNext = &subgroup;
  if (extensions_of(instance, physical).contains(VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) subgroup.pNext = &processors;
  instance.call.GetPhysicalDeviceProperties2(physical, &properties);
  const VkPhysicalDeviceLimits& limits = properties.properties.limits;
  facts.subgroup = subgroup.subgroupSize;
  facts.shared_bytes = limits.maxComputeSharedMemorySize;
  facts.invocations = std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0]);
  facts.processors = processors.shaderSMCount;
  if (features.capabilities.contains(matrix_capability))
    facts.matrix = largest_shape(instance, physical, facts.subgroup);
  return facts;
}

}  // namespace tessera::vulkan
