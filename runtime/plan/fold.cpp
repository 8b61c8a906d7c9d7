#include "runtime/plan/fold.h"

#include <algorithm>

#include "runtime/base/run_scope.h"

namespace tessera {

std::string describe(const Graph& graph, const Node& node) {
  std::string name = node.name;
  for (const ValueId out : node.out)
    if (name.empty() && out != absent) name = graph.values[out].name;
  std::string text = cat("node \"", name, "\" (");
  if (!node.op->domain.empty()) text += cat(node.op->domain, ".");
  return text + cat(node.op->name, ", opset ", node.opset, ")");
}

void fail_in_node(const Error& error, const Graph& graph, const Node& node) {
  std::string text = cat(describe(graph, node), ": ", error.what());
  std::string inputs;
  for (const ValueId in : node.in) {
    if (in == absent) continue;
    const Value& value = graph.values[in];
    inputs += cat(inputs.empty() ? "" : ", ", value.name, " ");
    inputs += value.type.dtype == DType::undefined ? "(type not known)" : cat(value.type);
  }
  if (!inputs.empty()) text += cat("\n  inputs: ", inputs);
  throw Error(error.kind(), text);
}

NodeTypes::NodeTypes(const Graph& graph, const Node& node) {
  for (const ValueId id : node.in) {
    in.push_back(id == absent ? Type{} : graph.values[id].type);
    constants.push_back(id == absent ? nullptr : graph.values[id].constant.get());
  }
  for (const ValueId id : node.out) out.push_back(id == absent ? Type{} : graph.values[id].type);
}

namespace {

// A fold may not blow a small model up: results stay in proportion to what went in.
bool in_proportion(const Graph& graph, const Node& node, List<Type> out) {
  constexpr int64_t always = int64_t{1} << 20;
  int64_t before = 0, after = 0;
  for (const ValueId id : node.in)
    if (id != absent) before += graph.values[id].constant->type.bytes();
  for (const Type& type : out)
    if (type.dtype != DType::undefined) after += type.bytes();
  return after <= always || after / 4 <= before;
}

bool all_constant(const Graph& graph, const Node& node) {
  return std::all_of(node.in.begin(), node.in.end(),
                     [&](ValueId id) { return id == absent || graph.values[id].constant; });
}

// Runs OpDef checks and inference for one node; writes output types, and values known already.
void infer_node(Graph& graph, const Node& node) {
  const NodeTypes types(graph, node);
  Infer problem(node, types.in, types.constants);
  infer(problem);
  for (size_t i = 0; i < node.out.size(); ++i) {
    if (node.out[i] == absent) continue;
    Value& value = graph.values[node.out[i]];
    value.type = problem.out[i].type;
    value.kind = Kind::tensor;
    value.ranked = true;
    value.constant = problem.out[i].value;
  }
}

bool outputs_known(const Graph& graph, const Node& node) {
  return std::all_of(node.out.begin(), node.out.end(),
                     [&](ValueId id) { return id == absent || graph.values[id].constant; });
}

// Infers one node and folds it if it can be; true if the node is no longer needed.
bool infer_and_fold_node(Graph& graph, const Node& node) {
  infer_node(graph, node);
  if (outputs_known(graph, node)) return true;
  if (!all_constant(graph, node)) return false;
  std::vector<Type> out;
  for (const ValueId id : node.out) out.push_back(id == absent ? Type{} : graph.values[id].type);
  const auto values = evaluate(graph, node, out);
  if (values.empty()) return false;
  for (size_t i = 0; i < node.out.size(); ++i)
    if (node.out[i] != absent) graph.values[node.out[i]].constant = values[i];
  return true;
}

bool inputs_typed(const Graph& graph, const Node& node) {
  return std::all_of(node.in.begin(), node.in.end(),
                     [&](ValueId id) { return id == absent || graph.values[id].type.dtype != DType::undefined; });
}

}  // namespace

std::vector<std::shared_ptr<const Tensor>> evaluate(const Graph& graph, const Node& node, List<Type> out) {
  if (!node.op->folds || !node.op->reference || !node.epilogue.empty()) return {};
  if (!in_proportion(graph, node, out)) return {};
  std::vector<View> in, results;
  std::vector<Tensor> aligned;  // weights in a model file may lie anywhere
  for (const ValueId id : node.in) {
    if (id != absent) aligned.push_back(graph.values[id].constant->aligned());
    in.push_back(id == absent ? View{} : aligned.back().view());
  }
  std::vector<std::shared_ptr<const Tensor>> values;
  if (node.op->view) {
    // The same bytes under another shape.
    const Tensor& source = *graph.values[node.in[0]].constant;
    values.push_back(std::make_shared<const Tensor>(Tensor{out[0], source.bytes}));
    values.resize(out.size());
    return std::all_of(node.out.begin() + 1, node.out.end(), [](ValueId id) { return id == absent; })
               ? values
               : std::vector<std::shared_ptr<const Tensor>>{};
  }
  for (const Type& type : out) {
    if (type.dtype == DType::undefined) {
      values.push_back(nullptr);
      results.push_back({});
      continue;
    }
    auto tensor = std::make_shared<const Tensor>(Tensor::make(type));
    results.push_back(tensor->view());
    values.push_back(std::move(tensor));
  }
  node.op->reference(Args(node, in, results));
  return values;
}

void fold_constants(Graph& graph, bool (*stays)(const Node&)) {
  std::vector<Node> kept;
  for (Node& node : graph.nodes) {
    check_cancelled();
    bool folded = false;
    if (node.op->infer && node.op->folds && !(stays && stays(node)) && all_constant(graph, node)) {
      // What is wrong with a node is reported when a run needs it.
      try {
        folded = infer_and_fold_node(graph, node);
      } catch (const Error& error) {
        if (error.is_stop()) throw;
      } catch (const NeedsValue&) {
      }
    }
    if (!folded) kept.push_back(std::move(node));
  }
  graph.nodes = std::move(kept);
}

Stop infer_types(Graph& graph) {
  std::vector<Node> kept;
  Stop stop;
  size_t i = 0;
  for (; i < graph.nodes.size(); ++i) {
    check_cancelled();
    Node& node = graph.nodes[i];
    if (!node.op->infer || !inputs_typed(graph, node)) break;
    try {
      if (infer_and_fold_node(graph, node)) continue;
    } catch (const NeedsValue& needs) {
      stop.needs = needs.input;
      break;
    } catch (const Error& error) {
      fail_in_node(error, graph, node);
    }
    kept.push_back(std::move(node));
  }
  stop.node = kept.size();
  std::move(graph.nodes.begin() + static_cast<ptrdiff_t>(i), graph.nodes.end(), std::back_inserter(kept));
  graph.nodes = std::move(kept);
  return stop;
}

}  // namespace tessera
