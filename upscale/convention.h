// Convention: how a model wants its pictures, found from the model itself.
#pragma once

#include <array>

#include "upscale/upsampler.h"

namespace tessera::upscale {

/// Which axis of a tensor is what; -1: there is no such axis.
struct Axes {
  int batch = -1, channel = -1, y = -1, x = -1;
};

/// A model's numbers for black and white.
struct Levels {
  float black = 0, white = 1;
  friend bool operator==(const Levels&, const Levels&) = default;
};

struct Convention {
  DType dtype = DType::float32;
  int rank = 4;
  Axes in, out;
  int output = 0;  ///< which of the model's outputs is the picture
  int64_t batch = 1;
  int channels = 3;         ///< of the input: 1 luma, 3 RGB, 4 RGBA
  int out_channels = 3;     ///< as many, or 3 for one: such a model gives colors to gray
  int64_t fixed_width = 0;  ///< the only size the model takes; 0: any multiple of `multiple`
  int64_t fixed_height = 0;
  int64_t multiple = 1;
  int64_t smallest = 1;  ///< the least multiple that it takes
  int64_t scale = 1;
  /// Output pixels that a result lacks at its left and top, and at its right and bottom, of
  /// scale times the input: models that do not pad their convolutions. Negative: it has more.
  int64_t lost_before = 0, lost_after = 0;
  std::array<Levels, 4> in_levels, out_levels;  ///< of red, green, blue (or luma) and alpha
  bool bgr = false;                             ///< blue is the first channel
  bool linear = false;                          ///< numbers are proportional to light, not gamma-coded

  /// The model's input for a picture of that size.
  Type input(int64_t width, int64_t height) const;
};

/// What the user said of the model; what is left out is found.
struct ConventionOptions {
  std::vector<Levels> in = {}, out = {};  ///< one for all channels, or one each; `out` left out is as `in`
  bool order_known = false, bgr = false;
};

/// "0:255", or one such range for each channel joined by commas. Throws Error::usage.
std::vector<Levels> parse_levels(const std::string& text);

/// Asks the model's declarations and metadata first, then its shape inference over a few sizes, then
/// its answers to a small test picture, which must resemble it. Throws Error::unsupported where the
/// model is no upscaler of pictures, or where its answers do not tell, and Error::device where they
/// are all the same.
Convention discover(const Upsampler& model, const ConventionOptions& options = {});

/// What the answers to a test picture tell: fills in levels, and where the borders lie.
void find_levels(const Upsampler& model, const ConventionOptions& options, Convention& convention);

}  // namespace tessera::upscale
