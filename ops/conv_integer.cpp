// ConvInteger: int32 sums of products of 8-bit integers less their zero points.
#include <algorithm>

#include "ops/convolution.h"
#include "ops/quantized_conv.h"
#include "ops/window_reach.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_integer(Infer& n) {
  const ConvGeometry g = conv_geometry(n, n.shape(0), n.shape(1));
  if (n.has_input(3)) check_per_channel(n.shape(3), g.out_channels);
  n.set(0, g.window.output(g.batch, g.out_channels));
}

void integer_reference(const Args& a) {
  const ConvGeometry g = conv_geometry(a, a.in[0].shape(), a.in[1].shape());
  const auto x = centred_input(a.in[0], a.has_in(2) ? a.in[2] : View{});
  const auto w = centred_weights(a.in[1], a.has_in(3) ? a.in[3] : View{});
  int32_t* y = a.out[0].as<int32_t>();
  convolve<int32_t>(g, x.data(), w.data(),
                    [&](int64_t, int64_t at, const int32_t* sums) { std::copy_n(sums, g.window.axis[2].out, y + at); });
}

constexpr AttrDef attrs[] = {{"group", 1}, {"auto_pad"}, {"dilations"}, {"kernel_shape"}, {"pads"}, {"strides"}};
const OpDef defs[] = {{.name = "ConvInteger",
                       .since = 10,
                       .in = {2, 4},
                       .types = "X=int8|uint8; W=int8|uint8 : X, W, X, W -> int32",
                       .attrs = attrs,
                       .infer = infer_integer,
                       .reference = integer_reference,
                       .reach = follow_convolution<1>,
                       .work = filter_work<1>,
                       .quantized = true}};

}  // namespace

extern const OpFile conv_integer;
const OpFile conv_integer{defs};

}  // namespace tessera::ops
