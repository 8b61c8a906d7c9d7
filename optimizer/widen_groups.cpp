// A convolution whose groups do not fill blocks of sixteen channels becomes one of fewer, wider groups, with
// zeros between the channels that did not meet: kernels read and write whole blocks then, and a 3x3
// convolution of a single group takes Winograd's transforms.

#include <cstring>

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

constexpr int64_t block = 16;

int64_t blocks_of(int64_t channels) { return (channels + block - 1) / block; }

bool is_small_square(const Node& conv, const Shape& weights) {
  const AttrReader attrs(conv);
  for (const Text name : {"strides", "dilations"})
    for (const int64_t v : attrs.integers(name))
      if (v != 1) return false;
  return weights.rank() == 4 && weights[2] == 3 && weights[3] == 3;
}

// How many groups to join into one, by what their multiplications cost; 1: they stay.
int64_t choose(const Node& conv, const Shape& weights, int64_t groups) {
  const int64_t in = weights[1], out = weights[0] / groups;
  // Ragged groups are read from planes, and their input and output reordered: about half as much again.
  const double ragged = 1.5;
  // What the transforms leave of the multiplications, with the transforms themselves.
  const double transformed = is_small_square(conv, weights) && out * groups >= block / 2 ? 0.4 : 1.0;
  int64_t best = 1;
  double least = ragged * static_cast<double>(groups * blocks_of(out) * in);
  for (int64_t join = 2; join <= groups; ++join) {
    const bool single = join == groups, whole = join * out % block == 0 && join * in % block == 0;
    if (groups % join != 0 || (!single && !whole)) continue;
    const int64_t products = groups / join * blocks_of(join * out) * join * in;
    const double cost = (single ? transformed : 1.0) * static_cast<double>(products);
    if (cost < least) best = join, least = cost;
  }
  return best;
}

bool widen(Edit& edit, Node& conv) {
  const AttrReader attrs(conv);
  const int64_t groups = attrs.integer("group");
  const Tensor* weights = edit.constant(conv.in[1]);
  if (groups < 2 || attrs.has("quantized") || !weights || weights->type.dtype != DType::float32) return false;
  const Shape& shape = weights->type.shape;
  if (shape.rank() != 4 || shape.elements() == 0 || shape[0] % groups != 0) return false;
  const int64_t in = shape[1], out = shape[0] / groups;
  const bool depthwise = in == 1 && out == 1, filled = in % block == 0 && out % block == 0;
  const int64_t join = depthwise || filled ? 1 : choose(conv, shape, groups);
  if (join == 1) return false;

  Shape wide = shape;
  wide[1] = in * join;
  Tensor result = Tensor::make({DType::float32, wide});  // zeros
  const int64_t run = in * shape[2] * shape[3];
  for (int64_t m = 0; m < shape[0]; ++m)
    std::memcpy(result.as<float>() + (m * join + m / out % join) * run, weights->as<float>() + m * run,
                static_cast<size_t>(run) * sizeof(float));
  weights->drop_pages();
  Attrs changed = *conv.attrs;
  std::erase_if(changed, [](const auto& attr) { return attr.first == "group"; });
  changed.emplace_back("group", groups / join);
  conv.in[1] = edit.add_constant(edit.value(conv.in[1]).name + ":widened", std::move(result));
  conv.attrs = std::make_shared<const Attrs>(std::move(changed));
  return true;
}

}  // namespace

bool widen_groups(Graph& graph, const Fits&) {
  return edit_each(graph, [](Edit& edit, Node& node) { return is(&node, "Conv") && widen(edit, node); });
}

}  // namespace tessera::optimizer
