// A model whose heavy operators (OpDef::work) are float16 or bfloat16 computes in float32: nodes read and make twins
// of their half values, constants are widened once. Inputs, outputs, and what containers and control flow read or make
// stay as they are; a Cast lies between such a value and its twin.

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "optimizer/dtypes.h"
#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

bool is_half(DType type) { return type == DType::float16 || type == DType::bfloat16; }

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
  return node.op && node.op->work && std::any_of(node.in.begin(), node.in.end(), [&](ValueId id) {
           return id != absent && graph.values[id].constant && is_half(graph.values[id].constant->type.dtype);
         });
}

class Widening {
 public:
  explicit Widening(Graph& graph) : graph_(graph), dtypes_(dtypes_of(graph)) {
    wide_dtypes_ = dtypes_;
    for (DType& dtype : wide_dtypes_)
      if (optimizer::is_half(dtype)) dtype = DType::float32;
    for (const Node& node : graph_.nodes) widens_.push_back(widens(node));
  }

  /// Whether a heavy node with half weights would be wide.
  bool is_worth_it() const {
    for (size_t i = 0; i < widens_.size(); ++i)
      if (widens_[i] && reads_half_weights(graph_, graph_.nodes[i])) return true;
    return false;
  }

  void run() {
    std::vector<bool> made(graph_.values.size());  // by a node that is not wide, or given
    for (const ValueId id : graph_.inputs) made[id] = true;
    for (const auto& [outer, inner] : graph_.captures) made[inner] = true;
    for (size_t i = 0; i < widens_.size(); ++i) {
      for (const ValueId id : graph_.nodes[i].in)
        if (is_half(id) && !widens_[i]) stay(id);
      for (const ValueId id : graph_.nodes[i].out)
        if (is_half(id) && !widens_[i]) made[id] = true;
      stay_captured(graph_.nodes[i]);
    }
    for (const ValueId id : graph_.outputs) stay(id);

    std::vector<Node> nodes;
    for (size_t i = 0; i < widens_.size(); ++i) {
      Node node = std::move(graph_.nodes[i]);
      if (widens_[i]) {
        for (ValueId& id : node.in) {
          if (!is_half(id)) continue;
          const bool given = made[id] && !graph_.values[id].constant && !twins_.contains(id);
          const ValueId half = id;
          id = twin(half);
          if (given) nodes.push_back(cast(half, id, DType::float32));
        }
        widen_attrs(node);
      }
      std::vector<Node> behind;
      for (ValueId& id : node.out) {
        if (!widens_[i] || !is_half(id)) continue;
        const ValueId half = id;
        id = twin(half);
        if (stays_.contains(half)) behind.push_back(cast(id, half, dtypes_[half]));
      }
      nodes.push_back(std::move(node));
      for (Node& step : behind) nodes.push_back(std::move(step));
    }
    graph_.nodes = std::move(nodes);
    for (const auto& [half, wide] : twins_)
      if (!stays_.contains(half)) graph_.values[half].constant = nullptr;
  }

 private:
  bool is_half(ValueId id) const { return id != absent && id < dtypes_.size() && optimizer::is_half(dtypes_[id]); }

  // Nodes of tensors whose types are all known, and that take float32 for each half and give it then.
  bool widens(const Node& node) const {
    const auto known = [&](ValueId id) { return id == absent || dtypes_[id] != DType::undefined; };
    const auto half = [&](ValueId id) { return is_half(id); };
    if (!node.op || !node.op->infer || !node.epilogue.empty() || is(&node, "BitCast")) return false;
    if (std::none_of(node.in.begin(), node.in.end(), half) && std::none_of(node.out.begin(), node.out.end(), half))
      return false;
    if (!std::all_of(node.in.begin(), node.in.end(), known) || !std::all_of(node.out.begin(), node.out.end(), known))
      return false;
    Node wide = node;
    widen_attrs(wide);
    const std::vector<DType> out = output_dtypes(wide, wide_dtypes_);
    for (size_t i = 0; i < out.size(); ++i)
      if (node.out[i] != absent && out[i] != wide_dtypes_[node.out[i]]) return false;
    return true;
  }

  void stay(ValueId id) { stays_.insert(id); }
  void stay_captured(const Node& node) {
    if (!node.attrs) return;
    for (const auto& [name, attr] : *node.attrs)
      if (const auto* body = std::get_if<std::shared_ptr<Graph>>(&attr))
        for (const auto& [outer, inner] : (*body)->captures) stay(outer);
  }

  ValueId twin(ValueId half) {
    const auto known = twins_.find(half);
    if (known != twins_.end()) return known->second;
    Value wide = graph_.values[half];
    wide.name += ":float32";
    wide.type.dtype = DType::float32;
    if (wide.constant) {
      wide.constant = std::make_shared<const Tensor>(widened(*wide.constant));
      wide.type = wide.constant->type;
    }
    return twins_[half] = graph_.add_value(std::move(wide));
  }

  Node cast(ValueId from, ValueId to, DType type) const {
    Node node;
    node.op = find_op("", "Cast", 13);
    node.opset = 13;
    node.name = graph_.values[from].name;
    node.in = {from};
    node.out = {to};
    node.attrs = std::make_shared<const Attrs>(Attrs{{"to", static_cast<int64_t>(type)}});
    return node;
  }

  Graph& graph_;
  std::vector<DType> dtypes_, wide_dtypes_;
  std::vector<bool> widens_;  // per node
  std::set<ValueId> stays_;   // half values that somebody needs as they are
  std::map<ValueId, ValueId> twins_;
};

}  // namespace

bool widen_halves(Graph& graph, const Fits&) {
  if (std::none_of(graph.nodes.begin(), graph.nodes.end(),
                   [&](const Node& node) { return reads_half_weights(graph, node); }))
    return false;
  Widening widening(graph);
  if (!widening.is_worth_it()) return false;
  widening.run();
  return true;
}

}  // namespace tessera::optimizer
