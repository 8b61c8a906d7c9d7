// Whether the values of a graph have the types that its nodes give them.
#pragma once

#include "optimizer/optimizer.h"

namespace tessera::optimizer {

std::vector<Type> output_types(const Graph& graph);

/// Infers every node of a graph with types anew, epilogues included. Throws Error::type, naming `rewrite`, where a
/// value has another type, or the graph's outputs have others than `outputs`.
void check_types(const Graph& graph, List<Type> outputs, Text rewrite);

}  // namespace tessera::optimizer
