// Shape inference over a whole graph, with constant folding on the way, and the frame that adds a
// node's name to an error.
#pragma once

#include "runtime/graph/backend.h"

namespace tessera {

/// `node "NAME" (OP, opset N)`; for a node without a name, its first output.
std::string describe(const Graph& graph, const Node& node);

/// Throws the error again with the node and, on a second line, the types of its inputs.
[[noreturn]] void fail_in_node(const Error& error, const Graph& graph, const Node& node);

/// Types and constants of a node's inputs and outputs, gathered for an Infer or a Problem.
struct NodeTypes {
  std::vector<Type> in, out;
  std::vector<const Tensor*> constants;
  NodeTypes(const Graph& graph, const Node& node);
  Problem problem(const Node& node) const { return {node, in, out, constants}; }
};

/// Computes the outputs of a node whose inputs are all constant, by its reference.
/// Empty if the operator does not fold or the result would be out of proportion.
std::vector<std::shared_ptr<const Tensor>> evaluate(const Graph& graph, const Node& node, List<Type> out);

/// Folds every node whose inputs are constants and whose shapes follow from them; needs no types of
/// other values. For graphs whose input shapes are not known yet. Nodes that `stays` names are kept.
void fold_constants(Graph& graph, bool (*stays)(const Node&) = nullptr);

struct Stop {
  size_t node = 0;  ///< the first node that was not inferred; nodes.size() if there is none
  int needs = -1;   ///< the input of that node whose value it needs; -1: it has `execute`
};

/// Infers, in order, the types of all values from those of the graph's inputs; nodes that follow
/// from constants and shapes alone are folded and removed. Stops at control flow, data-dependent
/// shapes and values that are not known yet.
Stop infer_types(Graph& graph);

}  // namespace tessera
