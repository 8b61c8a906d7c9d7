// RMSNormalization, and SimplifiedLayerNormalization, as older exporters call it.
#include "ops/normalization.h"

namespace tessera::ops {
namespace {

void infer_rms(Infer& n) {
  const int axis = n.axis("axis", n.rank(0));
  check_broadcasts(n, 1);
  n.set(0, n.shape(0));
  n.set(1, statistics_type(n), row_statistics(n.shape(0), axis));
}

void rms_reference(const Args& a) {
  RowNorm norm;
  norm.centred = false;
  norm.epsilon = static_cast<double>(a.real("epsilon"));
  norm.axis = normalize_axis(a.integer("axis"), a.in[0].shape().rank());
  norm.bias = SIZE_MAX;
  norm.mean_out = SIZE_MAX;
  norm.inverse_out = 1;
  normalize_rows(a, norm);
}

constexpr AttrDef attrs[] = {{"axis", -1}, {"epsilon", 1e-5}, {"stash_type", 1}};
const OpDef defs[] = {{.name = "RMSNormalization",
                       .since = 23,
                       .in = {2, 2},
                       .types = "T=float; S=float : T, S -> S",
                       .attrs = attrs,
                       .infer = infer_rms,
                       .reference = rms_reference,
                       .reach = follow_layer_normalization},
                      {.name = "SimplifiedLayerNormalization",
                       .since = 1,
                       .in = {2, 2},
                       .out = {1, 2},
                       .types = "T=float; S=float : T, S -> S",
                       .attrs = attrs,
                       .infer = infer_rms,
                       .reference = rms_reference,
                       .reach = follow_layer_normalization}};

}  // namespace

extern const OpFile rms_normalization;
const OpFile rms_normalization{defs};

}  // namespace tessera::ops
