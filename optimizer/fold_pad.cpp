// Pad with zeros over height and width moves into the pads of the Conv that follows.

#include <algorithm>

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

// The pads of a Pad node over all axes: begins, then ends. Empty if they are not plain zeros.
std::vector<int64_t> zero_pads(Edit& edit, const Node& pad, size_t rank) {
  const AttrReader attrs(pad);
  if (!attrs.text("mode").empty() && attrs.text("mode") != "constant") return {};
  std::vector<int64_t> pads;
  if (pad.opset < 11) {
    if (attrs.has("value") && attrs.real("value") != 0) return {};
    const List<int64_t> given = attrs.integers("pads");
    pads.assign(given.begin(), given.end());
  } else {
    double value = 0;
    if (pad.in.size() > 2 && pad.in[2] != absent && !scalar_of(edit.constant(pad.in[2]), &value)) return {};
    if (value != 0 || pad.in.size() < 2 || !edit.constant(pad.in[1])) return {};
    if (pad.in.size() > 3 && pad.in[3] != absent) return {};
    pads = as_integers(edit.constant(pad.in[1])->view());
  }
  const bool negative = std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p < 0; });
  return pads.size() == 2 * rank && !negative ? pads : std::vector<int64_t>{};
}

bool rewrite(Edit& edit, Node& conv) {
  Node* pad = edit.maker(conv.in[0]);
  if (!is(pad, "Pad") || edit.only_user(pad->out[0]) != &conv) return false;
  const AttrReader attrs(conv);
  const bool automatic = attrs.has("auto_pad") && attrs.text("auto_pad") != "NOTSET";
  const size_t rank = edit.value(conv.in[0]).type.shape.size();
  const std::vector<int64_t> pads = zero_pads(edit, *pad, rank);
  if (automatic || rank < 3 || pads.empty() || pads[0] || pads[1] || pads[rank] || pads[rank + 1]) return false;
  const size_t axes = rank - 2;
  std::vector<int64_t> sum(2 * axes);
  const List<int64_t> own = attrs.integers("pads");
  if (!own.empty() && own.size() != sum.size()) return false;
  for (size_t i = 0; i < axes; ++i) {
    sum[i] = pads[2 + i] + (own.empty() ? 0 : own[i]);
    sum[axes + i] = pads[rank + 2 + i] + (own.empty() ? 0 : own[axes + i]);
  }
  Attrs changed = conv.attrs ? *conv.attrs : Attrs{};
  std::erase_if(changed, [](const auto& attr) { return attr.first == "pads" || attr.first == "auto_pad"; });
  changed.emplace_back("pads", std::move(sum));
  Node padded = conv;
  padded.attrs = std::make_shared<const Attrs>(std::move(changed));
  padded.in[0] = pad->in[0];
  edit.replace(conv, std::move(padded));
  edit.remove(*pad);
  return true;
}

}  // namespace

bool fold_pad(Graph& graph, const Fits&) {
  return edit_each(graph, [](Edit& edit, Node& node) { return is(&node, "Conv") && rewrite(edit, node); });
}

}  // namespace tessera::optimizer
