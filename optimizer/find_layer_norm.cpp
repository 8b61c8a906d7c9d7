// (x - mean) / sqrt(var + eps) * scale + bias, spelled out over the last axis, becomes
// LayerNormalization.

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

// Whether the node averages over the last axis alone and keeps it.
bool is_mean_of_last(Edit& edit, const Node* node, ValueId of) {
  if (!is(node, "ReduceMean") || node->in[0] != of) return false;
  const AttrReader attrs(*node);
  if (attrs.has("keepdims") && !attrs.integer("keepdims")) return false;
  std::vector<int64_t> axes;
  if (node->in.size() > 1 && node->in[1] != absent) {
    const Tensor* given = edit.constant(node->in[1]);
    if (!given) return false;
    axes = as_integers(given->view());
  } else {
    const List<int64_t> given = attrs.integers("axes");
    axes.assign(given.begin(), given.end());
  }
  const int rank = edit.value(of).type.shape.rank();
  return axes.size() == 1 && rank > 0 && normalize_axis(axes[0], rank) == rank - 1;
}

bool is_square(Edit& edit, const Node* node, ValueId of) {
  double exponent;
  if (is(node, "Mul")) return node->in[0] == of && node->in[1] == of;
  return is(node, "Pow") && node->in[0] == of && scalar_of(edit.constant(node->in[1]), &exponent) && exponent == 2;
}

// The operand of a binary node that is a float vector over the last axis.
ValueId vector_operand(Edit& edit, const Node* node, ValueId other, int64_t size) {
  if (node->in.size() != 2) return absent;
  const ValueId id = node->in[0] == other ? node->in[1] : node->in[0];
  const Tensor* tensor = edit.constant(id);
  const bool fits = tensor && tensor->type.dtype == DType::float32 && tensor->type.shape == Shape{size};
  return fits ? id : absent;
}

bool rewrite(Edit& edit, Node& divide) {
  Node* centred = edit.maker(divide.in[0]);
  Node* root = edit.maker(divide.in[1]);
  if (!is(centred, "Sub") || !is(root, "Sqrt")) return false;
  const ValueId x = centred->in[0], d = centred->out[0];
  const Type& type = edit.value(x).type;
  if (type.dtype != DType::float32 || !is_mean_of_last(edit, edit.maker(centred->in[1]), x)) return false;
  Node* sum = edit.maker(root->in[0]);
  if (!is(sum, "Add") || sum->in.size() != 2) return false;
  double epsilon;
  const bool left = scalar_of(edit.constant(sum->in[0]), &epsilon);
  if (!left && !scalar_of(edit.constant(sum->in[1]), &epsilon)) return false;
  Node* variance = edit.maker(sum->in[left ? 1 : 0]);
  Node* square = variance ? edit.maker(variance->in[0]) : nullptr;
  if (!square || !is_mean_of_last(edit, variance, square->out[0]) || !is_square(edit, square, d)) return false;

  Node* scaled = edit.only_user(divide.out[0]);
  if (!is(scaled, "Mul")) return false;
  Node* shifted = edit.only_user(scaled->out[0]);
  if (!is(shifted, "Add")) return false;
  const ValueId scale = vector_operand(edit, scaled, divide.out[0], type.shape.back());
  const ValueId bias = vector_operand(edit, shifted, scaled->out[0], type.shape.back());
  if (scale == absent || bias == absent || edit.value(shifted->out[0]).type != type) return false;
  Node norm = *shifted;
  norm.op = find_op("", "LayerNormalization", 17);
  norm.opset = 17;
  norm.attrs = std::make_shared<const Attrs>(Attrs{{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(epsilon)}});
  norm.in = {x, scale, bias};
  edit.replace(*shifted, std::move(norm));
  return true;
}

}  // namespace

bool find_layer_norm(Graph& graph, const Fits&) {
  if (!find_op("", "LayerNormalization", 17)) return false;
  return edit_each(
      graph, [](Edit& edit, Node& node) { return is(&node, "Div") && node.in.size() == 2 && rewrite(edit, node); });
}

}  // namespace tessera::optimizer
