// How far the pixels of a graph's output look, told by a walk over the graph.
#pragma once

#include "runtime/graph/graph.h"
#include "runtime/graph/reach_field.h"

namespace tessera {

/// Which input is a picture, in which output its pixels are found again, and on which axes rows and columns lie.
struct ReachQuery {
  size_t input = 0, output = 0;
  size_t in_axes[2] = {2, 3}, out_axes[2] = {2, 3};
};

/// A mean or a maximum over the whole picture, in the middle of a graph.
struct GraphPool {
  ValueId in = absent, out = absent;
  Type type;              ///< of the result
  bool largest = false;   ///< a maximum, not a mean
  int stage = 0;          ///< pools before it on the way
  int axis[2] = {};       ///< of its input: rows and columns
  double step[2] = {};    ///< the picture's pixels from one index to the next
  double middle[2] = {};  ///< the middle of what index 0 sees
};

/// Output pixel i depends on the input's from i * step + low to i * step + high; along rows, along columns.
struct GraphReach {
  bool followed = true;  ///< every operator on the way is understood, and the output is a picture
  bool global = false;   ///< a pixel may depend on all others, or on its place; pools apart
  std::string reason;    ///< what is not followed, or sees everything: an operator's name
  reach::Ratio step[2] = {1, 1}, low[2], high[2];
  reach::Ratio lattice[2] = {1, 1};  ///< a shift by that shifts the result, and does nothing else
  std::vector<GraphPool> pools;
};

/// `graph` has its constants folded (fold_constants). Throws Error where the types do not fit.
GraphReach reach_of(const Graph& graph, List<Type> in, const ReachQuery& query);

}  // namespace tessera
