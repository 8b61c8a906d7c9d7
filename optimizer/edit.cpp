#include "optimizer/edit.h"

#include <algorithm>

namespace tessera::optimizer {

bool scalar_of(const Tensor* tensor, double* value) {
  if (!tensor || tensor->type.shape.elements() != 1 || tensor->type.dtype == DType::string) return false;
  *value = element_as_double(tensor->view(), 0);
  return true;
}

Edit::Edit(Graph& graph) : graph_(graph), pinned_(graph.values.size()) {
  for (const ValueId id : graph_.inputs) pinned_[id] = true;
  for (const ValueId id : graph_.outputs) pinned_[id] = true;
  for (const auto& [outer, inner] : graph_.captures) pinned_[inner] = true;
  for (const Node& node : graph_.nodes) {
    if (!node.op || !node.attrs) continue;
    for (const auto& [name, attr] : *node.attrs)
      if (const auto* body = std::get_if<std::shared_ptr<Graph>>(&attr))
        for (const auto& [outer, inner] : (*body)->captures) pinned_[outer] = true;
  }
  refresh();
}

void Edit::refresh() {
  maker_.assign(graph_.values.size(), nullptr);
  for (auto& users : users_) users.clear();  // rewrites come one after the other: their memory serves again
  users_.resize(graph_.values.size());
  pinned_.resize(graph_.values.size());
  for (Node& node : graph_.nodes) {
    if (!node.op) continue;
    for (const ValueId id : node.in)
      if (id != absent) users_[id].push_back(&node);
    for (const ValueId id : node.out)
      if (id != absent) maker_[id] = &node;
  }
}

Node* Edit::maker(ValueId id) const { return id == absent ? nullptr : maker_[id]; }

int Edit::uses(ValueId id) const { return static_cast<int>(users_[id].size()) + (pinned_[id] ? 1 : 0); }

Node* Edit::only_user(ValueId id) const {
  return id != absent && !pinned_[id] && users_[id].size() == 1 ? users_[id][0] : nullptr;
}

bool Edit::bypass(Node& node, ValueId from) {
  const ValueId out = node.out[0];
  if (pinned_[out]) {
    // The output keeps its id: whoever makes `from` makes it directly, if nothing pins `from`.
    Node* source = maker(from);
    if (!source || pinned_[from] || value(from).constant) return false;
    std::replace(source->out.begin(), source->out.end(), from, out);
    for (Node* user : users_[from]) std::replace(user->in.begin(), user->in.end(), from, out);
  } else {
    for (Node* user : users_[out]) std::replace(user->in.begin(), user->in.end(), out, from);
  }
  remove(node);
  refresh();
  return true;
}

void Edit::remove(Node& node) {
  node.op = nullptr;
  node.in.clear();
  node.out.clear();
}

ValueId Edit::add_constant(const std::string& name, Tensor tensor) {
  Value value;
  value.name = name;
  value.type = tensor.type;
  value.ranked = true;
  value.constant = std::make_shared<const Tensor>(std::move(tensor));
  const ValueId id = graph_.add_value(std::move(value));
  maker_.push_back(nullptr);
  users_.emplace_back();
  pinned_.push_back(false);
  return id;
}

bool Edit::finish() {
  const size_t before = graph_.nodes.size();
  std::erase_if(graph_.nodes, [](const Node& node) { return node.op == nullptr; });
  // Backwards, so that a chain of dead nodes goes in one sweep.
  refresh();
  std::vector<int> left(graph_.values.size());
  for (ValueId id = 0; id < left.size(); ++id) left[id] = uses(id);
  for (size_t i = graph_.nodes.size(); i-- > 0;) {
    Node& node = graph_.nodes[i];
    const bool dead =
        std::all_of(node.out.begin(), node.out.end(), [&](ValueId id) { return id == absent || left[id] == 0; });
    if (!dead) continue;
    for (const ValueId id : node.in)
      if (id != absent) --left[id];
    remove(node);
  }
  std::erase_if(graph_.nodes, [](const Node& node) { return node.op == nullptr; });
  refresh();
  return graph_.nodes.size() != before;
}

}  // namespace tessera::optimizer
