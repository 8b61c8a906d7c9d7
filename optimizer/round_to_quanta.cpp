// Where the best backend has no bytes, numbers between a QuantizeLinear and its DequantizeLinears stay floats that are
// rounded to quanta: one step, which joins the epilogue of what makes them.

#include <algorithm>

#include "optimizer/quantized.h"

namespace tessera::optimizer {
namespace {

bool same(const PerTensor& a, const PerTensor& b) { return a.type == b.type && a.scale == b.scale && a.zero == b.zero; }

// The DequantizeLinears that read the bytes; empty if somebody else does, or by other parameters.
std::vector<Node*> readers(Edit& edit, const Node& quantize, const PerTensor& to) {
  std::vector<Node*> found;
  const ValueId bytes = quantize.out[0];
  for (Node& node : edit.graph().nodes) {
    if (!node.op || std::find(node.in.begin(), node.in.end(), bytes) == node.in.end()) continue;
    PerTensor from;
    if (!read_dequantize(edit, &node, &from) || from.values != bytes || !same(from, to)) return {};
    if (edit.value(node.out[0]).type.dtype != DType::float32) return {};
    found.push_back(&node);
  }
  // One may make an output of the graph: it goes last, and the rounded numbers get its name.
  const auto last = std::stable_partition(found.begin(), found.end(), [&](Node* n) { return !edit.pinned(n->out[0]); });
  if (found.end() - last > 1) return {};
  return static_cast<int>(found.size()) == edit.uses(bytes) ? found : std::vector<Node*>{};
}

bool round(Edit& edit, Node& quantize, const Fits& fits) {
  PerTensor to;
  if (!read_quantize(edit, &quantize, &to) || edit.value(quantize.in[0]).type.dtype != DType::float32) return false;
  if (fits(edit.graph(), quantize) || edit.pinned(quantize.out[0])) return false;
  const std::vector<Node*> dequantize = readers(edit, quantize, to);
  if (dequantize.empty()) return false;
  Node rounding = quantize;
  rounding.op = find_op("tessera", "Quantum", 1);
  rounding.opset = 1;
  rounding.in = {quantize.in[0]};
  const float lowest = to.type == DType::int8 ? -128.0f : 0.0f;
  rounding.attrs = std::make_shared<const Attrs>(Attrs{{"scale", to.scale}, {"zero_point", to.zero - lowest}});
  Type& type = edit.value(quantize.out[0]).type;
  const DType bytes = std::exchange(type.dtype, DType::float32);
  if (!fits(edit.graph(), rounding)) {
    type.dtype = bytes;
    return false;
  }
  const ValueId rounded = quantize.out[0];
  edit.replace(quantize, std::move(rounding));
  for (Node* node : dequantize) edit.bypass(*node, rounded);
  return true;
}

}  // namespace

bool round_to_quanta(Graph& graph, const Fits& fits) {
  return edit_each(graph, [&](Edit& edit, Node& node) { return node.op && round(edit, node, fits); });
}

}  // namespace tessera::optimizer
