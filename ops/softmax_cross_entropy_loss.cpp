// SoftmaxCrossEntropyLoss: the negative log-likelihood of a softmax over scores.
#include <algorithm>

#include "ops/elements.h"
#include "ops/loss.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_entropy(Infer& n) {
  infer_loss(n);
  n.set(1, n.in(0).dtype, n.shape(0));
}

void entropy_reference(const Args& a) {
  const Around s(a.in[0].shape(), 1);
  const Read<double> x(a.in[0]);
  RunVector<double> logs(static_cast<size_t>(x.size()) + 1);
  for (const int64_t o : Steps(s.outer))
    for (const int64_t i : Steps(s.inner)) {
      const int64_t at = o * s.extent * s.inner + i;
      double largest = -std::numeric_limits<double>::infinity(), sum = 0;
      for (const int64_t c : Elements(s.extent)) largest = std::max(largest, x[at + c * s.inner]);
      for (const int64_t c : Elements(s.extent)) sum += std::exp(x[at + c * s.inner] - largest);
      const double shift = largest + std::log(sum);
      for (const int64_t c : Elements(s.extent))
        logs[static_cast<size_t>(at + c * s.inner)] = x[at + c * s.inner] - shift;
    }
  store_loss(a, logs.data());
  if (a.out.size() < 2 || !a.out[1]) return;
  Write<double> out(a.out[1]);
  std::copy_n(logs.data(), x.size(), out.data());
}

const OpDef defs[] = {{.name = "SoftmaxCrossEntropyLoss",
                       .since = 12,
                       .in = {2, 3},
                       .out = {1, 2},
                       .types = "T=float; I=int32|int64 : T, I, T -> T, T",
                       .attrs = loss_attrs,
                       .infer = infer_entropy,
                       .reference = entropy_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile softmax_cross_entropy_loss;
const OpFile softmax_cross_entropy_loss{defs};

}  // namespace tessera::ops
