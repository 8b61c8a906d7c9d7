// Edit: what a rewrite asks of a graph, and the few ways in which it may change it.
#pragma once

#include "optimizer/optimizer.h"

namespace tessera::optimizer {

class Edit {
 public:
  explicit Edit(Graph& graph);

  Graph& graph() { return graph_; }
  Value& value(ValueId id) { return graph_.values[id]; }
  const Tensor* constant(ValueId id) const { return id == absent ? nullptr : graph_.values[id].constant.get(); }

  /// The node that makes the value, or null for inputs and constants.
  Node* maker(ValueId id) const;
  /// How many node inputs read the value; graph outputs and captures by subgraphs count too.
  int uses(ValueId id) const;
  /// The only node that reads the value, or null if there are none, several, or other readers.
  Node* only_user(ValueId id) const;
  /// Whether the value has to keep its id: an input or output of the graph, or captured by a body.
  bool pinned(ValueId id) const { return pinned_[id]; }

  /// Removes a node by letting its readers read `from` instead of its output 0. False if both ids
  /// have to stay.
  bool bypass(Node& node, ValueId from);
  /// Marks the node for removal; its outputs must be unused or made by another node now.
  void remove(Node& node);
  /// Makes the node another one.
  void replace(Node& node, Node by);
  /// A new constant.
  ValueId add_constant(const std::string& name, Tensor tensor);
  /// Drops removed nodes, then nodes whose outputs nobody reads; true if any was dropped.
  bool finish();
  /// Rebuilds what is known of makers and users, after nodes were changed by other means than these.
  void refresh();

 private:
  // The readers of a value are a list within one vector; a node is there once for each of its inputs.
  static constexpr uint32_t none = ~uint32_t{0};
  struct Use {
    Node* user;
    uint32_t next;
  };

  void link(Node& node);
  void unlink(Node& node);

  Graph& graph_;
  std::vector<Node*> maker_;
  std::vector<Use> uses_;
  std::vector<uint32_t> first_use_;
  std::vector<bool> pinned_;
};

/// A pass over a graph: body(edit, node) says whether it changed anything.
template <class Body>
bool edit_each(Graph& graph, const Body& body) {
  Edit edit(graph);
  bool changed = false;
  for (Node& node : graph.nodes) changed |= body(edit, node);
  if (changed) edit.finish();
  return changed;
}

/// Whether the node is that operator of the standard.
inline bool is(const Node* node, Text op) {
  return node && node->op && node->op->name == op && node->op->domain.empty() && node->epilogue.empty();
}

/// The only element of a one-element numeric constant.
bool scalar_of(const Tensor* tensor, double* value);

}  // namespace tessera::optimizer
