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
  Assigner(Graph& graph, const Backends& backends, std::vector<int> backend_of)
      : graph_(graph), backends_(backends), backend_of_(std::move(backend_of)), makers_(graph.values.size()) {
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      for (const ValueId id : graph.nodes[i].in)
        if (id != absent) users_[id].push_back(i);
    for (const ValueId id : graph.outputs) is_output_[id] = true;
  }

  std::vector<Choice> run() {
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    source_ = &nodes;
    for (size_t i = 0; i < nodes.size(); ++i) {
      Node& node = nodes[i];
      const NodeTypes types(graph_, node);
      const Choice choice = choose(types.problem(node), backend_of_[i]);
      place(node, choice);
      append(std::move(node), choice);  // its readers come later
    }
    require_row_major_outputs();
    insert_later_ones();
    return std::move(choices_);
  }

 private:
  struct Maker {
    int backend = -1;  // -1: the value is an input of the graph
    size_t node = 0;
  };
  struct Insertion {
    size_t after;
    Node node;
    Choice choice;
  };

  bool moves(ValueId id) const {
    return id != absent && !graph_.values[id].constant && graph_.values[id].kind == Kind::tensor;
  }

  Layout layout_for(ValueId id, Layout layout) const {
    const Type& type = graph_.values[id].type;
    return layout.of(type.dtype, type.shape.rank());
  }

  Layout wanted(const Offer& offer, const Node& node, size_t input) const {
    return layout_for(node.in[input], input < node.op_inputs() ? offer.in : offer.out);
  }

  void offers(int backend, const Problem& problem, std::vector<Offer>& out) const {
    out.clear();
    backends_[static_cast<size_t>(backend)]->offers(problem, out);
  }

  Choice choose(const Problem& problem, int backend) const {
    const Node& node = problem.node;
    std::vector<Offer> found;
    offers(backend, problem, found);
    if (found.empty()) fail_in_node(Error(Error::Kind::unsupported, "no kernel"), graph_, node);
    const Offer* best = found.data();
    int best_score = std::numeric_limits<int>::min();
    for (const Offer& offer : found) {
      const int score = rank_weight * offer.rank - reorders(offer, node);
      if (score > best_score) best = &offer, best_score = score;
    }
    return {backend, *best};
  }

  // How many reorders this offer costs now, and one for an output that its users cannot take.
  int reorders(const Offer& offer, const Node& node) const {
    int count = 0;
    for (size_t i = 0; i < node.in.size(); ++i) {
      const ValueId id = node.in[i];
      if (!moves(id)) continue;
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
    std::vector<Offer> found;
    for (const size_t user : users->second) {
      const Node& node = (*source_)[user];
      const NodeTypes types(graph_, node);
      offers(backend_of_[user], types.problem(node), found);
      for (const Offer& offer : found)
        for (size_t i = 0; i < node.in.size(); ++i)
          if (node.in[i] == id && (i < node.op_inputs() ? offer.in : offer.out) == layout) return true;
    }
    return false;
  }

  // Gives the node's inputs and outputs the layouts of the offer.
  void place(Node& node, const Choice& choice) {
    for (size_t i = 0; i < node.in.size(); ++i)
      if (moves(node.in[i])) node.in[i] = reorder(node.in[i], wanted(choice.offer, node, i), choice.backend);
    for (const ValueId id : node.out)
      if (moves(id)) graph_.values[id].type.layout = layout_for(id, choice.offer.out);
  }

  void append(Node node, const Choice& choice) {
    for (const ValueId id : node.out)
      if (id != absent) makers_[id] = {choice.backend, graph_.nodes.size()};
    graph_.nodes.push_back(std::move(node));
    choices_.push_back(choice);
  }

  // --- Reorders --------------------------------------------------------------------------------

  bool is_device(int backend) const {
    return dynamic_cast<const DeviceBackend*>(backends_[static_cast<size_t>(backend)].get());
  }

  // The value in that layout, for a node that `reader` runs and that comes next.
  ValueId reorder(ValueId from, Layout layout, int reader) {
    const Layout now = graph_.values[from].type.layout;
    if (now == layout) return from;
    if (const auto found = reordered_.find({from, layout}); found != reordered_.end()) return found->second;
    const int maker = makers_[from].backend;
    if (now == Layout::row_major) return add_reorder(from, layout, reader, reader);
    if (layout == Layout::row_major || offers_reorder(maker, from, layout))
      return add_reorder(from, layout, maker, reader);
    if (offers_reorder(reader, from, layout)) return add_reorder(from, layout, reader, reader);
    return reorder(reorder(from, Layout::row_major, reader), layout, reader);
  }

  ValueId add_reorder(ValueId from, Layout layout, int backend, int reader) {
    Value value;
    value.name = graph_.values[from].name + ":reordered";
    value.type = graph_.values[from].type;
    value.type.layout = layout;
    value.ranked = true;
    const ValueId to = graph_.add_value(std::move(value));
    add_reorder_node(from, to, backend, reader);
    reordered_[{from, layout}] = to;
    reordered_[{to, graph_.values[from].type.layout}] = from;
    return to;
  }

  static Node reorder_node(ValueId from, ValueId to) {
    Node node;
    node.op = find_op(internal_domain, "Reorder", 1);
    node.opset = 1;
    node.in = {from};
    node.out = {to};
    return node;
  }

  bool offers_reorder(int backend, ValueId from, Layout layout) const {
    const Node node = reorder_node(from, from);
    NodeTypes types(graph_, node);
    types.out[0].layout = layout;
    std::vector<Offer> found;
    offers(backend, types.problem(node), found);
    return !found.empty();
  }

  // Here, before the reader; or, so that it is no stretch of its own there, behind the node that made the value.
  void add_reorder_node(ValueId from, ValueId to, int backend, int reader) {
    Node node = reorder_node(from, to);
    node.name = graph_.values[to].name;
    const NodeTypes types(graph_, node);
    std::vector<Offer> found;
    offers(backend, types.problem(node), found);
    const Choice choice{backend, found.at(0)};
    const Maker maker = makers_[from];
    makers_.resize(graph_.values.size());
    const bool here = backend == reader && (backend != maker.backend || !is_device(backend));
    if (here) return append(std::move(node), choice);
    makers_[to] = {backend, maker.node};
    later_.push_back({maker.node, std::move(node), choice});
  }

  // Graph outputs leave in row-major order under their own id: the value in another layout gets a new one.
  void require_row_major_outputs() {
    std::map<ValueId, ValueId> inner;
    for (const ValueId id : graph_.outputs) {
      if (graph_.values[id].type.layout == Layout::row_major) continue;
      Value value = graph_.values[id];
      value.name += ":blocked";
      inner[id] = graph_.add_value(std::move(value));
      makers_.push_back(makers_[id]);
      graph_.values[id].type.layout = Layout::row_major;
    }
    if (inner.empty()) return;
    const auto rename = [&](ValueId& id) {
      if (const auto found = inner.find(id); found != inner.end()) id = found->second;
    };
    const auto rename_in = [&](Node& node) {
      std::for_each(node.in.begin(), node.in.end(), rename);
      std::for_each(node.out.begin(), node.out.end(), rename);
    };
    std::for_each(graph_.nodes.begin(), graph_.nodes.end(), rename_in);
    for (Insertion& later : later_) rename_in(later.node);
    for (const auto& [id, value] : inner) add_reorder_node(value, id, makers_[value].backend, makers_[value].backend);
  }

  void insert_later_ones() {
    if (later_.empty()) return;
    std::stable_sort(later_.begin(), later_.end(), [](const auto& a, const auto& b) { return a.after < b.after; });
    std::vector<Node> nodes;
    std::vector<Choice> choices;
    auto later = later_.begin();
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      nodes.push_back(std::move(graph_.nodes[i]));
      choices.push_back(choices_[i]);
      for (; later != later_.end() && later->after == i; ++later) {
        nodes.push_back(std::move(later->node));
        choices.push_back(later->choice);
      }
    }
    graph_.nodes = std::move(nodes);
    choices_ = std::move(choices);
  }

  Graph& graph_;
  const Backends& backends_;
  const std::vector<int> backend_of_;  // per node of the source
  const std::vector<Node>* source_ = nullptr;
  std::vector<Choice> choices_;
  std::vector<Maker> makers_;  // per value
  std::vector<Insertion> later_;
  std::map<ValueId, std::vector<size_t>> users_;
  std::map<ValueId, bool> is_output_;
  std::map<std::pair<ValueId, Layout>, ValueId> reordered_;
};

}  // namespace

std::vector<Choice> assign_kernels(Graph& graph, const Backends& backends, bool count_crossings) {
  std::vector<int> backend_of = cut(graph, backends, count_crossings);
  return Assigner(graph, backends, std::move(backend_of)).run();
}

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
