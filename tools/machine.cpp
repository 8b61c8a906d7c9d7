#include "tools/machine.h"

#include <unistd.h>

#include <fstream>
#include <thread>

#include "ops/cpu/level.h"
#include "runtime/base/cores.h"
#include "tools/options.h"

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

}  // namespace

nlohmann::json machine_json() {
  std::string why_none;
  nlohmann::json report{{"cpu", cpu_json()}, {"vulkan", vulkan_json(why_none)}};
  if (report["vulkan"].empty()) report["vulkan_note"] = why_none;
  return report;
}

#ifdef TESSERA_VULKAN
nlohmann::json json_of(const vulkan::DeviceDetails& details) {
  nlohmann::json heaps = nlohmann::json::array();
  for (const auto& heap : details.heaps) {
    heaps.push_back({{"bytes", heap.bytes}, {"device_local", heap.own}});
    if (heap.budget) heaps.back()["budget_bytes"] = heap.budget, heaps.back()["used_bytes"] = heap.used;
  }
  return {{"uuid", details.uuid},
          {"heaps", heaps},
          {"features", details.features},
          {"matrix_shapes", details.matrices},
          {"matrix_used", details.matrix},
          {"shared_bytes", details.shared_bytes},
          {"storage_range_bytes", details.storage_range},
          {"allocation_bytes", details.allocation},
          {"workgroup_invocations", details.invocations},
          {"processors", details.processors},
          {"copy_queues", details.copy_queues},
          {"variants_right", details.right},
          {"variants_unasked", details.unasked},
          {"variants_wrong", details.wrong},
          {"tuned_classes", details.tuned}};
}

nlohmann::json json_of(const vulkan::Peaks& peaks) {
  return {{"fp32_gflops", peaks.fp32_gflops},        {"matrix_gflops", peaks.matrix_gflops},
          {"memory_gb_per_s", peaks.memory_gbs},     {"upload_gb_per_s", peaks.upload_gbs},
          {"download_gb_per_s", peaks.download_gbs}, {"dispatch_us", peaks.dispatch_us}};
}
#endif

}  // namespace tessera::tools
