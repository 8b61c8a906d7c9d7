// The order in which a graph's nodes can run.
#pragma once

#include "runtime/onnx/proto.h"

namespace tessera::onnx {

/// Indices of `nodes` so that every node comes after those whose outputs it uses, in its inputs or
/// inside its subgraphs; as written where that is already so, else as near to it as can be. Throws
/// Error::model naming a node on a cycle.
std::vector<size_t> order_of(const std::vector<proto::Node>& nodes);

}  // namespace tessera::onnx
