// A model whose heavy operators are float16 or bfloat16 computes in float32: constants are widened
// once, inputs and outputs keep their declared types through a Cast.

#include <algorithm>
#include <cstring>

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

bool is_half(DType type) { return type == DType::float16 || type == DType::bfloat16; }

bool is_heavy(const Node& node) {
  constexpr Text heavy[] = {"Conv", "ConvTranspose", "MatMul", "Gemm", "LSTM", "GRU"};
  return std::any_of(std::begin(heavy), std::end(heavy), [&](Text op) { return is(&node, op); });
}

Tensor widened(const Tensor& half) {
  Tensor wide = Tensor::make({DType::float32, half.type.shape});
  const int64_t count = half.type.shape.elements();
  const auto widen = [&]<class T>() {
    for (int64_t i = 0; i < count; ++i) {
      T value;  // it may lie anywhere in a model file
      std::memcpy(&value, half.bytes.get() + i * static_cast<int64_t>(sizeof value), sizeof value);
      wide.as<float>()[i] = static_cast<float>(value);
    }
  };
  if (half.type.dtype == DType::float16)
    widen.template operator()<float16>();
  else
    widen.template operator()<bfloat16>();
  half.drop_pages();
  return wide;
}

Node cast(ValueId from, ValueId to, DType type, const std::string& name) {
  Node node;
  node.op = find_op("", "Cast", 13);
  node.opset = 13;
  node.name = name;
  node.in = {from};
  node.out = {to};
  node.attrs = std::make_shared<const Attrs>(Attrs{{"to", static_cast<int64_t>(type)}});
  return node;
}

// Attributes that name a half type, or hold one, name or hold float32.
void widen_attrs(Node& node) {
  if (!node.attrs) return;
  Attrs attrs = *node.attrs;
  bool changed = false;
  for (auto& [name, attr] : attrs) {
    auto* number = std::get_if<int64_t>(&attr);
    auto* tensor = std::get_if<Tensor>(&attr);
    if (number && (name == "to" || name == "dtype" || name == "output_dtype") && *number >= 0 &&
        *number < dtype_count && is_half(static_cast<DType>(*number))) {
      *number = static_cast<int64_t>(DType::float32);
      changed = true;
    } else if (tensor && is_half(tensor->type.dtype)) {
      *tensor = widened(*tensor);
      changed = true;
    }
  }
  if (changed) node.attrs = std::make_shared<const Attrs>(std::move(attrs));
}

bool reads_half_weights(const Graph& graph, const Node& node) {
  return node.op && is_heavy(node) && std::any_of(node.in.begin(), node.in.end(), [&](ValueId id) {
           return id != absent && graph.values[id].constant && is_half(graph.values[id].constant->type.dtype);
         });
}

bool has_bodies(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.attrs && std::any_of(node.attrs->begin(), node.attrs->end(), [](const auto& attr) {
             return std::holds_alternative<std::shared_ptr<Graph>>(attr.second);
           });
  });
}

}  // namespace

bool widen_halves(Graph& graph, const Fits&) {
  const bool worth = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                                 [&](const Node& node) { return reads_half_weights(graph, node); });
  if (!worth || has_bodies(graph) || !graph.captures.empty()) return false;

  for (Value& value : graph.values)
    if (value.constant && is_half(value.constant->type.dtype)) {
      value.constant = std::make_shared<const Tensor>(widened(*value.constant));
      value.type = value.constant->type;
    }
  for (Node& node : graph.nodes) widen_attrs(node);

  // Between a half input or output and the rest there is a Cast.
  std::vector<Node> first, last;
  const auto rename = [&](ValueId from, ValueId to) {
    for (Node& node : graph.nodes) {
      std::replace(node.in.begin(), node.in.end(), from, to);
      std::replace(node.out.begin(), node.out.end(), from, to);
    }
  };
  const auto add_inner = [&](ValueId id) {
    Value inner = graph.values[id];
    inner.name += ":float32";
    inner.type.dtype = DType::float32;
    const ValueId added = graph.add_value(std::move(inner));
    rename(id, added);
    return added;
  };
  for (const ValueId id : graph.inputs)
    if (is_half(graph.values[id].type.dtype)) {
      const ValueId inner = add_inner(id);
      first.push_back(cast(id, inner, DType::float32, graph.values[inner].name));
    }
  for (const ValueId id : graph.outputs) {
    const DType type = graph.values[id].type.dtype;
    const bool is_input = std::count(graph.inputs.begin(), graph.inputs.end(), id) > 0;
    if (!is_half(type) || is_input || graph.values[id].constant) continue;
    const ValueId inner = add_inner(id);
    last.push_back(cast(inner, id, type, graph.values[inner].name));
  }
  graph.nodes.insert(graph.nodes.begin(), first.begin(), first.end());
  graph.nodes.insert(graph.nodes.end(), last.begin(), last.end());
  return true;
}

}  // namespace tessera::optimizer
