// A check on the rewrites: what inference finds in a rewritten graph must be what its values say.

#include <algorithm>

#include "optimizer/check_types.h"

namespace tessera::optimizer {
namespace {

// What a row of the epilogue makes of a type.
Type after(const Fused& row, const Graph& graph, const Node& node, Type type) {
  if (row.row == Fused::quantize_u8) type.dtype = DType::uint8;
  if (row.row == Fused::quantize_s8) type.dtype = DType::int8;
  if (row.row == Fused::dequantize) type.dtype = DType::float32;
  if (row.operand >= 0)
    type.shape = broadcast(type.shape, graph.values[node.in[static_cast<size_t>(row.operand)]].type.shape);
  if (row.row == Fused::depth_to_space && type.shape.size() == 4) {
    const auto block = static_cast<int64_t>(row.a);
    type.shape[1] /= block * block;
    type.shape[2] *= block;
    type.shape[3] *= block;
  }
  return type;
}

void check_node(const Graph& graph, const Node& node) {
  Node own = node;
  own.in.resize(node.op_inputs());
  own.own_inputs = -1;
  std::vector<Type> in;
  std::vector<const Tensor*> constants;
  for (const ValueId id : own.in) {
    in.push_back(id == absent ? Type{} : graph.values[id].type);
    constants.push_back(id == absent ? nullptr : graph.values[id].constant.get());
  }
  Infer problem(own, in, constants);
  infer(problem);
  for (size_t i = 0; i < node.out.size(); ++i) {
    if (node.out[i] == absent) continue;
    Type type = problem.out[i].type;
    if (i == 0)
      for (const Fused& row : node.epilogue) type = after(row, graph, node, type);
    const Value& value = graph.values[node.out[i]];
    if (type != value.type)
      fail(Error::Kind::type, node.op->name, " makes \"", value.name, "\" ", type, ", not ", value.type);
  }
}

}  // namespace

std::vector<Type> output_types(const Graph& graph) {
  std::vector<Type> types;
  for (const ValueId id : graph.outputs) types.push_back(graph.values[id].type);
  return types;
}

void check_types(const Graph& graph, List<Type> outputs, Text rewrite) {
  try {
    for (const Node& node : graph.nodes)
      if (node.op->infer) check_node(graph, node);
    const std::vector<Type> now = output_types(graph);
    if (!std::equal(now.begin(), now.end(), outputs.begin(), outputs.end()))
      fail(Error::Kind::type, "the graph's outputs have other types than before");
  } catch (const Error& error) {
    throw Error(Error::Kind::type, cat("rewrite ", rewrite, ": ", error.what()));
  } catch (const NeedsValue&) {
    fail(Error::Kind::type, "rewrite ", rewrite, ": a shape depends on a value that is not constant");
  }
}

}  // namespace tessera::optimizer
