// Cuts a graph into stretches of nodes for one backend each.
#pragma once

#include "runtime/plan/fold.h"

namespace tessera {

using Backends = std::vector<std::shared_ptr<Backend>>;  ///< best first; the last one is the CPU

/// The backend of each node: the first one that offers a kernel. Where that is a device, nodes change their order, so
/// that few and long stretches are on it. If `count_crossings`, a stretch goes to the last backend where moving its
/// inputs and outputs costs more than its work is worth. Takes time in proportion to the nodes. A graph without nodes
/// for a device stays as it is.
std::vector<int> cut(Graph& graph, const Backends& backends, bool count_crossings = true);

}  // namespace tessera
