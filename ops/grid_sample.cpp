// GridSample: reads pixels at the places that a grid of normalized coordinates names.
#include <algorithm>

#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum class Mode { nearest, linear, cubic };
enum class Padding { zeros, border, reflection };

struct Rule {
  Mode mode;
  Padding padding;
  bool align;

  explicit Rule(const AttrReader& n) : align(n.integer("align_corners") != 0) {
    const Text m = n.text("mode"), p = n.text("padding_mode");
    if (m == "nearest")
      mode = Mode::nearest;
    else if (m == "linear" || m == "bilinear")
      mode = Mode::linear;
    else if (m == "cubic" || m == "bicubic")
      mode = Mode::cubic;
    else
      fail(Error::Kind::model, "attribute \"mode\" is \"", m, "\"");
    if (p == "zeros")
      padding = Padding::zeros;
    else if (p == "border")
      padding = Padding::border;
    else if (p == "reflection")
      padding = Padding::reflection;
    else
      fail(Error::Kind::model, "attribute \"padding_mode\" is \"", p, "\"");
  }
};

void infer_sample(Infer& n) {
  Rule{n};
  const Shape &x = n.shape(0), &grid = n.shape(1);
  if (x.rank() < 3 || grid.rank() != x.rank() || grid[0] != x[0] || grid.back() != x.rank() - 2)
    fail(Error::Kind::shape, "input ", x, " and grid ", grid, " do not fit");
  Shape y{x[0], x[1]};
  for (size_t i = 1; i + 1 < grid.size(); ++i) y.push_back(grid[i]);
  n.set(0, y);
}

double reflect(double x, double low, double high) {
  const double range = high - low;
  if (!(range > 0)) return low;
  const bool below = x < low;
  if (!below && x <= high) return x;
  const double distance = below ? low - x : x - high;
  const double turns = std::trunc(distance / range), rest = distance - turns * range;
  const bool even = std::fmod(turns, 2) == 0;
  return below == even ? low + rest : high - rest;
}

// The taps of one axis for one coordinate: offsets in elements (-1: a zero) and weights.
struct AxisTaps {
  int count = 1;
  int64_t offset[4];
  double weight[4];
};

AxisTaps taps_of(const Rule& rule, double normalized, int64_t extent, int64_t stride) {
  const double size = static_cast<double>(extent);
  const double low = rule.align ? 0 : -0.5, high = rule.align ? size - 1 : size - 0.5;
  double x = rule.align ? (normalized + 1) / 2 * (size - 1) : ((normalized + 1) * size - 1) / 2;
  if (!std::isfinite(x)) x = -1e9;
  x = std::clamp(x, -1e9, 1e9);
  if (rule.mode == Mode::nearest) x = std::nearbyint(x);
  if (x < low || x > high) {
    if (rule.padding == Padding::border) x = std::clamp(x, 0.0, size - 1);
    if (rule.padding == Padding::reflection) x = reflect(x, low, high);
  }
  AxisTaps taps;
  const double left = rule.mode == Mode::nearest ? std::trunc(x) : std::floor(x);
  const double t = x - left;
  int64_t first = static_cast<int64_t>(left);
  if (rule.mode == Mode::nearest) {
    taps.weight[0] = 1;
  } else if (rule.mode == Mode::linear) {
    taps.count = 2;
    taps.weight[0] = 1 - t;
    taps.weight[1] = t;
  } else {
    constexpr double a = -0.75;
    const auto near = [](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
    const auto far = [](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
    taps.count = 4;
    --first;
    taps.weight[0] = far(1 + t), taps.weight[1] = near(t), taps.weight[2] = near(1 - t), taps.weight[3] = far(2 - t);
  }
  for (int k = 0; k < taps.count; ++k) {
    int64_t at = first + k;
    if (at < 0 || at >= extent) {
      if (rule.padding == Padding::border)
        at = std::clamp<int64_t>(at, 0, extent - 1);
      else if (rule.padding == Padding::reflection)
        at = std::clamp<int64_t>(static_cast<int64_t>(reflect(static_cast<double>(at), low, high)), 0, extent - 1);
      else
        at = -1;
    }
    taps.offset[k] = at < 0 ? -1 : at * stride;
  }
  return taps;
}

// Sums over the product of the axes' taps.
template <class T>
double gather(const T* plane, const std::vector<AxisTaps>& axes, size_t axis, int64_t offset) {
  if (axis == axes.size()) return static_cast<double>(plane[offset]);
  double sum = 0;
  for (int k = 0; k < axes[axis].count; ++k)
    if (axes[axis].offset[k] >= 0 && axes[axis].weight[k] != 0)
      sum += axes[axis].weight[k] * gather(plane, axes, axis + 1, offset + axes[axis].offset[k]);
  return sum;
}

void sample_reference(const Args& a) {
  const Rule rule(a);
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
    std::vector<AxisTaps> axes(dims);
    for (int64_t b = 0; b < shape[0]; ++b)
      for (const int64_t p : Steps(points)) {
        // The grid names the last axis first.
        for (size_t d = 0; d < dims; ++d)
          axes[d] =
              taps_of(rule, grid[(b * points + p) * static_cast<int64_t>(dims) + static_cast<int64_t>(dims - 1 - d)],
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
