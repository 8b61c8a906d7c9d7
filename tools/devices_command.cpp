// tessera devices: what this machine could run a model on.
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <thread>

#include "ops/cpu/level.h"
#include "runtime/base/cores.h"
#include "tools/options.h"
#ifdef TESSERA_VULKAN
#include "ops/vulkan/backend.h"
#endif

namespace tessera::tools {

namespace {

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      const size_t at = line.find(": ");
      if (at != std::string::npos) return line.substr(at + 2);
    }
  return "unknown";
}

nlohmann::json cpu_json() {
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGE_SIZE);
  return {{"device", "cpu"},
          {"name", cpu_name()},
          {"level", cpu::name_of(cpu::level())},
          {"best_level", cpu::name_of(cpu::best_level())},
          {"cores", std::thread::hardware_concurrency()},
          {"threads", available_cores()},
          {"memory_bytes", pages > 0 ? static_cast<int64_t>(pages) * size : 0}};
}

nlohmann::json vulkan_json(std::string& why_none) {
  nlohmann::json all = nlohmann::json::array();
#ifdef TESSERA_VULKAN
  for (const vulkan::DeviceInfo& info : vulkan::devices(&why_none))
    all.push_back({{"device", cat("vulkan:", info.index)},
                   {"name", info.name},
                   {"driver", info.driver},
                   {"api", info.api},
                   {"cpu_type", info.cpu_type},
                   {"memory_bytes", info.memory},
                   {"fp16", info.fp16},
                   {"cooperative_matrix", info.coopmat},
                   {"subgroup_size", info.subgroup_size}});
#else
  why_none = "this build has no Vulkan";
#endif
  return all;
}

void devices(bool json) {
  std::string why_none;
  const nlohmann::json cpu = cpu_json(), vulkan = vulkan_json(why_none);
  if (json) {
    nlohmann::json report{{"cpu", cpu}, {"vulkan", vulkan}};
    if (vulkan.empty()) report["vulkan_note"] = why_none;
    std::cout << text_of(report, 2) << '\n';
    return;
  }
  std::cout << "cpu: " << cpu["name"].get<std::string>() << ", kernels for " << cpu["level"].get<std::string>()
            << " (best here: " << cpu["best_level"].get<std::string>() << "), " << cpu["cores"] << " cores, "
            << cpu["threads"] << " threads by default, " << bytes_text(cpu["memory_bytes"]) << '\n';
  for (const nlohmann::json& device : vulkan)
    std::cout << device["device"].get<std::string>() << ": " << device["name"].get<std::string>() << ", "
              << device["driver"].get<std::string>() << ", Vulkan " << device["api"].get<std::string>() << ", "
              << bytes_text(device["memory_bytes"]) << (device["fp16"] ? ", fp16" : "")
              << (device["cooperative_matrix"] ? ", cooperative matrices" : "")
              << (device["cpu_type"] ? ", a software renderer: used only when named" : "") << '\n';
  if (vulkan.empty()) std::cout << "vulkan: none (" << why_none << ")\n";
}

}  // namespace

void add_devices(CLI::App& app, int&) {
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("devices", "List what this machine could run a model on");
  sub->add_flag("--json", *json, "Print one JSON object");
  sub->footer(R"(
The names on the left are what --device takes. TESSERA_ISA=baseline, avx2, avx512, avx512vnni, avx512bf16 or amx pins the CPU's kernels.

Examples:
  tessera devices
  tessera devices --json)");
  sub->callback([json] { devices(*json); });
}

}  // namespace tessera::tools
