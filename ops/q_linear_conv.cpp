// QLinearConv: a quantized convolution, from quantized operands to a quantized result. QuantizedConv
// (domain tessera) is the same with a choice: without y_scale and y_zero_point its result is the real
// numbers that the sums stand for, and its bias may be real numbers too.
#include "ops/convolution.h"
#include "ops/quantization.h"
#include "ops/quantized_conv.h"
#include "ops/window_reach.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { x_in, x_scale, x_zero, w_in, w_scale, w_zero, y_scale, y_zero, bias_in };

void infer_quantized(Infer& n) {
  const ConvGeometry g = conv_geometry(n, n.shape(x_in), n.shape(w_in));
  check_per_channel(n.shape(w_scale), g.out_channels);
  check_per_channel(n.shape(w_zero), g.out_channels);
  if (n.has_input(bias_in) && !(n.shape(bias_in) == Shape{g.out_channels}))
    fail(Error::Kind::shape, "bias ", n.shape(bias_in), " for ", g.out_channels, " output channels");
  const bool integers = n.has_input(y_zero);
  n.set(0, integers ? n.in(y_zero).dtype : DType::float32, g.window.output(g.batch, g.out_channels));
}

void quantized_reference(const Args& a) {
  const ConvGeometry g = conv_geometry(a, a.in[x_in].shape(), a.in[w_in].shape());
  const auto x = centred_input(a.in[x_in], a.in[x_zero]);
  const auto w = centred_weights(a.in[w_in], a.in[w_zero]);
  const Read<float> ws(a.in[w_scale]);
  const float factor = static_cast<float>(number_or(a, x_scale, 1)), out = static_cast<float>(number_or(a, y_scale, 1));
  const double zero = number_or(a, y_zero, 0);
  const bool real_bias = a.has_in(bias_in) && a.in[bias_in].type.dtype == DType::float32;
  const Read<int32_t> bias(a.has_in(bias_in) && !real_bias ? a.in[bias_in] : View{});
  const View& y = a.out[0];
  const IntegerRange range = range_of(y.type.dtype);
  convolve<int32_t>(g, x.data(), w.data(), [&](int64_t channel, int64_t at, const int32_t* sums) {
    const float scale = factor * ws[ws.size() == 1 ? 0 : channel] / out;
    const double b = bias ? bias[channel] : 0;
    const float shift = real_bias ? a.in[bias_in].as<const float>()[channel] : 0.0f;
    for (int64_t i = 0; i < g.window.axis[2].out; ++i)
      if (is_float(y.type.dtype))
        y.as<float>()[at + i] = static_cast<float>(sums[i] + b) * scale + shift;
      else
        requantize(y, at + i, sums[i] + b, scale, zero, range);
  });
}

constexpr AttrDef attrs[] = {{"group", 1}, {"auto_pad"}, {"dilations"}, {"kernel_shape"}, {"pads"}, {"strides"}};
const OpDef defs[] = {{.name = "QLinearConv",
                       .since = 10,
                       .in = {8, 9},
                       .types = "X=int8|uint8; W=int8|uint8; Y=int8|uint8 : "
                                "X, float32, X, W, float32, W, float32, Y, int32 -> Y",
                       .attrs = attrs,
                       .infer = infer_quantized,
                       .reference = quantized_reference,
                       .reach = follow_convolution<w_in>,
                       .work = filter_work<w_in>,
                       .quantized = true},
                      {.name = "QuantizedConv",
                       .domain = "tessera",
                       .in = {6, 9},
                       .types = "X=int8|uint8; W=int8|uint8; Y=int8|uint8; B=int32|float32 : "
                                "X, float32, X, W, float32, W, float32, Y, B",
                       .attrs = attrs,
                       .infer = infer_quantized,
                       .reference = quantized_reference,
                       .reach = follow_convolution<w_in>,
                       .work = filter_work<w_in>,
                       .quantized = true}};

}  // namespace

extern const OpFile q_linear_conv;
const OpFile q_linear_conv{defs};

}  // namespace tessera::ops
