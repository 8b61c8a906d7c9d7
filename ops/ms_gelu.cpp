// com.microsoft Gelu, FastGelu, BiasGelu and QuickGelu: an optional bias along the last axis, then
// one of three curves.
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_gelu(Infer& n) {
  if (n.has_input(1) && (n.rank(0) < 1 || !(n.shape(1) == Shape{n.shape(0).back()})))
    fail(Error::Kind::shape, "bias ", n.shape(1), " for ", n.shape(0));
  n.set(0, n.shape(0));
}

template <class F>
void apply(const Args& a, F curve) {
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    const Read<T> bias(a.node().op_inputs() > 1 && a.has_in(1) ? a.in[1] : View{});
    Write<T> y(a.out[0]);
    for (int64_t i = 0; i < x.size(); ++i)
      y[i] = static_cast<T>(curve(static_cast<double>(x[i]) + (bias ? static_cast<double>(bias[i % bias.size()]) : 0)));
  });
}

void exact(const Args& a) {
  apply(a, [](double x) { return 0.5 * x * (1 + std::erf(x * 0.70710678118654752)); });
}
void fast(const Args& a) {
  apply(a, [](double x) { return 0.5 * x * (1 + std::tanh(0.79788456080286536 * (x + 0.044715 * x * x * x))); });
}
void quick(const Args& a) {
  const double alpha = static_cast<double>(a.real("alpha"));
  apply(a, [alpha](double x) { return x / (1 + std::exp(-alpha * x)); });
}

constexpr AttrDef quick_attrs[] = {{"alpha", 1.702}};
constexpr OpDef def(Text name, Arity in, void (*reference)(const Args&), List<AttrDef> attrs = {}) {
  return {.name = name,
          .domain = "com.microsoft",
          .since = 1,
          .in = in,
          .types = "T=float : T, T -> T",
          .attrs = attrs,
          .infer = infer_gelu,
          .reference = reference,
          .reach = reach::pointwise};
}
const OpDef defs[] = {def("Gelu", {1, 1}, exact), def("BiasGelu", {2, 2}, exact), def("FastGelu", {1, 2}, fast),
                      def("QuickGelu", {1, 1}, quick, quick_attrs)};

}  // namespace

extern const OpFile ms_gelu;
const OpFile ms_gelu{defs};

}  // namespace tessera::ops
