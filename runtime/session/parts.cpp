#include "runtime/session/parts.h"

#include <algorithm>
#include <iterator>

#include "optimizer/optimizer.h"
#include "runtime/graph/op.h"
#include "runtime/plan/fold.h"
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

/// Is an extent open that was not?
bool opens(const Shape& before, const Shape& now) {
  if (before.size() != now.size()) return false;
  for (size_t axis = 0; axis < now.size(); ++axis)
    if (now[axis] < 0 && before[axis] >= 0) return true;
  return false;
}

/// Types of all values, as far as inference comes, where the inputs have `types` and 1 for each extent that is open.
Graph inferred(const Graph& graph, List<Type> types) {
  Graph sized = graph;
  for (size_t i = 0; i < types.size(); ++i) {
    Value& value = sized.values[sized.inputs[i]];
    value.type = types[i];
    for (int64_t& extent : value.type.shape) extent = std::max<int64_t>(extent, 1);
  }
  try {
    infer_types(sized);
  } catch (const Error& error) {
    if (error.kind() == Error::Kind::memory || error.is_stop()) throw;
  }
  return sized;
}

/// A file for one size has its extents in constants, where its author's program asked the picture. Where inputs are
/// opened, a Resize to such extents becomes one by the scales that it has at the declared size.
void open_sizes(Graph& part, const Graph& declared) {
  std::vector<Type> types, twice;
  for (size_t i = 0; i < declared.inputs.size(); ++i) {
    types.push_back(declared.values[declared.inputs[i]].type);
    twice.push_back(types.back());
    const Shape& opened = part.values[declared.inputs[i]].type.shape;
    for (size_t axis = 0; axis < opened.size(); ++axis)
      if (opened[axis] < 0 && types.back().shape[axis] > 0) twice.back().shape[axis] *= 2;
  }
  const Graph at_declared = inferred(declared, types);
  // Inference of the larger one ends where extents of the declared size meet others: one by one they are replaced.
  for (bool changed = true; changed;) {
    changed = false;
    const Graph at_twice = inferred(part, twice);
    for (Node& node : part.nodes) {
      const auto shape = [&](const Graph& graph, ValueId id) { return graph.values[id].type.shape; };
      if (node.in.empty() || node.in[0] == absent || node.out[0] == absent) continue;
      const Shape in = shape(at_twice, node.in[0]), out = shape(at_twice, node.out[0]);
      const bool is_fixed =
          !in.empty() && !out.empty() && in != shape(at_declared, node.in[0]) && out == shape(at_declared, node.out[0]);
      changed |= is_fixed && optimizer::resize_by_scales(part, node, at_declared);
    }
  }
}

}  // namespace

Graph part_of(const Graph& graph, List<ValueId> given, List<Type> types, List<ValueId> wanted,
              List<ValueId> stretched) {
  Graph part = graph;
  const auto is_given = [&](ValueId id) { return std::find(given.begin(), given.end(), id) != given.end(); };
  bool opened = false;
  for (size_t i = 0; i < given.size(); ++i) {
    Value& value = part.values[given[i]];
    const bool is_input = std::count(part.inputs.begin(), part.inputs.end(), given[i]) > 0;
    opened |= is_input && value.ranked && opens(value.type.shape, types[i].shape);
    value.type = types[i];
    value.ranked = true;
    if (!is_input) part.inputs.push_back(given[i]);
  }
  if (opened) open_sizes(part, graph);
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

namespace {

/// The extents of an input that is given so many numbers: one that is open follows from them, the others are 1.
Shape closed(Shape shape, bool ranked, int64_t numbers) {
  if (!ranked) return numbers > 1 ? Shape{numbers} : Shape{};
  int64_t others = 1;
  int64_t* open = nullptr;
  for (int64_t& extent : shape) {
    if (extent < 0 && !open)
      open = &extent;
    else
      others *= extent = std::max<int64_t>(extent, 1);
  }
  if (open) *open = others > 0 && numbers % others == 0 ? numbers / others : 1;
  return shape;
}

}  // namespace

void fix_input(onnx::Loaded& loaded, const std::string& name, List<double> numbers) {
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
  if (value.kind != Kind::tensor || type.dtype == DType::string || type.dtype == DType::undefined)
    fail(Error::Kind::usage, loaded.model.path, ": input \"", name, "\" is no tensor of numbers");
  type.shape = closed(type.shape, value.ranked, static_cast<int64_t>(numbers.size()));
  const int64_t count = type.shape.elements();
  if (numbers.size() > 1 && static_cast<int64_t>(numbers.size()) != count)
    fail(Error::Kind::usage, loaded.model.path, ": input \"", name, "\" is ", type, ", and is given ", numbers.size(),
         " numbers");
  auto tensor = std::make_shared<Tensor>(Tensor::make(type));
  for (int64_t i = 0; i < count; ++i)
    set_element(tensor->view(), i, numbers[numbers.size() > 1 ? static_cast<size_t>(i) : 0]);
  value.type = type;
  value.ranked = true;
  value.constant = std::move(tensor);
  graph.inputs.erase(input);
}

void replace_constant(onnx::Loaded& loaded, const std::string& name, const Datum& given) {
  const ValueId id = find_value(loaded.model.graph, name);
  Value* value = id == absent ? nullptr : &loaded.model.graph.values[id];
  if (!value || !value->constant)
    fail(Error::Kind::usage, loaded.model.path, ": the model has no initializer \"", name, "\"");
  if (given.kind != Kind::tensor || given.tensor.type != value->constant->type)
    fail(Error::Kind::type, loaded.model.path, ": initializer \"", name, "\" is ", value->constant->type,
         ", and is given ", given.kind == Kind::tensor ? cat(given.tensor.type) : "no tensor");
  value->constant = std::make_shared<const Tensor>(given.tensor);
}

}  // namespace tessera
