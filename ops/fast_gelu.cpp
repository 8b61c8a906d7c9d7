// FastGelu, BiasGelu and QuickGelu: ONNX Runtime's fused spellings of Gelu and Swish.
#include "ops/elementwise.h"
#include "ops/move.h"

namespace tessera::ops {
extern const OpFile fast_gelu;
namespace {

namespace row = tessera::elementwise;

void infer_gelu(Infer& infer) {
  if (infer.has_input(1) && broadcast(infer.shape(0), infer.shape(1)) != infer.shape(0))
    fail(Error::Kind::shape, "bias ", infer.shape(1), " does not fit ", infer.shape(0));
  infer.set(0, infer.shape(0));
}

// Row of (input + bias).
void biased(const Args& args, uint16_t id, float a) {
  const bool bias = args.has_in(1);
  if (bias) row::apply_binary(row::Add, args.in[0], args.in[1], args.out[0]);
  row::apply_unary(id, a, 0, bias ? args.out[0] : args.in[0], args.out[0]);
}

void fast_gelu_reference(const Args& args) { biased(args, row::GeluTanh, 0); }
void bias_gelu_reference(const Args& args) { biased(args, row::Gelu, 0); }
void quick_gelu_reference(const Args& args) { biased(args, row::Swish, args.real("alpha")); }

constexpr Text types = "T=float : T, T -> T", one = "T=float : T -> T", ms = "com.microsoft";
constexpr AttrDef quick_attrs[] = {{"alpha", 1.702}};
const OpDef rows[] = {
    {"FastGelu", ms, 1, {1, 2}, {1, 1}, types, {}, infer_gelu, fast_gelu_reference},
    {"BiasGelu", ms, 1, {2, 2}, {1, 1}, types, {}, infer_gelu, bias_gelu_reference},
    {"Gelu", ms, 1, {1, 1}, {1, 1}, one, {}, infer_gelu, bias_gelu_reference},
    {"QuickGelu", ms, 1, {1, 1}, {1, 1}, one, quick_attrs, infer_gelu, quick_gelu_reference},
};

}  // namespace
const OpFile fast_gelu{rows};
}  // namespace tessera::ops
