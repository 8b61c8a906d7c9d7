// The first convolutions of many channels behind a picture are marked `first`. What they read is still much like the
// picture: large values whose differences matter. There the rounding of a transform, which grows with its tile, is
// seen in the end more than that of all later layers together.

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

// Convolutions of fewer channels are not transformed (see ops/cpu/conv_kernels.cpp).
constexpr int64_t many_channels = 8;

bool has_many_channels(const Node& conv, const Tensor* weights) {
  return weights && weights->type.shape.rank() > 1 &&
         weights->type.shape[1] * AttrReader(conv).integer("group") >= many_channels;
}

bool mark(Node& node) {
  if (node.attrs && find_attr(*node.attrs, "first")) return false;
  Attrs attrs = node.attrs ? *node.attrs : Attrs{};
  attrs.emplace_back("first", int64_t{1});
  node.attrs = std::make_shared<const Attrs>(std::move(attrs));
  return true;
}

}  // namespace

bool mark_first(Graph& graph, const Fits&) {
  bool changed = false;
  std::vector<bool> behind(graph.values.size());  // such a convolution
  for (Node& node : graph.nodes) {
    bool is_behind = false;
    for (const ValueId id : node.in) is_behind |= id != absent && behind[id];
    if (!is_behind && node.op->name == "Conv" && has_many_channels(node, graph.values[node.in[1]].constant.get())) {
      changed |= mark(node);
      is_behind = true;
    }
    for (const ValueId id : node.out)
      if (id != absent) behind[id] = is_behind;
  }
  return changed;
}

}  // namespace tessera::optimizer
