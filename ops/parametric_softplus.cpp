// ParametricSoftplus (experimental opset 1): alpha * log(exp(beta * x) + 1).
#include <algorithm>

#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_softplus(Infer& n) { infer_same(n); }

void softplus_reference(const Args& a) {
  const double alpha = static_cast<double>(a.real("alpha")), beta = static_cast<double>(a.real("beta"));
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t i = 0; i < x.size(); ++i) {
      const double v = beta * static_cast<double>(x[i]);
      y[i] = static_cast<T>(alpha * (std::max(v, 0.0) + std::log1p(std::exp(-std::abs(v)))));
    }
  });
}

constexpr AttrDef attrs[] = {{"alpha", 1}, {"beta", 1}};
const OpDef defs[] = {{.name = "ParametricSoftplus",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_softplus,
                       .reference = softplus_reference,
                       .reach = reach::along}};

}  // namespace

extern const OpFile parametric_softplus;
const OpFile parametric_softplus{defs};

}  // namespace tessera::ops
