// LogSoftmax: the logarithm of Softmax.
#include "ops/softmax.h"

namespace tessera::ops {
namespace {

template <bool Flat>
void log_softmax_reference(const Args& a) {
  for_softmax_vectors(a, Flat, []<class T>(const T* x, T* y, int64_t count, int64_t stride) {
    const auto [largest, sum] = exponential_sum(x, count, stride);
    const double shift = largest + std::log(sum);
    for (int64_t i = 0; i < count; ++i) y[i * stride] = static_cast<T>(static_cast<double>(x[i * stride]) - shift);
  });
}

const OpDef defs[] = {{.name = "LogSoftmax",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = softmax_attrs_1,
                       .infer = infer_softmax_flat,
                       .reference = log_softmax_reference<true>,
                       .reach = follow_softmax},
                      {.name = "LogSoftmax",
                       .since = 13,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = softmax_attrs_13,
                       .infer = infer_softmax,
                       .reference = log_softmax_reference<false>,
                       .reach = follow_softmax}};

}  // namespace

extern const OpFile log_softmax;
const OpFile log_softmax{defs};

}  // namespace tessera::ops
