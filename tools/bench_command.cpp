// tessera bench: how long a model takes to load and to run, and what memory it needs.
#include <algorithm>
#include <iostream>

#include "tools/bench_report.h"
#include "tools/machine.h"
#include "tools/memory.h"
#include "tools/node_times.h"
#include "tools/npy.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

struct BenchCommand {
  ModelOptions options;
  int runs = 10;
  bool per_node = false;
  std::string page;
  std::vector<std::string> diff;
};

// What it does of what the device can, at most; empty where that is not known.
std::string share_of_peak(const NodeTime& node, const nlohmann::json& peaks) {
  if (peaks.is_null() || node.backend == "cpu") return "";
  const bool by_matrices = node.kernel.find("matri") != std::string::npos;
  const double arithmetic = node.gflops() / peaks[by_matrices ? "matrix_gflops" : "fp32_gflops"].get<double>(),
               memory = node.gigabytes() / peaks["memory_gb_per_s"].get<double>();
  return fixed(100 * std::max(arithmetic, memory), 1) + " %" + (memory > arithmetic ? " memory" : "");
}

nlohmann::json time_json(const NodeTime& time) {
  return {{"op", time.op},
          {"kernel", time.kernel},
          {"backend", time.backend},
          {"median_ms", time.time.ms},
          {"low_ms", time.time.low},
          {"high_ms", time.time.high},
          {"gflops", time.gflops()},
          {"flops", time.flops},
          {"gb_per_s", time.gigabytes()},
          {"bytes", time.bytes}};
}

nlohmann::json nodes_json(const std::vector<NodeTime>& nodes) {
  nlohmann::json rows = nlohmann::json::array();
  for (const NodeTime& node : nodes) {
    rows.push_back(time_json(node));
    rows.back()["node"] = node.node;
  }
  return rows;
}

nlohmann::json operators_json(const std::vector<NodeTime>& nodes) {
  nlohmann::json rows = nlohmann::json::array();
  for (const NodeTime& group : grouped(nodes)) {
    rows.push_back(time_json(group));
    rows.back()["nodes"] = group.nodes;
  }
  return rows;
}

void print_times(const char* title, const std::vector<NodeTime>& times, double total, const nlohmann::json& peaks) {
  std::cout << '\n' << title << '\n';
  std::vector<std::vector<std::string>> rows{
      {"ms", "share", "Gflop/s", "GB/s", "of peak", "nodes", "op", "backend", "kernel", "node"}};
  for (const NodeTime& time : times)
    rows.push_back({fixed(time.time.ms, 3), fixed(total > 0 ? 100 * time.time.ms / total : 0, 1) + " %",
                    time.flops > 0 ? fixed(time.gflops(), 1) : "", fixed(time.gigabytes(), 1),
                    share_of_peak(time, peaks), std::to_string(time.nodes), time.op, time.backend, time.kernel,
                    time.node});
  print_table(rows, {true, true, true, true, true, true, false, false, false, false});
}

void print_nodes(const std::vector<NodeTime>& nodes, const nlohmann::json& peaks) {
  double total = 0;
  for (const NodeTime& node : nodes) total += node.time.ms;
  print_times("by node", nodes, total, peaks);
  print_times("by operator", grouped(nodes), total, peaks);
}

// The peaks of the device that the session runs on; null where they are not known.
nlohmann::json measured_peaks([[maybe_unused]] const Session& session) {
#ifdef TESSERA_VULKAN
  try {
    if (const DeviceBackend* device = session.device_backend()) return json_of(vulkan::measure(*device));
  } catch (const Error&) {
  }
#endif
  return {};
}

int64_t busy_ns(const Session& session) { return session.traffic() ? session.traffic()->busy_ns.load() : 0; }

struct Measured {
  double load_ms = 0, plan_ms = 0, first_run_ms = 0, min_ms = 0;
  Spread run, device;
  double flops = 0;
  Memory memory;
  std::vector<NodeTime> nodes;
  nlohmann::json inputs = nlohmann::json::object();
  nlohmann::json peaks;

  double gflops() const { return run.ms > 0 ? flops / run.ms / 1e6 : 0; }
};

void time_runs(const BenchCommand& command, const Session& session, const std::vector<Tensor>& in, Measured& found) {
  const auto start = Clock::now();
  Runner runner(session, in);
  runner.run(nullptr);
  found.first_run_ms = milliseconds_since(start);
  std::vector<double> times, device_times;
  for (int i = 0; i < command.runs; ++i) {
    const int64_t busy = busy_ns(session);
    times.push_back(runner.run(nullptr));
    device_times.push_back(static_cast<double>(busy_ns(session) - busy) * 1e-6);
  }
  found.min_ms = *std::min_element(times.begin(), times.end());
  found.run = spread_of(times);
  found.device = spread_of(device_times);
  NodeTimes nodes;
  for (int i = 0; command.per_node && i < command.runs; ++i) {
    nodes.start_run();
    runner.run(&nodes);
  }
  std::vector<Type> types;
  for (const Tensor& tensor : in) types.push_back(tensor.type);
  const std::vector<StepInfo> steps = session.steps(types);
  found.nodes = nodes.medians(steps);
  for (const StepInfo& step : steps) found.flops += step.flops;
  found.memory = session.forecast(types);
  if (command.per_node) found.peaks = measured_peaks(session);
}

nlohmann::json report_of(const BenchCommand& command, const Session& session, const Measured& found) {
  nlohmann::json report{{"model", command.options.model},
                        {"inputs", found.inputs},
                        {"load_ms", found.load_ms},
                        {"plan_ms", found.plan_ms},
                        {"first_run_ms", found.first_run_ms},
                        {"min_ms", found.min_ms},
                        {"median_ms", found.run.ms},
                        {"low_ms", found.run.low},
                        {"high_ms", found.run.high},
                        {"device_ms", found.device.ms},
                        {"runs", command.runs},
                        {"threads", session.threads()},
                        {"device", session.device()},
                        {"precision", command.options.session.precision},
                        {"flops", found.flops},
                        {"gflops", found.gflops()},
                        {"peak_rss_bytes", peak_rss_bytes()},
                        {"arena_bytes", found.memory.arena_bytes},
                        {"scratch_bytes", found.memory.scratch_bytes},
                        {"packed_bytes", found.memory.packed_bytes},
                        {"weights_bytes", found.memory.weights_bytes}};
  if (command.per_node) {
    report["nodes"] = nodes_json(found.nodes);
    report["operators"] = operators_json(found.nodes);
    report["peaks"] = found.peaks;
  }
  return report;
}

void print_report(const BenchCommand& command, const Session& session, const Measured& found) {
  std::cout << command.options.model << " on " << session.device() << ", " << session.threads() << " threads, "
            << command.options.session.precision << '\n';
  for (const auto& [name, type] : found.inputs.items())
    std::cout << "  input " << name << ": " << type.get<std::string>() << '\n';
  std::cout << "  load " << fixed(found.load_ms, 1) << " ms, plan " << fixed(found.plan_ms, 1) << " ms, first run "
            << fixed(found.first_run_ms, 1) << " ms\n"
            << "  run: median " << fixed(found.run.ms, 3) << " ms, least " << fixed(found.min_ms, 3) << " ms of "
            << command.runs << " runs\n";
  if (session.traffic()) std::cout << "  on the device: median " << fixed(found.device.ms, 3) << " ms\n";
  const Memory& memory = found.memory;
  std::cout << "  " << fixed(found.flops / 1e9, 3) << " Gflop, " << fixed(found.gflops(), 1) << " Gflop/s\n"
            << "  memory: arena " << bytes_text(memory.arena_bytes) << ", weights " << bytes_text(memory.weights_bytes)
            << ", packed " << bytes_text(memory.packed_bytes) << ", process at most " << bytes_text(peak_rss_bytes())
            << '\n';
  if (command.per_node) print_nodes(found.nodes, found.peaks);
}

void bench(BenchCommand& command) {
  const ModelOptions& options = command.options;
  if (options.model.empty()) fail(Error::Kind::usage, "bench needs a MODEL, or --diff with two reports");
  if (!command.page.empty()) command.per_node = true;
  Measured found;
  const auto start = Clock::now();
  const Session session(options.model, options.session_options());
  found.load_ms = milliseconds_since(start);
  const std::vector<Port> ports = all_inputs(session);
  const std::vector<Tensor> in = make_inputs(ports, options.input);
  std::vector<Type> types;
  for (const Tensor& tensor : in) types.push_back(tensor.type);
  for (size_t i = 0; i < in.size(); ++i)
    if (in[i].bytes) found.inputs[ports[i].name] = cat(types[i]);
  const auto plan_start = Clock::now();
  static_cast<void>(session.forecast(types));
  found.plan_ms = milliseconds_since(plan_start);
  print_device_note(session, types);
  time_runs(command, session, in, found);
  const nlohmann::json report = report_of(command, session, found);
  if (!command.page.empty()) write_file(command.page, html_page(report));
  if (options.json)
    std::cout << text_of(report, 2) << '\n';
  else
    print_report(command, session, found);
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<BenchCommand>();
  CLI::App* sub = app.add_subcommand("bench", "Time a model");
  add_model(*sub, command->options)->required(false);
  add_shapes(*sub, command->options);
  add_session(*sub, command->options);
  add_tune(*sub, command->options.session.tune);
  sub->add_option("--runs", command->runs, "Timed runs after the first (10)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000).description(""));
  sub->add_flag("--per-node", command->per_node,
                "Add the time of every node and of every operator; on a device, beside what it can do at most");
  sub->add_option("--html", command->page, "Write a page with a roofline of all operators")->type_name("FILE");
  sub->add_option("--diff", command->diff, "Compare two reports instead of timing a model")
      ->type_name("BEFORE AFTER")
      ->expected(2);
  add_json(*sub, command->options);
  sub->footer(R"(
Inputs are random, as in `tessera run`. Floating-point operations are those of convolutions and matrix
products, two per multiply-add. Weights are packed while the model is loaded; the plan is
what a new shape costs before its first run. --diff takes reports of --json and journals of gpu_check;
"faster" and "slower" are what lies outside the quartiles, by 2 % at least. It exits with 1 if something is slower.

Examples:
  tessera bench model.onnx --shape x=1x3x256x256 --threads 2
  tessera bench model.onnx --runs 50 --json
  tessera bench model.onnx --device vulkan:0 --per-node
  tessera bench model.onnx --device vulkan:0 --tune
  tessera bench --diff before.json after.json)");
  sub->callback([command, &exit_code] {
    if (command->diff.empty())
      bench(*command);
    else if (!print_diff(command->diff[0], command->diff[1], command->options.json))
      exit_code = exit_failed;
  });
}

}  // namespace tessera::tools
