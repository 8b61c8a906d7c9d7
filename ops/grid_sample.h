// Which pixels GridSample reads for a coordinate, and with which weights: for the reference and the kernel.
#pragma once

#include <algorithm>
#include <cmath>

#include "runtime/graph/op.h"

namespace tessera::ops {

enum class SampleMode { nearest, linear, cubic };
enum class SamplePadding { zeros, border, reflection };

/// How a grid's coordinates name pixels.
struct SampleRule {
  SampleMode mode;
  SamplePadding padding;
  bool align;

  explicit SampleRule(const AttrReader& n) : align(n.integer("align_corners") != 0) {
    const Text m = n.text("mode"), p = n.text("padding_mode");
    if (m == "nearest")
      mode = SampleMode::nearest;
    else if (m == "linear" || m == "bilinear")
      mode = SampleMode::linear;
    else if (m == "cubic" || m == "bicubic")
      mode = SampleMode::cubic;
    else
      fail(Error::Kind::model, "attribute \"mode\" is \"", m, "\"");
    if (p == "zeros")
      padding = SamplePadding::zeros;
    else if (p == "border")
      padding = SamplePadding::border;
    else if (p == "reflection")
      padding = SamplePadding::reflection;
    else
      fail(Error::Kind::model, "attribute \"padding_mode\" is \"", p, "\"");
  }
};

inline double reflect(double x, double low, double high) {
  const double range = high - low;
  if (!(range > 0)) return low;
  const bool below = x < low;
  if (!below && x <= high) return x;
  const double distance = below ? low - x : x - high;
  const double turns = std::trunc(distance / range), rest = distance - turns * range;
  const bool even = std::fmod(turns, 2) == 0;
  return below == even ? low + rest : high - rest;
}

/// The taps of one axis for one coordinate: offsets in elements (-1: a zero) and weights.
struct SampleTaps {
  int count = 1;
  int64_t offset[4];
  double weight[4];
};

inline SampleTaps sample_taps(const SampleRule& rule, double normalized, int64_t extent, int64_t stride) {
  const double size = static_cast<double>(extent);
  const double low = rule.align ? 0 : -0.5, high = rule.align ? size - 1 : size - 0.5;
  double x = rule.align ? (normalized + 1) / 2 * (size - 1) : ((normalized + 1) * size - 1) / 2;
  constexpr double most = 1e9;
  if (!(x > -most && x < most)) x = std::isfinite(x) && x > 0 ? most : -most;
  if (rule.mode == SampleMode::nearest) x = std::nearbyint(x);
  if (x < low || x > high) {
    if (rule.padding == SamplePadding::border) x = std::clamp(x, 0.0, size - 1);
    if (rule.padding == SamplePadding::reflection) x = reflect(x, low, high);
  }
  SampleTaps taps;
  // Without calls that round: each point asks twice.
  auto first = static_cast<int64_t>(x);
  if (rule.mode != SampleMode::nearest && static_cast<double>(first) > x) --first;
  const double t = x - static_cast<double>(first);
  if (rule.mode == SampleMode::nearest) {
    taps.weight[0] = 1;
  } else if (rule.mode == SampleMode::linear) {
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
      if (rule.padding == SamplePadding::border)
        at = std::clamp<int64_t>(at, 0, extent - 1);
      else if (rule.padding == SamplePadding::reflection)
        at = std::clamp<int64_t>(static_cast<int64_t>(reflect(static_cast<double>(at), low, high)), 0, extent - 1);
      else
        at = -1;
    }
    taps.offset[k] = at < 0 ? -1 : at * stride;
  }
  return taps;
}

}  // namespace tessera::ops
