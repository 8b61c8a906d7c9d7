// What this machine could run a model on, as JSON: for `devices`, and for reports of measurements.
#pragma once

#include <nlohmann/json.hpp>

#ifdef TESSERA_VULKAN
#include "ops/vulkan/backend.h"
#endif

namespace tessera::tools {

/// {"cpu": {...}, "vulkan": [...]}; "vulkan_note" says why there is no device.
nlohmann::json machine_json();
#ifdef TESSERA_VULKAN
nlohmann::json json_of(const vulkan::DeviceDetails& details);
nlohmann::json json_of(const vulkan::Peaks& peaks);
#endif

}  // namespace tessera::tools
