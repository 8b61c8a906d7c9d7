// DeformConv: a 2-D convolution whose taps are moved by learned offsets and weighted by a mask.
#include "ops/numbers.h"
#include "ops/steps.h"
#include "ops/window.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { x_in, w_in, offset_in, bias_in, mask_in };

int64_t offset_groups(const AttrReader& n, const ConvGeometry& g) {
  const int64_t groups = window::bounded(n.integer("offset_group"), 1, "an offset group count");
  if (g.in_channels % groups) fail(Error::Kind::shape, g.in_channels, " channels in ", groups, " offset groups");
  return groups;
}

void infer_deform(Infer& n) {
  const ConvGeometry g = conv_geometry(n, n.shape(x_in), n.shape(w_in));
  if (g.window.rank != 2) fail(Error::Kind::unsupported, "deformable convolution over ", g.window.rank, " axes");
  const int64_t groups = offset_groups(n, g), taps = g.window.taps();
  const int64_t h = g.window.axis[1].out, w = g.window.axis[2].out;
  if (!(n.shape(offset_in) == Shape{g.batch, groups * taps * 2, h, w}))
    fail(Error::Kind::shape, "offsets ", n.shape(offset_in), " for ", groups * taps, " taps over [", h, ",", w, "]");
  if (n.has_input(mask_in) && !(n.shape(mask_in) == Shape{g.batch, groups * taps, h, w}))
    fail(Error::Kind::shape, "mask ", n.shape(mask_in), " for ", groups * taps, " taps over [", h, ",", w, "]");
  if (n.has_input(bias_in) && !(n.shape(bias_in) == Shape{g.out_channels}))
    fail(Error::Kind::shape, "bias ", n.shape(bias_in), " for ", g.out_channels, " output channels");
  n.set(0, g.window.output(g.batch, g.out_channels));
}

template <class T>
double bilinear(const T* plane, int64_t height, int64_t width, double y, double x) {
  if (!(y > -1 && x > -1 && y < static_cast<double>(height) && x < static_cast<double>(width))) return 0;
  const auto top = static_cast<int64_t>(std::floor(y)), left = static_cast<int64_t>(std::floor(x));
  const double v = y - static_cast<double>(top), u = x - static_cast<double>(left);
  const auto pixel = [&](int64_t r, int64_t c) {
    return r < 0 || r >= height || c < 0 || c >= width ? 0 : static_cast<double>(plane[r * width + c]);
  };
  return (1 - v) * ((1 - u) * pixel(top, left) + u * pixel(top, left + 1)) +
         v * ((1 - u) * pixel(top + 1, left) + u * pixel(top + 1, left + 1));
}

void deform_reference(const Args& a) {
  const ConvGeometry g = conv_geometry(a, a.in[x_in].shape(), a.in[w_in].shape());
  const int64_t groups = offset_groups(a, g), taps = g.window.taps(), points = g.window.out_elements();
  const WindowAxis &height = g.window.axis[1], &width = g.window.axis[2];
  const int64_t in_group = g.in_channels / g.groups, out_group = g.out_channels / g.groups;
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[x_in]), w(a.in[w_in]), offset(a.in[offset_in]);
    const Read<T> bias(a.has_in(bias_in) ? a.in[bias_in] : View{}), mask(a.has_in(mask_in) ? a.in[mask_in] : View{});
    Write<T> y(a.out[0]);
    RunVector<double> column(static_cast<size_t>(g.in_channels * taps));
    for (int64_t n = 0; n < g.batch; ++n)
      for (const int64_t p : Steps(points)) {
        for (int64_t c = 0; c < g.in_channels; ++c)
          for (int64_t k = 0; k < taps; ++k) {
            const int64_t tap = (n * groups + c * groups / g.in_channels) * taps + k;
            const double row = static_cast<double>(height.at(p / width.out, k / width.kernel)) +
                               static_cast<double>(offset[2 * tap * points + p]);
            const double col = static_cast<double>(width.at(p % width.out, k % width.kernel)) +
                               static_cast<double>(offset[(2 * tap + 1) * points + p]);
            const T* plane = x.data() + (n * g.in_channels + c) * g.window.in_elements();
            const double weight = mask ? static_cast<double>(mask[tap * points + p]) : 1;
            column[static_cast<size_t>(c * taps + k)] = weight * bilinear(plane, height.in, width.in, row, col);
          }
        for (int64_t m = 0; m < g.out_channels; ++m) {
          double sum = bias ? static_cast<double>(bias[m]) : 0;
          const double* from = column.data() + m / out_group * in_group * taps;
          for (int64_t i = 0; i < in_group * taps; ++i)
            sum += from[i] * static_cast<double>(w[m * in_group * taps + i]);
          y[(n * g.out_channels + m) * points + p] = static_cast<T>(sum);
        }
      }
  });
}

constexpr AttrDef attrs[] = {{"group", 1}, {"offset_group", 1}, {"dilations"}, {"kernel_shape"}, {"pads"}, {"strides"}};
const OpDef defs[] = {{.name = "DeformConv",
                       .since = 19,
                       .in = {3, 5},
                       .types = "T=float : T, T, T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_deform,
                       .reference = deform_reference,
                       .reach = reach::not_followed,
                       .work = filter_work<1>}};

}  // namespace

extern const OpFile deform_conv;
const OpFile deform_conv{defs};

}  // namespace tessera::ops
