// Resize and Upsample of float32 pictures [N,C,H,W] by rows: taps of both axes are tabulated once
// per run, rows are blended first, then columns.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/simd/resize.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

constexpr int64_t floats_per_task = 1 << 14;
constexpr int max_taps = 4;

enum class Place { half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric, unknown };

struct PlaceName {
  Text name;
  Place place;
};
constexpr PlaceName places[] = {
    {"half_pixel", Place::half_pixel},
    {"half_pixel_symmetric", Place::half_pixel_symmetric},
    {"pytorch_half_pixel", Place::pytorch_half_pixel},
    {"align_corners", Place::align_corners},
    {"asymmetric", Place::asymmetric},
};

// Upsample, and Resize of opset 10, know neither places nor roundings.
bool is_simple(const AttrReader& attrs) { return attrs.node().op->name == "Upsample" || attrs.node().opset < 11; }

struct Method {
  int taps = 1;
  Place place = Place::asymmetric;
  Text rounding = "floor";
  float cubic = -0.75f;
  bool exclude_outside = false;

  explicit Method(const AttrReader& attrs) {
    const Text mode = text_or(attrs, "mode", "nearest");
    taps = mode == "nearest" ? 1 : mode == "cubic" ? 4 : 2;
    if (is_simple(attrs)) {
      if (attrs.node().op->name == "Resize") rounding = "towards_input";
      return;
    }
    const Text name = text_or(attrs, "coordinate_transformation_mode", "half_pixel");
    const auto* found =
        std::find_if(std::begin(places), std::end(places), [&](const PlaceName& p) { return p.name == name; });
    place = found == std::end(places) ? Place::unknown : found->place;
    rounding = text_or(attrs, "nearest_mode", "round_prefer_floor");
    cubic = real_or(attrs, "cubic_coeff_a", -0.75f);
    exclude_outside = integer_or(attrs, "exclude_outside", 0) != 0;
  }
};

// One axis: extents, scale, and the output's extent before it was rounded to an integer.
struct Axis {
  int64_t in, out;
  float scale;
  double resized;
};

// Nearest asks in float, as other runtimes do: then the same pixel is picked where a division is not exact.
template <class F>
F source_of(Place place, const Axis& axis, int64_t o) {
  const F x = static_cast<F>(o), scale = static_cast<F>(axis.scale), in = static_cast<F>(axis.in);
  const F half = static_cast<F>(0.5), resized = static_cast<F>(axis.resized);
  switch (place) {
    case Place::half_pixel: return (x + half) / scale - half;
    case Place::half_pixel_symmetric:
      return in / 2 * (1 - static_cast<F>(axis.out) / resized) + (x + half) / scale - half;
    case Place::pytorch_half_pixel: return axis.out > 1 ? (x + half) / scale - half : 0;
    case Place::align_corners: return axis.out > 1 ? x * (in - 1) / (resized - 1) : 0;
    default: return x / scale;
  }
}

float round_by(Text rounding, float x, float scale) {
  if (rounding == "round_prefer_floor") return std::ceil(x - 0.5f);
  if (rounding == "round_prefer_ceil") return std::floor(x + 0.5f);
  if (rounding == "towards_input") return scale < 1 ? std::ceil(x) : std::trunc(x);
  return rounding == "ceil" ? std::ceil(x) : std::floor(x);
}

void cubic_weights(double t, double a, double* w) {
  w[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  w[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
  w[3] = ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a;
}

// The taps of every output of one axis.
struct Table {
  int32_t* index;
  float* weights;

  void fill(const Method& m, const Axis& axis) const {
    const int64_t in = axis.in;
    for (int64_t i = 0; i < axis.out; ++i) {
      const double x = source_of<double>(m.place, axis, i);
      double w[max_taps] = {1, 0, 0, 0};
      double first = m.taps == 1
                         ? static_cast<double>(round_by(m.rounding, source_of<float>(m.place, axis, i), axis.scale))
                         : std::floor(x);
      if (m.taps == 2) w[1] = x - first, w[0] = 1 - w[1];
      if (m.taps == 4) {
        cubic_weights(x - first, static_cast<double>(m.cubic), w);
        first -= 1;
      }
      double total = 0;
      for (int t = 0; t < m.taps; ++t) {
        const double at = first + t;
        if (m.exclude_outside && m.taps == 4 && (at < 0 || at >= static_cast<double>(in))) w[t] = 0;
        total += w[t];
        index[i * m.taps + t] = static_cast<int32_t>(std::clamp(at, 0.0, static_cast<double>(in - 1)));
      }
      for (int t = 0; t < m.taps; ++t)
        weights[i * m.taps + t] = static_cast<float>(m.exclude_outside && m.taps == 4 ? w[t] / total : w[t]);
    }
  }
};

int64_t table_bytes(int64_t height, int64_t width) { return round_up((height + width) * max_taps * 8, 64); }

const View* scales_of(const Args& args) {
  const size_t input = is_simple(args) ? 1 : 2;
  return input < args.node().op_inputs() && args.has_in(input) && args.in[input].elements() > 0 ? &args.in[input]
                                                                                                : nullptr;
}

Axis axis_of(const Args& args, int axis) {
  const auto d = static_cast<size_t>(axis);
  const int64_t in = args.in[0].shape()[d], out = args.out[0].shape()[d];
  const Axis by_size{in, out, static_cast<float>(out) / static_cast<float>(in), static_cast<double>(out)};
  const auto by_scale = [&](float scale) {
    return Axis{in, out, scale, static_cast<double>(scale) * static_cast<double>(in)};
  };
  int at = axis;
  const List<int64_t> axes = args.integers("axes");
  if (!axes.empty()) {
    at = -1;
    for (size_t i = 0; i < axes.size(); ++i)
      if (axes[i] == axis || axes[i] == axis - 4) at = static_cast<int>(i);
    if (at < 0) return by_size;
  }
  if (args.has("height_scale")) return by_scale(args.real(axis == 2 ? "height_scale" : "width_scale"));
  if (args.has("scales")) return by_scale(args.reals("scales")[static_cast<size_t>(at)]);
  const View* scales = scales_of(args);
  if (!scales) return by_size;
  float scale;
  std::memcpy(&scale, scales->data + at * 4, 4);
  return by_scale(scale);
}

bool accepts(const Problem& problem) {
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  const AttrReader attrs(problem.node);
  if (!is_float32(problem.in[0]) || in.size() != 4 || in[0] != out[0] || in[1] != out[1]) return false;
  if (in.elements() == 0 || in[2] >= (1 << 24) || in[3] >= (1 << 24)) return false;
  if (has_input(problem, is_simple(attrs) ? 1 : 2) && problem.in[is_simple(attrs) ? 1 : 2].dtype != DType::float32)
    return false;
  if (is_simple(attrs)) return true;
  return Method(attrs).place != Place::unknown && integer_or(attrs, "antialias", 0) == 0 &&
         text_or(attrs, "keep_aspect_ratio_policy", "stretch") == "stretch";
}

bool accepts_blocked(const Problem& problem) { return accepts(problem) && !problem.constants[0]; }

template <int lane>
int64_t scratch(const Problem& problem, int threads) {
  const Shape &in = problem.in[0].shape, &out = problem.out[0].shape;
  return table_bytes(out[2], out[3]) + threads * round_up(in[3] * lane * 4, 64);
}

template <int lane>
void run(const Args& args, Threads& threads) noexcept {
  const Shape &in = args.in[0].shape(), &out = args.out[0].shape();
  if (args.out[0].elements() == 0) return;
  const Method method(args);
  const int taps = method.taps;
  const auto* const base = args.scratch;
  const int64_t entries = (out[2] + out[3]) * taps;
  const Table rows{reinterpret_cast<int32_t*>(args.scratch), reinterpret_cast<float*>(args.scratch) + entries};
  const Table columns{rows.index + out[2] * taps, rows.weights + out[2] * taps};
  rows.fill(method, axis_of(args, 2));
  columns.fill(method, axis_of(args, 3));
  const int64_t planes = in[0] * (lane == 1 ? in[1] : blocks_of(in));
  const int64_t in_row = in[3] * lane, out_row = out[3] * lane;
  const ResizeSimd& simd = resize_simd(level());
  const auto across = lane == 1 ? simd.plain : simd.blocked;
  const auto body = [&](int64_t begin, int64_t end, int worker) {
    auto* blended = reinterpret_cast<float*>(const_cast<std::byte*>(base) + table_bytes(out[2], out[3]) +
                                             worker * round_up(in_row * 4, 64));
    for (int64_t item = begin; item < end && !stop_requested(); ++item) {
      const int64_t y = item % out[2];
      const float* plane = args.in[0].as<const float>() + item / out[2] * in[2] * in_row;
      float* to = args.out[0].as<float>() + item * out_row;
      if (taps == 1) {
        if (item > begin && y > 0 && rows.index[y] == rows.index[y - 1])
          std::memcpy(to, to - out_row, static_cast<size_t>(out_row) * 4);
        else
          across(plane + rows.index[y] * in_row, columns.index, columns.weights, 1, to, out[3]);
        continue;
      }
      const float* sources[max_taps];
      for (int t = 0; t < taps; ++t) sources[t] = plane + rows.index[y * taps + t] * in_row;
      simd.blend(sources, rows.weights + y * taps, taps, blended, in_row);
      across(blended, columns.index, columns.weights, taps, to, out[3]);
    }
  };
  threads.parallel(planes * out[2], std::max<int64_t>(1, floats_per_task / out_row), body);
}

#define TESSERA_RESIZE(Op)                                                                \
  {.op = Op, .name = "resize", .accepts = accepts, .scratch = scratch<1>, .run = run<1>}, \
      {.op = Op,                                                                          \
       .name = "resize.nchw16c",                                                          \
       .in = nchw16c,                                                                     \
       .out = nchw16c,                                                                    \
       .accepts = accepts_blocked,                                                        \
       .scratch = scratch<16>,                                                            \
       .run = run<16>},

constexpr CpuKernel kernels[] = {TESSERA_RESIZE("Resize") TESSERA_RESIZE("Upsample")};

}  // namespace

extern const KernelFile resize_kernels;
const KernelFile resize_kernels{kernels};

}  // namespace tessera::cpu
