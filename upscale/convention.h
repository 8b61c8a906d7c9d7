// Convention: how a model wants its pictures, found from the model itself.
#pragma once

#include <array>

#include "upscale/upsampler.h"

namespace tessera::upscale {

/// Which axis of a tensor is what; -1: there is no such axis.
struct Axes {
  int batch = -1, channel = -1, y = -1, x = -1;
};

/// Elements from one neighbour to the next along each axis of a picture in a tensor.
struct Strides {
  int64_t channel, y, x;
  Strides(const Shape& shape, const Axes& axes) {
    const auto from = [&](int axis) { return shape.elements(static_cast<size_t>(axis) + 1, shape.size()); };
    channel = from(axes.channel);
    y = from(axes.y);
    x = from(axes.x);
  }
  int64_t at(int64_t c, int64_t row, int64_t column) const { return c * channel + row * y + column * x; }
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
  bool levels_said = false;                     ///< by the user, a manifest or the file: not found by trying
  bool bgr = false;                             ///< blue is the first channel
  bool linear = false;                          ///< numbers are proportional to light, not gamma-coded

  /// The model's input for a picture of that size.
  Type input(int64_t width, int64_t height) const;
};

/// What the user said of the model; what is left out is found.
struct ConventionOptions {
  std::vector<Levels> in = {}, out = {};  ///< one for all channels, or one each; `out` left out is as `in`
  bool order_known = false, bgr = false;
  std::string output = {};  ///< its name
};

/// "0:255", or one such range for each channel joined by commas. Throws Error::usage.
std::vector<Levels> parse_levels(const std::string& text);

/// What was found out of a model, and how.
struct Finding {
  std::string what, value, evidence;
};
using Findings = std::vector<Finding>;

/// A difference, in parts of white, as 8-bit levels: "0.8", "23".
std::string in_levels(double difference);
/// A number with so many digits behind its point, whatever the program's locale.
std::string with_digits(double value, int digits);

/// A convention, checked by a picture.
struct Knowledge {
  Convention convention;
  /// A built-in picture, upscaled and made smaller again, differs from itself by so much in the mean, in parts of
  /// white.
  double unlike = 0;
  double drift = 0;  ///< the largest difference of its means over squares of `drift_square` pixels a side
  Findings findings;
};
/// Upscalers have an `unlike` of 0.001 to 0.016. What is above the first bound is told; above the second one the model
/// is refused, unless the user said its levels himself.
inline constexpr double doubtful_unlike = 0.05, refused_unlike = 0.10;
inline constexpr int64_t compared_square = 4, drift_square = 8;

/// Asks the model's declarations and metadata first, then its shape inference over a few sizes, then
/// its answers to a small test picture, which must resemble it. Throws Error::unsupported where the
/// model is no upscaler of pictures, or where its answers do not tell, and Error::device where they
/// are all the same.
Knowledge examine(const Upsampler& model, const ConventionOptions& options = {});
inline Convention discover(const Upsampler& model, const ConventionOptions& options = {}) {
  return examine(model, options).convention;
}

/// Axes, channels, scale and sizes, as far as shapes tell; none where the model is no upscaler of pictures.
std::optional<Convention> form_of(const Upsampler& model);

/// What the answers to a test picture tell: fills in levels, and where the borders lie.
void find_levels(const Upsampler& model, const ConventionOptions& options, Knowledge& knowledge);

}  // namespace tessera::upscale
