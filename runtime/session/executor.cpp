#include "runtime/session/executor.h"

#include <algorithm>
#include <optional>
#include <set>

namespace tessera {

namespace {

// Cached plans per graph and per cut; beyond it the oldest knowledge is forgotten.
constexpr size_t cache_limit = 64;

void append_bytes(std::string& key, const void* data, size_t size) { key.append(static_cast<const char*>(data), size); }

void append_type(std::string& key, const Type& type) {
  key.push_back(static_cast<char>(type.dtype));
  key.push_back(static_cast<char>(type.shape.size()));
  append_bytes(key, type.shape.data(), type.shape.size() * sizeof(int64_t));
}

void append_datum_type(std::string& key, const Datum& datum) {
  key.push_back(static_cast<char>(datum.kind));
  if (datum.kind == Kind::tensor) append_type(key, datum.tensor.type);
}

void set_type(Value& value, Kind kind, const Type& type) {
  value.kind = kind;
  value.ranked = true;
  value.type = kind == Kind::tensor ? type : Type{};
  value.type.layout = Layout::row_major;
}

bool has_body(const Node& node) {
  return node.attrs && std::any_of(node.attrs->begin(), node.attrs->end(), [](const auto& attr) {
           return std::holds_alternative<std::shared_ptr<Graph>>(attr.second);
         });
}

// Everything a node reads: its inputs, and what its subgraphs capture.
std::vector<ValueId> reads(const Node& node) {
  std::vector<ValueId> ids;
  for (const ValueId id : node.in)
    if (id != absent) ids.push_back(id);
  if (has_body(node))
    for (const auto& [name, attr] : *node.attrs)
      if (const auto* body = std::get_if<std::shared_ptr<Graph>>(&attr))
        for (const auto& [outer, inner] : (*body)->captures) ids.push_back(outer);
  return ids;
}

Datum datum_of(const Tensor& tensor) {
  Datum datum;
  datum.tensor = tensor;
  return datum;
}

}  // namespace

// A stretch of the graph that one plan runs, and the node that the stretch ends before.
struct Executor::Segment {
  Graph rest;                  // the nodes after the stretch; types of all values known so far
  std::unique_ptr<Plan> plan;  // null if the stretch is empty
  // Where the plan uses a device: the stretch as it was before layouts were chosen, which is planned
  // for the CPU alone when the device fails.
  std::optional<Graph> head;
  mutable std::once_flag replan;
  mutable std::unique_ptr<Plan> cpu_plan;
  mutable std::atomic<const Plan*> current{nullptr};  // the plan to run: `plan`, then `cpu_plan`
  int needs = -1;  // the input of rest.nodes[0] whose value is needed; -1: it has `execute`
  std::map<std::string, std::shared_ptr<Segment>> next;
  Recycler results{4};  // what the stretch gives
};

// What inference tells of the body's outputs for inputs like these; undefined where it does not get there.
static std::vector<Datum> types_of(Graph body, const std::vector<Datum>& inputs) {
  for (const Node& node : body.nodes)
    for (const ValueId id : node.out)
      if (id != absent) body.values[id].type = {};
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t captured = i - std::min(i, body.inputs.size());
    const ValueId id = i < body.inputs.size() ? body.inputs[i] : body.captures[captured].second;
    set_type(body.values[id], inputs[i].kind, inputs[i].tensor.type);
  }
  try {
    infer_types(body);
  } catch (const Error&) {  // no round is run, so nothing is wrong with the model
  }
  std::vector<Datum> out(body.outputs.size());
  for (size_t i = 0; i < out.size(); ++i) out[i].tensor.type = body.values[body.outputs[i]].type;
  return out;
}

// Gives control flow its subgraphs and the caller's wish to stop.
class Executor::NodeFrame final : public Frame {
 public:
  NodeFrame(const Executor& executor, const Segment& segment, const Node& node, const std::vector<Datum>& values,
            const RunControl& control)
      : Frame(node), executor_(executor), segment_(segment), values_(values), control_(control) {}

  std::vector<Datum> run(Text name, std::vector<Datum> inputs) override {
    const Graph& body = graph(name);
    if (inputs.size() != body.inputs.size())
      fail(Error::Kind::model, "subgraph \"", name, "\" has ", body.inputs.size(), " inputs, but gets ", inputs.size());
    const bool types = std::any_of(inputs.begin(), inputs.end(),
                                   [](const Datum& d) { return d.kind == Kind::tensor && !d.tensor.bytes; });
    for (const auto& [outer, inner] : body.captures) inputs.push_back(executor_.value_of(segment_, values_, outer));
    if (types) return types_of(body, inputs);
    return executor_.subgraph(body).run(std::move(inputs), control_);
  }

  void check_cancelled() const override {
    if (control_.cancel && control_.cancel->load(std::memory_order_relaxed))
      fail(Error::Kind::cancelled, "the run was cancelled");
  }

 private:
  const Executor& executor_;
  const Segment& segment_;
  const std::vector<Datum>& values_;
  const RunControl& control_;
};

Executor::Executor(const Graph& graph, const Engine& engine) : graph_(graph), engine_(engine) {}
Executor::~Executor() = default;

const Executor& Executor::subgraph(const Graph& graph) const {
  const std::lock_guard lock(mutex_);
  auto& slot = subgraphs_[&graph];
  if (!slot) slot = std::make_unique<Executor>(graph, engine_);
  return *slot;
}

Datum Executor::value_of(const Segment& segment, const std::vector<Datum>& values, ValueId id) const {
  const Value& value = segment.rest.values[id];
  return value.constant ? datum_of(value.constant->aligned()) : values[id];
}

// Infers as far as it goes, plans that stretch, and keeps the rest.
std::shared_ptr<Executor::Segment> Executor::build(Graph rest, bool first) const {
  auto segment = std::make_shared<Segment>();
  const Stop stop = infer_types(rest);
  segment->needs = stop.needs;

  Graph head = rest;
  head.nodes.resize(stop.node);
  rest.nodes.erase(rest.nodes.begin(), rest.nodes.begin() + static_cast<ptrdiff_t>(stop.node));

  std::set<ValueId> made, read, needed(rest.outputs.begin(), rest.outputs.end());
  for (const Node& node : rest.nodes)
    for (const ValueId id : reads(node)) needed.insert(id);
  head.inputs.clear();
  head.outputs.clear();
  for (const Node& node : head.nodes) {
    for (const ValueId id : node.in)
      if (id != absent && !made.contains(id) && !head.values[id].constant && read.insert(id).second)
        head.inputs.push_back(id);
    made.insert(node.out.begin(), node.out.end());
  }
  for (const ValueId id : made)
    if (needed.contains(id)) head.outputs.push_back(id);

  if (first && rest.nodes.empty()) {
    // No cut: inputs and outputs are the graph's own, in its order, so that a caller's
    // buffers can be bound directly.
    head.inputs = rest.inputs;
    for (const auto& [outer, inner] : rest.captures) head.inputs.push_back(inner);
    head.outputs = rest.outputs;
  }
  if (!head.nodes.empty() || rest.nodes.empty()) {
    if (engine_.backends.size() > 1) segment->head = head;
    segment->plan = plan(std::move(head), false);
    if (!segment->plan->uses_device()) segment->head.reset();
    segment->current = segment->plan.get();
  }
  segment->rest = std::move(rest);
  return segment;
}

// The CPU takes over where a device cannot run the stretch as it is.
std::unique_ptr<Plan> Executor::plan(Graph head, bool cpu_only) const {
  Backends backends = engine_.backends;
  const auto runs_on_device = [&](const Node& node) {
    const NodeTypes types(head, node);
    std::vector<Offer> offers;
    backends.front()->offers(types.problem(node), offers);
    return !offers.empty();
  };
  const bool partly = engine_.whole_on_device && !std::all_of(head.nodes.begin(), head.nodes.end(), runs_on_device);
  if (cpu_only || partly) backends = {engine_.backends.back()};
  const auto make = [&](Graph graph) {
    // What the best backend would not take itself is left as it is: the next one would take it away.
    const Backends best = {backends.front()};
    const auto fits = [&](const Graph& whole, const Node& node) { return has_kernel(whole, node, best); };
    if (engine_.optimize) optimizer::specialize(graph, fits);
    return std::make_unique<Plan>(std::move(graph), backends, engine_.packs, engine_.plan);
  };
  if (backends.size() == 1) return make(std::move(head));
  try {
    return make(head);
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::device) throw;
    backends = {engine_.backends.back()};
    return make(std::move(head));
  }
}

std::shared_ptr<Executor::Segment> Executor::find_segment(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(key);
  return found == segments_.end() ? nullptr : found->second;
}

std::shared_ptr<Executor::Segment> Executor::first_segment(List<Type> in, List<Kind> kinds) const {
  std::string key;
  for (size_t i = 0; i < in.size(); ++i) {
    key.push_back(static_cast<char>(kinds.empty() ? Kind::tensor : kinds[i]));
    append_type(key, in[i]);
  }
  if (auto known = find_segment(key)) return known;
  Graph graph = graph_;
  for (size_t i = 0; i < in.size(); ++i) {
    const ValueId id = i < graph.inputs.size() ? graph.inputs[i] : graph.captures[i - graph.inputs.size()].second;
    set_type(graph.values[id], kinds.empty() ? Kind::tensor : kinds[i], in[i]);
  }
  auto segment = build(std::move(graph), true);
  const std::lock_guard lock(mutex_);
  if (segments_.size() >= cache_limit) segments_.clear();
  return segments_.emplace(key, std::move(segment)).first->second;
}

std::shared_ptr<Executor::Segment> Executor::next_segment(Segment& from, const std::string& key,
                                                          const std::function<void(Graph&)>& learn) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = from.next.find(key); found != from.next.end()) return found->second;
  }
  Graph rest = from.rest;
  learn(rest);
  auto segment = build(std::move(rest), false);
  const std::lock_guard lock(mutex_);
  if (from.next.size() >= cache_limit) from.next.clear();
  return from.next.emplace(key, std::move(segment)).first->second;
}

std::shared_ptr<const Plan> Executor::first_plan(List<Type> in, bool* whole) const {
  auto segment = first_segment(in, {});
  *whole = segment->rest.nodes.empty();
  const Plan* plan = segment->plan.get();
  return {std::move(segment), plan};
}

// A device that fails in the middle of a run hands the stretch to the CPU, now and from then on.
void Executor::run_plan(const Segment& segment, List<View> in, List<View> out, const RunControl& control) const {
  const Plan* plan = segment.current.load(std::memory_order_acquire);
  try {
    return plan->run(in, out, *engine_.threads, control);
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::device || !segment.head || plan != segment.plan.get()) throw;
  }
  std::call_once(segment.replan, [&] {
    segment.cpu_plan = this->plan(*segment.head, true);
    segment.current.store(segment.cpu_plan.get(), std::memory_order_release);
  });
  segment.cpu_plan->run(in, out, *engine_.threads, control);
}

void Executor::run_stretch(const Segment& segment, std::vector<Datum>& values, const RunControl& control) const {
  if (!segment.plan) return;
  const Graph& graph = segment.plan->graph();
  std::vector<View> in, out;
  for (const ValueId id : graph.inputs)
    in.push_back(graph.values[id].constant ? graph.values[id].constant->view() : values[id].tensor.view());
  std::vector<Tensor> results;
  for (const ValueId id : graph.outputs) {
    results.push_back(Tensor::make_from(segment.results, graph.values[id].type));
    out.push_back(results.back().view());
  }
  run_plan(segment, in, out, control);
  for (size_t i = 0; i < results.size(); ++i) values[graph.outputs[i]] = datum_of(results[i]);
}

bool Executor::run_into(List<View> in, List<View> out, const RunControl& control) const {
  thread_local std::string key;
  key.clear();
  for (const View& view : in) {
    key.push_back(static_cast<char>(Kind::tensor));
    append_type(key, view.type);
  }
  auto segment = find_segment(key);
  if (!segment) {
    std::vector<Type> types;
    for (const View& view : in) types.push_back(view.type);
    segment = first_segment(types, {});
  }
  if (!segment->rest.nodes.empty()) return false;
  const Graph& graph = segment->plan->graph();
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i].type != graph.values[graph.outputs[i]].type)
      fail(Error::Kind::shape, "output \"", graph.values[graph.outputs[i]].name, "\" is ",
           graph.values[graph.outputs[i]].type, ", but the buffer is ", out[i].type);
  run_plan(*segment, in, out, control);
  return true;
}

std::vector<Datum> Executor::run_node(const Segment& segment, const Node& node, const std::vector<Datum>& values,
                                      const RunControl& control) const {
  NodeFrame frame(*this, segment, node, values, control);
  for (const ValueId id : node.in) frame.in.push_back(id == absent ? Datum{} : value_of(segment, values, id));
  frame.out.resize(node.out.size());
  try {
    node.op->execute(frame);
  } catch (const Error& error) {
    if (error.kind() == Error::Kind::cancelled) throw;
    fail_in_node(error, segment.rest, node);
  }
  return std::move(frame.out);
}

// Runs the node that the segment ended before, or learns the value that it needs.
std::shared_ptr<Executor::Segment> Executor::pass_cut(Segment& segment, std::vector<Datum>& values,
                                                      const RunControl& control) const {
  const Node& node = segment.rest.nodes.front();
  std::string key;
  if (segment.needs >= 0 && !node.op->execute) {
    const ValueId id = node.in[static_cast<size_t>(segment.needs)];
    const Tensor value = values[id].tensor.clone();
    if (value.type.dtype == DType::string) fail(Error::Kind::unsupported, "a shape that depends on strings");
    append_bytes(key, value.bytes.get(), static_cast<size_t>(value.type.bytes()));
    return next_segment(segment, key,
                        [&](Graph& rest) { rest.values[id].constant = std::make_shared<const Tensor>(value); });
  }
  if (!node.op->execute) fail_in_node(Error(Error::Kind::type, "an input is not a tensor"), segment.rest, node);
  std::vector<Datum> results = run_node(segment, node, values, control);
  for (const Datum& datum : results) append_datum_type(key, datum);
  const std::vector<ValueId> out = node.out;
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] != absent) values[out[i]] = results[i];
  return next_segment(segment, key, [&](Graph& rest) {
    rest.nodes.erase(rest.nodes.begin());
    for (size_t i = 0; i < out.size(); ++i)
      if (out[i] != absent) set_type(rest.values[out[i]], results[i].kind, results[i].tensor.type);
  });
}

std::vector<Datum> Executor::run(std::vector<Datum> in, const RunControl& control) const {
  std::vector<Type> types;
  std::vector<Kind> kinds;
  for (const Datum& datum : in) {
    types.push_back(datum.kind == Kind::tensor ? datum.tensor.type : Type{});
    kinds.push_back(datum.kind);
  }
  auto segment = first_segment(types, kinds);
  std::vector<Datum> values(segment->rest.values.size());
  for (size_t i = 0; i < in.size(); ++i) {
    const ValueId id = i < graph_.inputs.size() ? graph_.inputs[i] : graph_.captures[i - graph_.inputs.size()].second;
    values[id] = std::move(in[i]);
  }
  run_stretch(*segment, values, control);
  while (!segment->rest.nodes.empty()) {
    segment = pass_cut(*segment, values, control);
    values.resize(std::max(values.size(), segment->rest.values.size()));
    run_stretch(*segment, values, control);
  }
  std::vector<Datum> out;
  for (const ValueId id : graph_.outputs) out.push_back(value_of(*segment, values, id));
  return out;
}

}  // namespace tessera
