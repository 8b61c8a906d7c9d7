// Convention: how a model wants its pictures, found from the model itself.
#pragma once

#include "tools/upscale/upsampler.h"

namespace tessera::upscale {

/// Which axis of a tensor is what; -1: there is no such axis.
struct Axes {
  int batch = -1, channel = -1, y = -1, x = -1;
};

struct Convention {
  DType dtype = DType::float32;
  int rank = 4;
  Axes in, out;
  int64_t batch = 1;
  int channels = 3;         ///< of input and output: 1 luma, 3 RGB, 4 RGBA
  int64_t fixed_width = 0;  ///< the only size the model takes; 0: any multiple of `multiple`
  int64_t fixed_height = 0;
  int64_t multiple = 1;
  int64_t scale = 1;
  /// Output pixels that a result lacks at its left and top, and at its right and bottom, of
  /// scale times the input: models that do not pad their convolutions.
  int64_t lost_before = 0, lost_after = 0;
  float in_top = 1, out_top = 1;  ///< the value of white

  /// The model's input for a picture of that size.
  Type input(int64_t width, int64_t height) const;
};

/// Asks the model's declarations first, then its shape inference over a few sizes, then one small
/// run for the range of values. `top` 1 or 255 settles the range; 0 leaves it to the run. Throws Error::unsupported
/// where the model is no upscaler of pictures.
Convention discover(const Upsampler& model, float top = 0);

/// Input pixels around a pixel that its result depends on.
struct Reach {
  int64_t radius = 0;
  bool exact = true;    ///< every operator on the way is understood
  bool global = false;  ///< some operator looks at the whole picture: tiles cannot agree
  std::string reason;   ///< the operator that made it inexact or global
};
Reach receptive_field(const Model& model);

}  // namespace tessera::upscale
