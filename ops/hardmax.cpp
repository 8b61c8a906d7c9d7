// Hardmax: one where the first maximum is, else zero.
#include "ops/softmax.h"

namespace tessera::ops {
namespace {

template <bool Flat>
void hardmax_reference(const Args& a) {
  for_softmax_vectors(a, Flat, []<class T>(const T* x, T* y, int64_t count, int64_t stride) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; ++i)
      if (x[i * stride] > x[best * stride]) best = i;
    for (int64_t i = 0; i < count; ++i) y[i * stride] = static_cast<T>(i == best ? 1 : 0);
  });
}

const OpDef defs[] = {{.name = "Hardmax",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = softmax_attrs_1,
                       .infer = infer_softmax_flat,
                       .reference = hardmax_reference<true>,
                       .reach = follow_softmax},
                      {.name = "Hardmax",
                       .since = 13,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = softmax_attrs_13,
                       .infer = infer_softmax,
                       .reference = hardmax_reference<false>,
                       .reach = follow_softmax}};

}  // namespace

extern const OpFile hardmax;
const OpFile hardmax{defs};

}  // namespace tessera::ops
