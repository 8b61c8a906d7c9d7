// Conv followed by a per-channel affine map with constants (BatchNormalization, Mul, Add) becomes a
// Conv with other weights: y = s * (w x + b) + t = (s w) x + (s b + t).

#include <cmath>

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

struct Channels {
  std::vector<double> scale, shift;
};

bool is_float_vector(const Tensor* tensor, int64_t count) {
  return tensor && tensor->type.dtype == DType::float32 && tensor->type.shape.elements() == count;
}

bool read_batch_norm(Edit& edit, const Node& node, int64_t channels, Channels* map) {
  const Tensor* part[4];
  if (node.in.size() != 5 || AttrReader(node).integer("training_mode")) return false;
  for (size_t i = 0; i < 4; ++i) {
    part[i] = edit.constant(node.in[i + 1]);
    if (!is_float_vector(part[i], channels)) return false;
  }
  const double epsilon = AttrReader(node).real("epsilon");
  for (int64_t c = 0; c < channels; ++c) {
    const double scale = part[0]->as<float>()[c] / std::sqrt(part[3]->as<float>()[c] + epsilon);
    map->scale.push_back(scale);
    map->shift.push_back(part[1]->as<float>()[c] - scale * part[2]->as<float>()[c]);
  }
  return true;
}

// A constant that is one number, or one per channel of an NCHW tensor.
bool read_per_channel(const Tensor* tensor, int64_t channels, size_t rank, std::vector<double>* values) {
  if (!tensor || tensor->type.dtype != DType::float32) return false;
  const Shape& shape = tensor->type.shape;
  const int64_t count = shape.elements();
  if (count != 1) {
    // [C,1,1] or [1,C,1,1] for a result [N,C,H,W].
    if (count != channels || shape.size() > rank || shape.size() + 1 < rank) return false;
    if (shape[shape.size() + 1 - rank] != channels) return false;
  } else if (shape.size() > rank) {
    return false;
  }
  for (int64_t c = 0; c < channels; ++c) values->push_back(tensor->as<float>()[count == 1 ? 0 : c]);
  return true;
}

bool read_affine(Edit& edit, const Node& node, ValueId conv_out, int64_t channels, size_t rank, Channels* map) {
  if (is(&node, "BatchNormalization")) return node.in[0] == conv_out && read_batch_norm(edit, node, channels, map);
  const bool mul = is(&node, "Mul"), add = is(&node, "Add");
  if ((!mul && !add) || node.in.size() != 2 || node.opset < 7) return false;
  const ValueId other = node.in[0] == conv_out ? node.in[1] : node.in[0];
  if (!read_per_channel(edit.constant(other), channels, rank, mul ? &map->scale : &map->shift)) return false;
  (mul ? map->shift : map->scale).assign(static_cast<size_t>(channels), mul ? 0.0 : 1.0);
  return true;
}

bool fold_into(Edit& edit, Node& conv) {
  Node* affine = edit.only_user(conv.out[0]);
  const Tensor* weights = edit.constant(conv.in[1]);
  const bool has_bias = conv.in.size() > 2 && conv.in[2] != absent;
  const Tensor* bias = has_bias ? edit.constant(conv.in[2]) : nullptr;
  if (!affine || !weights || weights->type.dtype != DType::float32 || (has_bias && !bias)) return false;
  const int64_t channels = weights->type.shape[0];
  if (has_bias && !is_float_vector(bias, channels)) return false;
  Channels map;
  if (!read_affine(edit, *affine, conv.out[0], channels, weights->type.shape.size(), &map)) return false;
  for (size_t i = 1; i < affine->out.size(); ++i)
    if (affine->out[i] != absent && edit.uses(affine->out[i]) > 0) return false;

  Tensor new_weights = weights->clone();
  weights->drop_pages();
  Tensor new_bias = Tensor::make({DType::float32, {channels}});
  const int64_t per_channel = channels ? weights->type.shape.elements() / channels : 0;
  for (int64_t c = 0; c < channels; ++c) {
    const double scale = map.scale[static_cast<size_t>(c)], shift = map.shift[static_cast<size_t>(c)];
    float* row = new_weights.as<float>() + c * per_channel;
    for (int64_t k = 0; k < per_channel; ++k) row[k] = static_cast<float>(row[k] * scale);
    new_bias.as<float>()[c] = static_cast<float>((bias ? bias->as<float>()[c] : 0.0) * scale + shift);
  }
  Node folded = conv;
  folded.in.resize(3, absent);
  const std::string name = edit.value(conv.in[1]).name;
  folded.in[1] = edit.add_constant(name + ":folded", std::move(new_weights));
  folded.in[2] = edit.add_constant(name + ":folded bias", std::move(new_bias));
  folded.out[0] = affine->out[0];
  edit.remove(*affine);
  edit.replace(conv, std::move(folded));
  return true;
}

}  // namespace

bool fold_batch_norm(Graph& graph, const Fits&) {
  return edit_each(graph, [](Edit& edit, Node& node) {
    bool changed = false;
    while (is(&node, "Conv") && fold_into(edit, node)) changed = true;
    return changed;
  });
}

}  // namespace tessera::optimizer
