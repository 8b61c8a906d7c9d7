#include "tools/devices.h"

#include <charconv>
#include <iostream>

#include "ops/cpu/backend.h"
#include "tools/options.h"
#ifdef TESSERA_VULKAN
#include "ops/vulkan/backend.h"
#endif

namespace tessera::tools {

std::shared_ptr<const Environment> tuning_environment() {
  auto environment = std::make_shared<Environment>();
  environment->log.tell = [](Log::Level, const std::string& text) {
    if (text.starts_with(tuning_words)) std::cerr << cat("tessera: ", text, '\n');
  };
  return environment;
}

Backends backends_of(const std::string& device, [[maybe_unused]] const std::string& precision) {
  Backends backends;
  constexpr Text prefix = "vulkan:";
  int index = -1;
  if (device.starts_with(prefix)) {
    const char *begin = device.data() + prefix.size(), *end = device.data() + device.size();
    if (std::from_chars(begin, end, index).ptr != end || begin == end) index = -1;
  }
  if (device != "cpu" && index < 0)
    fail(Error::Kind::usage, "device \"", device, "\" is not known: use cpu or vulkan:N");
#ifdef TESSERA_VULKAN
  if (index >= 0) {
    std::string why;
    backends.push_back(vulkan::make_backend(index, &why, precision == "fp16" ? Precision::fp16 : Precision::fp32));
    if (!backends[0]) fail(Error::Kind::device, device, ": ", why);
  }
#else
  if (index >= 0) fail(Error::Kind::device, "this build has no Vulkan");
#endif
  backends.push_back(cpu::make_backend());
  return backends;
}

}  // namespace tessera::tools
