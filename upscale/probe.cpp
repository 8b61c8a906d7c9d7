#include "upscale/probe.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/rounding.h"

namespace tessera::upscale {
namespace {

/// A number in 0..1 for each place, the same in every run.
double grain(int64_t x, int64_t y) {
  uint64_t bits =
      static_cast<uint64_t>(x + 4096) * 0x9E3779B97F4A7C15u ^ static_cast<uint64_t>(y + 4096) * 0xC2B2AE3D27D4EB4Fu;
  bits = (bits ^ bits >> 29) * 0xBF58476D1CE4E5B9u;
  return static_cast<double>(bits >> 40) / static_cast<double>(1 << 24);
}

/// How much of a pixel lies inside of a border, two pixels wide, that is `inside` pixels away.
double covered(double inside) { return std::clamp(inside / 2 + 0.5, 0.0, 1.0); }

}  // namespace

double scene(int64_t x, int64_t y, int channel) {
  constexpr double sky[] = {0.62, 0.72, 0.82}, ground[] = {0.38, 0.33, 0.24};
  constexpr double things[][3] = {{0.78, 0.32, 0.26}, {0.86, 0.80, 0.58}, {0.16, 0.22, 0.30}, {0.30, 0.52, 0.34}};
  constexpr int64_t period = 48;
  const auto c = static_cast<size_t>(std::min(channel, 2));
  const int64_t column = x / period, row = y / period;
  const auto px = static_cast<double>(x % period), py = static_cast<double>(y % period);
  // Ground behind a slanted horizon, with grain upon it.
  const double below = covered(py - 26 - 0.15 * px);
  double value = sky[c] - 0.12 * py / static_cast<double>(period);
  const double rough = grain(x, y) - 0.5;
  value += below * (ground[c] + 0.06 * rough - value);
  const auto put = [&](double part, double color) { value += part * (color - value); };
  for (int i = 0; i < 4; ++i) {
    const double mx = 8 + 11 * i, my = 14 + 9 * ((i * 2 + (column + row)) & 3), size = 4.5 + i;
    const double dx = px - mx, dy = py - my, away = std::sqrt(dx * dx + dy * dy);
    put(covered(size - away), things[i][c] * (1 - 0.25 * (dx + dy) / size));
  }
  // Two thin lines.
  put(0.8 * covered(0.8 - std::abs(px - 0.4 * py - 20)), 0.12);
  put(0.6 * covered(0.6 - std::abs(py - 40)), 0.92);
  return std::clamp(value, 0.02, 0.98);
}

Probe::Probe(const Convention& of, int64_t side) : convention(of) {
  const int64_t lost = std::max<int64_t>(0, of.lost_before + of.lost_after);
  side = round_up(std::max(side + 2 * (2 * lost / of.scale + 2), of.smallest), of.multiple);
  width = of.fixed_width ? of.fixed_width : side;
  height = of.fixed_height ? of.fixed_height : side;
}

void Probe::ask(const Upsampler& model, const std::array<Levels, 4>& levels) {
  if (asked_ == levels) return;
  asked_.reset();
  const Tensor input = Tensor::make(convention.input(width, height));
  const View view = input.view();
  const Strides strides(view.shape(), convention.in);
  for (int c = 0; c < convention.channels; ++c) {
    const Levels& of = levels[static_cast<size_t>(c)];
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        double sample = picture(x, y, c);
        if (convention.linear) sample = sample <= 0.04045 ? sample / 12.92 : std::pow((sample + 0.055) / 1.055, 2.4);
        double value = static_cast<double>(of.black) + sample * static_cast<double>(of.white - of.black);
        if (!is_float(convention.dtype)) value = std::round(value);
        set_element(view, strides.at(place(c, convention.channels), y, x), value);
      }
  }
  answer = model.run(input)[static_cast<size_t>(convention.output)];
  asked_ = levels;
}

double Probe::reduced(int64_t x, int64_t y, int channel, int64_t lost) const {
  const View view = answer.view();
  const Strides strides(view.shape(), convention.out);
  const int64_t scale = convention.scale;
  double sum = 0;
  for (int64_t dy = 0; dy < scale; ++dy)
    for (int64_t dx = 0; dx < scale; ++dx)
      sum += element_as_double(
          view, strides.at(place(channel, convention.out_channels), y * scale + dy - lost, x * scale + dx - lost));
  return sum / static_cast<double>(scale * scale);
}

double Probe::off(const std::array<Levels, 4>& levels, int64_t lost, int64_t x, int64_t y, int channel) const {
  const Levels& of = levels[static_cast<size_t>(channel)];
  double value = (reduced(x, y, channel, lost) - static_cast<double>(of.black)) /
                 (static_cast<double>(of.white) - static_cast<double>(of.black));
  if (convention.linear) {
    value = std::max(value, 0.0);
    value = value <= 0.0031308 ? value * 12.92 : 1.055 * std::pow(value, 1 / 2.4) - 0.055;
  }
  return value - picture(x, y, std::min(channel, convention.channels - 1));
}

template <class Visit>
void Probe::squares(const std::array<Levels, 4>& levels, int64_t lost, int64_t side, const Visit& visit) const {
  for (int c = 0; c < std::min(convention.out_channels, 3); ++c)
    for (int64_t top = margin(); top + side <= height - margin(); top += side * stride())
      for (int64_t left = margin(); left + side <= width - margin(); left += side * stride()) {
        double sum = 0;
        for (int64_t y = top; y < top + side; ++y)
          for (int64_t x = left; x < left + side; ++x) sum += off(levels, lost, x, y, c);
        visit(std::abs(sum) / static_cast<double>(side * side));
      }
}

double Probe::unlikeness(const std::array<Levels, 4>& levels, int64_t lost) const {
  double sum = 0;
  int64_t count = 0;
  squares(levels, lost, compared_square, [&](double difference) { sum += difference, ++count; });
  return count ? sum / static_cast<double>(count) : 1;
}

double Probe::drift(const std::array<Levels, 4>& levels, int64_t lost) const {
  double worst = 0;
  squares(levels, lost, drift_square, [&](double difference) { worst = std::max(worst, difference); });
  return worst;
}

std::pair<double, double> Probe::extent() const {
  double low = INFINITY, high = -INFINITY;
  for (int64_t i = 0, count = answer.view().elements(); i < count; ++i) {
    const double value = element_as_double(answer.view(), i);
    low = std::min(low, value), high = std::max(high, value);
  }
  return {low, high};
}

bool Probe::plausible(const Levels& levels) const {
  const auto [low, high] = extent();
  const double span = static_cast<double>(levels.white) - static_cast<double>(levels.black);
  return low < high && (low - static_cast<double>(levels.black)) / span > -0.5 &&
         (high - static_cast<double>(levels.black)) / span < 1.5;
}

}  // namespace tessera::upscale
