// Graphs whose inputs have defaults, with some of them given.
#pragma once

#include "runtime/graph/graph.h"

namespace tessera {

/// A copy of a model's graph, its bodies copied too, in which the constants `given` are inputs behind the others,
/// in that order.
Graph with_inputs(const Graph& graph, List<ValueId> given);

}  // namespace tessera
