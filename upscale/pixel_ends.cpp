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

PixelsIn::PixelsIn(const Convention& c, const PixelEnds& ends)
    : from_(static_cast<size_t>(c.channels)), black_(from_.size()), white_(from_.size()) {
  for (size_t i = 0; i < from_.size(); ++i) {
    const size_t at = place(c, i, c.channels);
    from_[at] = ends.from[i];
    black_[at] = c.in_levels[i].black;
    white_[at] = c.in_levels[i].white;
  }
  TESSERA_INIT(&plain);
  plain.bits = ends.bits_in;
  plain.samples = static_cast<size_t>(ends.samples_in);
  plain.channels = from_.size();
  plain.packed = c.in.channel > c.in.x;
  plain.from = from_.data();
  plain.black = black_.data();
  plain.white = white_.data();
}

PixelsOut::PixelsOut(const Convention& c, const PixelEnds& ends)
    : black_(static_cast<size_t>(c.out_channels)), white_(black_.size()) {
  for (size_t i = 0; i < black_.size(); ++i) {
    const size_t at = place(c, i, c.out_channels);
    black_[at] = c.out_levels[i].black;
    white_[at] = c.out_levels[i].white;
  }
  for (const int64_t channel : ends.to)
    from_.push_back(static_cast<int64_t>(place(c, static_cast<size_t>(channel), c.out_channels)));
  TESSERA_INIT(&plain);
  plain.bits = ends.bits_out;
  plain.output = static_cast<size_t>(c.output);
  plain.channels = black_.size();
  plain.packed = c.out.channel > c.out.x;
  plain.batched = c.out.batch >= 0;
  plain.from = from_.data();
  plain.from_count = from_.size();
  plain.mean = ends.gray;
  plain.black = black_.data();
  plain.white = white_.data();
}

}  // namespace tessera::upscale
