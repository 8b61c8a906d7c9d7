// GridSample: reads pixels at the places that a grid of normalized coordinates names.
#include <algorithm>

#include "ops/grid_sample.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_sample(Infer& n) {
  SampleRule{n};
  const Shape &x = n.shape(0), &grid = n.shape(1);
  if (x.rank() < 3 || grid.rank() != x.rank() || grid[0] != x[0] || grid.back() != x.rank() - 2)
    fail(Error::Kind::shape, "input ", x, " and grid ", grid, " do not fit");
  Shape y{x[0], x[1]};
  for (size_t i = 1; i + 1 < grid.size(); ++i) y.push_back(grid[i]);
  n.set(0, y);
}

// Sums over the product of the axes' taps.
template <class T>
double gather(const T* plane, const std::vector<SampleTaps>& axes, size_t axis, int64_t offset) {
  if (axis == axes.size()) return static_cast<double>(plane[offset]);
  double sum = 0;
  for (int k = 0; k < axes[axis].count; ++k)
    if (axes[axis].offset[k] >= 0 && axes[axis].weight[k] != 0)
      sum += axes[axis].weight[k] * gather(plane, axes, axis + 1, offset + axes[axis].offset[k]);
  return sum;
}

void sample_reference(const Args& a) {
  const SampleRule rule(a);
  const Shape& shape = a.in[0].shape();
  const size_t dims = shape.size() - 2;
  const int64_t plane = shape.elements(2, shape.size());
  const int64_t points = a.out[0].shape().elements(2, shape.size());
  if (!plane) {
    for (int64_t i = 0; i < a.out[0].elements(); ++i) set_element(a.out[0], i, 0);
    return;
  }
  std::vector<int64_t> strides(dims, 1);
  for (size_t i = dims; i-- > 1;) strides[i - 1] = strides[i] * shape[i + 2];
  const Read<double> grid(a.in[1]);
  const auto run = [&]<class T>(const Read<T>& x, auto store) {
    std::vector<SampleTaps> axes(dims);
    for (int64_t b = 0; b < shape[0]; ++b)
      for (const int64_t p : Steps(points)) {
        // The grid names the last axis first.
        for (size_t d = 0; d < dims; ++d)
          axes[d] = sample_taps(
              rule, grid[(b * points + p) * static_cast<int64_t>(dims) + static_cast<int64_t>(dims - 1 - d)],
              shape[d + 2], strides[d]);
        for (int64_t c = 0; c < shape[1]; ++c) {
          const int64_t channel = b * shape[1] + c;
          store(channel * points + p, gather(x.data() + channel * plane, axes, 0, 0));
        }
      }
  };
  if (!is_float(a.in[0].type.dtype))
    return run(Read<double>(a.in[0]), [&](int64_t i, double v) { set_element(a.out[0], i, v); });
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    Write<T> y(a.out[0]);
    run(Read<T>(a.in[0]), [&](int64_t i, double v) { y[i] = static_cast<T>(v); });
  });
}

constexpr AttrDef attrs_16[] = {{"mode", 0, "bilinear"}, {"padding_mode", 0, "zeros"}, {"align_corners", 0}};
constexpr AttrDef attrs_20[] = {{"mode", 0, "linear"}, {"padding_mode", 0, "zeros"}, {"align_corners", 0}};
constexpr Text types = "T=numeric|boolean; G=float : T, G -> T";
const OpDef defs[] = {{.name = "GridSample",
                       .since = 16,
                       .in = {2, 2},
                       .types = types,
                       .attrs = attrs_16,
                       .infer = infer_sample,
                       .reference = sample_reference,
                       .reach = reach::not_followed},
                      {.name = "GridSample",
                       .since = 20,
                       .in = {2, 2},
                       .types = types,
                       .attrs = attrs_20,
                       .infer = infer_sample,
                       .reference = sample_reference,
                       .reach = reach::not_followed},
                      {.name = "GridSample",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {2, 2},
                       .types = types,
                       .attrs = attrs_16,
                       .infer = infer_sample,
                       .reference = sample_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile grid_sample;
const OpFile grid_sample{defs};

}  // namespace tessera::ops
