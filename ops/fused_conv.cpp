// com.microsoft FusedConv: Conv, then a sum with another tensor, then an activation.
#include "ops/convolution.h"
#include "ops/fused_activation.h"
#include "ops/numbers.h"
#include "ops/window_reach.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_fused(Infer& n) {
  const ConvGeometry g = conv_geometry(n, n.shape(0), n.shape(1));
  const Shape y = g.window.output(g.batch, g.out_channels);
  activation_of(n);
  if (n.has_input(2) && !(n.shape(2) == Shape{g.out_channels})) fail(Error::Kind::shape, "bias ", n.shape(2));
  if (n.has_input(3) && !(n.shape(3) == y)) fail(Error::Kind::shape, "a sum of ", y, " and ", n.shape(3));
  n.set(0, y);
}

void fused_reference(const Args& a) {
  const ConvGeometry g = conv_geometry(a, a.in[0].shape(), a.in[1].shape());
  const Activation curve = activation_of(a);
  const auto parameters = a.reals("activation_params");
  const double p = parameters.empty() ? 0 : static_cast<double>(parameters[0]);
  const double q = parameters.size() < 2 ? 0 : static_cast<double>(parameters[1]);
  const Read<float> x(a.in[0]), w(a.in[1]);
  const Read<double> bias(a.has_in(2) ? a.in[2] : View{}), more(a.has_in(3) ? a.in[3] : View{});
  Write<float> y(a.out[0]);
  const int64_t width = g.window.axis[2].out;
  convolve<double>(g, x.data(), w.data(), [&](int64_t channel, int64_t at, const double* sums) {
    const double b = bias ? bias[channel] : 0;
    for (int64_t i = 0; i < width; ++i)
      y[at + i] = static_cast<float>(curve(sums[i] + b + (more ? more[at + i] : 0), p, q));
  });
}

// Conv, then an optional operand of the result's shape, then an activation.
bool follow_conv(reach::Step& s) {
  const bool sum = s.has_input(3);
  const reach::Field operand = sum ? s.in[3] : reach::Field{};
  if (sum) s.in[3] = reach::plain_field(s.in_types[3].shape);
  if (!follow_convolution<1>(s)) return false;
  const reach::Field result = s.out[0];
  return !sum || unite({result, operand}, s.out[0]);
}

constexpr AttrDef attrs[] = {{"group", 1}, {"auto_pad"}, {"dilations"},  {"kernel_shape"},
                             {"pads"},     {"strides"},  {"activation"}, {"activation_params"}};
const OpDef defs[] = {{.name = "FusedConv",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {2, 4},
                       .types = "T=float16|float32 : T, T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_fused,
                       .reference = fused_reference,
                       .reach = follow_conv,
                       .work = filter_work<1>}};

}  // namespace

extern const OpFile fused_conv;
const OpFile fused_conv{defs};

}  // namespace tessera::ops
