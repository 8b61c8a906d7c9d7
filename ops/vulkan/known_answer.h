// Known answers: each shader variant has to reproduce an operator's reference, once per device and driver, before it is
// trusted.
#pragma once

#include <optional>
#include <string>

#include "ops/vulkan/device/device.h"

namespace tessera::vulkan {

/// Empty if the variant gives the right answer on this device, else one line that says how it
/// failed. Tried at the first call; its answer is remembered on disk. Where a call to Vulkan failed instead, it is
/// tried once more.
std::string known_answer_failure(const std::shared_ptr<Device>& device, const Shader& shader);

/// Whether a call before found the variant failing.
bool is_distrusted(const Device& device, const Shader& shader);

/// What is remembered of it, of this process or an earlier one: empty for a right answer. Nothing: it was not asked.
std::optional<std::string> remembered_failure(const Device& device, const Shader& shader);

}  // namespace tessera::vulkan
