// Reach: how far the pixels of a model's result look, and the grid that its blocks lie on.
#pragma once

#include <functional>
#include <vector>

#include "upscale/convention.h"

namespace tessera::upscale {

/// What is made of all of a picture.
enum class Pooled { mean, largest, sum, norm };

/// A mean, a maximum or a sum over the whole picture, in the middle of a graph. Window by window it can be had for the
/// whole: of each window counts what lies in its own part.
struct Pool {
  std::string in, out;  ///< names of the values that it reads and makes
  Type type;            ///< of the result
  Pooled pooled = Pooled::mean;
  int stage = 0;          ///< pools before it on the way
  int axis[2] = {};       ///< of its input: rows and columns
  double step[2] = {};    ///< input pixels from one to the next
  double middle[2] = {};  ///< the middle of what index 0 sees
};

/// A coarse grid that is stretched over the picture, whatever its size. Windows of it lie where they do in the whole if
/// they are told the weights of the whole. Arrays are rows, columns.
struct Stretch {
  std::string out;  ///< the name of the value
  int64_t in_extent[2] = {}, out_extent[2] = {};
  double in_step[2] = {}, out_step[2] = {};  ///< input pixels from one to the next
  /// The weights of `out_count` elements from `out` on for `in_count` of the grid from `in` on, along a side.
  std::function<void(int side, int64_t out, int64_t out_count, int64_t in, int64_t in_count, float* matrix)> weights;
};

/// What one walk over a graph says, along rows and along columns: output pixel i depends on the input's from
/// i * step + low to i * step + high.
struct Look {
  bool followed = true;  ///< every operator on the way is understood, and the output is a picture
  bool global = false;   ///< a pixel may depend on all others, or on its place; pools and stretches apart
  std::string reason;    ///< what is not followed, or sees everything: an operator's name
  double step[2] = {1, 1}, low[2] = {}, high[2] = {};
  int64_t lattice[2] = {1, 1};  ///< a shift by that shifts the result, and does nothing else
  std::vector<Pool> pools;
  std::vector<Stretch> stretches;
};

/// What a walk over the graph, or a measurement, says of a model.
struct Reach {
  int64_t radius = 0;       ///< input pixels around a pixel that its result depends on
  int64_t lattice = 1;      ///< shifting the input by this many pixels shifts the result, and does nothing else
  int64_t multiple = 1;     ///< sizes for which that holds, beside the convention's
  bool followed = true;     ///< every operator on the way is understood; false: `radius` and `lattice` say nothing
  bool measured = false;    ///< not followed, and then found by trying
  bool global = false;      ///< a pixel may depend on the whole picture, or on where it lies: tiles cannot agree
  std::vector<Pool> pools;  ///< where nothing else is global: then tiles can agree
  std::vector<std::string> stretches;  ///< names of values; the same
  std::string reason;                  ///< what is not followed, or sees everything: an operator's name
};

/// What walks over the model's graph say, for sizes that show what depends on the size. Not followed where there is no
/// graph to ask.
Reach follow(const Upsampler& model, const Convention& convention);

/// Tries windows of noise: how far does a difference reach, and which shifts change nothing else?
/// Differences below half an 8-bit level do not count.
Reach measure(const Upsampler& model, const Convention& convention);
/// The same for a graph that was followed, but looks further than `most` pixels: what is far away often changes less
/// than half a level. As it was where trying does not tell.
Reach measure_radius(const Upsampler& model, const Convention& convention, const Reach& walked, int64_t most);

}  // namespace tessera::upscale
