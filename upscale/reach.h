// Reach: how far the pixels of a model's result look, and the grid that its blocks lie on.
#pragma once

#include <vector>

#include "runtime/session/graph_reach.h"
#include "upscale/convention.h"

namespace tessera::upscale {

/// A mean or a maximum over the whole picture. Window by window it can be had for the whole: of each window counts
/// what lies in its own part.
using Pool = GraphPool;

/// What a walk over the graph, or a measurement, says of a model.
struct Reach {
  int64_t radius = 0;       ///< input pixels around a pixel that its result depends on
  int64_t lattice = 1;      ///< shifting the input by this many pixels shifts the result, and does nothing else
  int64_t multiple = 1;     ///< sizes for which that holds, beside the convention's
  bool followed = true;     ///< every operator on the way is understood; false: `radius` and `lattice` say nothing
  bool measured = false;    ///< not followed, and then found by trying
  bool global = false;      ///< a pixel may depend on the whole picture, or on where it lies: tiles cannot agree
  std::vector<Pool> pools;  ///< where nothing else is global: then tiles can agree
  std::string reason;       ///< what is not followed, or sees everything: an operator's name
};

/// Walks the graph as it was loaded, with concrete shapes.
Reach follow(const Model& model, const Convention& convention);

/// Tries windows of noise: how far does a difference reach, and which shifts change nothing else?
/// Differences below half an 8-bit level do not count.
Reach measure(const Upsampler& model, const Convention& convention);

}  // namespace tessera::upscale
