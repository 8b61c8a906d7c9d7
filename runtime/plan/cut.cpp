#include "runtime/plan/cut.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace tessera {
namespace {

// All is counted in bytes that are moved between the host and a device. Starting a device and waiting for it takes the
// time of moving as many:
constexpr double start_bytes = 1 << 20;
// What the host does in the time of moving one byte: operations of its kernels, and bytes that they read and write.
constexpr double host_work = 20, host_bytes = 2;

constexpr size_t nobody = ~size_t{0};

class Cutter {
 public:
  Cutter(Graph& graph, const Backends& backends)
      : graph_(graph), backends_(backends), host_(static_cast<int>(backends.size()) - 1) {
    for (const auto& backend : backends) is_device_.push_back(dynamic_cast<const DeviceBackend*>(backend.get()));
  }

  std::vector<int> run(bool count_crossings) {
    std::vector<Offer> offers;
    for (const Node& node : graph_.nodes) {
      const NodeTypes types(graph_, node);
      backend_.push_back(first_offer(types.problem(node), offers));
    }
    if (std::none_of(backend_.begin(), backend_.end(), [&](int b) { return is_device_[static_cast<size_t>(b)]; }))
      return backend_;
    find_readers();
    keep_on_host();
    order();
    for (int round = 0; count_crossings && round < most_rounds && drop_stretches(); ++round) order();
    return apply_order();
  }

 private:
  static constexpr int most_rounds = 8;

  int first_offer(const Problem& problem, std::vector<Offer>& offers) const {
    for (int b = 0; b <= host_; ++b) {
      offers.clear();
      backends_[static_cast<size_t>(b)]->offers(problem, offers);
      if (!offers.empty()) return b;
    }
    fail_in_node(Error(Error::Kind::unsupported, "no kernel"), graph_, problem.node);
  }

  void find_readers() {
    maker_.assign(graph_.values.size(), nobody);
    readers_.resize(graph_.values.size());
    is_output_.assign(graph_.values.size(), false);
    for (const ValueId id : graph_.outputs) is_output_[id] = true;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      for (const ValueId id : graph_.nodes[i].in)
        if (id != absent && maker_[id] != nobody) readers_[id].push_back(i);
      for (const ValueId id : graph_.nodes[i].out)
        if (id != absent) maker_[id] = i;
    }
  }

  bool on_host(size_t node) const { return backend_[node] == host_; }

  void keep_on_host() {
    const auto at_hand = [&](ValueId id) { return id == absent || maker_[id] == nobody || on_host(maker_[id]); };
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      const bool here = std::all_of(node.in.begin(), node.in.end(), at_hand);
      const bool view = node.op->view && maker_[node.in[0]] != nobody;
      if (here && (view || is_shape_arithmetic(graph_, node))) backend_[i] = host_;
    }
    for (size_t i = graph_.nodes.size(); i-- > 0;) {
      const Node& node = graph_.nodes[i];
      if (!node.op->view || maker_[node.in[0]] != nobody) continue;
      const auto& readers = readers_[node.out[0]];
      if (std::any_of(readers.begin(), readers.end(), [&](size_t reader) { return on_host(reader); }))
        backend_[i] = host_;
    }
  }

  // --- The order of the nodes ----------------------------------------------------------------------

  // It takes nodes of one backend as long as some have all their inputs, then nodes of another. With two backends no
  // order that begins with the same one has fewer stretches.
  std::vector<size_t> order_from(int backend) const {
    using Ready = std::priority_queue<size_t, std::vector<size_t>, std::greater<>>;
    std::vector<Ready> ready(backends_.size());
    std::vector<size_t> waits(graph_.nodes.size());
    for (const auto& readers : readers_)
      for (const size_t reader : readers) ++waits[reader];
    const auto add = [&](size_t node) { ready[static_cast<size_t>(backend_[node])].push(node); };
    for (size_t i = 0; i < waits.size(); ++i)
      if (waits[i] == 0) add(i);
    std::vector<size_t> order;
    auto now = static_cast<size_t>(backend);
    while (order.size() < waits.size()) {
      while (ready[now].empty()) now = (now + 1) % ready.size();
      order.push_back(ready[now].top());
      ready[now].pop();
      for (const ValueId id : graph_.nodes[order.back()].out)
        if (id != absent)
          for (const size_t reader : readers_[id])
            if (--waits[reader] == 0) add(reader);
    }
    return order;
  }

  size_t stretches(const std::vector<size_t>& order) const {
    size_t count = 1;
    for (size_t i = 1; i < order.size(); ++i) count += backend_[order[i]] != backend_[order[i - 1]];
    return count;
  }

  void order() {
    order_.clear();
    for (int b = 0; b <= host_; ++b) {
      std::vector<size_t> order = order_from(b);
      if (order_.empty() || stretches(order) < stretches(order_)) order_ = std::move(order);
    }
  }

  // --- What a stretch costs and is worth -------------------------------------------------------

  double bytes(ValueId id) const { return static_cast<double>(graph_.values[id].type.bytes()); }

  // The bytes that could be moved in the time that the host takes for the node.
  double worth(const Node& node) const {
    if (node.op->view) return 0;
    double moved = 0;
    for (const auto* ids : {&node.in, &node.out})
      for (const ValueId id : *ids)
        if (id != absent && !graph_.values[id].constant) moved += bytes(id);
    const NodeTypes types(graph_, node);
    const double work = node.op->work ? node.op->work(AttrReader(node), types.in, types.out) : 0;
    return std::max(moved / host_bytes, work / host_work);
  }

  // Gives the host every stretch that is not worth what it costs. False: there was none.
  bool drop_stretches() {
    stretch_.assign(graph_.nodes.size(), nobody);
    std::vector<size_t> read(graph_.values.size(), nobody);
    bool dropped = false;
    for (size_t begin = 0, end; begin < order_.size(); begin = end) {
      const int backend = backend_[order_[begin]];
      for (end = begin; end < order_.size() && backend_[order_[end]] == backend; ++end) stretch_[order_[end]] = begin;
      if (!is_device_[static_cast<size_t>(backend)]) continue;
      const List<size_t> nodes = List<size_t>(order_).subspan(begin, end - begin);
      double gain = -start_bytes;
      for (const size_t i : nodes) gain += worth(graph_.nodes[i]) - crossing_bytes(i, begin, read);
      if (gain >= 0) continue;
      for (const size_t i : nodes) backend_[i] = host_;
      dropped = true;
    }
    return dropped;
  }

  // Bytes of the values from outside that the node is the first to read in the stretch `here`, and of those of its
  // results that are needed outside.
  double crossing_bytes(size_t i, size_t here, std::vector<size_t>& read) const {
    double sum = 0;
    for (const ValueId id : graph_.nodes[i].in) {
      if (id == absent || graph_.values[id].constant || std::exchange(read[id], here) == here) continue;
      if (maker_[id] == nobody || stretch_[maker_[id]] != here) sum += bytes(id);
    }
    const auto outside = [&](size_t reader) { return stretch_[reader] != here; };
    for (const ValueId id : graph_.nodes[i].out)
      if (id != absent && (is_output_[id] || std::any_of(readers_[id].begin(), readers_[id].end(), outside)))
        sum += bytes(id);
    return sum;
  }

  std::vector<int> apply_order() {
    std::vector<Node> nodes;
    std::vector<int> backends;
    for (const size_t i : order_) {
      nodes.push_back(std::move(graph_.nodes[i]));
      backends.push_back(backend_[i]);
    }
    graph_.nodes = std::move(nodes);
    return backends;
  }

  Graph& graph_;
  const Backends& backends_;
  const int host_;
  std::vector<bool> is_device_;
  std::vector<int> backend_;                  // per node
  std::vector<size_t> maker_;                 // per value, the node
  std::vector<std::vector<size_t>> readers_;  // per value, the nodes
  std::vector<bool> is_output_;               // per value
  std::vector<size_t> order_;                 // of the nodes
  std::vector<size_t> stretch_;               // per node, where in the order its stretch begins
};

}  // namespace

bool is_shape_arithmetic(const Graph& graph, const Node& node) {
  constexpr int64_t few = 64;
  const auto fits = [&](ValueId id) {
    if (id == absent) return true;
    const Value& value = graph.values[id];
    const DType dtype = value.type.dtype;
    return value.kind == Kind::tensor && !is_float(dtype) && dtype != DType::string &&
           value.type.shape.elements() <= few;
  };
  return std::all_of(node.in.begin(), node.in.end(), fits) && std::all_of(node.out.begin(), node.out.end(), fits);
}

std::vector<int> cut(Graph& graph, const Backends& backends, bool count_crossings) {
  if (backends.size() == 1) return std::vector<int>(graph.nodes.size(), 0);
  return Cutter(graph, backends).run(count_crossings);
}

}  // namespace tessera
