// CausalConvWithState: a depthwise convolution that looks back only, with its tail as a state.
#include <algorithm>

#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { x_in, w_in, bias_in, past_in };

bool activates(const AttrReader& n) {
  const Text name = n.text("activation");
  if (name != "none" && !name.empty() && name != "silu" && name != "swish")
    fail(Error::Kind::model, "attribute \"activation\" is \"", name, "\"");
  return name == "silu" || name == "swish";
}

void infer_causal(Infer& n) {
  const Shape &x = n.shape(x_in), &w = n.shape(w_in);
  activates(n);
  if (x.rank() != 3 || w.rank() != 3 || w[0] != x[1] || w[1] != 1 || w[2] < 1)
    fail(Error::Kind::shape, "input ", x, " and weights ", w, " do not fit a depthwise convolution");
  const Shape state{x[0], x[1], w[2] - 1};
  if (n.has_input(bias_in) && !(n.shape(bias_in) == Shape{x[1]}))
    fail(Error::Kind::shape, "bias ", n.shape(bias_in), " for ", x[1], " channels");
  if (n.has_input(past_in) && !(n.shape(past_in) == state))
    fail(Error::Kind::shape, "past state ", n.shape(past_in), ", not ", state);
  n.set(0, x);
  n.set(1, state);
}

void causal_reference(const Args& a) {
  const Shape& shape = a.in[x_in].shape();
  const int64_t channels = shape[1], length = shape[2], taps = a.in[w_in].shape()[2], before = taps - 1;
  const bool silu = activates(a);
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[x_in]), w(a.in[w_in]);
    const Read<T> bias(a.has_in(bias_in) ? a.in[bias_in] : View{}), past(a.has_in(past_in) ? a.in[past_in] : View{});
    Write<T> y(a.out[0]), present(a.out.size() > 1 ? a.out[1] : View{});
    RunVector<T> line(static_cast<size_t>(before + length));
    for (const int64_t p : Steps(shape[0] * channels)) {
      for (int64_t i = 0; i < before; ++i) line[static_cast<size_t>(i)] = past ? past[p * before + i] : T(0);
      std::copy_n(x.data() + p * length, length, line.begin() + before);
      for (int64_t t = 0; t < length; ++t) {
        double sum = bias ? static_cast<double>(bias[p % channels]) : 0;
        for (int64_t k = 0; k < taps; ++k)
          sum +=
              static_cast<double>(w[p % channels * taps + k]) * static_cast<double>(line[static_cast<size_t>(t + k)]);
        y[p * length + t] = static_cast<T>(silu ? sum / (1 + std::exp(-sum)) : sum);
      }
      if (present) std::copy_n(line.end() - before, before, present.data() + p * before);
    }
  });
}

constexpr AttrDef attrs[] = {{"activation", 0, "none"}};
const OpDef defs[] = {{.name = "CausalConvWithState",
                       .since = 27,
                       .in = {2, 4},
                       .out = {1, 2},
                       .types = "T=float : T, T, T, T -> T, T",
                       .attrs = attrs,
                       .infer = infer_causal,
                       .reference = causal_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile causal_conv_with_state;
const OpFile causal_conv_with_state{defs};

}  // namespace tessera::ops
