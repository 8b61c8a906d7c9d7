// The data types of a graph's values, before their shapes are known.
#pragma once

#include "runtime/graph/op.h"

namespace tessera::optimizer {

/// One per value, from those of inputs, captures and constants by the operators' signatures; undefined where these
/// leave it open, and for containers. What the graph declares of its outputs is not asked.
std::vector<DType> dtypes_of(const Graph& graph);

/// Of the node's outputs, for these data types of all values; all undefined if they do not fit.
std::vector<DType> output_dtypes(const Node& node, const std::vector<DType>& dtypes);

}  // namespace tessera::optimizer
