// Neighbours that undo or absorb each other: Transpose of Transpose, Reshape of Reshape.

#include <algorithm>

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

// Transpose(Transpose(x)): one with the composed permutation, or none.
bool join_transposes(Edit& edit, Node& second) {
  Node* first = edit.maker(second.in[0]);
  if (!is(first, "Transpose")) return false;
  const List<int64_t> p = AttrReader(*first).integers("perm"), q = AttrReader(second).integers("perm");
  if (p.empty() || p.size() != q.size()) return false;
  std::vector<int64_t> composed;
  for (const int64_t axis : q) {
    if (axis < 0 || axis >= static_cast<int64_t>(p.size())) return false;
    composed.push_back(p[static_cast<size_t>(axis)]);
  }
  if (std::is_sorted(composed.begin(), composed.end())) return edit.bypass(second, first->in[0]);
  Node joined = second;
  joined.attrs = std::make_shared<const Attrs>(Attrs{{"perm", std::move(composed)}});
  joined.in[0] = first->in[0];
  edit.replace(second, std::move(joined));
  return true;
}

// Whether the shape operand says the result without looking at the input: no 0, at most one -1.
bool absolute(const Tensor* shape) {
  if (!shape) return false;
  const auto dims = as_integers(shape->view());
  return std::none_of(dims.begin(), dims.end(), [](int64_t d) { return d == 0; });
}

// View(View(x)) with a last shape of its own: the first has no say.
bool join_views(Edit& edit, Node& second) {
  Node* first = edit.maker(second.in[0]);
  const bool first_is_view =
      is(first, "Reshape") || is(first, "Flatten") || is(first, "Squeeze") || is(first, "Unsqueeze");
  if (!first_is_view || second.in.size() < 2 || !absolute(edit.constant(second.in[1]))) return false;
  Node joined = second;
  joined.in[0] = first->in[0];
  edit.replace(second, std::move(joined));
  return true;
}

}  // namespace

bool cancel_pairs(Graph& graph, const Fits&) {
  return edit_each(graph, [](Edit& edit, Node& node) {
    const bool joined = is(&node, "Transpose") && join_transposes(edit, node);
    return (is(&node, "Reshape") && join_views(edit, node)) || joined;
  });
}

}  // namespace tessera::optimizer
