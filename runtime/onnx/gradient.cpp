#include "runtime/onnx/gradient.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "runtime/onnx/derivatives.h"
#include "runtime/onnx/formula.h"

namespace tessera::onnx {
namespace {

constexpr Text ones = "x -> y: y = Expand(CastLike(1, x), Shape(x))";
constexpr Text zeros = "x -> y: y = Expand(CastLike(0, x), Shape(x))";
constexpr Text sum = "a, b -> y: y = Add(a, b)";
// The axes along which x was repeated are those where d is longer.
constexpr Text sum_to =
    "d, x -> y:"
    "more = Sub(Size(Shape(d)), Size(Shape(x)));"
    "full = Concat<axis=0>(Expand([1], Reshape(more, [1])), Shape(x));"
    "axes = Compress(Range(0, Size(Shape(d)), 1), Not(Equal(full, Shape(d))));"
    "y = Reshape<allowzero=1>(ReduceSum<noop_with_empty_axes=1>(d, axes), Shape(x))";

const Derivative* derivative_of(const Node& node) {
  static const auto by_name = [] {
    std::unordered_multimap<Text, const Derivative*> map;
    for (const Derivative& row : derivatives()) map.emplace(row.op, &row);
    return map;
  }();
  const Derivative* best = nullptr;
  if (!node.op || !node.op->domain.empty()) return nullptr;
  const auto [begin, end] = by_name.equal_range(node.op->name);
  for (auto it = begin; it != end; ++it)
    if (it->second->since <= node.opset && (!best || best->since < it->second->since)) best = it->second;
  return best;
}

// What a node reads, its graphs with it.
std::vector<ValueId> read_by(const Node& node) {
  std::vector<ValueId> ids = node.in;
  for (const auto& [name, attr] : *node.attrs)
    if (const auto* graph = std::get_if<std::shared_ptr<Graph>>(&attr))
      for (const auto& [outside, inside] : (*graph)->captures) ids.push_back(outside);
  std::erase(ids, absent);
  return ids;
}

bool is_given(ValueId id) { return id != absent; }

std::string title(const Graph& graph, const Node& node) {
  const auto first = std::find_if(node.out.begin(), node.out.end(), is_given);
  return cat("operator ", node.op ? node.op->name : "?", " (\"",
             first == node.out.end() ? "" : graph.values[*first].name, "\")");
}

class Gradient {
 public:
  explicit Gradient(const GradientProblem& problem)
      : p_(problem), cuts_(problem.variables.begin(), problem.variables.end()) {
    for (size_t i = 0; i < p_.variables.size(); ++i)
      if (p_.variables[i] != p_.node.in[i]) places_[p_.variables[i]] = p_.node.in[i];
    depends_.insert(p_.variables.begin(), p_.variables.begin() + static_cast<std::ptrdiff_t>(p_.wanted));
  }

  std::vector<ValueId> write() {
    find_path();
    for (const Node& node : path_) move(node);
    back_[p_.y] = apply(ones, {at(p_.y)});
    for (size_t i = path_.size(); i-- > 0;) go_back(path_[i]);
    std::vector<ValueId> found;
    for (size_t i = 0; i < p_.wanted; ++i) {
      const auto back = back_.find(p_.variables[i]);
      found.push_back(back != back_.end() ? back->second : apply(zeros, {p_.node.in[i]}));
    }
    return found;
  }

 private:
  /// The value that stands for another one where the derivatives are taken.
  ValueId at(ValueId id) const {
    const auto found = places_.find(id);
    return found == places_.end() ? id : found->second;
  }

  ValueId apply(Text formula, std::vector<ValueId> in) const {
    Node called = p_.node;
    called.in = std::move(in);
    called.out = {0};
    return p_.write(called, formula)[0];
  }

  // The nodes from the variables to y, as they are: those behind are written into the same graph.
  void find_path() {
    std::unordered_set<ValueId> needed{p_.y};
    for (size_t i = p_.graph.nodes.size(); i-- > 0;) {
      const Node& node = p_.graph.nodes[i];
      const auto leads = [&](ValueId id) { return needed.contains(id) && !cuts_.contains(id); };
      if (std::none_of(node.out.begin(), node.out.end(), leads)) continue;
      for (const ValueId id : read_by(node)) needed.insert(id);
      path_.push_back(node);
    }
    std::reverse(path_.begin(), path_.end());
  }

  // Notes what depends on xs, and writes a node once more where its inputs have another place.
  void move(const Node& node) {
    const std::vector<ValueId> ids = read_by(node);
    const bool depends = std::any_of(ids.begin(), ids.end(), [&](ValueId id) { return depends_.contains(id); });
    for (const ValueId id : node.out)
      if (depends && id != absent && !cuts_.contains(id)) depends_.insert(id);
    if (std::none_of(ids.begin(), ids.end(), [&](ValueId id) { return places_.contains(id); })) return;
    Node moved = node;
    for (ValueId& id : moved.in) id = at(id);
    if (ids.size() > static_cast<size_t>(std::count_if(node.in.begin(), node.in.end(), is_given)))
      fail(Error::Kind::unsupported, "has to compute ", title(p_.graph, node),
           " a second time, which has graphs of its own");
    for (ValueId& id : moved.out) {
      if (id == absent || cuts_.contains(id)) continue;
      Value value = p_.graph.values[id];
      value.name += " of Gradient";
      id = places_[id] = p_.add_value(std::move(value));
    }
    p_.graph.nodes.push_back(std::move(moved));
  }

  void go_back(const Node& node) {
    const auto returns = [&](ValueId id) { return id != absent && back_.contains(id) && !cuts_.contains(id); };
    const auto varies = [&](ValueId id) { return id != absent && depends_.contains(id); };
    if (std::none_of(node.out.begin(), node.out.end(), returns)) return;
    const std::vector<ValueId> ids = read_by(node);
    if (std::none_of(ids.begin(), ids.end(), varies)) return;
    const Derivative* derivative = derivative_of(node);
    if (!derivative)
      fail(Error::Kind::unsupported, "has to go through ", title(p_.graph, node), ", of which no derivative is known");
    const Signature signature = signature_of(node, derivative->formula);
    const std::vector<Text>&given = signature.in, &results = signature.out;
    const size_t ins = results.size(), outs = (given.size() - ins) / 2;
    if (node.in.size() > ins || node.out.size() > outs)
      fail(Error::Kind::unsupported, "has to go through ", title(p_.graph, node), ", whose derivative is known for ",
           ins, " inputs and ", outs, " outputs at most");
    Node called = node;
    called.in.resize(ins, absent);
    called.out.assign(ins, absent);
    for (ValueId& id : called.in)
      if (id != absent) id = at(id);
    for (size_t i = 0; i < outs; ++i) called.in.push_back(i < node.out.size() ? at(node.out[i]) : absent);
    for (size_t i = 0; i < outs; ++i) {
      const ValueId id = i < node.out.size() ? node.out[i] : absent;
      const bool unknown = given[ins + outs + i] == "_";
      if (unknown && returns(id))
        fail(Error::Kind::unsupported, "has to go through output ", i, " of ", title(p_.graph, node),
             ", of which no derivative is known");
      called.in.push_back(id == absent || unknown ? absent : returns(id) ? back_[id] : apply(zeros, {at(id)}));
    }
    for (size_t i = 0; i < node.in.size(); ++i)
      if (varies(node.in[i]) && results[i] != "_") called.out[i] = 0;
    std::vector<ValueId> found;
    try {
      found = p_.write(called, derivative->formula);
    } catch (const Error& error) {
      throw Error(error.kind(), cat("derivative of ", title(p_.graph, node), ": ", error.what()));
    }
    for (size_t i = 0; i < node.in.size(); ++i) {
      if (called.out[i] == absent) continue;
      const ValueId x = node.in[i], back = derivative->broadcasts ? apply(sum_to, {found[i], at(x)}) : found[i];
      const auto [known, fresh] = back_.emplace(x, back);
      if (!fresh) known->second = apply(sum, {known->second, back});
    }
  }

  const GradientProblem& p_;
  const std::unordered_set<ValueId> cuts_;
  std::unordered_map<ValueId, ValueId> places_, back_;
  std::unordered_set<ValueId> depends_;
  std::vector<Node> path_;
};

}  // namespace

std::vector<ValueId> write_gradient(const GradientProblem& problem) { return Gradient(problem).write(); }

}  // namespace tessera::onnx
