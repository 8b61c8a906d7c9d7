// tessera devices: what this machine could run a model on.
#include <iostream>

#include "tools/machine.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

std::string text(const nlohmann::json& json, const char* key) { return json[key].get<std::string>(); }

// Adds to each device what it has, and, if asked, its variants' answers and its peaks; or why they are not known.
void look_into(nlohmann::json& devices, [[maybe_unused]] bool measured) {
  for (nlohmann::json& device : devices) {
#ifdef TESSERA_VULKAN
    std::string why;
    const auto backend = vulkan::make_backend(std::stoi(text(device, "device").substr(7)), &why);
    try {
      if (!backend) fail(Error::Kind::device, why);
      if (measured) vulkan::ask_every_variant(*backend);
      device["details"] = json_of(vulkan::details_of(*backend));
      if (measured) device["peaks"] = json_of(vulkan::measure(*backend));
    } catch (const Error& error) {
      device[device.contains("details") ? "peaks_note" : "details_note"] = error.what();
    }
#endif
  }
}

std::string list(const nlohmann::json& texts) {
  std::string all;
  for (const nlohmann::json& one : texts) all += (all.empty() ? "" : ", ") + one.get<std::string>();
  return all;
}

void print_details(const nlohmann::json& device) {
  if (device.contains("details_note")) std::cout << "  cannot be opened: " << text(device, "details_note") << '\n';
  if (!device.contains("details")) return;
  const nlohmann::json& details = device["details"];
  std::cout << "  UUID " << text(details, "uuid") << '\n';
  for (const nlohmann::json& heap : details["heaps"]) {
    std::cout << "  heap of " << (heap["device_local"] ? "its own" : "the host") << ": " << bytes_text(heap["bytes"]);
    if (heap.contains("budget_bytes"))
      std::cout << ", this process may have " << bytes_text(heap["budget_bytes"]) << " and has "
                << bytes_text(heap["used_bytes"]);
    std::cout << '\n';
  }
  std::cout << "  features: " << list(details["features"]) << "; " << details["copy_queues"]
            << " queues that only copy\n"
            << "  limits: " << bytes_text(details["shared_bytes"]) << " shared by " << details["workgroup_invocations"]
            << " invocations, subgroups of " << device["subgroup_size"] << ", buffers of "
            << bytes_text(details["storage_range_bytes"]) << ", allocations of "
            << bytes_text(details["allocation_bytes"]) << '\n';
  if (!details["matrix_shapes"].empty())
    std::cout << "  matrices: " << list(details["matrix_shapes"]) << "; kernels use "
              << (text(details, "matrix_used").empty() ? "none" : text(details, "matrix_used")) << '\n';
  std::cout << "  variants of kernels: " << details["variants_right"] << " gave the right answer, "
            << details["variants_unasked"] << " are asked before their first use\n";
  if (details["tuned_classes"] > 0) std::cout << "  tuned for " << details["tuned_classes"] << " classes of shapes\n";
  for (const nlohmann::json& wrong : details["variants_wrong"]) std::cout << "  " << wrong.get<std::string>() << '\n';
}

void print_peaks(const nlohmann::json& device) {
  if (device.contains("peaks_note")) std::cout << "  not measured: " << text(device, "peaks_note") << '\n';
  if (!device.contains("peaks")) return;
  const auto number = [&](const char* key) { return fixed(device["peaks"][key].get<double>(), 1); };
  std::cout << "  at most " << number("fp32_gflops") << " Gflop/s in fp32, ";
  if (device["peaks"]["matrix_gflops"].get<double>() > 0) std::cout << number("matrix_gflops") << " by matrix units, ";
  std::cout << number("memory_gb_per_s") << " GB/s of memory, " << number("upload_gb_per_s") << " GB/s up, "
            << number("download_gb_per_s") << " GB/s down, " << number("dispatch_us") << " us a dispatch\n";
}

void devices(bool json, bool measured) {
  nlohmann::json report = machine_json();
  look_into(report["vulkan"], measured);
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
    print_details(device);
    print_peaks(device);
  }
  if (report["vulkan"].empty()) std::cout << "vulkan: none (" << text(report, "vulkan_note") << ")\n";
}

}  // namespace

void add_devices(CLI::App& app, int&) {
  auto json = std::make_shared<bool>(false);
  auto measured = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("devices", "List what this machine could run a model on");
  sub->add_flag("--measure", *measured,
                "Ask all variants of kernels, and measure what each Vulkan device can do at most");
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
