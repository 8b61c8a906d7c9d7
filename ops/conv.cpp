// Conv: grouped, dilated convolution over one to three axes.
#include "ops/convolution.h"
#include "ops/numbers.h"
#include "ops/window_reach.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_conv(Infer& n) {
  const ConvGeometry g = conv_geometry(n, n.shape(0), n.shape(1));
  if (n.node().op_inputs() > 2 && n.has_input(2) && !(n.shape(2) == Shape{g.out_channels}))
    fail(Error::Kind::shape, "bias ", n.shape(2), " for ", g.out_channels, " output channels");
  n.set(0, g.window.output(g.batch, g.out_channels));
}

void conv_reference(const Args& a) {
  const ConvGeometry g = conv_geometry(a, a.in[0].shape(), a.in[1].shape());
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]), w(a.in[1]);
    const Read<double> bias(a.node().op_inputs() > 2 && a.has_in(2) ? a.in[2] : View{});
    Write<T> y(a.out[0]);
    const int64_t width = g.window.axis[2].out;
    convolve<double>(g, x.data(), w.data(), [&](int64_t channel, int64_t at, const double* sums) {
      const double b = bias ? bias[channel] : 0;
      for (int64_t i = 0; i < width; ++i) y[at + i] = static_cast<T>(sums[i] + b);
    });
  });
}

constexpr AttrDef attrs[] = {{"group", 1}, {"auto_pad"}, {"dilations"}, {"kernel_shape"}, {"pads"}, {"strides"}};
const OpDef defs[] = {{.name = "Conv",
                       .since = 1,
                       .in = {2, 3},
                       .types = "T=float : T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_conv,
                       .reference = conv_reference,
                       .reach = follow_convolution<1>,
                       .work = filter_work<1>}};

}  // namespace

extern const OpFile conv;
const OpFile conv{defs};

}  // namespace tessera::ops
