// Evaluates single nodes with their operator's reference: constant folding, and the fallback
// kernel of every operator.
#pragma once

#include "runtime/graph/backend.h"

namespace tessera {

/// The node's own reference, then its epilogue row by row. `out` is preallocated. Epilogues
/// that change the shape take a temporary.
void run_reference(const Args& args);

/// The node's outputs from constant inputs, or empty if the operator does not fold.
std::vector<std::shared_ptr<const Tensor>> evaluate(const Node& node, List<const Tensor*> in,
                                                    List<Type> out);

/// Adds what the frame of a node knows to an error: `FILE: node "NAME" (OP, opset N): ...` and,
/// on a second line, the inputs' types. The file's name is added by the session.
[[noreturn]] void fail_in_node(const Error& error, const Graph& graph, const Node& node);
std::string describe(const Graph& graph, const Node& node);

/// Infers the types of every node's outputs from the types of inputs and constants, in order, and
/// turns values that follow from constants and shapes alone into constants. Stops before the first
/// node that is executed (control flow, data-dependent shapes) or needs a value that is not known
/// yet. Returns the number of nodes that are inferred; `needs` receives the input of the node
/// stopped at whose value is needed, or -1.
size_t infer_and_fold(Graph& graph, size_t from, int* needs);

}  // namespace tessera
