// Chooses a kernel, and with it a layout, for every node.
#pragma once

#include "runtime/plan/fold.h"

namespace tessera {

using Backends = std::vector<std::shared_ptr<Backend>>;  ///< best first; the last one is the CPU

/// A node with the backend and kernel that will run it.
struct Choice {
  int backend = 0;
  Offer offer;
};

/// Picks for each node the first backend that offers a kernel, and of its offers the best rank,
/// with reorders counted against it. Adds Reorder nodes (domain tessera) where layouts meet, and
/// sets the layouts of all values. One choice per node of the changed graph.
std::vector<Choice> assign_kernels(Graph& graph, const Backends& backends);

/// Whether some backend has a kernel of its own (not a reference) for the node.
bool has_kernel(const Graph& graph, const Node& node, const Backends& backends);

}  // namespace tessera
