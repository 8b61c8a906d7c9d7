#include "runtime/plan/assign.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

namespace tessera {
namespace {

// One rank is worth this many reorders.
constexpr int rank_weight = 4;

class Assigner {
 public:
  Assigner(Graph& graph, const Backends& backends) : graph_(graph), backends_(backends) {
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      for (const ValueId id : graph.nodes[i].in)
        if (id != absent) users_[id].push_back(i);
    for (const ValueId id : graph.outputs) is_output_[id] = true;
  }

  std::vector<Choice> run() {
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    source_ = &nodes;
    for (Node& node : nodes) {
      const NodeTypes types(graph_, node);
      Choice choice = choose(types.problem(node), node);
      place(node, choice.offer);
      graph_.nodes.push_back(node);
      choices_.push_back(choice);
    }
    require_row_major_outputs();
    return std::move(choices_);
  }

 private:
  static bool blockable(const Value& value) {
    return !value.constant && value.kind == Kind::tensor && value.type.shape.size() == 4;
  }

  static Layout wanted(const Offer& offer, const Node& node, size_t input) {
    return input < node.op_inputs() ? offer.in : offer.out;
  }

  Choice choose(const Problem& problem, const Node& node) const {
    std::vector<Offer> offers;
    for (size_t b = 0; b < backends_.size(); ++b) {
      offers.clear();
      backends_[b]->offers(problem, offers);
      if (offers.empty()) continue;
      const Offer* best = offers.data();
      int best_score = std::numeric_limits<int>::min();
      for (const Offer& offer : offers) {
        const int score = rank_weight * offer.rank - reorders(offer, node);
        if (score > best_score) best = &offer, best_score = score;
      }
      return {static_cast<int>(b), *best};
    }
    fail_in_node(Error(Error::Kind::unsupported, "no kernel"), graph_, node);
  }

  // How many reorders this offer costs now, and one for an output that its users cannot take.
  int reorders(const Offer& offer, const Node& node) const {
    int count = 0;
    for (size_t i = 0; i < node.in.size(); ++i) {
      const ValueId id = node.in[i];
      if (id == absent || !blockable(graph_.values[id])) continue;
      const Layout want = wanted(offer, node, i);
      if (graph_.values[id].type.layout != want && !reordered_.contains({id, want})) ++count;
    }
    if (offer.out != Layout::row_major)
      for (const ValueId id : node.out)
        if (id != absent && !users_take(id, offer.out)) ++count;
    return count;
  }

  // Whether some user of the value has a kernel for that layout.
  bool users_take(ValueId id, Layout layout) const {
    const auto users = users_.find(id);
    if (is_output_.contains(id) || users == users_.end()) return false;
    std::vector<Offer> offers;
    for (const size_t user : users->second) {
      const Node& node = (*source_)[user];
      const NodeTypes types(graph_, node);
      offers.clear();
      backends_.back()->offers(types.problem(node), offers);
      for (const Offer& offer : offers)
        for (size_t i = 0; i < node.in.size(); ++i)
          if (node.in[i] == id && wanted(offer, node, i) == layout) return true;
    }
    return false;
  }

  // Gives the node's inputs and outputs the layouts of the offer.
  void place(Node& node, const Offer& offer) {
    for (size_t i = 0; i < node.in.size(); ++i) {
      const ValueId id = node.in[i];
      if (id == absent || !blockable(graph_.values[id])) continue;
      const Layout want = wanted(offer, node, i);
      if (graph_.values[id].type.layout != want) node.in[i] = reorder(id, want);
    }
    for (const ValueId id : node.out)
      if (id != absent && blockable(graph_.values[id])) graph_.values[id].type.layout = offer.out;
  }

  ValueId reorder(ValueId from, Layout layout) {
    const auto found = reordered_.find({from, layout});
    if (found != reordered_.end()) return found->second;
    Value value;
    value.name = graph_.values[from].name + ":reordered";
    value.type = graph_.values[from].type;
    value.type.layout = layout;
    value.ranked = true;
    const ValueId to = graph_.add_value(std::move(value));
    append_reorder(from, to);
    reordered_[{from, layout}] = to;
    reordered_[{to, graph_.values[from].type.layout}] = from;
    return to;
  }

  void append_reorder(ValueId from, ValueId to) {
    Node node;
    node.op = find_op("tessera", "Reorder", 1);
    node.opset = 1;
    node.name = graph_.values[to].name;
    node.in = {from};
    node.out = {to};
    const NodeTypes types(graph_, node);
    std::vector<Offer> offers;
    backends_.back()->offers(types.problem(node), offers);
    choices_.push_back({static_cast<int>(backends_.size()) - 1, offers.at(0)});
    graph_.nodes.push_back(std::move(node));
  }

  // Graph outputs leave in row-major order under their own id: the blocked value gets a new one.
  void require_row_major_outputs() {
    std::map<ValueId, ValueId> inner;
    for (const ValueId id : graph_.outputs) {
      if (graph_.values[id].type.layout == Layout::row_major) continue;
      Value blocked = graph_.values[id];
      blocked.name += ":blocked";
      inner[id] = graph_.add_value(std::move(blocked));
      graph_.values[id].type.layout = Layout::row_major;
    }
    if (inner.empty()) return;
    const auto rename = [&](ValueId& id) {
      if (const auto found = inner.find(id); found != inner.end()) id = found->second;
    };
    for (Node& node : graph_.nodes) {
      std::for_each(node.in.begin(), node.in.end(), rename);
      std::for_each(node.out.begin(), node.out.end(), rename);
    }
    for (const auto& [id, blocked] : inner) append_reorder(blocked, id);
  }

  Graph& graph_;
  const Backends& backends_;
  const std::vector<Node>* source_ = nullptr;
  std::vector<Choice> choices_;
  std::map<ValueId, std::vector<size_t>> users_;
  std::map<ValueId, bool> is_output_;
  std::map<std::pair<ValueId, Layout>, ValueId> reordered_;
};

}  // namespace

std::vector<Choice> assign_kernels(Graph& graph, const Backends& backends) { return Assigner(graph, backends).run(); }

bool has_kernel(const Graph& graph, const Node& node, const Backends& backends) {
  const NodeTypes types(graph, node);
  std::vector<Offer> offers;
  for (const auto& backend : backends) {
    offers.clear();
    backend->offers(types.problem(node), offers);
    if (!offers.empty()) return offers.front().kernel != nullptr;
  }
  return false;
}

}  // namespace tessera
