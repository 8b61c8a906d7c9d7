// Picture: decoded pixels as the file had them (8 or 16 bits, gray or RGB, with or without alpha)
// and the metadata that must survive: color profile, EXIF, the PNG color chunks.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "runtime/base/base.h"

namespace tessera::upscale {

using Bytes = std::vector<std::byte>;

/// What PNG says of colors outside of a profile.
struct Colorimetry {
  std::optional<int> srgb_intent;
  std::optional<double> gamma;
  std::optional<std::array<double, 8>> chromaticities;  ///< white, red, green, blue: x then y
};

struct Picture {
  int64_t width = 0, height = 0;
  int channels = 0;  ///< 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA; interleaved; alpha is straight
  int bits = 8;      ///< 8 or 16; 16-bit samples are uint16_t of the machine's byte order
  Bytes samples;
  Bytes icc;   ///< profile for the stored channels, or empty
  Bytes exif;  ///< TIFF structure (without "Exif\0\0"), or empty
  Colorimetry color;
  std::vector<std::string> notes;  ///< what was lost or assumed on the way, for the user

  bool has_alpha() const { return channels == 2 || channels == 4; }
  int color_channels() const { return channels < 3 ? 1 : 3; }
  int64_t row_bytes() const { return width * channels * (bits / 8); }
  float limit() const { return bits == 16 ? 65535.0f : 255.0f; }

  /// Sizes `samples` for the extents above. Throws Error::memory when there is no room.
  void allocate();
  std::byte* row(int64_t y) { return samples.data() + y * row_bytes(); }
  const std::byte* row(int64_t y) const { return samples.data() + y * row_bytes(); }

  /// Channel `c` of row `y` from `x` on: `count` samples as floats in 0..1, written densely.
  void load(int64_t x, int64_t y, int64_t count, int c, float* out) const;
  /// The reverse: rounded to nearest and clamped.
  void store(int64_t x, int64_t y, int64_t count, int c, const float* in);
  /// Smallest and largest sample of channel `c`, in 0..1.
  std::pair<float, float> range(int c) const;
};

/// Turns and mirrors the pixels as EXIF orientation 1..8 asks for; other values change nothing.
void orient(Picture& picture, int orientation);

/// Same picture with 8 bits per sample, rounded.
void reduce_to_8_bits(Picture& picture);
/// Puts the picture on a white ground and drops its alpha.
void flatten_on_white(Picture& picture);
/// Gives fully transparent pixels the color of their surroundings, so that no hidden color
/// bleeds into visible edges when neighbours are mixed.
void fill_hidden_colors(Picture& picture);

/// EXIF orientation, 1 if the data is absent or not understood.
int exif_orientation(List<std::byte> exif);
/// Makes the data true for pixels that were turned upright and resized: orientation 1, new pixel
/// dimensions, no thumbnail. Data that is not understood becomes empty.
void renew_exif(Bytes& exif, int64_t width, int64_t height);

}  // namespace tessera::upscale
