// Resampling along one axis: where each output reads and with which weights. Resize and Upsample
// apply it axis by axis, which is what interpolation in several dimensions comes to.
#pragma once

#include <algorithm>

#include "ops/elements.h"
#include "ops/indices.h"
#include "ops/numbers.h"

namespace tessera::ops {

enum class Interpolation { nearest, linear, cubic };

enum class Coordinates {
  half_pixel,
  half_pixel_symmetric,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  tf_half_pixel,
  crop
};

/// Simple is what opset 10 did: towards zero when it enlarges, up when it shrinks.
enum class Nearest { prefer_floor, prefer_ceil, floor, ceil, simple };

struct ResampleRule {
  Interpolation mode = Interpolation::nearest;
  Coordinates coordinates = Coordinates::half_pixel;
  Nearest nearest = Nearest::prefer_floor;
  double cubic_a = -0.75;
  bool exclude_outside = false, antialias = false;
  double extrapolation = 0;
};

struct ResampleAxis {
  int64_t in = 1, out = 1;
  float scale = 1;
  float begin = 0, end = 1;  ///< of the crop, as fractions of the axis
  double resized = 0;        ///< the output's extent before rounding; 0: `out`

  bool identity(const ResampleRule& rule) const {
    return in == out && scale == 1 && rule.coordinates != Coordinates::crop;
  }
};

/// Output o reads index[o * count + k] with weight[o * count + k]; index -1 alone: the
/// extrapolation value.
struct Taps {
  int64_t count = 1;
  RunVector<int64_t> index;
  RunVector<double> weight;
};

// Coordinates are floats, as in other runtimes: nearest picks the same pixel where a division is
// not exact.
template <class F>
F source_coordinate(const ResampleRule& rule, const ResampleAxis& a, int64_t o) {
  const F x = static_cast<F>(o), scale = static_cast<F>(a.scale);
  const F in = static_cast<F>(a.in), out = static_cast<F>(a.out);
  const F resized = a.resized > 0 ? static_cast<F>(a.resized) : out;
  const F half = static_cast<F>(0.5);
  switch (rule.coordinates) {
    case Coordinates::half_pixel: return (x + half) / scale - half;
    case Coordinates::half_pixel_symmetric: {
      const F adjustment = out / resized, center = in / 2;
      return center * (1 - adjustment) + (x + half) / scale - half;
    }
    case Coordinates::pytorch_half_pixel: return a.out > 1 ? (x + half) / scale - half : 0;
    case Coordinates::align_corners: return a.out > 1 ? x * (in - 1) / (resized - 1) : 0;
    case Coordinates::asymmetric: return x / scale;
    case Coordinates::tf_half_pixel: return (x + half) / scale;
    case Coordinates::crop: break;
  }
  const F begin = static_cast<F>(a.begin), end = static_cast<F>(a.end);
  return a.out > 1 ? begin * (in - 1) + x * (end - begin) * (in - 1) / (out - 1) : half * (begin + end) * (in - 1);
}

inline int64_t nearest_index(const ResampleRule& rule, const ResampleAxis& a, float x) {
  switch (rule.nearest) {
    case Nearest::prefer_floor: return static_cast<int64_t>(std::ceil(x - 0.5f));
    case Nearest::prefer_ceil: return static_cast<int64_t>(std::floor(x + 0.5f));
    case Nearest::floor: return static_cast<int64_t>(std::floor(x));
    case Nearest::ceil: return static_cast<int64_t>(std::ceil(x));
    case Nearest::simple: break;
  }
  return static_cast<int64_t>(a.scale < 1 ? std::ceil(x) : x);
}

inline double cubic_weight(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// The filter widens when it shrinks the picture.
inline double stretch_of(const ResampleRule& rule, const ResampleAxis& a) {
  return rule.antialias && a.scale < 1 ? static_cast<double>(a.scale) : 1;
}

/// How many elements an output reads.
inline int64_t tap_count(const ResampleRule& rule, const ResampleAxis& a) {
  if (rule.mode == Interpolation::nearest) return 1;
  const int half = rule.mode == Interpolation::cubic ? 2 : 1;
  return 2 * -static_cast<int64_t>(std::floor(-half / stretch_of(rule, a)));
}

/// What output `o` reads: `count` elements and their weights, as Taps has them.
inline void taps_at(const ResampleRule& rule, const ResampleAxis& a, int64_t o, int64_t count, int64_t* index,
                    double* weight) {
  const bool cubic = rule.mode == Interpolation::cubic, nearest = rule.mode == Interpolation::nearest;
  const double stretch = stretch_of(rule, a);
  const double x =
      nearest ? static_cast<double>(source_coordinate<float>(rule, a, o)) : source_coordinate<double>(rule, a, o);
  if (rule.coordinates == Coordinates::crop && !(x >= 0 && x <= static_cast<double>(a.in - 1))) {
    std::fill_n(index, count, -1);
    return;
  }
  const int64_t first =
      nearest ? nearest_index(rule, a, static_cast<float>(x)) : static_cast<int64_t>(std::floor(x)) - count / 2 + 1;
  double sum = 0;
  for (int64_t k = 0; k < count; ++k) {
    const int64_t at = first + k;
    const double distance = (static_cast<double>(at) - x) * stretch;
    weight[k] = nearest ? 1 : cubic ? cubic_weight(distance, rule.cubic_a) : std::max(0.0, 1 - std::abs(distance));
    if (rule.exclude_outside && (at < 0 || at >= a.in)) weight[k] = 0;
    index[k] = std::clamp<int64_t>(at, 0, a.in - 1);
    sum += weight[k];
  }
  if (rule.exclude_outside || rule.antialias)
    for (int64_t k = 0; k < count; ++k) weight[k] /= sum;
}

inline Taps resample_taps(const ResampleRule& rule, const ResampleAxis& a) {
  Taps taps;
  taps.count = tap_count(rule, a);
  taps.index.resize(static_cast<size_t>(a.out * taps.count));
  taps.weight.resize(taps.index.size());
  for (int64_t o = 0; o < a.out; ++o)
    taps_at(rule, a, o, taps.count, taps.index.data() + o * taps.count, taps.weight.data() + o * taps.count);
  return taps;
}

/// [outer, in, inner] -> [outer, out, inner], copying whole rows.
template <class T>
void pick_axis(const Around& to, int64_t in, const Taps& taps, const T* x, T* y, T outside) {
  for (const int64_t o : Steps(to.outer))
    for (const int64_t i : Steps(to.extent)) {
      T* row = y + (o * to.extent + i) * to.inner;
      const int64_t from = taps.index[static_cast<size_t>(i)];
      if (from < 0)
        std::fill_n(row, to.inner, outside);
      else
        std::copy_n(x + (o * in + from) * to.inner, to.inner, row);
    }
}

template <class T>
void blend_axis(const Around& to, int64_t in, const Taps& taps, const T* x, T* y, double outside) {
  RunVector<double> sums(static_cast<size_t>(to.inner));
  for (const int64_t o : Steps(to.outer))
    for (const int64_t i : Steps(to.extent)) {
      const int64_t* index = taps.index.data() + i * taps.count;
      const double* weight = taps.weight.data() + i * taps.count;
      std::fill(sums.begin(), sums.end(), index[0] < 0 ? outside : 0);
      for (int64_t k = 0; k < taps.count && index[0] >= 0; ++k) {
        if (weight[k] == 0) continue;
        const T* row = x + (o * in + index[k]) * to.inner;
        for (int64_t j = 0; j < to.inner; ++j) sums[static_cast<size_t>(j)] += weight[k] * static_cast<double>(row[j]);
      }
      T* row = y + (o * to.extent + i) * to.inner;
      for (int64_t j = 0; j < to.inner; ++j) row[j] = static_cast<T>(sums[static_cast<size_t>(j)]);
    }
}

/// Runs `pass(around, in, taps, from, to)` over every axis that changes; the last one stores into y.
template <class T, class Pass>
void resample_axes(const ResampleRule& rule, List<ResampleAxis> axes, const T* x, T* y, int64_t elements, Pass pass) {
  Shape shape;
  RunVector<size_t> changing;
  for (size_t d = 0; d < axes.size(); ++d) {
    shape.push_back(axes[d].in);
    if (!axes[d].identity(rule)) changing.push_back(d);
  }
  if (changing.empty()) std::copy_n(x, elements, y);
  RunVector<T> now, next;
  for (size_t i = 0; i < changing.size(); ++i) {
    const ResampleAxis& axis = axes[changing[i]];
    shape[changing[i]] = axis.out;
    const Around around(shape, static_cast<int>(changing[i]));
    const bool last = i + 1 == changing.size();
    if (!last) next.resize(static_cast<size_t>(shape.elements()));
    pass(around, axis.in, resample_taps(rule, axis), i ? now.data() : x, last ? y : next.data());
    std::swap(now, next);
  }
}

/// Output 0 = input 0 resampled.
inline void resample(const Args& a, const ResampleRule& rule, List<ResampleAxis> axes) {
  const View &x = a.in[0], &y = a.out[0];
  const int64_t elements = y.elements();
  if (!elements) return;
  const DType type = x.type.dtype;
  if (rule.mode == Interpolation::nearest) {
    visit_bits(type, [&]<class T>() {
      T outside{};
      if constexpr (!std::is_same_v<T, std::string>)
        if (rule.extrapolation != 0)
          set_element(View{{type, {}}, reinterpret_cast<std::byte*>(&outside)}, 0, rule.extrapolation);
      resample_axes<T>(rule, axes, x.as<const T>(), y.as<T>(), elements,
                       [&](const Around& to, int64_t in, const Taps& taps, const T* from, T* target) {
                         pick_axis<T>(to, in, taps, from, target, outside);
                       });
    });
    return;
  }
  const auto blend = [&]<class T>(const T* from, T* to) {
    resample_axes<T>(rule, axes, from, to, elements,
                     [&](const Around& around, int64_t in, const Taps& taps, const T* source, T* target) {
                       blend_axis<T>(around, in, taps, source, target, rule.extrapolation);
                     });
  };
  if (!is_float(type)) {  // towards zero, within the type's range
    const Read<double> from(x);
    RunVector<double> result(static_cast<size_t>(elements));
    blend(from.data(), result.data());
    for (int64_t i = 0; i < elements; ++i) set_element(y, i, std::trunc(result[static_cast<size_t>(i)]));
    return;
  }
  visit_real(type, [&]<class T>() {
    const Read<T> from(x);
    Write<T> to(y);
    blend(from.data(), to.data());
  });
}

inline Interpolation interpolation_named(Text mode) {
  if (mode == "nearest") return Interpolation::nearest;
  if (mode == "linear" || mode == "bilinear") return Interpolation::linear;
  if (mode == "cubic") return Interpolation::cubic;
  fail(Error::Kind::model, "attribute \"mode\" is \"", mode, "\"");
}

/// floor(in * scale), checked.
inline int64_t scaled_extent(int64_t in, double scale) {
  const double out = std::floor(static_cast<double>(in) * scale);
  if (!(scale > 0) || !(out < 1e15)) fail(Error::Kind::shape, "an axis of ", in, " scaled by ", scale);
  return static_cast<int64_t>(out);
}

}  // namespace tessera::ops
