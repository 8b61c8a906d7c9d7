// ConvTranspose: the transpose of Conv, an upsampling convolution.
#include <algorithm>

#include "ops/convolution.h"
#include "ops/elements.h"
#include "ops/numbers.h"
#include "ops/window_reach.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_conv_transpose(Infer& n) {
  const ConvGeometry g = transposed_geometry(n, n.shape(0), n.shape(1));
  if (n.node().op_inputs() > 2 && n.has_input(2) && !(n.shape(2) == Shape{g.out_channels}))
    fail(Error::Kind::shape, "bias ", n.shape(2), " for ", g.out_channels, " output channels");
  n.set(0, g.window.output(g.batch, g.out_channels));
}

// Spreads one input plane over one output plane of sums.
template <class T>
void spread(const Window& win, const T* plane, const T* kernel, double* sums) {
  const auto& [depth, height, width] = win.axis;
  for (int64_t d = 0; d < depth.in; ++d)
    for (const int64_t h : Steps(height.in))
      for (int64_t kd = 0; kd < depth.kernel; ++kd)
        for (int64_t kh = 0; kh < height.kernel; ++kh) {
          const int64_t od = depth.at(d, kd), oh = height.at(h, kh);
          if (od < 0 || od >= depth.out || oh < 0 || oh >= height.out) continue;
          const T* row = plane + (d * height.in + h) * width.in;
          double* to = sums + (od * height.out + oh) * width.out;
          for (int64_t k = 0; k < width.kernel; ++k) {
            WindowAxis flipped = width;  // the inputs whose tap k lands inside the output
            std::swap(flipped.in, flipped.out);
            const auto [first, last] = inside(flipped, k);
            const double weight = kernel[(kd * height.kernel + kh) * width.kernel + k];
            double* base = to + width.at(0, k);
            for (int64_t i = first; i < last; ++i) base[i * width.stride] += weight * static_cast<double>(row[i]);
          }
        }
}

void conv_transpose_reference(const Args& a) {
  const ConvGeometry g = transposed_geometry(a, a.in[0].shape(), a.in[1].shape());
  const Window& win = g.window;
  const int64_t in_group = g.in_channels / g.groups, out_group = g.out_channels / g.groups;
  const int64_t plane = win.out_elements();
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]), w(a.in[1]);
    const Read<double> bias(a.node().op_inputs() > 2 && a.has_in(2) ? a.in[2] : View{});
    Write<T> y(a.out[0]);
    RunVector<double> sums(static_cast<size_t>(plane));
    const bool empty = plane == 0 || win.in_elements() == 0;
    for (const int64_t n : Steps(g.batch))
      for (int64_t m = 0; m < g.out_channels; ++m) {
        std::fill(sums.begin(), sums.end(), bias ? bias[m] : 0);
        for (int64_t c = 0; c < in_group && !empty; ++c) {
          const int64_t channel = m / out_group * in_group + c;
          spread(win, x.data() + (n * g.in_channels + channel) * win.in_elements(),
                 w.data() + (channel * out_group + m % out_group) * win.taps(), sums.data());
        }
        T* to = y.data() + (n * g.out_channels + m) * plane;
        for (int64_t i = 0; i < plane; ++i) to[i] = static_cast<T>(sums[static_cast<size_t>(i)]);
      }
  });
}

bool follow_conv(reach::Step& s) {
  if (s.in[1].on_picture()) return false;
  const Window window = transposed_geometry(s, s.in_types[0].shape, s.in_types[1].shape).window;
  reach::Field field = s.in[0];
  if (!make_plain(s, field, 1, s.out_types[0].shape[1])) return false;
  for (int i = 0; i < window.rank; ++i) {
    const WindowAxis& a = window.spatial(i);
    const size_t axis = static_cast<size_t>(i) + 2;
    if (!settle(field, axis)) return false;
    if (!on_picture(field.axes[axis])) {
      field.axes[axis] = plain_digits(a.out);
      continue;
    }
    // Output o is made of the inputs (o + pad - tap) / stride.
    reach::Digit& digit = field.axes[axis][0];
    const reach::Ratio step = digit.step / reach::Ratio(a.stride);
    field.low[digit.side] = field.low[digit.side] + step * reach::Ratio(a.pad_begin - (a.reach() - 1));
    field.high[digit.side] = field.high[digit.side] + step * reach::Ratio(a.pad_begin);
    digit = {digit.side, a.out, step};
  }
  s.out = {field};
  return true;
}

// Each element of the picture is multiplied with one filter.
double transposed_work(const AttrReader&, List<Type> in, List<Type>) {
  const Shape& w = in[1].shape;
  return sums(in[0], w.elements(1, w.size()));
}

constexpr AttrDef attrs[] = {{"group", 1}, {"auto_pad"}, {"dilations"},      {"kernel_shape"},
                             {"pads"},     {"strides"},  {"output_padding"}, {"output_shape"}};
const OpDef defs[] = {{.name = "ConvTranspose",
                       .since = 1,
                       .in = {2, 3},
                       .types = "T=float : T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_conv_transpose,
                       .reference = conv_transpose_reference,
                       .reach = follow_conv,
                       .work = transposed_work}};

}  // namespace

extern const OpFile conv_transpose;
const OpFile conv_transpose{defs};

}  // namespace tessera::ops
