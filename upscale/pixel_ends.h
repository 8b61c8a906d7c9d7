// Pixel ends: what lies around a model's graph, so that rows of pixels go into it and come out.
#pragma once

#include "runtime/session/pixel_ends.h"
#include "upscale/convention.h"

namespace tessera::upscale {

/// Which samples a pixel has at either end. A model's channels are in the order red, green, blue (or luma), alpha.
struct PixelEnds {
  int bits_in = 8, bits_out = 8;
  int samples_in = 3;         ///< of a pixel that goes in
  std::vector<int64_t> from;  ///< of each of the model's channels: the sample that goes into it, or -1 for white
  std::vector<int64_t> to;    ///< the model's channels that come out, a sample each,
  bool gray = false;          ///< but the first three as one sample, their mean
  friend auto operator<=>(const PixelEnds&, const PixelEnds&) = default;  // NOLINT(modernize-use-nullptr): its own zero

  /// Of a pixel that comes out.
  int samples_out() const { return static_cast<int>(to.size()) - (gray ? 2 : 0); }
};

/// What the facts of a run tell of the pixels that came with them.
struct PixelFacts {
  bool finite = true;
  bool even = true;  ///< all pixels are the same
  PixelFacts() = default;
  PixelFacts(const Tensor& facts, int bits);
};

/// Whether the convention is one of those that the operators of the ends know: floats in a batch of one, gamma-coded.
bool has_pixel_ends(const Convention& convention);

/// The same in the model's own order of channels.
PixelsIn pixels_in(const Convention& convention, const PixelEnds& ends);
PixelsOut pixels_out(const Convention& convention, const PixelEnds& ends);

}  // namespace tessera::upscale
