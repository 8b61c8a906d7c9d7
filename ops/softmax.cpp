// Softmax: exponentials that sum to one.
#include "ops/softmax.h"

namespace tessera::ops {
namespace {

template <bool Flat>
void softmax_reference(const Args& a) {
  for_softmax_vectors(a, Flat, []<class T>(const T* x, T* y, int64_t count, int64_t stride) {
    const auto [largest, sum] = exponential_sum(x, count, stride);
    for (int64_t i = 0; i < count; ++i)
      y[i * stride] = static_cast<T>(std::exp(static_cast<double>(x[i * stride]) - largest) / sum);
  });
}

const OpDef defs[] = {{.name = "Softmax",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = softmax_attrs_1,
                       .infer = infer_softmax_flat,
                       .reference = softmax_reference<true>,
                       .reach = follow_softmax},
                      {.name = "Softmax",
                       .since = 13,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = softmax_attrs_13,
                       .infer = infer_softmax,
                       .reference = softmax_reference<false>,
                       .reach = follow_softmax}};

}  // namespace

extern const OpFile softmax;
const OpFile softmax{defs};

}  // namespace tessera::ops
