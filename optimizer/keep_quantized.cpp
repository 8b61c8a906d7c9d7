// Between a DequantizeLinear and a QuantizeLinear: operators that only move numbers or pick among them
// work on the integers, and activations that the clamping of the quantization implies go. What no kernel
// takes as a product of integers is written out as floats again.

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "optimizer/quantized.h"

namespace tessera::optimizer {
namespace {

bool same(const PerTensor& a, const PerTensor& b) { return a.type == b.type && a.scale == b.scale && a.zero == b.zero; }

bool moves(const Node& node) {
  if (!node.op->domain.empty() || !node.epilogue.empty() || node.out.size() != 1) return false;
  if (node.op->view) return true;
  constexpr Text names[] = {"MaxPool", "Transpose", "DepthToSpace", "SpaceToDepth", "Slice", "Squeeze", "Unsqueeze"};
  return std::find(std::begin(names), std::end(names), node.op->name) != std::end(names);
}

ValueId add_value(Edit& edit, Text name, const Type& type) {
  Value value;
  value.name = name;
  value.type = type;
  value.ranked = true;
  return edit.graph().add_value(std::move(value));
}

// DequantizeLinear, a move, QuantizeLinear with the same parameters: the move of the integers.
bool move_integers(Edit& edit, Node& node, const Fits& fits) {
  if (!moves(node)) return false;
  Node* quantize = edit.only_user(node.out[0]);
  PerTensor from, to;
  if (!read_dequantize(edit, edit.maker(node.in[0]), &from) || !read_quantize(edit, quantize, &to)) return false;
  if (!same(from, to) || edit.value(from.values).constant) return false;
  Node moved = node;
  moved.in[0] = from.values;
  moved.out[0] = quantize->out[0];
  if (!node.op->view && !fits(edit.graph(), moved)) return false;
  edit.remove(*quantize);
  edit.replace(node, std::move(moved));
  return true;
}

// DequantizeLinear, GlobalAveragePool, QuantizeLinear: the sum of the integers.
bool average_integers(Edit& edit, Node& node, const Fits& fits) {
  if (!is(&node, "GlobalAveragePool")) return false;
  Node* quantize = edit.only_user(node.out[0]);
  PerTensor from, to;
  if (!read_dequantize(edit, edit.maker(node.in[0]), &from) || !read_quantize(edit, quantize, &to)) return false;
  if (from.type != to.type || from.zero_id == absent || to.zero_id == absent) return false;
  Node average = node;
  average.op = find_op("com.microsoft", "QLinearGlobalAveragePool", 1);
  average.opset = 1;
  average.attrs = nullptr;
  average.in = {from.values, from.scale_id, from.zero_id, to.scale_id, to.zero_id};
  average.out[0] = quantize->out[0];
  if (!average.op || !fits(edit.graph(), average)) return false;
  edit.remove(*quantize);
  edit.replace(node, std::move(average));
  return true;
}

// DequantizeLinear of both operands, Add or Mul, QuantizeLinear: a sum or product of the integers, unless one of them
// comes from a product, whose step can take all that follows.
bool combine_integers(Edit& edit, Node& node, const Fits& fits) {
  const bool sum = is(&node, "Add");
  if ((!sum && !is(&node, "Mul")) || node.opset < 7) return false;
  Node* quantize = edit.only_user(node.out[0]);
  PerTensor parts[2], to;
  if (!read_quantize(edit, quantize, &to) || to.zero_id == absent) return false;
  for (size_t i = 0; i < 2; ++i) {
    if (!read_dequantize(edit, edit.maker(node.in[i]), &parts[i])) return false;
    const Node* maker = edit.maker(parts[i].values);
    if (parts[i].type != to.type || parts[i].zero_id == absent || (maker && maker->op && maker->op->work)) return false;
  }
  Node both = node;
  both.op = find_op("com.microsoft", sum ? "QLinearAdd" : "QLinearMul", 1);
  both.opset = 1;
  both.attrs = nullptr;
  both.in = {parts[0].values,   parts[0].scale_id, parts[0].zero_id, parts[1].values,
             parts[1].scale_id, parts[1].zero_id,  to.scale_id,      to.zero_id};
  both.out[0] = quantize->out[0];
  if (!both.op || !fits(edit.graph(), both)) return false;
  edit.remove(*quantize);
  edit.replace(node, std::move(both));
  return true;
}

// DequantizeLinear of all parts, Concat, QuantizeLinear: the concatenation of the integers, each part
// quantized anew where its parameters are others.
bool join_integers(Edit& edit, Node& node, std::vector<Node>& nodes) {
  if (!is(&node, "Concat")) return false;
  Node* quantize = edit.only_user(node.out[0]);
  PerTensor to;
  if (!read_quantize(edit, quantize, &to)) return false;
  std::vector<PerTensor> parts(node.in.size());
  for (size_t i = 0; i < parts.size(); ++i)
    if (!read_dequantize(edit, edit.maker(node.in[i]), &parts[i])) return false;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!same(parts[i], to)) {
      Node again = *quantize;
      again.in[0] = node.in[i];
      again.out[0] = add_value(edit, "quantized", {to.type, edit.value(node.in[i]).type.shape});
      parts[i].values = again.out[0];
      nodes.push_back(std::move(again));
    }
    node.in[i] = parts[i].values;
  }
  node.out[0] = quantize->out[0];
  edit.remove(*quantize);
  return true;
}

bool bound_of(Edit& edit, const Node& node, size_t input, Text attr, double* bound) {
  if (node.opset < 11) {
    if (AttrReader(node).has(attr)) *bound = static_cast<double>(AttrReader(node).real(attr));
    return true;
  }
  return node.in.size() <= input || node.in[input] == absent || scalar_of(edit.constant(node.in[input]), bound);
}

// A Relu or Clip before a QuantizeLinear whose range is no wider.
bool drop_activation(Edit& edit, Node& node) {
  const bool relu = is(&node, "Relu");
  PerTensor to;
  if ((!relu && !is(&node, "Clip")) || !read_quantize(edit, edit.only_user(node.out[0]), &to)) return false;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  double low = relu ? 0 : -infinity, high = infinity;
  if (!relu && (!bound_of(edit, node, 1, "min", &low) || !bound_of(edit, node, 2, "max", &high))) return false;
  const double least = to.type == DType::int8 ? -128 : 0, most = least + 255;
  const auto quantum = [&](double x) { return x / static_cast<double>(to.scale) + static_cast<double>(to.zero); };
  if (low > high || quantum(low) > least || quantum(high) < most) return false;
  return edit.bypass(node, node.in[0]);
}

// The constant weights or bias as floats.
Tensor dequantized(const Tensor& values, const Tensor* scale, const Tensor* zero, float factor) {
  Tensor result = Tensor::make({DType::float32, values.type.shape});
  const int64_t count = values.type.shape.elements(), each = values.type.shape.elements(1, values.type.shape.size());
  const auto at = [&](const Tensor* t, int64_t i) {
    return element_as_double(t->view(), t->type.shape.elements() == 1 ? 0 : i / each);
  };
  for (int64_t i = 0; i < count; ++i)
    result.as<float>()[i] = static_cast<float>((element_as_double(values.view(), i) - (zero ? at(zero, i) : 0)) *
                                               static_cast<double>(factor) * at(scale, i));
  return result;
}

// A product of integers whose result is floats, as DequantizeLinear and a product of floats.
void expand(Edit& edit, Node node, std::vector<Node>& nodes) {
  const Tensor *w = edit.constant(node.in[3]), *w_scale = edit.constant(node.in[4]),
               *w_zero = edit.constant(node.in[5]);
  Node dequantize;
  dequantize.op = find_op("", "DequantizeLinear", 13);
  dequantize.opset = 13;
  dequantize.name = node.name;
  dequantize.in = {node.in[0], node.in[1], node.in[2]};
  dequantize.out = {add_value(edit, "dequantized", {DType::float32, edit.value(node.in[0]).type.shape})};
  const bool conv = node.op->name == "QuantizedConv";
  const ValueId bias = node.in.size() > 8 ? node.in[8] : absent;
  std::vector<ValueId> in = {dequantize.out[0], edit.add_constant("weights", dequantized(*w, w_scale, w_zero, 1.0f))};
  if (bias != absent) {
    const Tensor& values = *edit.constant(bias);
    const float factor = *edit.constant(node.in[1])->as<const float>();
    in.push_back(values.type.dtype == DType::float32
                     ? bias
                     : edit.add_constant("bias", dequantized(values, w_scale, nullptr, factor)));
  }
  node.in = in;
  if (conv) {
    Attrs attrs = node.attrs ? *node.attrs : Attrs{};
    attrs.emplace_back("quantized", int64_t{1});
    node.attrs = std::make_shared<const Attrs>(std::move(attrs));
    node.op = find_op("", "Conv", 11);
    node.opset = 11;
    nodes.push_back(std::move(dequantize));
    nodes.push_back(std::move(node));
    return;
  }
  // Rows times rows: a product with the turned matrix, whatever the rank of the input.
  const Tensor turned_from = *edit.constant(node.in[1]);
  const int64_t n = turned_from.type.shape[0], k = turned_from.type.shape[1];
  Tensor turned = Tensor::make({DType::float32, {k, n}});
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j) turned.as<float>()[j * n + i] = turned_from.as<const float>()[i * k + j];
  const Type type = edit.value(node.out[0]).type;
  Node product = node;
  product.op = find_op("", "MatMul", 13);
  product.opset = 13;
  product.in = {node.in[0], edit.add_constant("weights", std::move(turned))};
  nodes.push_back(std::move(dequantize));
  if (bias == absent) {
    nodes.push_back(std::move(product));
    return;
  }
  Node add = node;
  product.out = {add_value(edit, "product", type)};
  add.op = find_op("", "Add", 14);
  add.opset = 14;
  add.in = {product.out[0], node.in[2]};
  nodes.push_back(std::move(product));
  nodes.push_back(std::move(add));
}

// Whether all that `expand` computes with is known.
bool is_product(const Edit& edit, const Node& node) {
  if (node.op->domain != "tessera" || (node.op->name != "QuantizedConv" && node.op->name != "QuantizedGemm"))
    return false;
  const auto known = [&](size_t i) { return i >= node.in.size() || node.in[i] == absent || edit.constant(node.in[i]); };
  return known(1) && known(3) && known(4) && known(5) && known(8);
}

// The quantization of a product's result as a node of its own, where no kernel takes that either: then there are no
// bytes. False if the product has to stay.
bool split_quantization(Edit& edit, Node& node, const Fits& fits, std::optional<Node>* quantize) {
  if (node.in.size() < 8 || node.in[7] == absent) return true;
  if (!node.epilogue.empty()) return false;
  Node split;
  split.op = find_op("", "QuantizeLinear", 13);
  split.opset = 13;
  split.name = node.name;
  split.in = {add_value(edit, "product", {DType::float32, edit.value(node.out[0]).type.shape}), node.in[6], node.in[7]};
  split.out = node.out;
  if (fits(edit.graph(), split)) return false;
  node.in[6] = node.in[7] = absent;
  node.out = {split.in[0]};
  *quantize = std::move(split);
  return true;
}

}  // namespace

bool expand_quantized(Graph& graph, const Fits& fits) {
  Edit edit(graph);
  bool changed = false;
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    std::optional<Node> quantize;
    if (!is_product(edit, node) || fits(graph, node) || !split_quantization(edit, node, fits, &quantize)) {
      nodes.push_back(node);
      continue;
    }
    expand(edit, node, nodes);
    if (quantize) nodes.push_back(std::move(*quantize));
    changed = true;
  }
  graph.nodes = std::move(nodes);
  return changed;
}

bool keep_quantized(Graph& graph, const Fits& fits) {
  Edit edit(graph);
  bool changed = false;
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    if (!node.op) continue;
    changed |= join_integers(edit, node, nodes);
    nodes.push_back(node);
  }
  graph.nodes = std::move(nodes);
  edit.refresh();
  for (Node& node : graph.nodes)
    if (node.op && !node.in.empty())
      changed |= drop_activation(edit, node) || move_integers(edit, node, fits) || average_integers(edit, node, fits) ||
                 combine_integers(edit, node, fits);
  if (changed) edit.finish();
  return changed;
}

}  // namespace tessera::optimizer
