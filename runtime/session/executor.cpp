#include "runtime/session/executor.h"

#include <algorithm>
#include <optional>
#include <set>

#include "runtime/graph/refused_data.h"

namespace tessera {

namespace {

// Nodes that are looked at for the next cut, at first.
constexpr size_t first_look = 64;
constexpr size_t never = ~size_t{0};

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

struct Segment {
  using Known = std::map<ValueId, Value>;
  uint64_t number = 0;
  size_t next = 0;      // the node after the stretch
  int needs = -1;       // its input whose value is needed; -1: it has `execute`
  bool direct = false;  // the plan's inputs and outputs are the graph's own, in its order
  Known known;          // what is known of values that are read after the stretch: types, and values found on the way
  std::unique_ptr<Plan> plan;            // null if the stretch is empty
  std::vector<ValueId> inputs, outputs;  // the plan's, as ids of the whole graph
  // Where the plan uses a device: the stretch as it was before layouts were chosen, which is planned
  // for the CPU alone when the device fails.
  std::optional<Graph> head;
  mutable std::once_flag replan;
  mutable std::unique_ptr<Plan> cpu_plan;
  mutable std::atomic<const Plan*> current{nullptr};  // the plan to run: `plan`, then `cpu_plan`
  std::optional<Charge> charge;                       // for all of it but tensors, which count themselves

  /// `constants` of its own, or all but them.
  int64_t bytes(bool constants) const;
};

void Engine::drop_idle() const {
  plan.arenas->drop_idle();
  results.drop_idle();
}

void Engine::forget() const {
  segments.forget("");
  packs.shrink();
}

namespace {

// About what values and nodes take, in a graph and in a plan of it. Constants that others have too are not its own.
int64_t bytes_of(const Value& value, bool constants) {
  if (constants) return value.constant && value.constant.use_count() <= 2 ? value.constant->type.bytes() : 0;
  return static_cast<int64_t>(sizeof value + value.name.size() + 64);
}
int64_t bytes_of(const Graph& graph, bool constants) {
  constexpr int64_t step = 1024;
  int64_t bytes = 0;
  for (const Value& value : graph.values) bytes += bytes_of(value, constants);
  if (constants) return bytes;
  for (const Node& node : graph.nodes)
    bytes += step + static_cast<int64_t>(sizeof node + node.name.size() +
                                         (node.in.size() + node.out.size()) * (sizeof(ValueId) + sizeof(View)));
  return bytes;
}

}  // namespace

int64_t Segment::bytes(bool constants) const {
  int64_t bytes = sizeof *this;
  for (const auto& [id, value] : known) bytes += bytes_of(value, constants);
  if (plan) bytes += bytes_of(plan->graph(), constants);
  if (head) bytes += bytes_of(*head, constants);
  return bytes;
}

std::shared_ptr<Segment> SegmentCache::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found->second);
  return found->second->segment;
}

std::shared_ptr<Segment> SegmentCache::keep(const std::string& key, std::shared_ptr<Segment> segment, size_t most,
                                            int64_t most_bytes) {
  const int64_t bytes = segment->bytes(true) + segment->bytes(false) + static_cast<int64_t>(2 * key.size());
  std::list<Kept> forgotten;  // are destroyed outside the lock
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) return found->second->segment;
  kept_.push_front({key, segment, bytes});
  by_key_.emplace(kept_.front().key, kept_.begin());
  bytes_ += bytes;
  while (kept_.size() > 1 && (kept_.size() > most || (most_bytes && bytes_ > most_bytes)))
    drop(std::prev(kept_.end()), forgotten);
  return segment;
}

void SegmentCache::drop(std::list<Kept>::iterator at, std::list<Kept>& forgotten) {
  bytes_ -= at->bytes;
  by_key_.erase(at->key);
  forgotten.splice(forgotten.begin(), kept_, at);
}

void SegmentCache::forget(Text beginning) {
  std::list<Kept> forgotten;  // are destroyed outside the lock
  const std::lock_guard lock(mutex_);
  for (auto at = kept_.begin(); at != kept_.end();) {
    const auto next = std::next(at);
    if (Text(at->key).starts_with(beginning)) drop(at, forgotten);
    at = next;
  }
}

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
  } catch (const Error& error) {  // no round is run, so nothing is wrong with the model
    if (error.is_stop()) throw;
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

  Threads* threads() const override { return executor_.engine_.threads.get(); }

  // A round begins.
  void check_cancelled() const override {
    tessera::check_cancelled();
    if (!control_.rounds_left || control_.rounds_left->fetch_sub(1, std::memory_order_relaxed) > 0) return;
    fail(Error::Kind::deadline, "the run has made all the rounds of its loops that it may");
  }

 private:
  const Executor& executor_;
  const Segment& segment_;
  const std::vector<Datum>& values_;
  const RunControl& control_;
};

Executor::Executor(const Graph& graph, const Engine& engine)
    : graph_(graph),
      engine_(engine),
      maker_(graph.values.size(), never),
      last_reader_(graph.values.size()),
      number_(engine.segments.next_number()) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : reads(graph.nodes[i])) last_reader_[id] = i;
    for (const ValueId id : graph.nodes[i].out)
      if (id != absent) maker_[id] = i;
  }
  for (const ValueId id : graph.outputs) last_reader_[id] = graph.nodes.size();
}

Executor::~Executor() { engine_.segments.forget({reinterpret_cast<const char*>(&number_), sizeof number_}); }

// Every key begins with the executor and the segment that comes before, 0 for none.
void Executor::start_key(std::string& key, uint64_t before) const {
  key.clear();
  append_bytes(key, &number_, sizeof number_);
  append_bytes(key, &before, sizeof before);
}

const Executor& Executor::subgraph(const Graph& graph) const {
  const std::lock_guard lock(mutex_);
  auto& slot = subgraphs_[&graph];
  if (!slot) slot = std::make_unique<Executor>(graph, engine_);
  return *slot;
}

Datum Executor::value_of(const Segment& segment, const std::vector<Datum>& values, ValueId id) const {
  const auto known = segment.known.find(id);
  const auto& constant = known == segment.known.end() ? graph_.values[id].constant : known->second.constant;
  return constant ? datum_of(constant->aligned()) : values[id];
}

// The graph's inputs, then its captures.
ValueId Executor::input(size_t i) const {
  return i < graph_.inputs.size() ? graph_.inputs[i] : graph_.captures[i - graph_.inputs.size()].second;
}

bool Executor::is_whole(const Segment& segment) const { return segment.next == graph_.nodes.size(); }

// Nodes [begin, end) as a graph of their own, of whose values `ids` are the ids in the whole graph. From the first
// node on it is the whole graph, ids and all.
Graph Executor::cut_out(size_t begin, size_t end, const Known& known, std::vector<ValueId>& ids) const {
  ids.clear();
  if (begin == 0) {
    Graph whole = graph_;
    for (const auto& [id, value] : known) whole.values[id] = value;
    for (ValueId id = 0; id < whole.values.size(); ++id) ids.push_back(id);
    return whole;
  }
  Graph part;
  std::unordered_map<ValueId, ValueId> own;
  const auto take = [&](ValueId& id) {
    if (id == absent) return;
    const auto [place, added] = own.try_emplace(id, static_cast<ValueId>(ids.size()));
    if (added) {
      const auto found = known.find(id);
      part.add_value(found == known.end() ? graph_.values[id] : found->second);
      ids.push_back(id);
    }
    id = place->second;
  };
  for (size_t i = begin; i < end; ++i) {
    Node& node = part.nodes.emplace_back(graph_.nodes[i]);
    std::for_each(node.in.begin(), node.in.end(), take);
    std::for_each(node.out.begin(), node.out.end(), take);
  }
  return part;
}

// Infers as far as it goes, plans that stretch, and keeps what is known for the rest.
std::shared_ptr<Segment> Executor::build(size_t begin, Known known) const {
  const LastingScope lasting;
  const size_t all = graph_.nodes.size();
  size_t end = begin ? std::min(all, begin + first_look) : all;
  std::vector<ValueId> ids;
  Graph stretch = cut_out(begin, end, known, ids);
  Stop stop = infer_types(stretch);
  while (end < all && stop.node == stretch.nodes.size()) {
    end = std::min(all, begin + 2 * (end - begin));
    stretch = cut_out(begin, end, known, ids);
    stop = infer_types(stretch);
  }
  auto segment = std::make_shared<Segment>();
  segment->next = end - (stretch.nodes.size() - stop.node);
  segment->needs = stop.needs;
  for (size_t i = 0; i < ids.size(); ++i) {
    const ValueId id = ids[i];
    const bool made = maker_[id] != never && maker_[id] >= begin && maker_[id] < segment->next;
    if (made || known.contains(id)) known[id] = stretch.values[i];
  }
  std::erase_if(known, [&](const auto& value) { return last_reader_[value.first] < segment->next; });
  segment->known = std::move(known);
  take_stretch(*segment, begin, std::move(stretch), stop.node, ids);
  return segment;
}

// Plans the first nodes of a stretch that was cut out.
void Executor::take_stretch(Segment& segment, size_t begin, Graph head, size_t nodes, List<ValueId> ids) const {
  head.nodes.resize(nodes);
  const auto is_tensor = [&](ValueId id) { return head.values[id].kind == Kind::tensor; };
  segment.direct = begin == 0 && is_whole(segment) && std::all_of(head.inputs.begin(), head.inputs.end(), is_tensor) &&
                   std::all_of(head.outputs.begin(), head.outputs.end(), is_tensor);
  if (segment.direct) {
    // No cut, and no containers that pass through: a caller's buffers can be bound directly.
    for (const auto& [outer, inner] : head.captures) head.inputs.push_back(inner);
  } else {
    if (head.nodes.empty()) return;
    std::set<ValueId> made, read;
    head.inputs.clear();
    head.outputs.clear();
    for (const Node& node : head.nodes) {
      for (const ValueId id : node.in)
        if (id != absent && !made.contains(id) && !head.values[id].constant && read.insert(id).second)
          head.inputs.push_back(id);
      made.insert(node.out.begin(), node.out.end());
    }
    for (const ValueId id : made)
      if (id != absent && last_reader_[ids[id]] >= segment.next) head.outputs.push_back(id);
  }
  for (const ValueId id : head.inputs) segment.inputs.push_back(ids[id]);
  for (const ValueId id : head.outputs) segment.outputs.push_back(ids[id]);
  if (engine_.backends.size() > 1) segment.head = head;
  segment.plan = plan(std::move(head), false);
  if (!segment.plan->uses_device()) segment.head.reset();
  segment.current = segment.plan.get();
}

// The CPU takes over where a device cannot run the stretch as it is.
std::unique_ptr<Plan> Executor::plan(Graph head, bool cpu_only) const {
  Backends backends = engine_.backends;
  if (cpu_only) backends = {engine_.backends.back()};
  const auto runs_on_device = [&](const Graph& graph) {
    return std::all_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
      const NodeTypes types(graph, node);
      std::vector<Offer> offers;
      backends.front()->offers(types.problem(node), offers);
      return !offers.empty() || is_shape_arithmetic(graph, node);
    });
  };
  // Null: the device is for whole graphs alone, and does not run this one, as it is rewritten, from end to end.
  const auto make = [&](Graph graph) {
    // What the best backend would not take itself is left as it is: the next one would take it away.
    const Backends best = {backends.front()};
    const auto fits = [&](const Graph& whole, const Node& node) { return has_kernel(whole, node, best); };
    if (engine_.optimize) optimizer::specialize(graph, fits);
    const bool partly = engine_.whole_on_device && backends.size() > 1 && !runs_on_device(graph);
    return partly ? nullptr : std::make_unique<Plan>(std::move(graph), backends, engine_.packs, engine_.plan);
  };
  if (backends.size() == 1) return make(std::move(head));
  // A kernel that has given a wrong answer is offered no more: what else there is gets a chance.
  const auto make_twice = [&] {
    try {
      return make(head);
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::device) throw;
    }
    return make(head);
  };
  try {
    if (auto made = make_twice()) return made;
  } catch (const Error& error) {
    if (!cpu_takes_over(error)) throw;
  }
  backends = {engine_.backends.back()};
  return make(std::move(head));
}

std::shared_ptr<Segment> Executor::keep_segment(const std::string& key, std::shared_ptr<Segment> segment) const {
  const LastingScope lasting;
  segment->charge.emplace(segment->bytes(false) + static_cast<int64_t>(2 * key.size()));
  segment->number = engine_.segments.next_number();
  return engine_.segments.keep(key, std::move(segment), engine_.most_plans, engine_.plan.memory_limit / 4);
}

std::shared_ptr<Segment> Executor::first_segment(List<Type> in, List<Kind> kinds) const {
  std::string key;
  start_key(key, 0);
  for (size_t i = 0; i < in.size(); ++i) {
    key.push_back(static_cast<char>(kinds.empty() ? Kind::tensor : kinds[i]));
    append_type(key, in[i]);
  }
  if (auto known = engine_.segments.find(key)) return known;
  Known known;
  for (size_t i = 0; i < in.size(); ++i) {
    Value& value = known[input(i)] = graph_.values[input(i)];
    set_type(value, kinds.empty() ? Kind::tensor : kinds[i], in[i]);
  }
  return keep_segment(key, build(0, std::move(known)));
}

std::shared_ptr<const Plan> Executor::first_plan(List<Type> in, bool* whole) const {
  auto segment = first_segment(in, {});
  *whole = segment->direct;
  const Plan* plan = segment->plan.get();
  return {std::move(segment), plan};
}

bool Executor::cpu_takes_over(const Error& error) const {
  if (!engine_.cpu_takes_over || (error.kind() != Error::Kind::device && error.kind() != Error::Kind::memory))
    return false;
  engine_.log(Log::Level::warning, engine_.backends.front()->name(),
              " failed, the CPU computes instead: ", error.what());
  const std::lock_guard lock(engine_.failure_mutex);
  engine_.device_failure = error.what();
  return true;
}

// A device that fails in the middle of a run hands the stretch to the CPU, now and from then on.
void Executor::run_plan(const Segment& segment, List<View> in, List<View> out, const RunControl& control) const {
  const Plan* plan = segment.current.load(std::memory_order_acquire);
  bool lasts = false;
  try {
    return plan->run(in, out, *engine_.threads, control);
  } catch (const Error& error) {
    const bool refused = dynamic_cast<const RefusedData*>(&error);
    if (!segment.head || plan != segment.plan.get() || !(refused || cpu_takes_over(error))) throw;
    lasts = !refused;
  }
  std::call_once(segment.replan, [&] {
    const LastingScope lasting;
    segment.cpu_plan = this->plan(*segment.head, true);
  });
  if (lasts) segment.current.store(segment.cpu_plan.get(), std::memory_order_release);
  segment.cpu_plan->run(in, out, *engine_.threads, control);
}

void Executor::run_stretch(const Segment& segment, std::vector<Datum>& values, const RunControl& control) const {
  if (!segment.plan) return;
  const Graph& graph = segment.plan->graph();
  std::vector<View> in, out;
  for (size_t i = 0; i < segment.inputs.size(); ++i) {
    const auto& constant = graph.values[graph.inputs[i]].constant;
    in.push_back(constant ? constant->view() : values[segment.inputs[i]].tensor.view());
  }
  std::vector<Tensor> results;
  for (const ValueId id : graph.outputs) {
    results.push_back(Tensor::make_from(engine_.results, graph.values[id].type));
    out.push_back(results.back().view());
  }
  run_plan(segment, in, out, control);
  for (size_t i = 0; i < results.size(); ++i) values[segment.outputs[i]] = datum_of(results[i]);
  let_go(segment.inputs, segment.next, values);
}

// Drops the values that nobody reads from node `next` on.
void Executor::let_go(List<ValueId> ids, size_t next, std::vector<Datum>& values) const {
  for (const ValueId id : ids)
    if (id != absent && last_reader_[id] < next) values[id] = {};
}

bool Executor::run_into(List<View> in, List<View> out, const RunControl& control) const {
  thread_local std::string key;
  start_key(key, 0);
  for (const View& view : in) {
    key.push_back(static_cast<char>(Kind::tensor));
    append_type(key, view.type);
  }
  auto segment = engine_.segments.find(key);
  if (!segment) {
    std::vector<Type> types;
    for (const View& view : in) types.push_back(view.type);
    segment = first_segment(types, {});
  }
  if (!segment->direct) return false;
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
    fail_at(segment, error);
  }
  return std::move(frame.out);
}

// Adds the node that the segment ended before, and what is known of its inputs.
void Executor::fail_at(const Segment& segment, const Error& error) const {
  Graph graph = graph_;
  for (const auto& [id, value] : segment.known) graph.values[id] = value;
  fail_in_node(error, graph, graph.nodes[segment.next]);
}

// Runs the node that the segment ended before, or learns the value that it needs; what comes next depends on that.
std::shared_ptr<Segment> Executor::pass_cut(const Segment& segment, std::vector<Datum>& values,
                                            const RunControl& control) const {
  const Node& node = graph_.nodes[segment.next];
  std::string key;
  start_key(key, segment.number);
  if (segment.needs >= 0 && !node.op->execute) {
    const ValueId id = node.in[static_cast<size_t>(segment.needs)];
    const Tensor value = values[id].tensor.clone();
    if (value.type.dtype == DType::string)
      fail_at(segment, Error(Error::Kind::unsupported, "a shape that depends on strings"));
    append_bytes(key, value.bytes.get(), static_cast<size_t>(value.type.bytes()));
    if (auto next = engine_.segments.find(key)) return next;
    Known known = segment.known;
    known.at(id).constant = std::make_shared<const Tensor>(value);
    return keep_segment(key, build(segment.next, std::move(known)));
  }
  if (!node.op->execute) fail_at(segment, Error(Error::Kind::type, "an input is not a tensor"));
  std::vector<Datum> results = run_node(segment, node, values, control);
  for (const Datum& datum : results) append_datum_type(key, datum);
  for (size_t i = 0; i < results.size(); ++i)
    if (node.out[i] != absent) values[node.out[i]] = results[i];
  let_go(reads(node), segment.next + 1, values);
  if (auto next = engine_.segments.find(key)) return next;
  Known known = segment.known;
  for (size_t i = 0; i < results.size(); ++i) {
    if (node.out[i] == absent) continue;
    Value& value = known[node.out[i]] = graph_.values[node.out[i]];
    set_type(value, results[i].kind, results[i].tensor.type);
  }
  return keep_segment(key, build(segment.next + 1, std::move(known)));
}

std::vector<Datum> Executor::run(std::vector<Datum> in, const RunControl& control) const {
  std::vector<Type> types;
  std::vector<Kind> kinds;
  for (const Datum& datum : in) {
    types.push_back(datum.kind == Kind::tensor ? datum.tensor.type : Type{});
    kinds.push_back(datum.kind);
  }
  auto segment = first_segment(types, kinds);
  std::vector<Datum> values(graph_.values.size());
  for (size_t i = 0; i < in.size(); ++i) values[input(i)] = std::move(in[i]);
  run_stretch(*segment, values, control);
  while (!is_whole(*segment)) {
    segment = pass_cut(*segment, values, control);
    run_stretch(*segment, values, control);
  }
  std::vector<Datum> out;
  for (const ValueId id : graph_.outputs) out.push_back(value_of(*segment, values, id));
  return out;
}

}  // namespace tessera
