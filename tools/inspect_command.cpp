// tessera inspect: what a model is, and with shapes, what a run of it would do.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>

#include "runtime/onnx/load.h"
#include "tools/memory.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

struct Contents {
  std::map<std::string, int64_t> operators;
  int64_t nodes = 0, parameters = 0, subgraphs = 0;
};

// Nodes and constants of the graph and of the graphs inside it.
void count(const Graph& graph, Contents& contents) {
  for (const Value& value : graph.values)
    if (value.constant) contents.parameters += value.constant->type.shape.elements();
  for (const Node& node : graph.nodes) {
    ++contents.nodes;
    if (node.op) {
      const Text domain = node.op->domain;
      ++contents.operators[cat(domain, domain.empty() ? "" : ".", node.op->name)];
    }
    if (!node.attrs) continue;
    for (const auto& [name, attr] : *node.attrs) {
      if (const auto* body = std::get_if<std::shared_ptr<Graph>>(&attr); body && *body) {
        ++contents.subgraphs;
        count(**body, contents);
      }
      if (const auto* tensor = std::get_if<Tensor>(&attr)) contents.parameters += tensor->type.shape.elements();
    }
  }
}

nlohmann::json ports_json(const Graph& graph, const std::vector<ValueId>& ids) {
  nlohmann::json all = nlohmann::json::array();
  for (const ValueId id : ids) all.push_back(json_of(port_of(graph.values[id])));
  return all;
}

void print_port(const Port& port) { std::cout << "  " << port.name << ": " << describe(port) << '\n'; }

void print_ports(const char* title, const Graph& graph, const std::vector<ValueId>& ids) {
  std::cout << title << '\n';
  for (const ValueId id : ids) print_port(port_of(graph.values[id]));
}

std::string types_text(const std::vector<Type>& types) {
  std::string text;
  for (const Type& type : types) {
    if (type.dtype == DType::undefined) continue;
    text += cat(text.empty() ? "" : ", ", type);
  }
  return text;
}

nlohmann::json plan_json(const std::vector<StepInfo>& steps, const Memory& memory, int64_t peak) {
  nlohmann::json rows = nlohmann::json::array();
  double flops = 0;
  for (const StepInfo& step : steps) {
    nlohmann::json in = nlohmann::json::array(), out = nlohmann::json::array();
    for (const Type& type : step.in) in.push_back(cat(type));
    for (const Type& type : step.out) out.push_back(cat(type));
    rows.push_back({{"node", step.node},
                    {"op", step.op},
                    {"backend", step.backend},
                    {"kernel", step.kernel},
                    {"why", step.why},
                    {"in", in},
                    {"out", out},
                    {"flops", step.flops}});
    flops += step.flops;
  }
  return {{"steps", rows},
          {"flops", flops},
          {"weights_bytes", memory.weights_bytes},
          {"packed_bytes", memory.packed_bytes},
          {"arena_bytes", memory.arena_bytes},
          {"scratch_bytes", memory.scratch_bytes},
          {"device_bytes", memory.device_bytes},
          {"device_weights_bytes", memory.device_weights_bytes},
          {"device_budget_bytes", memory.device.budget},
          {"peak_rss_bytes", peak}};
}

void print_plan(const std::vector<StepInfo>& steps, const Memory& memory, int64_t peak) {
  std::vector<std::vector<std::string>> rows{
      {"node", "op", "backend", "kernel", "Mflop", "output", "why not the device"}};
  const bool device = std::any_of(steps.begin(), steps.end(), [](const StepInfo& step) { return !step.why.empty(); });
  if (!device) rows[0].back().clear();
  double flops = 0;
  for (const StepInfo& step : steps) {
    rows.push_back(
        {step.node, step.op, step.backend, step.kernel, fixed(step.flops / 1e6, 2), types_text(step.out), step.why});
    flops += step.flops;
  }
  std::cout << "plan: " << steps.size() << " steps, " << fixed(flops / 1e9, 3) << " Gflop\n"
            << "memory: weights " << bytes_text(memory.weights_bytes) << ", packed " << bytes_text(memory.packed_bytes)
            << ", arena " << bytes_text(memory.arena_bytes) << " (scratch " << bytes_text(memory.scratch_bytes)
            << "); a process that runs it: " << bytes_text(peak) << '\n';
  if (memory.device.budget)
    std::cout << "device memory: weights " << bytes_text(memory.device_weights_bytes) << ", a run "
              << bytes_text(memory.device_bytes) << ", of " << bytes_text(memory.device.budget) << '\n';
  print_table(rows, {false, false, false, false, true, false, false});
}

void inspect(const ModelOptions& options) {
  const onnx::Loaded loaded = onnx::load(options.model);
  const Model& model = loaded.model;
  Contents contents;
  count(model.graph, contents);
  if (!options.json) {
    std::cout << "model: " << options.model << "\nproducer: " << model.producer << "\nIR version: " << model.ir_version
              << "\nopsets:";
    for (const auto& [domain, version] : model.opsets)
      std::cout << ' ' << (domain.empty() ? "ai.onnx" : domain) << ' ' << version;
    std::cout << "\nparameters: " << contents.parameters << " (" << bytes_text(model.weight_bytes) << ")\n";
    print_ports("inputs:", model.graph, model.graph.inputs);
    if (!loaded.optional_inputs.empty()) std::cout << "optional inputs, which have a default:\n";
    for (const onnx::OptionalInput& input : loaded.optional_inputs) print_port(port_of(input.declared));
    print_ports("outputs:", model.graph, model.graph.outputs);
    std::cout << "operators: " << contents.nodes << " nodes";
    if (contents.subgraphs) std::cout << " with those of " << contents.subgraphs << " subgraphs";
    std::cout << '\n';
    std::vector<std::vector<std::string>> rows;
    for (const auto& [name, number] : contents.operators) rows.push_back({" ", std::to_string(number), name});
    print_table(rows, {false, true, false});
    for (const std::string& text : loaded.unsupported) std::cout << "not supported: " << text << '\n';
  }
  nlohmann::json report{{"model", options.model},
                        {"producer", model.producer},
                        {"ir_version", model.ir_version},
                        {"parameters", contents.parameters},
                        {"weights_bytes", model.weight_bytes},
                        {"nodes", contents.nodes},
                        {"subgraphs", contents.subgraphs},
                        {"operators", contents.operators},
                        {"unsupported", loaded.unsupported},
                        {"inputs", ports_json(model.graph, model.graph.inputs)},
                        {"outputs", ports_json(model.graph, model.graph.outputs)}};
  report["optional_inputs"] = nlohmann::json::array();
  for (const onnx::OptionalInput& input : loaded.optional_inputs)
    report["optional_inputs"].push_back(json_of(port_of(input.declared)));
  report["opsets"] = nlohmann::json::object();
  for (const auto& [domain, version] : model.opsets) report["opsets"][domain.empty() ? "ai.onnx" : domain] = version;
  report["metadata"] = nlohmann::json::object();
  for (const auto& [key, value] : model.metadata) report["metadata"][key] = value;

  if (!options.input.shapes.empty()) {
    const Session session(options.model, options.session_options());
    const std::vector<Type> types = input_types(all_inputs(session), options.input);
    print_device_note(session, types);
    const std::vector<StepInfo> steps = session.steps(types);
    const Memory memory = session.forecast(types);
    const int64_t peak = forecast_rss_bytes(session, types);
    if (options.json)
      report["plan"] = plan_json(steps, memory, peak);
    else
      print_plan(steps, memory, peak);
  }
  if (options.json) std::cout << text_of(report, 2) << '\n';
}

}  // namespace

void add_inspect(CLI::App& app, int&) {
  auto options = std::make_shared<ModelOptions>();
  CLI::App* sub = app.add_subcommand("inspect", "Show a model's inputs, outputs, operators, and its plan");
  add_model(*sub, *options);
  add_shapes(*sub, *options);
  add_session(*sub, *options);
  add_json(*sub, *options);
  sub->footer(R"(
With --shape, shows the plan: the steps, the kernel of each, and the memory that a run needs; with --device,
also why a step is not there. Where shapes depend on data, the plan ends at the first such node.

Examples:
  tessera inspect model.onnx
  tessera inspect model.onnx --shape x=1x3x256x256
  tessera inspect model.onnx --shape x=1x3x256x256 --device vulkan:0
  tessera inspect model.onnx --json)");
  sub->callback([options] { inspect(*options); });
}

}  // namespace tessera::tools
