// Filter weights, and the two passes over a region.
#include "upscale/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "upscale/light.h"

namespace tessera::upscale {
namespace {

double bicubic(double x) {
  x = std::abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return 0;
}

double sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos3(double x) { return std::abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0; }

struct FilterRow {
  double (*weight)(double);
  double reach;
};
constexpr FilterRow filters[] = {{bicubic, 2}, {lanczos3, 3}};

}  // namespace

Resampler::Resampler(int64_t in_width, int64_t in_height, int64_t out_width, int64_t out_height, Filter filter)
    : horizontal_(make_taps(in_width, out_width, filter)), vertical_(make_taps(in_height, out_height, filter)) {}

Resampler::Taps Resampler::make_taps(int64_t in, int64_t out, Filter filter) {
  const FilterRow& row = filters[static_cast<int>(filter)];
  const double step = static_cast<double>(in) / static_cast<double>(out), widened = std::max(step, 1.0);
  Taps taps;
  taps.count = std::min(in, static_cast<int64_t>(std::ceil(row.reach * widened)) * 2 + 1);
  taps.first.resize(static_cast<size_t>(out));
  taps.weights.assign(static_cast<size_t>(out * taps.count), 0);
  std::vector<double> exact(static_cast<size_t>(taps.count));
  for (int64_t o = 0; o < out; ++o) {
    const double centre = (static_cast<double>(o) + 0.5) * step - 0.5;
    const auto low = static_cast<int64_t>(std::floor(centre - row.reach * widened)) + 1;
    const auto high = static_cast<int64_t>(std::ceil(centre + row.reach * widened));
    const int64_t first = std::clamp<int64_t>(low, 0, in - taps.count);
    std::fill(exact.begin(), exact.end(), 0.0);
    double sum = 0;
    for (int64_t i = low; i < high; ++i) {
      const double weight = row.weight((static_cast<double>(i) - centre) / widened);
      exact[static_cast<size_t>(std::clamp<int64_t>(std::clamp<int64_t>(i, 0, in - 1) - first, 0, taps.count - 1))] +=
          weight;
      sum += weight;
    }
    taps.first[static_cast<size_t>(o)] = first;
    for (int64_t k = 0; k < taps.count; ++k)
      taps.weights[static_cast<size_t>(o * taps.count + k)] = static_cast<float>(exact[static_cast<size_t>(k)] / sum);
  }
  return taps;
}

Region Resampler::source(const Region& out) const {
  const auto at = [](const Taps& taps, int64_t o) { return taps.first[static_cast<size_t>(o)]; };
  Region in;
  in.x = at(horizontal_, out.x);
  in.y = at(vertical_, out.y);
  in.width = at(horizontal_, out.x + out.width - 1) + horizontal_.count - in.x;
  in.height = at(vertical_, out.y + out.height - 1) + vertical_.count - in.y;
  return in;
}

void Resampler::run(const float* in, const Region& out, float* result) const {
  const Region from = source(out);
  std::vector<float> narrow(static_cast<size_t>(from.height * out.width));
  for (int64_t y = 0; y < from.height; ++y) {
    const float* row = in + y * from.width;
    for (int64_t x = 0; x < out.width; ++x) {
      const auto o = static_cast<size_t>(out.x + x);
      const float* weights = horizontal_.weights.data() + o * static_cast<size_t>(horizontal_.count);
      const float* samples = row + (horizontal_.first[o] - from.x);
      float sum = 0;
      for (int64_t k = 0; k < horizontal_.count; ++k) sum += weights[k] * samples[k];
      narrow[static_cast<size_t>(y * out.width + x)] = sum;
    }
  }
  for (int64_t y = 0; y < out.height; ++y) {
    const auto o = static_cast<size_t>(out.y + y);
    const float* weights = vertical_.weights.data() + o * static_cast<size_t>(vertical_.count);
    const float* rows = narrow.data() + (vertical_.first[o] - from.y) * out.width;
    float* to = result + y * out.width;
    std::fill(to, to + out.width, 0.0f);
    for (int64_t k = 0; k < vertical_.count; ++k)
      for (int64_t x = 0; x < out.width; ++x) to[x] += weights[k] * rows[k * out.width + x];
  }
}

void resize(const Resampler& resampler, const Rows& in, const Region& to, Rows& out, bool linear) {
  const Region from = resampler.source(to);
  const int colors = in.color_channels();
  std::vector<float> plane, alpha_in, alpha, result(static_cast<size_t>(to.width * to.height));
  const auto load = [&](int c, std::vector<float>& samples) {
    samples.resize(static_cast<size_t>(from.width * from.height));
    for (int64_t row = 0; row < from.height; ++row)
      in.load(from.x, from.y + row, from.width, c, samples.data() + row * from.width);
  };
  const auto store = [&](int c, const std::vector<float>& samples) {
    for (int64_t row = 0; row < to.height; ++row)
      out.store(to.x, to.y + row, to.width, c, samples.data() + row * to.width);
  };
  if (in.has_alpha()) {
    load(colors, alpha_in);
    alpha.resize(result.size());
    resampler.run(alpha_in.data(), to, alpha.data());
    store(colors, alpha);
  }
  for (int c = 0; c < colors; ++c) {
    load(c, plane);
    if (linear) std::transform(plane.begin(), plane.end(), plane.begin(), decode_light);
    if (in.has_alpha())
      for (size_t i = 0; i < plane.size(); ++i) plane[i] *= alpha_in[i];
    resampler.run(plane.data(), to, result.data());
    if (in.has_alpha())
      for (size_t i = 0; i < result.size(); ++i) result[i] = alpha[i] > 1e-6f ? result[i] / alpha[i] : 0.0f;
    if (linear) std::transform(result.begin(), result.end(), result.begin(), code_light);
    store(c, result);
  }
}

Picture resize(const Picture& picture, int64_t width, int64_t height, Filter filter) {
  Picture out;
  static_cast<Head&>(out) = picture;
  out.width = width;
  out.height = height;
  out.notes = picture.notes;
  out.allocate();
  const Resampler resampler(picture.width, picture.height, width, height, filter);
  Rows rows = out.rows();
  constexpr int64_t band = 64;
  for (int64_t y = 0; y < height; y += band)
    resize(resampler, picture.rows(), {0, y, width, std::min(band, height - y)}, rows);
  return out;
}

}  // namespace tessera::upscale
