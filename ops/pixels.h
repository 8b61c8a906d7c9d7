// Pixels and planes: a picture's rows as a file has them, [height, width, samples] of 8 or 16 bits, and the planes of
// numbers that a model wants, [1, channels, height, width].
#pragma once

#include <cmath>
#include <limits>

#include "runtime/graph/op.h"

namespace tessera::ops {

inline constexpr size_t most_samples = 4;  ///< of a pixel, and channels of a model

/// The attributes of PixelsToPlanes.
struct ToPlanes {
  List<int64_t> from;       ///< of each channel: the sample that it is, or -1 for white
  List<float> black, span;  ///< a channel's numbers are black + span * (0..1)

  explicit ToPlanes(const AttrReader& attrs)
      : from(attrs.integers("from")), black(attrs.reals("black")), span(attrs.reals("span")) {}
  /// A channel's number for a sample in 0..1.
  float number(size_t channel, float sample) const { return sample * span[channel] + black[channel]; }
};

/// The attributes of PlanesToPixels. Its second output are facts, [3, samples] of float32: of each sample, how many of
/// its values are not finite, the smallest value, and the largest, in 0..1 before they are clamped.
struct ToPixels {
  List<int64_t> from;       ///< of each sample: the channel that it is
  List<float> black, unit;  ///< a channel's numbers become (number - black) * unit
  bool gray;                ///< the first sample is the mean of the first three of `from`
  DType dtype;              ///< of the samples

  explicit ToPixels(const AttrReader& attrs)
      : from(attrs.integers("from")),
        black(attrs.reals("black")),
        unit(attrs.reals("unit")),
        gray(attrs.integer("gray") != 0),
        dtype(attrs.integer("bits") == 16 ? DType::uint16 : DType::uint8) {}
  size_t samples() const { return from.size() - (gray ? 2 : 0); }
  /// What sample 0 of a pixel becomes; `channel(i)` is what the pixel has in the plane of from[i].
  template <class Channel>
  float value(size_t sample, const Channel& channel) const {
    if (!gray) return channel(sample);
    return sample > 0 ? channel(sample + 2) : (channel(0) + channel(1) + channel(2)) / 3;
  }
};

/// The sample for a value in 0..1: rounded to nearest, clamped; 0 for what is no number.
template <class T>
T sample_of(float value) {
  constexpr float top = std::numeric_limits<T>::max();
  float scaled = value * top;
  scaled = scaled > 0 ? scaled : 0.0f;
  scaled = scaled < top ? scaled : top;
  return static_cast<T>(static_cast<int32_t>(scaled + 0.5f));
}

}  // namespace tessera::ops
