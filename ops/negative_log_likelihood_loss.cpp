// NegativeLogLikelihoodLoss over log-probabilities.
#include "ops/loss.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_nll(Infer& n) { infer_loss(n); }

void nll_reference(const Args& a) {
  const Read<double> logs(a.in[0]);
  store_loss(a, logs.data());
}

const OpDef defs[] = {{.name = "NegativeLogLikelihoodLoss",
                       .since = 12,
                       .in = {2, 3},
                       .types = "T=float; I=int32|int64 : T, I, T -> T",
                       .attrs = loss_attrs,
                       .infer = infer_nll,
                       .reference = nll_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile negative_log_likelihood_loss;
const OpFile negative_log_likelihood_loss{defs};

}  // namespace tessera::ops
