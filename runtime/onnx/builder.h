// From ModelProto to Graph: names become numbered values, functions are inlined, subgraphs capture
// what they use of the graphs around them, and every node is held against its operator's rows.
#pragma once

#include "runtime/onnx/weights.h"

namespace tessera::onnx {

/// Throws Error without the file's name; with the node's, where one is at fault.
Loaded build(const proto::Model& model, Weights& weights, const Limits& limits,
             std::shared_ptr<const Operators> operators);

}  // namespace tessera::onnx
