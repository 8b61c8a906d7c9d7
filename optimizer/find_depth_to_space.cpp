// Reshape, Transpose, Reshape as exporters write a pixel shuffle becomes DepthToSpace.

#include <algorithm>

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

bool equal(List<int64_t> a, std::initializer_list<int64_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

bool rewrite(Edit& edit, Node& last) {
  Node* turn = edit.maker(last.in[0]);
  if (!is(turn, "Transpose") || edit.only_user(turn->out[0]) != &last) return false;
  Node* first = edit.maker(turn->in[0]);
  if (!is(first, "Reshape") || edit.only_user(first->out[0]) != turn) return false;
  const Shape& in = edit.value(first->in[0]).type.shape;
  const Shape& split = edit.value(first->out[0]).type.shape;
  const Shape& out = edit.value(last.out[0]).type.shape;
  if (in.size() != 4 || split.size() != 6 || out.size() != 4 || split[0] != in[0]) return false;
  const List<int64_t> perm = AttrReader(*turn).integers("perm");
  const bool crd = equal(perm, {0, 1, 4, 2, 5, 3});  // [N, C, b, b, H, W]
  const bool dcr = equal(perm, {0, 3, 4, 1, 5, 2});  // [N, b, b, C, H, W]
  if (!crd && !dcr) return false;
  const int64_t block = split[crd ? 2 : 1], channels = split[crd ? 1 : 3];
  if (split[crd ? 3 : 2] != block || split[4] != in[2] || split[5] != in[3]) return false;
  if (out != Shape{in[0], channels, in[2] * block, in[3] * block}) return false;
  Node shuffle = last;
  shuffle.op = find_op("", "DepthToSpace", 13);
  shuffle.opset = 13;
  shuffle.attrs =
      std::make_shared<const Attrs>(Attrs{{"blocksize", block}, {"mode", std::string(crd ? "CRD" : "DCR")}});
  shuffle.in = {first->in[0]};
  edit.replace(last, std::move(shuffle));
  edit.remove(*turn);
  edit.remove(*first);
  return true;
}

}  // namespace

bool find_depth_to_space(Graph& graph, const Fits&) {
  return edit_each(graph, [](Edit& edit, Node& node) { return is(&node, "Reshape") && rewrite(edit, node); });
}

}  // namespace tessera::optimizer
