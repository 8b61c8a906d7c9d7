// Probe: a test picture through a model, and how much the answer resembles it.
#pragma once

#include <algorithm>
#include <optional>

#include "upscale/convention.h"

namespace tessera::upscale {

/// Shaded things in front of each other, as in a photo: areas, edges, thin lines and grain. A sample in 0..1.
double scene(int64_t x, int64_t y, int channel);

/// A model's answer to the scene, and how much of it may be judged.
struct Probe {
  const Convention& convention;
  int64_t width = 0, height = 0;
  Tensor answer = {};

  /// For windows of about `side` pixels, or what the model takes.
  Probe(const Convention& of, int64_t side);
  /// As large in both directions.
  void grow(int64_t times) { width *= times, height *= times, asked_.reset(); }

  static double picture(int64_t x, int64_t y, int channel) { return channel == 3 ? 1.0 : scene(x, y, channel); }
  /// Levels of red, green, blue (or luma) and alpha. What was asked last is not asked again.
  void ask(const Upsampler& model, const std::array<Levels, 4>& levels);
  /// Mean of the answer over the pixels that one input pixel became.
  double reduced(int64_t x, int64_t y, int channel, int64_t lost) const;
  /// Mean difference between picture and answer away from the borders, both made smaller, in parts of white.
  double unlikeness(const std::array<Levels, 4>& levels, int64_t lost) const;
  /// The largest difference of means over larger squares: what low frequencies lose.
  double drift(const std::array<Levels, 4>& levels, int64_t lost) const;
  /// Smallest and largest number of the answer.
  std::pair<double, double> extent() const;
  /// May these levels be meant? A network outside of its range answers far outside of it too.
  bool plausible(const Levels& levels) const;

 private:
  std::optional<std::array<Levels, 4>> asked_;
  int64_t margin() const { return std::min(width, height) / 4; }
  /// Of a large window not every pixel is looked at.
  int64_t stride() const { return std::max<int64_t>(1, (std::min(width, height) - 2 * margin()) / 64); }
  /// The model's channel for one of ours.
  int place(int channel, int channels) const {
    return convention.bgr && channels > 1 && channel < 3 ? 2 - channel : channel;
  }
  /// Calls visit(difference) for the mean of every square.
  template <class Visit>
  void squares(const std::array<Levels, 4>& levels, int64_t lost, int64_t side, const Visit& visit) const;
  /// Answer less picture at a pixel, in parts of white.
  double off(const std::array<Levels, 4>& levels, int64_t lost, int64_t x, int64_t y, int channel) const;
};

}  // namespace tessera::upscale
