// GroupNormalization: groups of channels share their moments. Opset 18 scales by group, 21 by channel.
#include "ops/normalization.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

template <bool PerGroup>
void infer_group(Infer& n) {
  const Shape& x = n.shape(0);
  const int64_t groups = n.integer("num_groups");
  if (x.rank() < 2) fail(Error::Kind::shape, "input ", x, " has no channels");
  if (groups < 1 || x[1] % groups) fail(Error::Kind::shape, x[1], " channels do not split into ", groups, " groups");
  for (int i = 1; i <= 2; ++i)
    if (!(n.shape(i) == Shape{PerGroup ? groups : x[1]}))
      fail(Error::Kind::shape, n.shape(i), " for ", x[1], " channels in ", groups, " groups");
  n.set(0, x);
}

template <bool PerGroup>
void group_reference(const Args& a) {
  normalize_groups(a, a.integer("num_groups"), static_cast<double>(a.real("epsilon")), PerGroup);
}

bool follow_normalization(reach::Step& s) { return mix_axes(s, 1, s.in[0].axes.size()); }

constexpr AttrDef attrs[] = {{"epsilon", 1e-5}, {"num_groups", 0, {}, true}, {"stash_type", 1, {}, false, 21}};
const OpDef defs[] = {{.name = "GroupNormalization",
                       .since = 18,
                       .in = {3, 3},
                       .types = "T=float : T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_group<true>,
                       .reference = group_reference<true>,
                       .reach = follow_normalization},
                      {.name = "GroupNormalization",
                       .since = 21,
                       .in = {3, 3},
                       .types = "T=float : T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_group<false>,
                       .reference = group_reference<false>,
                       .reach = follow_normalization}};

}  // namespace

extern const OpFile group_normalization;
const OpFile group_normalization{defs};

}  // namespace tessera::ops
