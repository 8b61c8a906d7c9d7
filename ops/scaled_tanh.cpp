// ScaledTanh (experimental opset 1): alpha * tanh(beta * x).
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_tanh(Infer& n) { infer_same(n); }

void tanh_reference(const Args& a) {
  const double alpha = static_cast<double>(a.real("alpha")), beta = static_cast<double>(a.real("beta"));
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t i = 0; i < x.size(); ++i) y[i] = static_cast<T>(alpha * std::tanh(beta * static_cast<double>(x[i])));
  });
}

constexpr AttrDef attrs[] = {{"alpha", 1}, {"beta", 1}};
const OpDef defs[] = {{.name = "ScaledTanh",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_tanh,
                       .reference = tanh_reference,
                       .reach = reach::along}};

}  // namespace

extern const OpFile scaled_tanh;
const OpFile scaled_tanh{defs};

}  // namespace tessera::ops
