// How far the pixels of a graph's output look, told by a walk over the graph.
#pragma once

#include "runtime/graph/graph.h"
#include "runtime/graph/reach.h"

namespace tessera {

/// Which input is a picture, in which output its pixels are found again, and on which axes rows and columns lie.
struct ReachQuery {
  size_t input = 0, output = 0;
  size_t in_axes[2] = {2, 3}, out_axes[2] = {2, 3};
};

/// A mean, a maximum or a sum over the whole picture, in the middle of a graph.
struct GraphPool {
  ValueId in = absent, out = absent;
  Type type;  ///< of the result
  reach::Pooled pooled = reach::Pooled::mean;
  int stage = 0;          ///< pools before it on the way
  int axis[2] = {};       ///< of its input: rows and columns
  double step[2] = {};    ///< the picture's pixels from one index to the next
  double middle[2] = {};  ///< the middle of what index 0 sees
};

/// A grid that is stretched over the picture, along rows and columns, the last two axes.
struct GraphStretch {
  ValueId out = absent;
  reach::Weights weights[2];
  int64_t out_extent[2] = {};
  double in_step[2] = {}, out_step[2] = {};  ///< the picture's pixels from one index to the next
};

/// Output pixel i depends on the input's from i * step + low to i * step + high; along rows, along columns.
struct GraphReach {
  bool followed = true;  ///< every operator on the way is understood, and the output is a picture
  bool global = false;   ///< a pixel may depend on all others, or on its place; pools and stretches apart
  std::string reason;    ///< what is not followed, or sees everything: an operator's name
  reach::Ratio step[2] = {1, 1}, low[2], high[2];
  reach::Ratio lattice[2] = {1, 1};  ///< a shift by that shifts the result, and does nothing else
  std::vector<GraphPool> pools;
  std::vector<GraphStretch> stretches;
};

/// `graph` has its constants folded (fold_constants). Throws Error where the types do not fit.
GraphReach reach_of(const Graph& graph, List<Type> in, const ReachQuery& query);

}  // namespace tessera
