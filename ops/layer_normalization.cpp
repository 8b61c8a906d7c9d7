// LayerNormalization. Listed from opset 1, as some exporters write it there.
#include "ops/normalization.h"

namespace tessera::ops {
namespace {

void infer_layer_normalization(Infer& n) {
  const int axis = n.axis("axis", n.rank(0));
  check_broadcasts(n, 1);
  check_broadcasts(n, 2);
  const Shape statistics = row_statistics(n.shape(0), axis);
  n.set(0, n.shape(0));
  n.set(1, statistics_type(n), statistics);
  n.set(2, statistics_type(n), statistics);
}

void layer_normalization_reference(const Args& a) {
  RowNorm norm;
  norm.epsilon = static_cast<double>(a.real("epsilon"));
  norm.axis = normalize_axis(a.integer("axis"), a.in[0].shape().rank());
  normalize_rows(a, norm);
}

constexpr AttrDef attrs[] = {{"axis", -1}, {"epsilon", 1e-5}, {"stash_type", 1}};
const OpDef defs[] = {{.name = "LayerNormalization",
                       .since = 1,
                       .in = {2, 3},
                       .out = {1, 3},
                       .types = "T=float; S=float : T, S, S -> T",
                       .attrs = attrs,
                       .infer = infer_layer_normalization,
                       .reference = layer_normalization_reference,
                       .reach = follow_layer_normalization}};

}  // namespace

extern const OpFile layer_normalization;
const OpFile layer_normalization{defs};

}  // namespace tessera::ops
