// InstanceNormalization: every channel of every picture by its own moments.
#include "ops/normalization.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_instance(Infer& n) {
  const Shape& x = n.shape(0);
  if (x.rank() < 2) fail(Error::Kind::shape, "input ", x, " has no channels");
  for (int i = 1; i <= 2; ++i)
    if (!(n.shape(i) == Shape{x[1]})) fail(Error::Kind::shape, n.shape(i), " for ", x[1], " channels");
  n.set(0, x);
}

void instance_reference(const Args& a) {
  normalize_groups(a, a.in[0].shape()[1], static_cast<double>(a.real("epsilon")), false);
}

bool follow_normalization(reach::Step& s) { return mix_axes(s, 2, s.in[0].axes.size()); }

constexpr AttrDef attrs[] = {{"epsilon", 1e-5}};
const OpDef defs[] = {{.name = "InstanceNormalization",
                       .since = 1,
                       .in = {3, 3},
                       .types = "T=float : T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_instance,
                       .reference = instance_reference,
                       .reach = follow_normalization}};

}  // namespace

extern const OpFile instance_normalization;
const OpFile instance_normalization{defs};

}  // namespace tessera::ops
