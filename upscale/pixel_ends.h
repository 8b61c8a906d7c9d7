// Pixel ends: what lies around a model, so that rows of pixels go into it and come out.
#pragma once

#include "include/tessera/tessera.h"
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

/// Whether the convention is one of those that the library puts pixels around: floats in a batch of one, gamma-coded.
bool has_pixel_ends(const Convention& convention);

/// The ends as the library takes them, in the model's own order of channels.
struct PixelsIn {
  PixelsIn(const Convention& convention, const PixelEnds& ends);
  PixelsIn(const PixelsIn&) = delete;
  PixelsIn& operator=(const PixelsIn&) = delete;
  tessera_pixels_in plain;

 private:
  std::vector<int64_t> from_;
  std::vector<float> black_, white_;
};
struct PixelsOut {
  PixelsOut(const Convention& convention, const PixelEnds& ends);
  PixelsOut(const PixelsOut&) = delete;
  PixelsOut& operator=(const PixelsOut&) = delete;
  tessera_pixels_out plain;

 private:
  std::vector<int64_t> from_;
  std::vector<float> black_, white_;
};

}  // namespace tessera::upscale
