#include "runtime/session/parts.h"

#include <algorithm>
#include <iterator>

#include "runtime/graph/op.h"
#include "runtime/session/defaults.h"

namespace tessera {

ValueId find_value(const Graph& graph, Text name) {
  for (ValueId id = 0; id < graph.values.size(); ++id)
    if (graph.values[id].name.empty() ? name_of(graph, id) == name : graph.values[id].name == name) return id;
  return absent;
}

std::string name_of(const Graph& graph, ValueId id) {
  const std::string& name = graph.values[id].name;
  return name.empty() ? cat('#', id) : name;
}

namespace {

/// In place of the node that makes a value: its input between two matrices.
void multiply(Graph& graph, ValueId out) {
  const auto makes = [&](const Node& node) { return std::count(node.out.begin(), node.out.end(), out) > 0; };
  const auto node = std::find_if(graph.nodes.begin(), graph.nodes.end(), makes);
  if (node == graph.nodes.end()) fail(Error::Kind::usage, "no node makes \"", name_of(graph, out), "\"");
  const auto matrix = [&](const char* side) {
    Value value;
    value.name = cat(name_of(graph, out), side);
    value.type = {DType::float32, {-1, -1}};
    value.dim_names.resize(2);
    value.ranked = true;
    graph.inputs.push_back(graph.add_value(std::move(value)));
    return graph.inputs.back();
  };
  const auto product = [&](ValueId a, ValueId b, ValueId to) {
    Node made;
    made.op = find_op("", "MatMul", 13);
    made.opset = 13;
    made.name = node->name;
    made.in = {a, b};
    made.out = {to};
    made.attrs = std::make_shared<const Attrs>();
    return made;
  };
  const ValueId left = matrix(" rows"), right = matrix(" columns"), between = graph.add_value(Value());
  Node first = product(left, node->in[0], between);
  *node = product(between, right, out);
  graph.nodes.insert(node, std::move(first));
}

}  // namespace

Graph part_of(const Graph& graph, List<ValueId> given, List<Type> types, List<ValueId> wanted,
              List<ValueId> stretched) {
  Graph part = graph;
  const auto is_given = [&](ValueId id) { return std::find(given.begin(), given.end(), id) != given.end(); };
  for (size_t i = 0; i < given.size(); ++i) {
    part.values[given[i]].type = types[i];
    part.values[given[i]].ranked = true;
    if (std::count(part.inputs.begin(), part.inputs.end(), given[i]) == 0) part.inputs.push_back(given[i]);
  }
  for (const ValueId id : stretched) multiply(part, id);
  if (!wanted.empty()) part.outputs.assign(wanted.begin(), wanted.end());
  // Nodes that nothing asks for any more, from the end on.
  std::vector<bool> needed(part.values.size());
  for (const ValueId id : part.outputs) needed[id] = true;
  std::vector<Node> kept;
  for (auto node = part.nodes.rbegin(); node != part.nodes.rend(); ++node) {
    const bool used = std::any_of(node->out.begin(), node->out.end(),
                                  [&](ValueId id) { return id != absent && needed[id] && !is_given(id); });
    if (!used) continue;
    for (const ValueId id : node->in)
      if (id != absent) needed[id] = true;
    kept.push_back(std::move(*node));
  }
  part.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  return part;
}

void fix_input(onnx::Loaded& loaded, const std::string& name, double number) {
  Graph& graph = loaded.model.graph;
  const auto named = [&](ValueId id) { return graph.values[id].name == name; };
  auto input = std::find_if(graph.inputs.begin(), graph.inputs.end(), named);
  Type type = input == graph.inputs.end() ? Type{} : graph.values[*input].type;
  const auto with_default = std::find_if(loaded.optional_inputs.begin(), loaded.optional_inputs.end(),
                                         [&](const onnx::OptionalInput& optional) { return named(optional.id); });
  if (with_default != loaded.optional_inputs.end()) {
    const ValueId id = with_default->id;
    type = graph.values[id].constant->type;
    graph = with_inputs(graph, List<ValueId>(&id, 1));
    loaded.optional_inputs.erase(with_default);
    input = std::prev(graph.inputs.end());
  }
  if (input == graph.inputs.end())
    fail(Error::Kind::usage, loaded.model.path, ": the model has no input \"", name, "\"");
  Value& value = graph.values[*input];
  for (int64_t& extent : type.shape) extent = std::max<int64_t>(extent, 1);
  if (value.kind != Kind::tensor || type.dtype == DType::string || type.dtype == DType::undefined)
    fail(Error::Kind::usage, loaded.model.path, ": input \"", name, "\" is no tensor of numbers");
  auto tensor = std::make_shared<Tensor>(Tensor::make(type));
  for (int64_t i = 0, count = type.shape.elements(); i < count; ++i) set_element(tensor->view(), i, number);
  value.type = type;
  value.ranked = true;
  value.constant = std::move(tensor);
  graph.inputs.erase(input);
}

}  // namespace tessera
