#include "upscale/pixel_ends.h"

#include <algorithm>
#include <cmath>

namespace tessera::upscale {
namespace {

/// The model's own place for red, green, blue (or luma) or alpha.
size_t place(const Convention& convention, size_t channel, int channels) {
  return convention.bgr && channels > 1 && channel < 3 ? 2 - channel : channel;
}

}  // namespace

PixelFacts::PixelFacts(const Tensor& facts, int bits) {
  const int64_t samples = facts.type.shape[1];
  const float* values = facts.as<const float>();
  const float top = bits == 16 ? 65535.0f : 255.0f;
  const auto stored = [&](float value) { return std::lround(std::clamp(value, 0.0f, 1.0f) * top); };
  for (int64_t s = 0; s < samples; ++s) {
    finite = finite && !(values[s] > 0);
    even = even && stored(values[samples + s]) >= stored(values[2 * samples + s]);
  }
}

bool has_pixel_ends(const Convention& convention) {
  return is_float(convention.dtype) && convention.batch == 1 && !convention.linear;
}

PixelsIn pixels_in(const Convention& c, const PixelEnds& ends) {
  const auto channels = static_cast<size_t>(c.channels);
  PixelsIn in{ends.bits_in,
              ends.samples_in,
              c.in.channel > c.in.x,
              std::vector<int64_t>(channels),
              std::vector<float>(channels),
              std::vector<float>(channels)};
  for (size_t i = 0; i < channels; ++i) {
    const size_t at = place(c, i, c.channels);
    in.from[at] = ends.from[i];
    in.black[at] = c.in_levels[i].black;
    in.white[at] = c.in_levels[i].white;
  }
  return in;
}

PixelsOut pixels_out(const Convention& c, const PixelEnds& ends) {
  const auto channels = static_cast<size_t>(c.out_channels);
  PixelsOut out{ends.bits_out, static_cast<size_t>(c.output), c.out.channel > c.out.x,     c.out.batch >= 0, {},
                ends.gray,     std::vector<float>(channels),  std::vector<float>(channels)};
  for (size_t i = 0; i < channels; ++i) {
    const size_t at = place(c, i, c.out_channels);
    out.black[at] = c.out_levels[i].black;
    out.white[at] = c.out_levels[i].white;
  }
  for (const int64_t channel : ends.to)
    out.from.push_back(static_cast<int64_t>(place(c, static_cast<size_t>(channel), c.out_channels)));
  return out;
}

}  // namespace tessera::upscale
