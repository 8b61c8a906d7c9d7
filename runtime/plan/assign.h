// Chooses a kernel, and with it a layout, for every node.
#pragma once

#include "runtime/plan/cut.h"

namespace tessera {

/// A node with the backend and kernel that will run it.
struct Choice {
  int backend = 0;
  Offer offer;
};

/// Cuts the graph between backends, and picks for each node, of its backend's offers, the best rank with reorders
/// counted against it. Adds Reorder nodes (domain tessera) where layouts meet, and sets the layouts of all values. A
/// value goes from one backend to another in a layout that both know, or in row-major order. One choice per node of
/// the changed graph.
std::vector<Choice> assign_kernels(Graph& graph, const Backends& backends, bool count_crossings = true);

/// Whether some backend has a kernel of its own (not a reference) for the node.
bool has_kernel(const Graph& graph, const Node& node, const Backends& backends);

}  // namespace tessera
