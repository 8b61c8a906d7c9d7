// What a Gradient node becomes: nodes behind those that it differentiates, from the last to the first.
#pragma once

#include <functional>

#include "runtime/graph/op.h"

namespace tessera::onnx {

/// What a Gradient node asks for.
struct GradientProblem {
  Graph& graph;                    ///< of which all nodes before it are there
  const Node& node;                ///< of which `in` says where the derivatives are taken
  std::vector<ValueId> variables;  ///< xs, then zs: the values that the node's inputs stand for
  size_t wanted = 0;               ///< the number of xs
  ValueId y = absent;
  /// Writes the nodes that a formula makes of `called`: its attributes, the values of its inputs, and the outputs that
  /// it wants, of which it returns the values.
  std::function<std::vector<ValueId>(const Node& called, Text formula)> write;
  std::function<ValueId(Value)> add_value;
};

/// The derivative of the sum of y by each of xs, all other variables held. Throws Error::unsupported where an operator
/// between them has no derivative.
std::vector<ValueId> write_gradient(const GradientProblem& problem);

}  // namespace tessera::onnx
