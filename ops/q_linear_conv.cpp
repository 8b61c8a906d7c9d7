// QLinearConv: a quantized convolution, from quantized operands to a quantized result. QuantizedConv
// (domain tessera) is the same with a choice: without y_scale and y_zero_point its result is the real
// numbers that the sums stand for, and its bias may be real numbers too; with `sums`, it is the sums themselves.
#include <algorithm>

#include "ops/convolution.h"
#include "ops/quantized_conv.h"
#include "ops/window_reach.h"
#include "ops/work.h"

namespace tessera::ops {
namespace {

void infer_quantized(Infer& n) {
  const ConvGeometry g = conv_geometry(n, n.shape(q_x), n.shape(q_w));
  set_scaled_sums(n, g.window.output(g.batch, g.out_channels), g.out_channels);
  if (n.integer("sums")) n.set(0, DType::int32, g.window.output(g.batch, g.out_channels));
}

void quantized_reference(const Args& a) {
  const ConvGeometry g = conv_geometry(a, a.in[q_x].shape(), a.in[q_w].shape());
  const auto x = centred_input(a.in[q_x], a.in[q_x_zero]);
  const auto w = centred_weights(a.in[q_w], a.in[q_w_zero]);
  const ScaledSums scaled(a);
  const bool plain = a.integer("sums") != 0;
  convolve<int32_t>(g, x.data(), w.data(), [&](int64_t channel, int64_t at, const int32_t* sums) {
    if (plain) std::copy_n(sums, g.window.axis[2].out, a.out[0].as<int32_t>() + at);
    for (int64_t i = 0; !plain && i < g.window.axis[2].out; ++i) scaled.store(at + i, channel, sums[i]);
  });
}

constexpr AttrDef attrs[] = {{"group", 1}, {"auto_pad"}, {"dilations"}, {"kernel_shape"}, {"pads"}, {"strides"}};
constexpr AttrDef own_attrs[] = {{"group", 1}, {"auto_pad"}, {"dilations"}, {"kernel_shape"},
                                 {"pads"},     {"strides"},  {"sums", 0}};
const OpDef defs[] = {{.name = "QLinearConv",
                       .since = 10,
                       .in = {8, 9},
                       .types = "X=int8|uint8; W=int8|uint8; Y=int8|uint8 : "
                                "X, float32, X, W, float32, W, float32, Y, int32 -> Y",
                       .attrs = attrs,
                       .infer = infer_quantized,
                       .reference = quantized_reference,
                       .reach = follow_convolution<q_w>,
                       .work = filter_work<q_w>,
                       .quantized = true},
                      {.name = "QuantizedConv",
                       .domain = "tessera",
                       .in = {6, 9},
                       .types = "X=int8|uint8; W=int8|uint8; Y=int8|uint8; B=int32|float32 : "
                                "X, float32, X, W, float32, W, float32, Y, B",
                       .attrs = own_attrs,
                       .infer = infer_quantized,
                       .reference = quantized_reference,
                       .reach = follow_convolution<q_w>,
                       .work = filter_work<q_w>,
                       .quantized = true}};

}  // namespace

extern const OpFile q_linear_conv;
const OpFile q_linear_conv{defs};

}  // namespace tessera::ops
