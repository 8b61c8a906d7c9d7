#include "runtime/onnx/order.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace tessera::onnx {
namespace {

void add_uses(const proto::Node& node, std::vector<Text>& names);

// Names that a subgraph uses, but does not define. Recursion is bounded by the depth that the wire
// parser allows.
void add_free_names(const proto::Graph& graph, std::vector<Text>& names) {
  std::unordered_set<Text> own;
  for (const proto::ValueInfo& input : graph.input) own.insert(input.name);
  for (const proto::Tensor& tensor : graph.initializer) own.insert(tensor.name);
  for (const proto::SparseTensor& tensor : graph.sparse_initializer)
    if (tensor.values) own.insert(tensor.values->name);
  for (const proto::Node& node : graph.node) own.insert(node.output.begin(), node.output.end());
  std::vector<Text> used;
  for (const proto::Node& node : graph.node) add_uses(node, used);
  for (const proto::ValueInfo& output : graph.output) used.push_back(output.name);
  for (const Text name : used)
    if (!own.contains(name)) names.push_back(name);
}

void add_uses(const proto::Node& node, std::vector<Text>& names) {
  names.insert(names.end(), node.input.begin(), node.input.end());
  for (const proto::Attribute& attribute : node.attribute) {
    if (attribute.g) add_free_names(*attribute.g, names);
    for (const proto::Graph& graph : attribute.graphs) add_free_names(graph, names);
    // A Gradient node names what it differentiates.
    if (node.op_type == "Gradient" && attribute.s) names.push_back(*attribute.s);
    if (node.op_type == "Gradient") names.insert(names.end(), attribute.strings.begin(), attribute.strings.end());
  }
}

[[noreturn]] void fail_cycle(const proto::Node& node, size_t index) {
  const std::string label = node.name.empty() ? cat("#", index) : cat('"', node.name.substr(0, 200), '"');
  fail(Error::Kind::model, "the graph has a cycle: node ", label, " (", node.op_type, ") needs its own result");
}

}  // namespace

std::vector<size_t> order_of(const std::vector<proto::Node>& nodes) {
  std::unordered_map<Text, size_t> makers;
  for (size_t i = 0; i < nodes.size(); ++i)
    for (const Text name : nodes[i].output)
      if (!name.empty()) makers.emplace(name, i);

  std::vector<std::pair<size_t, size_t>> edges;  // maker, user
  bool in_order = true;
  std::vector<Text> names;
  for (size_t i = 0; i < nodes.size(); ++i) {
    names.clear();
    add_uses(nodes[i], names);
    for (const Text name : names)
      if (const auto maker = makers.find(name); maker != makers.end()) {
        edges.emplace_back(maker->second, i);
        in_order &= maker->second < i;
      }
  }
  std::vector<size_t> order(nodes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (in_order) return order;

  // Kahn's algorithm, always taking the first node that is ready.
  std::sort(edges.begin(), edges.end());
  std::vector<size_t> waiting(nodes.size());
  for (const auto& [maker, user] : edges) ++waiting[user];
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < nodes.size(); ++i)
    if (!waiting[i]) ready.push(i);
  order.clear();
  while (!ready.empty()) {
    const size_t node = ready.top();
    ready.pop();
    order.push_back(node);
    for (auto edge = std::lower_bound(edges.begin(), edges.end(), std::pair{node, size_t{0}});
         edge != edges.end() && edge->first == node; ++edge)
      if (!--waiting[edge->second]) ready.push(edge->second);
  }
  // Nodes that wait for a cycle without being on it are possible: follow makers until one repeats.
  if (order.size() < nodes.size()) {
    std::vector<size_t> before(nodes.size(), nodes.size());
    for (const auto& [maker, user] : edges)
      if (waiting[maker]) before[user] = maker;
    size_t at = 0;
    while (!waiting[at]) ++at;
    std::vector<bool> seen(nodes.size());
    for (; !seen[at]; at = before[at]) seen[at] = true;
    fail_cycle(nodes[at], at);
  }
  return order;
}

}  // namespace tessera::onnx
