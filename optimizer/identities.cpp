// Nodes that give back what they get.

#include <algorithm>
#include <numeric>

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

bool only_first_output(Edit& edit, const Node& node) {
  return std::all_of(node.out.begin() + 1, node.out.end(),
                     [&](ValueId id) { return id == absent || edit.uses(id) == 0; });
}

bool all_equal(List<int64_t> values, int64_t to) {
  return std::all_of(values.begin(), values.end(), [to](int64_t v) { return v == to; });
}

bool is_identity(const Node& node) {
  if (is(&node, "Identity")) return true;
  if (!is(&node, "Dropout")) return false;
  return node.in.size() < 3 || node.in[2] == absent;  // without training_mode it passes its input on
}

// What a node with known types does not change.
bool is_no_op(Edit& edit, const Node& node) {
  if (node.in.empty() || node.in[0] == absent || node.out[0] == absent || !node.op->domain.empty()) return false;
  const Type& in = edit.value(node.in[0]).type;
  const Type& out = edit.value(node.out[0]).type;
  if (in != out || !node.epilogue.empty()) return false;
  if (node.op->view || is(&node, "Cast") || is(&node, "Expand") || is(&node, "Tile") || is(&node, "Slice")) return true;
  if (is(&node, "Concat") || is(&node, "Sum") || is(&node, "Max") || is(&node, "Min")) return node.in.size() == 1;
  double factor = 0;
  if (is(&node, "Mul") && node.in.size() == 2) return scalar_of(edit.constant(node.in[1]), &factor) && factor == 1;
  if (is(&node, "Transpose")) {
    const List<int64_t> perm = AttrReader(node).integers("perm");
    return !perm.empty() && std::is_sorted(perm.begin(), perm.end());
  }
  if (is(&node, "Pad")) {
    const AttrReader attrs(node);
    if (attrs.has("pads")) return all_equal(attrs.integers("pads"), 0);
    const Tensor* pads = node.in.size() > 1 ? edit.constant(node.in[1]) : nullptr;
    return pads && all_equal(as_integers(pads->view()), 0);
  }
  return false;
}

// A slice whose steps are negative reverses even when the shape stays.
bool reverses(Edit& edit, const Node& node) {
  if (!is(&node, "Slice") || node.in.size() < 5 || node.in[4] == absent) return false;
  const Tensor* steps = edit.constant(node.in[4]);
  if (!steps) return true;
  const auto values = as_integers(steps->view());
  return std::any_of(values.begin(), values.end(), [](int64_t v) { return v < 0; });
}

template <class Test>
bool bypass_where(Graph& graph, const Test& test) {
  return edit_each(graph, [&](Edit& edit, Node& node) {
    return node.op && test(edit, node) && only_first_output(edit, node) && edit.bypass(node, node.in[0]);
  });
}

}  // namespace

bool remove_identities(Graph& graph, const Fits&) {
  return bypass_where(graph, [](Edit&, const Node& node) { return is_identity(node); });
}

bool remove_no_ops(Graph& graph, const Fits&) {
  return bypass_where(graph,
                      [](Edit& edit, const Node& node) { return is_no_op(edit, node) && !reverses(edit, node); });
}

}  // namespace tessera::optimizer
