// tessera devices: what this machine could run a model on.
#include <iostream>

#include "tools/machine.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

std::string text(const nlohmann::json& json, const char* key) { return json[key].get<std::string>(); }

// Adds the peaks to each device, or why they are not known.
void measure(nlohmann::json& devices) {
  for (nlohmann::json& device : devices) {
#ifdef TESSERA_VULKAN
    std::string why;
    const auto backend = vulkan::make_backend(std::stoi(text(device, "device").substr(7)), &why);
    try {
      if (!backend) fail(Error::Kind::device, why);
      device["peaks"] = json_of(vulkan::measure(*backend));
    } catch (const Error& error) {
      device["peaks_note"] = error.what();
    }
#endif
  }
}

void print_peaks(const nlohmann::json& device) {
  if (device.contains("peaks_note")) std::cout << "  not measured: " << text(device, "peaks_note") << '\n';
  if (!device.contains("peaks")) return;
  const auto number = [&](const char* key) { return fixed(device["peaks"][key].get<double>(), 1); };
  std::cout << "  at most " << number("fp32_gflops") << " Gflop/s in fp32, " << number("memory_gb_per_s")
            << " GB/s of memory, " << number("upload_gb_per_s") << " GB/s up, " << number("download_gb_per_s")
            << " GB/s down, " << number("dispatch_us") << " us a dispatch\n";
}

void devices(bool json, bool measured) {
  nlohmann::json report = machine_json();
  if (measured) measure(report["vulkan"]);
  if (json) {
    std::cout << text_of(report, 2) << '\n';
    return;
  }
  const nlohmann::json& cpu = report["cpu"];
  std::cout << "cpu: " << text(cpu, "name") << ", kernels for " << text(cpu, "level")
            << " (best here: " << text(cpu, "best_level") << "), " << cpu["cores"] << " cores, " << cpu["threads"]
            << " threads by default, " << bytes_text(cpu["memory_bytes"]) << '\n';
  for (const nlohmann::json& device : report["vulkan"]) {
    std::cout << text(device, "device") << ": " << text(device, "name") << ", " << text(device, "driver") << ", Vulkan "
              << text(device, "api") << ", " << bytes_text(device["memory_bytes"]) << (device["fp16"] ? ", fp16" : "")
              << (device["cooperative_matrix"] ? ", cooperative matrices" : "")
              << (device["cpu_type"] ? ", a software renderer: used only when named" : "") << '\n';
    print_peaks(device);
  }
  if (report["vulkan"].empty()) std::cout << "vulkan: none (" << text(report, "vulkan_note") << ")\n";
}

}  // namespace

void add_devices(CLI::App& app, int&) {
  auto json = std::make_shared<bool>(false);
  auto measured = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("devices", "List what this machine could run a model on");
  sub->add_flag("--measure", *measured, "Measure what each Vulkan device can do at most");
  sub->add_flag("--json", *json, "Print one JSON object");
  sub->footer(R"(
The names on the left are what --device takes. TESSERA_ISA=baseline, avx2, avx512, avx512vnni, avx512bf16 or amx pins the CPU's kernels.

Examples:
  tessera devices
  tessera devices --measure
  tessera devices --json)");
  sub->callback([json, measured] { devices(*json, *measured); });
}

}  // namespace tessera::tools
