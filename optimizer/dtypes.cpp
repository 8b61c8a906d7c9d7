#include "optimizer/dtypes.h"

#include <algorithm>

#include "runtime/graph/types.h"

namespace tessera::optimizer {
namespace {

// What an attribute says of the outputs.
DType named(const Node& node) {
  for (const Text name : {"to", "dtype", "output_dtype", "output_datatype"}) {
    const Attr* attr = node.attrs ? find_attr(*node.attrs, name) : nullptr;
    const auto* number = attr ? std::get_if<int64_t>(attr) : nullptr;
    if (number && *number > 0 && *number < dtype_count) return static_cast<DType>(*number);
  }
  const Attr* value = node.attrs ? find_attr(*node.attrs, "value") : nullptr;
  const auto* tensor = value ? std::get_if<Tensor>(value) : nullptr;
  return tensor ? tensor->type.dtype : DType::undefined;
}

// Of control flow: what its first body gives, behind a loop's condition.
std::vector<DType> body_dtypes(const Node& node, const std::vector<DType>& dtypes) {
  std::vector<DType> out(node.out.size(), DType::undefined);
  const Text op = node.op->name;
  if (op != "If" && op != "Loop" && op != "Scan") return out;
  const Attr* attr = find_attr(*node.attrs, op == "If" ? "then_branch" : "body");
  const auto* body = attr ? std::get_if<std::shared_ptr<Graph>>(attr) : nullptr;
  if (!body) return out;
  Graph inner = **body;
  for (const auto& [from, to] : inner.captures) inner.values[to].type.dtype = dtypes[from];
  const std::vector<DType> found = dtypes_of(inner);
  const size_t skip = op == "Loop" ? 1 : 0;
  for (size_t i = 0; i < out.size() && i + skip < inner.outputs.size(); ++i) out[i] = found[inner.outputs[i + skip]];
  return out;
}

}  // namespace

std::vector<DType> output_dtypes(const Node& node, const std::vector<DType>& dtypes) {
  std::vector<DType> in, out(node.out.size());
  for (size_t i = 0; i < node.op_inputs(); ++i)
    in.push_back(node.in[i] == absent ? DType::undefined : dtypes[node.in[i]]);
  if (!node.op->infer) return body_dtypes(node, dtypes);
  try {
    check_types(node.op->types, std::vector<Type>(in.size()), in, out);
  } catch (const Error&) {
    return std::vector<DType>(node.out.size(), DType::undefined);
  }
  for (DType& dtype : out)
    if (dtype == DType::undefined) dtype = named(node);
  return out;
}

std::vector<DType> dtypes_of(const Graph& graph) {
  std::vector<DType> dtypes(graph.values.size(), DType::undefined);
  const auto take = [&](ValueId id) {
    if (graph.values[id].kind == Kind::tensor) dtypes[id] = graph.values[id].type.dtype;
  };
  for (ValueId id = 0; id < graph.values.size(); ++id)
    if (graph.values[id].constant) take(id);
  for (const ValueId id : graph.inputs) take(id);
  for (const auto& [outer, inner] : graph.captures) take(inner);
  for (const Node& node : graph.nodes) {
    if (!node.op) continue;
    const std::vector<DType> out = output_dtypes(node, dtypes);
    for (size_t i = 0; i < out.size(); ++i)
      if (node.out[i] != absent) dtypes[node.out[i]] = out[i];
  }
  return dtypes;
}

}  // namespace tessera::optimizer
