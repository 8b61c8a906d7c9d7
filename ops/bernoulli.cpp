// Bernoulli: ones with the probabilities that the input gives.
#include "ops/random.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_bernoulli(Infer& n) { n.set(0, named_dtype(n, n.in(0).dtype), n.shape(0)); }

void bernoulli_reference(const Args& a) {
  Random random(a);
  const Read<double> x(a.in[0]);
  for (const int64_t i : Steps(x.size())) set_element(a.out[0], i, random.uniform() < x[i] ? 1 : 0);
}

constexpr AttrDef attrs[] = {{"dtype"}, {"seed"}};
const OpDef defs[] = {{.name = "Bernoulli",
                       .since = 15,
                       .in = {1, 1},
                       .types = "T=float : T",
                       .attrs = attrs,
                       .infer = infer_bernoulli,
                       .reference = bernoulli_reference,
                       .reach = reach::random,
                       .folds = false}};

}  // namespace

extern const OpFile bernoulli;
const OpFile bernoulli{defs};

}  // namespace tessera::ops
