// InstanceNormalization: every channel of every picture by its own moments.
#include "ops/normalization.h"

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

constexpr AttrDef attrs[] = {{"epsilon", 1e-5}};
const OpDef rows[] = {{.name = "InstanceNormalization",
                       .since = 1,
                       .in = {3, 3},
                       .types = "T=float : T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_instance,
                       .reference = instance_reference}};

}  // namespace

extern const OpFile instance_normalization;
const OpFile instance_normalization{rows};

}  // namespace tessera::ops
