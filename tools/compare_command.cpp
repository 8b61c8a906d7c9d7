// tessera compare: the same model on two devices, node by node; where do they part?
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>

#include "optimizer/optimizer.h"
#include "runtime/onnx/load.h"
#include "runtime/plan/plan.h"
#include "tools/devices.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

struct CompareCommand {
  ModelOptions options;
  std::string a = "cpu", b = "vulkan:0";
  double tolerance = 0;  // 0: as the precision has it
  bool all = false;

  double allowed() const { return tolerance > 0 ? tolerance : options.session.precision == "fp16" ? 5e-3 : 1e-4; }
};

// The node that made a value, and how far the value is off on the second device: of the largest number that the first
// has there. `magnified`: how many times the node magnifies what its inputs are off by, at least 1: a mean of numbers
// that cancel out is near zero, and off by much of itself.
struct Row {
  const Node* node = nullptr;
  std::string value, kernel, backend;
  double off = 0, own = -1, magnified = 1;  // own: by the node alone, given what the first device has; -1: not asked

  bool parts(double allowed) const { return !(off <= allowed * magnified); }
};

// The graph with concrete types as a session plans it for these backends, with every value as an output. `left`: nodes
// behind the first whose shapes depend on data.
Graph prepared(const CompareCommand& command, const std::vector<Tensor>& in, const Backends& best, size_t* left) {
  onnx::Loaded loaded = onnx::load(command.options.model);
  Graph graph = std::move(loaded.model.graph);
  if (!command.options.no_optimize) {
    fold_constants(graph, optimizer::wants_unfolded);
    optimizer::prepare(graph);
  }
  fold_constants(graph);
  if (!command.options.no_optimize) optimizer::prepare(graph);
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    Value& value = graph.values[graph.inputs[i]];
    value.type = in[i].type;
    value.ranked = true;
  }
  const Stop stop = infer_types(graph);
  *left = graph.nodes.size() - stop.node;
  graph.nodes.resize(stop.node);
  if (*left) {  // what the rest reads must stay
    graph.outputs.clear();
    for (const Node& node : graph.nodes) graph.outputs.insert(graph.outputs.end(), node.out.begin(), node.out.end());
    std::erase(graph.outputs, absent);
  }
  const Backends front = {best.front()};
  if (!command.options.no_optimize)
    optimizer::specialize(graph, [&](const Graph& g, const Node& n) { return has_kernel(g, n, front); });
  graph.outputs.clear();
  for (const Node& node : graph.nodes)
    for (const ValueId id : node.out)
      if (id != absent && graph.values[id].kind == Kind::tensor) graph.outputs.push_back(id);
  return graph;
}

using Values = std::map<ValueId, Tensor>;

// Runs a graph on backends; gives its outputs, and what each node's kernel was.
struct Ran {
  Values values;
  std::map<ValueId, std::pair<std::string, std::string>> kernels;  // by a node's output 0: backend, kernel
};

Ran run_on(const Backends& backends, const Graph& graph, const Values& given, Threads& threads) {
  PackCache packs;
  PlanOptions options;
  options.threads = threads.count();
  options.pool = &threads;
  options.count_crossings = false;
  const Plan plan(graph, backends, packs, options);
  std::vector<View> in, out;
  for (const ValueId id : graph.inputs) in.push_back(given.at(id).view());
  Ran ran;
  for (const ValueId id : graph.outputs) {
    const Tensor& made = ran.values[id] = Tensor::make(graph.values[id].type);
    out.push_back(made.view());
  }
  const RunScope scope({&interrupted()});
  plan.run(in, out, threads, {});
  for (size_t i = 0; i < plan.steps().size(); ++i) {
    const Step& step = plan.steps()[i];
    const auto backend = backends[static_cast<size_t>(plan.choices()[i].backend)]->name();
    if (!step.node->out.empty()) ran.kernels[step.node->out[0]] = {std::string(backend), std::string(step.offer.name)};
  }
  return ran;
}

double difference(const Tensor& a, const Tensor& b) {
  double worst = 0, largest = 0;
  for (int64_t i = 0; i < a.type.shape.elements(); ++i) {
    const double x = element_as_double(a.view(), i), y = element_as_double(b.view(), i);
    if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double off = std::abs(x - y);
    worst = std::isnan(off) ? INFINITY : std::max(worst, off);
  }
  return largest > 0 ? worst / largest : worst;
}

bool has_numbers(const Tensor& tensor) {
  const DType t = tensor.type.dtype;
  return t != DType::string && t != DType::complex64 && t != DType::complex128;
}

// How far the node alone is from what the first device has, given these values.
double alone(const Graph& whole, const Node& node, const Values& given, const Values& a, const Backends& backends,
             Threads& threads) {
  Graph graph = whole;
  graph.nodes = {node};
  graph.inputs.clear();
  graph.outputs.clear();
  for (const ValueId id : node.in)
    if (id != absent && !graph.values[id].constant &&
        std::find(graph.inputs.begin(), graph.inputs.end(), id) == graph.inputs.end())
      graph.inputs.push_back(id);
  for (const ValueId id : node.out)
    if (id != absent) graph.outputs.push_back(id);
  const Ran ran = run_on(backends, graph, given, threads);
  double worst = 0;
  for (const auto& [id, tensor] : ran.values)
    if (has_numbers(tensor)) worst = std::max(worst, difference(a.at(id), tensor));
  return worst;
}

// How many times the node magnifies an error of its inputs: all their numbers a little larger by amount, then, where
// there are several inputs, those of every other one a little smaller.
double magnification(const Graph& graph, const Node& node, const Values& a, const Backends& backends,
                     Threads& threads) {
  constexpr float part = 1.0f / 2048;
  double most = 1;
  for (const float other : {part, -part}) {
    Values moved;
    float step = part;
    for (const ValueId id : node.in) {
      if (id == absent || graph.values[id].constant || moved.contains(id)) continue;
      const Tensor& copy = moved[id] = a.at(id).clone();
      if (copy.type.dtype != DType::float32) continue;
      for (int64_t i = 0; i < copy.type.shape.elements(); ++i)
        copy.as<float>()[i] += std::abs(copy.as<float>()[i]) * step;
      step = step == part ? other : part;
    }
    most = std::max(most, alone(graph, node, moved, a, backends, threads) / part);
  }
  return most;
}

std::string title(const Node& node) {
  std::string text(node.op->name);
  if (!node.epilogue.empty())
    text += cat(" with ", node.epilogue.size(), node.epilogue.size() == 1 ? " step" : " steps");
  return text;
}

nlohmann::json row_json(const Row& row) {
  nlohmann::json json{{"node", row.node->name},
                      {"op", row.node->op->name},
                      {"fused", row.node->epilogue.size()},
                      {"value", row.value},
                      {"backend", row.backend},
                      {"kernel", row.kernel},
                      {"off", std::isfinite(row.off) ? nlohmann::json(row.off) : nlohmann::json("infinite")},
                      {"magnified", row.magnified}};
  if (row.own >= 0) json["own"] = std::isfinite(row.own) ? nlohmann::json(row.own) : nlohmann::json("infinite");
  return json;
}

void print_rows(const std::vector<Row>& rows, double allowed, bool all) {
  std::vector<std::vector<std::string>> table{{"off", "node", "op", "backend", "kernel", "value"}};
  for (const Row& row : rows)
    if (all || row.parts(allowed))
      table.push_back({cat(row.off), row.node->name, title(*row.node), row.backend, row.kernel, row.value});
  if (table.size() > 1) print_table(table, {true, false, false, false, false, false});
}

int compare(const CompareCommand& command) {
  const ModelOptions& options = command.options;
  const Backends a = backends_of(command.a, "fp32"), b = backends_of(command.b, options.session.precision);
  SessionOptions on_cpu;
  on_cpu.device = "cpu";
  const Session session(options.model, on_cpu);  // knows the inputs, and what is wrong with the model
  const std::vector<Tensor> in = make_inputs(session.inputs(), options.input);
  Threads threads(options.session.threads);
  size_t left = 0;
  const Graph graph = prepared(command, in, b, &left);
  Values given;
  for (size_t i = 0; i < in.size(); ++i) given[graph.inputs[i]] = in[i];
  Ran on_a = run_on(a, graph, given, threads);
  const Ran on_b = run_on(b, graph, given, threads);

  std::vector<Row> rows;
  for (const Node& node : graph.nodes)
    for (const ValueId id : node.out) {
      if (id == absent || !on_a.values.contains(id) || !has_numbers(on_a.values.at(id))) continue;
      Row row;
      row.node = &node;
      row.value = graph.values[id].name;
      if (const auto found = on_b.kernels.find(node.out[0]); found != on_b.kernels.end())
        std::tie(row.backend, row.kernel) = found->second;
      row.off = difference(on_a.values.at(id), on_b.values.at(id));
      rows.push_back(std::move(row));
    }
  const double allowed = command.allowed();
  for (const ValueId id : graph.inputs) on_a.values[id] = given.at(id);
  for (Row& row : rows)
    if (row.parts(allowed)) row.magnified = magnification(graph, *row.node, on_a.values, a, threads);
  const auto first = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.parts(allowed); });
  if (first != rows.end()) first->own = alone(graph, *first->node, on_a.values, on_a.values, b, threads);
  double worst = 0;
  for (const Row& row : rows) worst = std::max(worst, row.off / row.magnified);

  if (options.json) {
    nlohmann::json nodes = nlohmann::json::array();
    for (const Row& row : rows) nodes.push_back(row_json(row));
    nlohmann::json report{{"model", options.model},
                          {"a", command.a},
                          {"b", command.b},
                          {"tolerance", allowed},
                          {"nodes", nodes},
                          {"not_compared", left},
                          {"worst", std::isfinite(worst) ? nlohmann::json(worst) : nlohmann::json("infinite")}};
    report["first"] = first == rows.end() ? nlohmann::json() : row_json(*first);
    std::cout << text_of(report, 2) << '\n';
    return first == rows.end() ? exit_done : exit_failed;
  }
  std::cout << options.model << ": " << command.b << " beside " << command.a << ", " << rows.size() << " values\n";
  print_rows(rows, allowed, command.all);
  if (left) std::cout << left << " more nodes were not compared, as shapes there depend on data\n";
  if (first == rows.end()) {
    std::cout << "no value is off by more than " << allowed << " of its largest number; the worst by " << worst << '\n';
    return exit_done;
  }
  std::cout << "they part at " << title(*first->node) << " \"" << first->node->name << "\": off by " << first->off
            << "; alone, from the same inputs, by " << first->own
            << (first->own <= allowed * first->magnified ? ": what came before adds up\n" : ": the node itself\n");
  return exit_failed;
}

}  // namespace

void add_compare(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<CompareCommand>();
  ModelOptions& options = command->options;
  CLI::App* sub = app.add_subcommand("compare", "Find the first node where two devices part");
  add_model(*sub, options);
  sub->add_option("-i,--input", options.input.files, "An input, as NAME=FILE.npy; may be repeated")
      ->type_name("NAME=FILE")
      ->allow_extra_args(false);
  add_shapes(*sub, options);
  sub->add_option("--seed", options.input.seed, "Seed of the inputs that are not given (0)")->type_name("N");
  sub->add_option("--a", command->a, "The device that is right (cpu)")->type_name("DEVICE");
  sub->add_option("--b", command->b, "The device in question (vulkan:0)")->type_name("DEVICE");
  add_precision(*sub, options.session.precision);
  sub->add_option("--tolerance", command->tolerance,
                  "Of a value's largest number (0.0001; 0.005 in fp16); more where the node magnifies errors")
      ->type_name("X")
      ->check(number(0, 1));
  sub->add_option("--threads", options.session.threads, "Threads; 0 for one per core (default)")
      ->type_name("N")
      ->check(CLI::Range(0, 1024).description(""));
  sub->add_flag("--no-optimize", options.no_optimize, "Run the graph as the model has it");
  sub->add_flag("--all", command->all, "List all values, not only those that are off");
  add_json(*sub, options);
  sub->footer(R"(
Both devices run the graph as it is planned for the second one, fused nodes included, and give every value on
the way. --precision is that of the second one. Exits with 1 if a value is off by more than the tolerance.

Examples:
  tessera compare model.onnx
  tessera compare model.onnx --precision fp16 --shape x=1x3x64x64 --all
  tessera compare model.onnx -i x=input.npy --json)");
  sub->callback([command, &exit_code] { exit_code = compare(*command); });
}

}  // namespace tessera::tools
