#include "runtime/plan/plan.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>
#include <set>
#include <type_traits>

#include "runtime/base/memory.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera {

// --- PackCache -------------------------------------------------------------------------------

namespace {

// What a packing depends on, as bytes. Addresses stand only for what lasts: kernels and definitions, and what the
// cache's entry keeps.
class PackKey {
 public:
  template <class T>
  void add(const T& plain) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto raw = std::as_bytes(List<T>(&plain, 1));
    bytes.append(reinterpret_cast<const char*>(raw.data()), raw.size());
  }
  void add(const std::string& text) { add(List<char>(text)); }
  template <class T>
  void add(List<T> items) {
    add(items.size());
    for (const T& item : items) add(item);
  }
  void add(const Type& type) {
    add(type.dtype);
    add(List<int64_t>(type.shape.begin(), type.shape.size()));
  }
  void add(const Tensor& tensor) {
    add(tensor.type);
    add(tensor.bytes.get());
  }
  void add(const Attrs& attrs) {
    add(attrs.size());
    for (const auto& [name, attr] : attrs) {
      add(name);
      add(attr.index());
      std::visit([this](const auto& value) { add_value(value); }, attr);
    }
  }

  std::string bytes;

 private:
  template <class T>
  void add_value(const std::vector<T>& values) {
    add(List<T>(values));
  }
  void add_value(const std::shared_ptr<Graph>& body) { add(body.get()); }
  template <class T>
  void add_value(const T& value) {
    add(value);
  }
};

}  // namespace

std::shared_ptr<const Packed> PackCache::get(const HostBackend& backend, const Offer& offer, const Problem& problem,
                                             const Graph& graph) {
  const Node& node = problem.node;
  PackKey key;
  Entry entry;
  key.add(offer.kernel);
  key.add(node.op);
  key.add(node.op_inputs());
  for (size_t i = 0; i < node.in.size(); ++i) {
    key.add(problem.constants[i] ? *problem.constants[i] : Tensor{});
    if (problem.constants[i]) entry.sources.push_back(graph.values[node.in[i]].constant);
  }
  if (entry.sources.empty()) return backend.pack(offer, problem);
  if (node.attrs) key.add(*node.attrs);
  entry.attrs = node.attrs;
  // Where results are shuffled on their way out, so may be the weights.
  for (const Fused& fused : node.epilogue)
    if (fused.shuffles()) {
      key.add(fused.a);
      key.add(fused.b);
    }
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(key.bytes); found != entries_.end()) return found->second.packed;
  }
  // Kernels pack through plain pointers: what lies askew in a model file is copied for the moment.
  std::vector<Tensor> copies;
  copies.reserve(problem.constants.size());
  std::vector<const Tensor*> constants(problem.constants.begin(), problem.constants.end());
  for (const Tensor*& constant : constants)
    if (constant && !constant->is_aligned()) {
      const Tensor& askew = *constant;
      constant = &copies.emplace_back(askew.clone());
      askew.drop_pages();
    }
  entry.packed = backend.pack(offer, {node, problem.in, problem.out, constants});
  if (!entry.packed) return nullptr;
  for (const auto& source : entry.sources) source->drop_pages();
  const std::lock_guard lock(mutex_);
  sweep();
  return entries_.emplace(std::move(key.bytes), std::move(entry)).first->second.packed;
}

std::shared_ptr<const Tensor> PackCache::aligned(const std::shared_ptr<const Tensor>& constant, bool make) {
  const auto find = [&]() -> std::shared_ptr<const Tensor> {
    const auto found = aligned_.find(constant->bytes.get());
    return found != aligned_.end() && found->second.copy->type == constant->type ? found->second.copy : nullptr;
  };
  {
    const std::lock_guard lock(mutex_);
    if (auto known = find(); known || !make) return known;
  }
  auto copy = std::make_shared<const Tensor>(constant->clone());  // which may want room, and have us shrink
  constant->drop_pages();
  const std::lock_guard lock(mutex_);
  if (auto known = find()) return known;  // another thread was first
  sweep();
  aligned_.insert_or_assign(constant->bytes.get(), Aligned{constant, copy});
  return copy;
}

void PackCache::shrink() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return;
  sweep_at_ = 0;
  sweep();
}

// Constants that a plan found on its way go with the last plan that knows them; those of the model stay.
void PackCache::sweep() {
  if (entries_.size() + aligned_.size() < sweep_at_) return;
  std::erase_if(entries_, [](const auto& item) {
    const Entry& entry = item.second;
    return entry.packed.use_count() == 1 && std::any_of(entry.sources.begin(), entry.sources.end(),
                                                        [](const auto& source) { return source.use_count() == 1; });
  });
  std::erase_if(aligned_, [](const auto& item) {
    return item.second.copy.use_count() == 1 && item.second.source.use_count() == 1;
  });
  sweep_at_ = std::max<size_t>(64, 2 * (entries_.size() + aligned_.size()));
}

int64_t PackCache::bytes() const {
  const std::lock_guard lock(mutex_);
  int64_t total = 0;
  for (const auto& [address, entry] : aligned_) total += entry.copy->type.bytes();
  for (const auto& [key, entry] : entries_)
    for (const Tensor& tensor : entry.packed->tensors) total += tensor.type.bytes();
  return total;
}

// --- Arenas ----------------------------------------------------------------------------------

// The smallest that is large enough, or none.
Arenas::Loan::Arena Arenas::take(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto smaller = [](const Loan::Arena& a, const Loan::Arena& b) { return a.bytes < b.bytes; };
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it)
    if (it->bytes >= bytes && (best == free_.end() || it->bytes <= best->bytes)) best = it;
  Loan::Arena taken;
  if (best != free_.end())
    taken = std::move(*best);
  else if (!free_.empty())  // the largest is too small: the new one takes its place
    best = std::max_element(free_.begin(), free_.end(), smaller);
  if (best == free_.end()) return taken;
  idle_ -= static_cast<int64_t>(taken.memory ? taken.bytes : best->bytes);
  free_.erase(best);
  return taken;
}

void Arenas::drop_idle() {
  const std::lock_guard lock(mutex_);
  free_.clear();
  idle_ = 0;
}

Arenas::Loan::Loan(Arenas& arenas, size_t bytes) : arenas_(arenas), arena_(arenas.take(bytes)) {
  if (arena_.memory) try {
      charge_.emplace(static_cast<int64_t>(arena_.bytes));
      return;
    } catch (const Error&) {  // a smaller one may do
      arena_ = {};
    }
  charge_.emplace(static_cast<int64_t>(bytes));
  // A little more than planned: vector code may read past the last element.
  arena_ = {bytes, allocate_lasting(bytes + 4096)};
  if (!arena_.memory)
    fail(Error::Kind::memory, "no memory for ", bytes >> 20, " MiB: use a smaller input or smaller tiles");
}

Arenas::Loan::~Loan() {
  const std::lock_guard lock(arenas_.mutex_);
  const auto bytes = static_cast<int64_t>(arena_.bytes);
  try {
    arenas_.free_.push_back(std::move(arena_));
    arenas_.idle_ += bytes;
  } catch (const std::bad_alloc&) {  // then it is not kept
  }
}

// --- Plan ------------------------------------------------------------------------------------

struct Plan::Instruction {
  enum class What : uint8_t { step, copy, program, wave } what = What::step;
  uint32_t index = 0;       // into steps_, programs_ or waves_; a wave's steps are the next instructions
  uint32_t first_view = 0;  // into the context's views: inputs, then outputs
  uint32_t inputs = 0, outputs = 0;
};

struct Plan::Context {
  std::byte* arena = nullptr;  // on loan for one run
  std::vector<View> views;
  std::vector<Held> held;  // of each view; empty where no end is a resident
  std::vector<Tensor> strings;
};

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::vector<DeviceStage> find_stages(const Graph& graph, const std::vector<Choice>& choices, const Backends& backends) {
  std::vector<DeviceStage> stages;
  for (size_t i = 0; i < choices.size(); ++i) {
    const int backend = choices[i].backend;
    const auto* device = dynamic_cast<const DeviceBackend*>(backends[static_cast<size_t>(backend)].get());
    if (!device) continue;
    if (stages.empty() || stages.back().backend != backend || stages.back().first + stages.back().count != i)
      stages.push_back({i, 0, backend, {}, {}, device->memory_rules()});
    ++stages.back().count;
  }
  // Of each value, its first and last reader; behind all nodes for outputs.
  std::vector<std::pair<size_t, size_t>> readers(graph.values.size(), {graph.nodes.size(), 0});
  const auto reads = [&](ValueId id, size_t reader) {
    if (id == absent) return;
    readers[id] = {std::min(readers[id].first, reader), std::max(readers[id].second, reader)};
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    for (const ValueId id : graph.nodes[i].in) reads(id, i);
  for (const ValueId id : graph.outputs) reads(id, graph.nodes.size());
  for (DeviceStage& stage : stages) {
    const size_t end = stage.first + stage.count;
    std::set<ValueId> made, read;
    for (size_t i = stage.first; i < end; ++i) {
      const Node& node = graph.nodes[i];
      for (const ValueId id : node.in)
        if (id != absent && !made.contains(id) && !graph.values[id].constant && read.insert(id).second)
          stage.inputs.push_back(id);
      for (const ValueId id : node.out)
        if (id != absent) made.insert(id);
    }
    for (const ValueId id : made)
      if (readers[id].first < stage.first || readers[id].second >= end) stage.outputs.push_back(id);
  }
  return stages;
}

}  // namespace

Plan::Plan(Graph graph, const Backends& backends, PackCache& packs, const PlanOptions& options)
    : graph_(std::move(graph)), backends_(backends), options_(options) {
  choices_ = assign_kernels(graph_, backends_, options_.count_crossings);
  stages_ = find_stages(graph_, choices_, backends_);
  make_steps(packs);
  if (options_.waves) waves_ = find_waves(graph_, choices_, backends_.back()->row_step());
  storage_ = lay_out(graph_, choices_, stages_, waves_);
  compile_stages();
  place_scratch();
  if (options_.memory_limit && arena_bytes_ > options_.memory_limit)
    fail(Error::Kind::memory, "a run needs ", arena_bytes_ >> 20, " MiB, but the limit is ",
         options_.memory_limit >> 20, " MiB: use a smaller input or smaller tiles");
  make_instructions();
}

Plan::~Plan() = default;

void Plan::compile_stages() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const DeviceStage& stage = stages_[i];
    for (size_t k = stage.first; k < stage.first + stage.count; ++k) steps_[k].done = storage_.done[k];
    const auto& device = dynamic_cast<const DeviceBackend&>(*backends_[static_cast<size_t>(stage.backend)]);
    const auto steps = List<Step>(steps_).subspan(stage.first, stage.count);
    programs_.push_back(
        device.compile({&graph_, steps, stage.inputs, stage.outputs, std::move(storage_.devices[i]), options_.pool}));
  }
}

int64_t Plan::device_bytes() const {
  int64_t most = 0;
  for (const auto& program : programs_) most = std::max(most, program->device_bytes());
  return most;
}

void Plan::make_steps(PackCache& packs) {
  steps_.resize(graph_.nodes.size());
  const auto align_constants = [&](const Node& node, bool make) {
    for (const ValueId id : node.in) {
      if (id == absent || !graph_.values[id].constant || graph_.values[id].constant->is_aligned()) continue;
      if (auto copy = packs.aligned(graph_.values[id].constant, make)) graph_.values[id].constant = copy;
    }
  };
  const auto host_of = [&](size_t i) {
    return dynamic_cast<const HostBackend*>(backends_[static_cast<size_t>(choices_[i].backend)].get());
  };
  for (size_t i = 0; i < steps_.size(); ++i) {
    steps_[i].node = &graph_.nodes[i];
    steps_[i].offer = choices_[i].offer;
    if (host_of(i)) align_constants(graph_.nodes[i], false);
  }
  pack(packs);
  for (size_t i = 0; i < steps_.size(); ++i) {
    const HostBackend* host = host_of(i);
    if (!host) continue;
    if (!steps_[i].packed || !steps_[i].offer.kernel)
      align_constants(graph_.nodes[i], true);  // the kernel reads them as they are
    const NodeTypes types(graph_, graph_.nodes[i]);
    const Problem problem = types.problem(graph_.nodes[i]);
    steps_[i].scratch_bytes = host->scratch_bytes(steps_[i].offer, problem, options_.threads);
    steps_[i].kept_bytes = host->kept_bytes(steps_[i].offer, problem);
  }
}

// All threads pack, a step each.
void Plan::pack(PackCache& packs) {
  std::mutex mutex;
  std::exception_ptr error;
  const auto note = [&](const auto& raise) {
    try {
      raise();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  const auto body = [&](int64_t begin, int64_t end, int) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const auto* host = dynamic_cast<const HostBackend*>(backends_[static_cast<size_t>(choices_[i].backend)].get());
      if (!host) continue;
      try {
        steps_[i].packed =
            packs.get(*host, steps_[i].offer, NodeTypes(graph_, graph_.nodes[i]).problem(graph_.nodes[i]), graph_);
      } catch (const Error& own) {
        note([&] { fail_in_node(own, graph_, graph_.nodes[i]); });
      } catch (...) {
        note([] { throw; });
      }
    }
  };
  const auto count = static_cast<int64_t>(steps_.size());
  if (options_.pool)
    options_.pool->parallel(count, 1, body);
  else
    body(0, count, 0);
  if (error) std::rethrow_exception(error);
  check_cancelled();  // then not all are packed
}

// Steps use the same bytes; but what the steps of a wave keep between their bands.
void Plan::place_scratch() {
  int64_t scratch = 0, kept = 0;
  for (const Step& step : steps_) {
    scratch = std::max(scratch, step.scratch_bytes);
    kept = std::max(kept, step.kept_bytes);
  }
  for (const Wave& wave : waves_) {
    int64_t end = 0;
    for (size_t i = wave.first; i < wave.first + wave.count; ++i)
      end = (steps_[i].kept_offset = end) + steps_[i].kept_bytes;
    kept = std::max(kept, end);
  }
  scratch_offset_ = storage_.arena_bytes;
  kept_offset_ = scratch_offset_ + round_up(scratch, 64);
  arena_bytes_ = kept_offset_ + kept;
}

void Plan::make_instructions() {
  const auto add_view = [&](ValueId id, const Type& type) {
    view_types_.push_back(type);
    view_places_.push_back(id == absent ? Place{} : storage_.places[id]);
  };
  const auto type_of = [&](ValueId id) { return id == absent ? Type{} : graph_.values[id].type; };
  const auto add = [&](Instruction::What what, size_t index, List<ValueId> in, List<ValueId> out) {
    Instruction instruction{what, static_cast<uint32_t>(index), static_cast<uint32_t>(view_types_.size()),
                            static_cast<uint32_t>(in.size()), static_cast<uint32_t>(out.size())};
    for (const ValueId id : in) add_view(id, type_of(id));
    // The target of a copy may be a place without a value: it has its source's type.
    for (const ValueId id : out) add_view(id, type_of(what == Instruction::What::copy ? in[0] : id));
    instructions_.push_back(instruction);
  };
  const auto add_copies = [&](size_t node) {
    for (const Copy& copy : storage_.copies[node])
      add(Instruction::What::copy, 0, List<ValueId>(&copy.from, 1), List<ValueId>(&copy.to, 1));
  };
  size_t stage = 0, wave = 0;
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (stage < stages_.size() && stages_[stage].first == i) {
      add(Instruction::What::program, stage, stages_[stage].inputs, stages_[stage].outputs);
      i += stages_[stage++].count - 1;
      continue;
    }
    if (wave < waves_.size() && waves_[wave].first == i) add(Instruction::What::wave, wave++, {}, {});
    add_copies(i);
    if (!storage_.done[i]) add(Instruction::What::step, i, graph_.nodes[i].in, graph_.nodes[i].out);
  }
  add_copies(steps_.size());
  host_inputs_.resize(graph_.inputs.size());
  host_outputs_.resize(graph_.outputs.size());
  for (const Instruction& instruction : instructions_)
    for (size_t i = 0; instruction.what != Instruction::What::program && i < instruction.inputs + instruction.outputs;
         ++i) {
      const Place& place = view_places_[instruction.first_view + i];
      if (place.where == Place::Where::input) host_inputs_[place.index] = true;
      if (place.where == Place::Where::output) host_outputs_[place.index] = true;
    }
}

std::unique_ptr<Plan::Context> Plan::take_context() const {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      auto context = std::move(free_.back());
      free_.pop_back();
      return context;
    }
  }
  auto context = std::make_unique<Context>();
  for (const Type& type : storage_.strings) context->strings.push_back(Tensor::make(type));
  for (size_t i = 0; i < view_types_.size(); ++i)
    context->views.push_back({view_types_[i], nullptr, view_places_[i].plane_rows});
  return context;
}

void Plan::bind(Context& context, std::byte* arena, List<View> in, List<View> out, const RunControl& control) const {
  context.arena = arena;
  context.held.clear();
  if (!control.in_residents.empty() || !control.out_residents.empty()) context.held.resize(view_places_.size());
  for (size_t i = 0; i < view_places_.size(); ++i) {
    const Place& place = view_places_[i];
    std::byte* base = nullptr;
    switch (place.where) {
      case Place::Where::nowhere: break;
      case Place::Where::arena: base = arena; break;
      case Place::Where::constant: base = graph_.values[place.index].constant->bytes.get(); break;
      case Place::Where::input: base = in[place.index].data; break;
      case Place::Where::output: base = out[place.index].data; break;
      case Place::Where::strings: base = context.strings[place.index].bytes.get(); break;
    }
    context.views[i].data = base ? base + place.offset : nullptr;
    if (context.held.empty()) continue;
    if (place.where == Place::Where::input) context.held[i] = {control.in_residents[place.index], place.offset};
    if (place.where == Place::Where::output && !base)
      context.held[i] = {control.out_residents[place.index], place.offset};
  }
}

void Plan::run_step(const Instruction& instruction, Context& context, Threads& threads, Rows rows) const {
  const View* first = context.views.data() + instruction.first_view;
  const Step& step = steps_[instruction.index];
  Args args(*step.node, List<View>(first, instruction.inputs),
            List<View>(first + instruction.inputs, instruction.outputs));
  args.packed = step.packed.get();
  args.scratch = context.arena + scratch_offset_;
  args.kept = context.arena + kept_offset_ + step.kept_offset;
  args.rows = rows;
  const auto& backend = *backends_[static_cast<size_t>(choices_[instruction.index].backend)];
  try {
    static_cast<const HostBackend&>(backend).run(step.offer, args, threads);
  } catch (const Error& error) {
    fail_in_node(error, graph_, *step.node);
  }
}

void Plan::execute(const Instruction& instruction, Context& context, Threads& threads, Profile* profile) const {
  const View* first = context.views.data() + instruction.first_view;
  const List<View> in(first, instruction.inputs), out(first + instruction.inputs, instruction.outputs);
  if (instruction.what == Instruction::What::copy) return copy_elements(in[0], out[0]);
  if (instruction.what == Instruction::What::program)
    return programs_[instruction.index]->run(
        in, out, threads, profile,
        context.held.empty() ? List<Held>{}
                             : List<Held>(context.held).subspan(instruction.first_view, in.size() + out.size()));
  const auto begin = profile ? Clock::now() : Clock::time_point{};
  run_step(instruction, context, threads, {});
  if (!profile) return;
  const Step& step = steps_[instruction.index];
  profile->step(*step.node, step.offer.name, milliseconds_since(begin));
}

void Plan::run_wave(const Instruction& instruction, Context& context, Threads& threads,
                    const RunControl& control) const {
  const Wave& wave = waves_[instruction.index];
  std::array<double, Wave::most_steps> took{};
  for (const Wave::Band& band : wave.bands) {
    check_cancelled();
    const auto begin = control.profile ? Clock::now() : Clock::time_point{};
    run_step((&instruction)[1 + band.node - wave.first], context, threads, band.rows);
    if (control.profile) took[band.node - wave.first] += milliseconds_since(begin);
  }
  if (!control.profile) return;
  for (size_t i = 0; i < wave.count; ++i) {
    const Step& step = steps_[wave.first + i];
    control.profile->step(*step.node, step.offer.name, took[i]);
  }
}

void Plan::run(List<View> in, List<View> out, Threads& threads, const RunControl& control) const {
  const bool held = !control.in_residents.empty() || !control.out_residents.empty();
  held ? run_lent(in, out, threads, control) : run_bound(in, out, threads, control);
}

// What host steps touch of a resident goes through host memory.
void Plan::run_lent(List<View> in, List<View> out, Threads& threads, const RunControl& control) const {
  std::vector<View> from(in.begin(), in.end()), to(out.begin(), out.end());
  std::vector<Tensor> lent;
  const auto lend = [&](View& view) {
    lent.push_back(Tensor::make(view.type));
    view.data = lent.back().bytes.get();
  };
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i].data || !host_inputs_[i]) continue;
    lend(from[i]);
    control.in_residents[i]->read(from[i].data);
  }
  for (size_t i = 0; i < to.size(); ++i)
    if (!to[i].data && host_outputs_[i]) lend(to[i]);
  run_bound(from, to, threads, control);
  for (size_t i = 0; i < to.size(); ++i)
    if (to[i].data != out[i].data) control.out_residents[i]->write(to[i].data);
}

void Plan::run_bound(List<View> in, List<View> out, Threads& threads, const RunControl& control) const {
  const Arenas::Loan arena(*options_.arenas, static_cast<size_t>(arena_bytes_));
  auto context = take_context();
  if (options_.poison) std::memset(arena.data(), 0xff, static_cast<size_t>(arena_bytes_));
  bind(*context, arena.data(), in, out, control);
  for (size_t i = 0; i < instructions_.size(); ++i) {
    check_cancelled();
    const Instruction& instruction = instructions_[i];
    if (instruction.what == Instruction::What::wave) {
      run_wave(instruction, *context, threads, control);
      i += waves_[instruction.index].count;
    } else {
      execute(instruction, *context, threads, control.profile);
    }
  }
  check_cancelled();                            // the last step may have been left unfinished
  for (const Tensor& texts : context->strings)  // what they hold is the run's
    for (int64_t i = 0; i < texts.type.shape.elements(); ++i) String().swap(texts.as<String>()[i]);
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(context));
}

}  // namespace tessera
