// Rewrites of a graph that keep its meaning. optimizer.cpp holds the ordered list.
#pragma once

#include <functional>

#include "runtime/graph/backend.h"

namespace tessera::optimizer {

/// Asks whether some backend has a kernel for this node as it would be after a rewrite, epilogue
/// included. A rewrite that adds to an epilogue happens only if the answer is yes.
using Fits = std::function<bool(const Graph& graph, const Node& node)>;

/// Nodes that the rewrites of `prepare` want to see before constants are folded: quantized weights are still what
/// they are.
bool wants_unfolded(const Node& node);

/// Rewrites that need no shapes: run once when a model is loaded. Constants that they make are
/// shared by all plans.
void prepare(Graph& graph);

/// Rewrites that need concrete types: run on each plan's copy of the graph.
void specialize(Graph& graph, const Fits& fits);

/// Makes of a Resize to given extents one by scales, those that it has in `sized`, the graph with types; false where it
/// is no such node, or they are no powers of two.
bool resize_by_scales(Graph& graph, Node& node, const Graph& sized);

/// For tests: from now on, in the whole process, a rewrite of a graph with types throws Error::type if what it made
/// has other types than what was there.
void check_rewrites(bool on);

/// One rewrite, for tests: true if it changed the graph.
struct Pass {
  Text name;
  bool needs_types;
  bool (*run)(Graph& graph, const Fits& fits);
};
List<Pass> passes();

}  // namespace tessera::optimizer
