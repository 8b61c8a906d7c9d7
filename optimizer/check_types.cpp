// A check on the rewrites: what inference finds in a rewritten graph must be what its values say.

#include <algorithm>

#include "optimizer/check_types.h"

namespace tessera::optimizer {
namespace {

// What an entry of the epilogue makes of a type.
Type after(const Fused& fused, const Graph& graph, const Node& node, Type type) {
  if (fused.kind == Fused::Kind::quantize_u8) type.dtype = DType::uint8;
  if (fused.kind == Fused::Kind::quantize_s8) type.dtype = DType::int8;
  if (fused.dequantizes()) type.dtype = DType::float32;
  if (fused.operand >= 0)
    type.shape = broadcast(type.shape, graph.values[node.in[static_cast<size_t>(fused.operand)]].type.shape);
  if (fused.shuffles() && type.shape.size() == 4) {
    const auto block = static_cast<int64_t>(fused.a);
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
      for (const Fused& fused : node.epilogue) type = after(fused, graph, node, type);
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
    if (error.is_stop()) throw;
    throw Error(Error::Kind::type, cat("rewrite ", rewrite, ": ", error.what()));
  } catch (const NeedsValue&) {
    fail(Error::Kind::type, "rewrite ", rewrite, ": a shape depends on a value that is not constant");
  }
}

}  // namespace tessera::optimizer
