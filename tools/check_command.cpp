// tessera check: would this model run, on what, and if not, why. Infers shapes and asks the backends
// for kernels, but packs nothing and runs nothing, so that weights stay on the disk.
#include <iostream>
#include <map>

#include "optimizer/optimizer.h"
#include "runtime/onnx/load.h"
#include "runtime/plan/cut.h"
#include "tools/devices.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

struct Row {
  std::string node, op, type, backend, kernel;
  std::string why;  // why it is not on the device, where one was named
};

struct Verdict {
  std::vector<std::string> unsupported;
  std::string problem;  // what inference says about these shapes; empty: nothing
  std::vector<Row> rows;
  size_t later = 0;  // nodes whose kernels are chosen during the run, as shapes depend on data
};

// Gives the graph's inputs the concrete types that a run with these options would give them.
void fix_inputs(Graph& graph, const InputOptions& options) {
  std::vector<Port> ports;
  for (const ValueId id : graph.inputs) ports.push_back(port_of(graph.values[id]));
  const std::vector<Type> types = input_types(ports, options);
  for (size_t i = 0; i < types.size(); ++i) {
    Value& value = graph.values[graph.inputs[i]];
    if (value.kind != Kind::tensor) continue;
    value.type = types[i];
    value.ranked = true;
  }
}

// The node as a graph of its own.
Graph alone(const Graph& graph, const Node& node) {
  Graph own;
  std::map<ValueId, ValueId> ids;
  const auto id_of = [&](ValueId id) {
    if (id == absent) return absent;
    const auto [found, is_new] = ids.try_emplace(id, 0);
    if (is_new) found->second = own.add_value(graph.values[id]);
    return found->second;
  };
  Node copy = node;
  for (ValueId& id : copy.in) {
    const bool known = id == absent || ids.contains(id) || graph.values[id].constant;
    id = id_of(id);
    if (!known) own.inputs.push_back(id);
  }
  for (ValueId& id : copy.out) {
    id = id_of(id);
    if (id != absent) own.outputs.push_back(id);
  }
  own.nodes.push_back(std::move(copy));
  return own;
}

// Whether a plan has other nodes in place of this one, all of which the backend takes.
bool is_rewritten_for(const Backend& backend, const Graph& graph, const Node& node) {
  const auto takes = [&](const Graph& whole, const Node& one) {
    const NodeTypes types(whole, one);
    std::vector<Offer> offers;
    backend.offers(types.problem(one), offers);
    return !offers.empty();
  };
  try {
    Graph own = alone(graph, node);
    optimizer::specialize(own, takes);
    infer_types(own);
    return std::all_of(own.nodes.begin(), own.nodes.end(), [&](const Node& one) {
      return one.op->view || is_shape_arithmetic(own, one) || takes(own, one);
    });
  } catch (const Error&) {
    return false;
  }
}

bool has_halves(const NodeTypes& types) {
  return std::any_of(types.in.begin(), types.in.end(),
                     [](const Type& type) { return type.dtype == DType::float16 || type.dtype == DType::bfloat16; });
}

// Of a node that the device does not take as it is: what a plan makes of it.
void see_plan(const Backend& device, const Graph& graph, const Node& node, Row& row) {
  if (has_halves(NodeTypes(graph, node))) {
    row.why = "it is not for half types; a plan computes models of such weights in float32: see inspect";
  } else if (is_rewritten_for(device, graph, node)) {
    row.backend = device.name();
    row.kernel = "rewritten";
    row.why.clear();
  }
}

// The first backend that offers something runs it.
Row row_of(const Graph& graph, const Node& node, const Backends& backends) {
  const NodeTypes types(graph, node);
  const Problem problem = types.problem(node);
  Row row;
  row.node = node.name;
  row.op = node.op->name;
  if (!types.out.empty()) row.type = cat(types.out[0]);
  std::vector<Offer> offers;
  for (const auto& backend : backends) {
    backend->offers(problem, offers);
    row.backend = backend->name();
    if (!offers.empty()) break;
    if (backend != backends.back()) row.why = backend->why_not(problem);
  }
  // Offers come best first; a reference has no kernel of its own.
  for (const Offer& offer : offers)
    if (offer.kernel) {
      row.kernel = std::string(offer.name);
      break;
    }
  if (!row.why.empty() && !node.op->view) see_plan(*backends.front(), graph, node, row);
  if (row.kernel.empty()) row.kernel = node.op->view ? "view" : offers.empty() ? "none" : "reference";
  return row;
}

Verdict judge(const ModelOptions& options) {
  onnx::Loaded loaded = onnx::load(options.model);
  Verdict verdict;
  verdict.unsupported = loaded.unsupported;
  if (!verdict.unsupported.empty()) return verdict;
  Graph& graph = loaded.model.graph;
  try {
    fix_inputs(graph, options.input);
    const Stop stop = infer_types(graph);
    const Backends backends = backends_of(options.session.device, options.session.precision);
    for (size_t i = 0; i < stop.node; ++i) verdict.rows.push_back(row_of(graph, graph.nodes[i], backends));
    verdict.later = graph.nodes.size() - stop.node;
  } catch (const Error& error) {
    if (error.kind() == Error::Kind::usage) throw;
    verdict.problem = error.what();
  }
  return verdict;
}

void print(const Verdict& verdict, const std::string& model) {
  if (!verdict.unsupported.empty()) {
    std::cout << model << ": not supported\n";
    for (const std::string& text : verdict.unsupported) std::cout << "  " << text << '\n';
    return;
  }
  if (!verdict.problem.empty()) {
    std::cout << model << ": every operator is supported, but not these shapes\n  " << verdict.problem << '\n';
    return;
  }
  std::cout << model << ": runs\n";
  std::map<std::vector<std::string>, int> groups;
  bool device = false;
  for (const Row& row : verdict.rows) {
    ++groups[{row.op, row.backend, row.kernel, row.why}];
    device |= row.backend != "cpu" || !row.why.empty();
  }
  std::vector<std::vector<std::string>> rows{
      {"nodes", "operator", "backend", "kernel", device ? "why not the device" : ""}};
  for (const auto& [key, number] : groups) {
    rows.push_back({std::to_string(number)});
    rows.back().insert(rows.back().end(), key.begin(), key.end());
  }
  print_table(rows, {true, false, false, false, false});
  if (verdict.later)
    std::cout << verdict.later << " more nodes get their kernels during the run, as shapes there depend on data\n";
}

int check(const ModelOptions& options) {
  const Verdict verdict = judge(options);
  const bool runs = verdict.unsupported.empty() && verdict.problem.empty();
  if (options.json) {
    nlohmann::json nodes = nlohmann::json::array();
    for (const Row& row : verdict.rows)
      nodes.push_back({{"node", row.node},
                       {"op", row.op},
                       {"type", row.type},
                       {"backend", row.backend},
                       {"kernel", row.kernel},
                       {"why", row.why}});
    const nlohmann::json report{
        {"model", options.model},     {"runs", runs},   {"unsupported", verdict.unsupported},
        {"problem", verdict.problem}, {"nodes", nodes}, {"nodes_chosen_during_run", verdict.later}};
    std::cout << text_of(report, 2) << '\n';
  } else {
    print(verdict, options.model);
  }
  return !verdict.unsupported.empty() ? exit_unsupported : runs ? exit_done : exit_failed;
}

}  // namespace

void add_check(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ModelOptions>();
  CLI::App* sub = app.add_subcommand("check", "Say whether a model would run, on what, and if not, why");
  add_model(*sub, *options);
  add_shapes(*sub, *options);
  options->session.device = "cpu";
  sub->add_option("--device", options->session.device, "cpu (default) or vulkan:N")->type_name("DEVICE");
  add_precision(*sub, options->session.precision);
  add_json(*sub, *options);
  sub->footer(R"(
Weights are not read. Lists every operator that is not supported, all at once, and exits with 3 if there is one.
"reference" is the plain implementation that every operator has; named kernels are faster. With --device, also
says why a node does not run there; "rewritten": a plan has other operators in its place, which run there. Nodes are
those of the model, before any are fused.

Examples:
  tessera check model.onnx
  tessera check model.onnx --device vulkan:0
  tessera check model.onnx --shape x=1x3x720x1280 --json)");
  sub->callback([options, &exit_code] { exit_code = check(*options); });
}

}  // namespace tessera::tools
