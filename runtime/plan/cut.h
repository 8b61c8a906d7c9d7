// Cuts a graph into stretches of nodes for one backend each.
#pragma once

#include "runtime/plan/fold.h"

namespace tessera {

/// Whether the node computes with shapes and the like: a few integers or booleans in, a few out.
bool is_shape_arithmetic(const Graph& graph, const Node& node);

using Backends = std::vector<std::shared_ptr<Backend>>;  ///< best first; the last one is the CPU

/// The backend of each node: the first one that offers a kernel; but arithmetic on shapes stays on the host where all
/// that it reads is there, and a view is where its input was made, or, of an input of the graph, where it is read.
/// Where that is a device, nodes change their order, so that few and long stretches are on it. If `count_crossings`, a
/// stretch goes to the last backend where moving its inputs and outputs costs more than its work is worth. Takes time
/// in proportion to the nodes. A graph without nodes for a device stays as it is.
std::vector<int> cut(Graph& graph, const Backends& backends, bool count_crossings = true);

}  // namespace tessera
