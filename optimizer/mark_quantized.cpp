// Convolutions of dequantized numbers are marked `quantized`: their sums are small multiples of one
// step, so that rounding to the next quantum meets ties, and a kernel that transforms its input
// would break them at random.

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

bool is_convolution(const Node& node) { return is(&node, "Conv") || is(&node, "ConvTranspose"); }

}  // namespace

bool mark_quantized(Graph& graph, const Fits&) {
  const Edit edit(graph);
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (!is_convolution(node) || !is(edit.maker(node.in[0]), "DequantizeLinear")) continue;
    if (node.attrs && find_attr(*node.attrs, "quantized")) continue;
    Attrs attrs = node.attrs ? *node.attrs : Attrs{};
    attrs.emplace_back("quantized", int64_t{1});
    node.attrs = std::make_shared<const Attrs>(std::move(attrs));
    changed = true;
  }
  return changed;
}

}  // namespace tessera::optimizer
