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
  first_use_.assign(graph_.values.size(), none);
  uses_.clear();
  pinned_.resize(graph_.values.size());
  for (Node& node : graph_.nodes)
    if (node.op) link(node);
}

void Edit::link(Node& node) {
  for (const ValueId id : node.in) {
    if (id == absent) continue;
    uses_.push_back({&node, first_use_[id]});
    first_use_[id] = static_cast<uint32_t>(uses_.size() - 1);
  }
  for (const ValueId id : node.out)
    if (id != absent) maker_[id] = &node;
}

void Edit::unlink(Node& node) {
  for (const ValueId id : node.in) {
    if (id == absent) continue;
    uint32_t* at = &first_use_[id];
    while (*at != none && uses_[*at].user != &node) at = &uses_[*at].next;
    if (*at != none) *at = uses_[*at].next;
  }
  for (const ValueId id : node.out)
    if (id != absent && maker_[id] == &node) maker_[id] = nullptr;
}

Node* Edit::maker(ValueId id) const { return id == absent ? nullptr : maker_[id]; }

int Edit::uses(ValueId id) const {
  int count = pinned_[id] ? 1 : 0;
  for (uint32_t at = first_use_[id]; at != none; at = uses_[at].next) ++count;
  return count;
}

Node* Edit::only_user(ValueId id) const {
  if (id == absent || pinned_[id] || first_use_[id] == none) return nullptr;
  const Use& use = uses_[first_use_[id]];
  return use.next == none ? use.user : nullptr;
}

bool Edit::bypass(Node& node, ValueId from) {
  const ValueId out = node.out[0];
  Node* const source = maker(from);
  // An output keeps its id: whoever makes `from` makes it directly, if nothing pins `from`.
  const bool keeps = pinned_[out];
  if (keeps && (!source || pinned_[from] || value(from).constant)) return false;
  const ValueId gone = keeps ? from : out, stays = keeps ? out : from;
  remove(node);
  if (keeps) {
    std::replace(source->out.begin(), source->out.end(), from, out);
    maker_[from] = nullptr;
    maker_[out] = source;
  }
  uint32_t* end = &first_use_[gone];
  for (; *end != none; end = &uses_[*end].next) {
    auto& in = uses_[*end].user->in;
    std::replace(in.begin(), in.end(), gone, stays);
  }
  *end = first_use_[stays];
  first_use_[stays] = first_use_[gone];
  first_use_[gone] = none;
  return true;
}

void Edit::remove(Node& node) {
  unlink(node);
  node.op = nullptr;
  node.in.clear();
  node.out.clear();
}

void Edit::replace(Node& node, Node by) {
  unlink(node);
  node = std::move(by);
  link(node);
}

ValueId Edit::add_constant(const std::string& name, Tensor tensor) {
  Value value;
  value.name = name;
  value.type = tensor.type;
  value.ranked = true;
  value.constant = std::make_shared<const Tensor>(std::move(tensor));
  const ValueId id = graph_.add_value(std::move(value));
  maker_.push_back(nullptr);
  first_use_.push_back(none);
  pinned_.push_back(false);
  return id;
}

bool Edit::finish() {
  const size_t before = graph_.nodes.size();
  std::erase_if(graph_.nodes, [](const Node& node) { return node.op == nullptr; });
  refresh();
  // Backwards, so that a chain of dead nodes goes in one sweep.
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
