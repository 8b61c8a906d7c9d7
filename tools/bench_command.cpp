// tessera bench: how long a model takes to load and to run, and what memory it needs.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>

#include "tools/memory.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

struct BenchCommand {
  ModelOptions options;
  int runs = 10;
  bool per_node = false;
};

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Times by node. Steps come in the order of the plan in every run, which tells nodes without a name
// apart.
class NodeTimes : public Profile {
 public:
  struct Entry {
    std::string node, op, kernel;
    std::vector<double> times;
  };

  void start_run() { next_ = 0; }
  void step(const Node& node, Text kernel, double milliseconds) override {
    const std::string op = node.op ? std::string(node.op->name) : "";
    if (next_ == entries_.size()) entries_.push_back({node.name, op, std::string(kernel), {}});
    Entry& entry = entries_[next_++];
    entry.times.push_back(milliseconds);
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
  size_t next_ = 0;
};

// Runs into buffers made once where the outputs' types are known before, else as they come.
class Runner {
 public:
  Runner(const Session& session, const std::vector<Tensor>& in) : session_(session), in_(in) {
    std::vector<Type> types;
    for (const Tensor& tensor : in_) types.push_back(tensor.type);
    try {
      for (const Type& type : session_.output_types(types)) out_.push_back(Tensor::make(type));
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::unsupported) throw;
      fixed_ = false;
    }
    for (const Tensor& tensor : in_) in_views_.push_back(tensor.view());
    for (const Tensor& tensor : out_) out_views_.push_back(tensor.view());
    for (const Tensor& tensor : in_) in_data_.emplace_back().tensor = tensor;
  }

  double run(Profile* profile) {
    RunOptions options;
    options.profile = profile;
    options.cancel = &interrupted();
    const auto start = Clock::now();
    if (fixed_)
      session_.run_into(in_views_, out_views_, options);
    else
      static_cast<void>(session_.run(List<Datum>(in_data_), options));
    return since(start);
  }

 private:
  const Session& session_;
  const std::vector<Tensor>& in_;
  std::vector<Tensor> out_;
  std::vector<View> in_views_, out_views_;
  std::vector<Datum> in_data_;
  bool fixed_ = true;
};

nlohmann::json node_json(const NodeTimes& times) {
  nlohmann::json rows = nlohmann::json::array();
  for (const NodeTimes::Entry& entry : times.entries())
    rows.push_back(
        {{"node", entry.node}, {"op", entry.op}, {"kernel", entry.kernel}, {"median_ms", median(entry.times)}});
  return rows;
}

// By operator and kernel, most expensive first: {op, kernel, nodes, ms}.
struct Group {
  std::string op, kernel;
  int nodes = 0;
  double ms = 0;
};
std::vector<Group> groups_of(const NodeTimes& times) {
  std::map<std::pair<std::string, std::string>, Group> groups;
  for (const NodeTimes::Entry& entry : times.entries()) {
    Group& group = groups[{entry.op, entry.kernel}];
    group.op = entry.op;
    group.kernel = entry.kernel;
    ++group.nodes;
    group.ms += median(entry.times);
  }
  std::vector<Group> sorted;
  for (auto& [key, group] : groups) sorted.push_back(std::move(group));
  std::sort(sorted.begin(), sorted.end(), [](const Group& a, const Group& b) { return a.ms > b.ms; });
  return sorted;
}

void print_nodes(const NodeTimes& times) {
  double total = 0;
  for (const NodeTimes::Entry& entry : times.entries()) total += median(entry.times);
  const auto share = [&](double ms) { return fixed(total > 0 ? 100 * ms / total : 0, 1) + " %"; };
  std::cout << "\nby node\n";
  std::vector<std::vector<std::string>> rows{{"ms", "share", "op", "kernel", "node"}};
  for (const NodeTimes::Entry& entry : times.entries()) {
    const double ms = median(entry.times);
    rows.push_back({fixed(ms, 3), share(ms), entry.op, entry.kernel, entry.node});
  }
  print_table(rows, {true, true, false, false, false});
  std::cout << "\nby operator\n";
  rows = {{"ms", "share", "nodes", "op", "kernel"}};
  for (const Group& group : groups_of(times))
    rows.push_back({fixed(group.ms, 3), share(group.ms), std::to_string(group.nodes), group.op, group.kernel});
  print_table(rows, {true, true, true, false, false});
}

void bench(const BenchCommand& command) {
  const ModelOptions& options = command.options;
  const auto start = Clock::now();
  const Session session(options.model, options.session_options());
  const double load_ms = since(start);
  print_device_note(session);
  const std::vector<Port> ports = all_inputs(session);
  const std::vector<Tensor> in = make_inputs(ports, options.input);
  std::vector<Type> types;
  for (const Tensor& tensor : in) types.push_back(tensor.type);

  const auto plan_start = Clock::now();
  static_cast<void>(session.forecast(types));
  const double plan_ms = since(plan_start);
  const auto first_start = Clock::now();
  Runner runner(session, in);
  runner.run(nullptr);
  const double first_run_ms = since(first_start);
  std::vector<double> times;
  for (int i = 0; i < command.runs; ++i) times.push_back(runner.run(nullptr));
  NodeTimes nodes;
  for (int i = 0; command.per_node && i < command.runs; ++i) {
    nodes.start_run();
    runner.run(&nodes);
  }

  double flops = 0;
  for (const StepInfo& step : session.steps(types)) flops += step.flops;
  const Memory memory = session.forecast(types);
  const double median_ms = median(times), min_ms = *std::min_element(times.begin(), times.end());
  const double gflops = median_ms > 0 ? flops / median_ms / 1e6 : 0;
  if (options.json) {
    nlohmann::json inputs = nlohmann::json::object();
    for (size_t i = 0; i < types.size(); ++i)
      if (in[i].bytes) inputs[ports[i].name] = cat(types[i]);
    nlohmann::json report{{"model", options.model},
                          {"inputs", inputs},
                          {"load_ms", load_ms},
                          {"plan_ms", plan_ms},
                          {"first_run_ms", first_run_ms},
                          {"min_ms", min_ms},
                          {"median_ms", median_ms},
                          {"runs", command.runs},
                          {"threads", session.threads()},
                          {"device", session.device()},
                          {"precision", options.session.precision},
                          {"flops", flops},
                          {"gflops", gflops},
                          {"peak_rss_bytes", peak_rss_bytes()},
                          {"arena_bytes", memory.arena_bytes},
                          {"scratch_bytes", memory.scratch_bytes},
                          {"packed_bytes", memory.packed_bytes},
                          {"weights_bytes", memory.weights_bytes}};
    if (command.per_node) {
      report["nodes"] = node_json(nodes);
      report["operators"] = nlohmann::json::array();
      for (const Group& group : groups_of(nodes))
        report["operators"].push_back(
            {{"op", group.op}, {"kernel", group.kernel}, {"nodes", group.nodes}, {"median_ms", group.ms}});
    }
    std::cout << text_of(report, 2) << '\n';
    return;
  }
  std::cout << options.model << " on " << session.device() << ", " << session.threads() << " threads, "
            << options.session.precision << '\n';
  for (size_t i = 0; i < types.size(); ++i)
    if (in[i].bytes) std::cout << "  input " << ports[i].name << ": " << types[i] << '\n';
  std::cout << "  load " << fixed(load_ms, 1) << " ms, plan " << fixed(plan_ms, 1) << " ms, first run "
            << fixed(first_run_ms, 1) << " ms\n"
            << "  run: median " << fixed(median_ms, 3) << " ms, least " << fixed(min_ms, 3) << " ms of " << command.runs
            << " runs\n"
            << "  " << fixed(flops / 1e9, 3) << " Gflop, " << fixed(gflops, 1) << " Gflop/s\n"
            << "  memory: arena " << bytes_text(memory.arena_bytes) << ", weights " << bytes_text(memory.weights_bytes)
            << ", packed " << bytes_text(memory.packed_bytes) << ", process at most " << bytes_text(peak_rss_bytes())
            << '\n';
  if (command.per_node) print_nodes(nodes);
}

}  // namespace

void add_bench(CLI::App& app, int&) {
  auto command = std::make_shared<BenchCommand>();
  CLI::App* sub = app.add_subcommand("bench", "Time a model");
  add_model(*sub, command->options);
  add_shapes(*sub, command->options);
  add_session(*sub, command->options);
  sub->add_option("--runs", command->runs, "Timed runs after the first (10)")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000).description(""));
  sub->add_flag("--per-node", command->per_node, "Add the time of every node and of every operator");
  add_json(*sub, command->options);
  sub->footer(R"(
Inputs are random, as in `tessera run`. Floating-point operations are those of convolutions and matrix
products, two per multiply-add. Weights are packed while the model is loaded; the plan is
what a new shape costs before its first run.

Examples:
  tessera bench model.onnx --shape x=1x3x256x256 --threads 2
  tessera bench model.onnx --runs 50 --json
  tessera bench model.onnx --per-node)");
  sub->callback([command] { bench(*command); });
}

}  // namespace tessera::tools
