#include "runtime/session/session.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>

#include "ops/cpu/backend.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/machine_memory.h"
#include "runtime/base/run_scope.h"
#include "runtime/graph/booleans.h"
#include "runtime/onnx/load.h"
#include "runtime/session/defaults.h"
#include "runtime/session/devices.h"
#include "runtime/session/executor.h"

namespace tessera {

namespace {

// A run's inputs, where they are not those that were given.
template <class Item>
struct Kept {
  std::vector<Item> items;
  std::vector<Tensor> copies;  // that items look into
};

}  // namespace

struct Session::Impl {
  explicit Impl(std::shared_ptr<Engine> shared = std::make_shared<Engine>()) : own(std::move(shared)), engine(*own) {}

  std::shared_ptr<Engine> own;  // of this session, and of those around its graph
  Engine& engine;
  Model model;
  onnx::About about;
  SessionOptions options;
  std::vector<Port> inputs, optional_inputs, outputs;
  std::shared_ptr<const Executor> executor;  // of the model where no optional input is given
  std::vector<ValueId> default_ids;          // of the optional inputs
  Graph as_loaded;                           // the graph before it was prepared
  mutable std::mutex mutex;
  mutable std::map<std::vector<bool>, std::shared_ptr<const Executor>> with_given;  // by the optional inputs given
  bool has_containers = false;                                                      // among its inputs
  const DeviceBackend* device = nullptr;
  std::string device_note;

  const Environment& around() const {
    static const Environment none;
    return options.environment ? *options.environment : none;
  }

  // What every door has: the library's floating-point environment, the caller's limits, and the model's path in
  // whatever goes wrong.
  template <class Body>
  auto framed(const Body& body, const RunOptions& run = {}) const {
    const FloatEnvironment environment;
    const AllocatorScope allocator(around().allocator);
    const RunScope scope(
        {run.cancel, engine.plan.memory_limit, run.milliseconds ? run.milliseconds : options.milliseconds}, &engine);
    try {
      return body();
    } catch (const Error& error) {
      if (error.kind() == Error::Kind::cancelled || error.kind() == Error::Kind::usage) throw;
      throw Error(error.kind(), cat(model.path, ": ", error.what()));
    }
  }

  void start(onnx::Loaded loaded, const SessionOptions& given);
  void start_around(const Impl& base, Graph graph);
  void choose_device();
  void pack_weights() const;
  void prepare(Graph& graph) const;
  template <class Item>
  std::shared_ptr<const Executor> select(List<Item>* in, Kept<Item>* kept) const;
  std::shared_ptr<const Executor> executor_with(const std::vector<bool>& given) const;
  std::shared_ptr<const Plan> first_plan(List<Type> in, bool* whole) const;
  void check_input(const Port& port, Kind kind, const Type& type) const;
  void check_outputs(size_t count) const;
  void check_places(List<End> ends, const char* what) const;
  void copy_results(List<Datum> results, List<View> to) const;
  std::string why_not_on_device(const Problem& problem) const;
};

namespace {

Port port_of(const Value& value, const onnx::Declared* container = nullptr) {
  Port port{value.name, value.kind, value.type, value.ranked, value.dim_names};
  port.declared = std::make_shared<const onnx::Declared>(
      container ? *container : onnx::Declared{value.kind, value.type, value.ranked, value.dim_names, {}});
  return port;
}

// Containers hold what the model says that they do.
void check_held(const Port& port, const Datum& datum, const onnx::Declared& declared) {
  const auto refuse = [&](const auto&... words) { fail(Error::Kind::type, "input \"", port.name, "\" ", words...); };
  if (datum.kind != declared.kind) refuse("holds the wrong kind of value");
  if (datum.kind == Kind::tensor) {
    const DType wanted = declared.type.dtype, given = datum.tensor.type.dtype;
    if (wanted != DType::undefined && given != wanted) refuse("must hold ", name_of(wanted), ", not ", name_of(given));
    return;
  }
  const DType key = declared.type.dtype;
  if (datum.kind == Kind::map && key != DType::undefined && datum.keys.type.dtype != key)
    refuse("must have keys that are ", name_of(key), ", not ", name_of(datum.keys.type.dtype));
  if (declared.item.empty()) return;
  for (const Datum& item : datum.items) check_held(port, item, declared.item[0]);
  const DType wanted = declared.item[0].type.dtype;
  if (datum.kind == Kind::sequence && declared.item[0].kind == Kind::tensor && wanted != DType::undefined &&
      datum.element != DType::undefined && datum.element != wanted)
    refuse("must hold ", name_of(wanted), ", not ", name_of(datum.element));
}

// What an output has in common with an input, a constant or another output becomes its own.
void own(Datum& datum) {
  for (Tensor* tensor : {&datum.tensor, &datum.keys})
    if (tensor->bytes.use_count() > 1) *tensor = tensor->clone();
  for (Datum& item : datum.items) own(item);
}

// An optional's value, given as it is, becomes one. What is wrong with the number and kinds of inputs is told later.
void fill_containers(List<Port> ports, List<Datum> in, std::vector<Datum>& filled) {
  filled.assign(in.begin(), in.end());
  for (size_t i = 0; i < std::min(ports.size(), in.size()); ++i) {
    const Port& port = ports[i];
    Datum& datum = filled[i];
    if (port.kind == Kind::optional && datum.kind != Kind::optional) {
      Datum whole;
      whole.kind = Kind::optional;
      if (datum.kind != Kind::tensor || datum.tensor.bytes) whole.items.push_back(std::move(datum));
      datum = std::move(whole);
    }
    if (port.kind != Kind::tensor && port.kind == datum.kind) check_held(port, datum, *port.declared);
  }
}

// What a caller gives as an input, whatever it is given as.
bool is_left_out(const Datum& datum) { return datum.kind == Kind::tensor && !datum.tensor.bytes; }
bool is_left_out(const View& view) { return !view.data; }
bool is_left_out(const End& end) { return !end.view.data && !end.resident; }
bool is_left_out(const Type& type) { return type.dtype == DType::undefined; }
bool are_booleans(const Type&) { return true; }
bool are_booleans(const End& end) { return end.resident || tessera::are_booleans(end.view); }
Type with_booleans(const Type& type, std::vector<Tensor>&) { return type; }
Datum with_booleans(const Datum& datum, std::vector<Tensor>&) { return tessera::with_booleans(datum); }
View with_booleans(const View& view, std::vector<Tensor>& copies) {
  if (tessera::are_booleans(view)) return view;
  return copies.emplace_back(copy_with_booleans(view)).view();
}
End with_booleans(const End& end, std::vector<Tensor>& copies) {
  return end.resident ? end : End{with_booleans(end.view, copies), nullptr};
}
Type type_of(const Datum& datum) { return datum.tensor.type; }
Type type_of(const View& view) { return view.type; }
Type type_of(const End& end) { return end.view.type; }
Type type_of(const Type& type) { return type; }
Kind kind_of(const Datum& datum, const Port&) { return datum.kind; }
Kind kind_of(const View&, const Port&) { return Kind::tensor; }
Kind kind_of(const End&, const Port&) { return Kind::tensor; }
Kind kind_of(const Type&, const Port& port) { return port.kind; }

[[noreturn]] void fail_unsupported(const std::string& path, const std::vector<std::string>& operators) {
  std::string text =
      cat(path, ": ", operators.size(), operators.size() == 1 ? " operator is" : " operators are", " not supported:");
  for (const std::string& name : operators) text += cat("\n  ", name);
  text += "\nA program can add operators: see tessera_operators_add and docs/custom-operators.md";
  throw Error(Error::Kind::unsupported, text);
}

// Quantized operators compute with integers, whatever the precision.
Precision precision_of(const std::string& name) {
  if (name == "fp32" || name == "int8") return Precision::fp32;
  if (name == "exact") return Precision::exact;
  if (name == "bf16x3") return Precision::bf16x3;
  if (name == "bf16") return Precision::bf16;
  if (name == "fp16") return Precision::fp16;
  fail(Error::Kind::usage, "precision \"", name, "\" is not known: use fp32, exact, bf16x3, bf16, fp16 or int8");
}

bool is_quantized(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) { return node.op->quantized; });
}

// What a run has left of the rounds of its loops.
struct Rounds {
  int64_t most;
  std::atomic<int64_t> left{most};
  RunControl control(Profile* profile) { return {profile, most ? &left : nullptr}; }
};

}  // namespace

void Session::Impl::choose_device() {
  const Precision precision = precision_of(options.precision);
  engine.backends.clear();
  std::function<void(const std::string&)> tunes;
  if (options.tune) tunes = [log = around().log](const std::string& text) { log(Log::Level::information, text); };
  if (std::unique_ptr<DeviceBackend> backend = open_device(options.device, precision, &device_note, tunes)) {
    device = backend.get();
    engine.backends.push_back(std::move(backend));
    engine.whole_on_device = options.device == "auto";
    engine.plan.count_crossings = !names_one_device(options.device);  // who names a device wants it used
  } else if (!device_note.empty()) {
    device_note += "; running on the CPU";
  }
  const auto add_note = [&](const auto&... words) { device_note += cat(device_note.empty() ? "" : "; ", words...); };
  if (device && device->precision() != precision)
    add_note(device->name(), " computes in fp32, not ", options.precision);
  else if (!device && !cpu::gains_from(precision))
    add_note(options.precision, " is not faster on this processor: computing in fp32");
  engine.backends.push_back(cpu::make_backend(precision));
}

void Session::Impl::start(onnx::Loaded loaded, const SessionOptions& given) {
  model = std::move(loaded.model);
  about = std::move(loaded.about);
  options = given;
  const AllocatorScope allocator(around().allocator);
  if (!loaded.unsupported.empty()) fail_unsupported(model.path, loaded.unsupported);
  if (options.precision == "int8" && !is_quantized(model.graph))
    fail(Error::Kind::usage, model.path,
         ": nothing in this model is quantized: precision int8 needs a model with "
         "QuantizeLinear or QLinear operators");
  if (options.threads < 0 || options.threads > 1024)
    fail(Error::Kind::usage, "cannot run on ", options.threads, " threads: use 0 (all cores) to 1024");
  choose_device();
  const auto port_at = [&](ValueId id) {
    const auto container = loaded.containers.find(id);
    return port_of(model.graph.values[id], container == loaded.containers.end() ? nullptr : &container->second);
  };
  for (const ValueId id : model.graph.inputs) inputs.push_back(port_at(id));
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i].place = i;
  for (const onnx::OptionalInput& input : loaded.optional_inputs) {
    optional_inputs.push_back(port_of(input.declared));
    optional_inputs.back().optional = true;
    optional_inputs.back().place = input.place;
    default_ids.push_back(input.id);
    for (Port& port : inputs)
      if (port.place >= input.place) ++port.place;
  }
  for (const ValueId id : model.graph.outputs) outputs.push_back(port_at(id));
  has_containers = std::any_of(inputs.begin(), inputs.end(), [](const Port& p) { return p.kind != Kind::tensor; });
  engine.threads =
      around().threads ? around().threads : std::make_shared<Threads>(options.threads, options.foreign_threads);
  engine.log = around().log;
  if (options.most_plans) engine.most_plans = options.most_plans;
  engine.optimize = options.optimize;
  engine.cpu_takes_over = options.cpu_takes_over;
  engine.plan.threads = engine.threads->count();
  engine.plan.pool = engine.threads.get();
  engine.plan.memory_limit = options.memory_limit ? options.memory_limit : total_memory() / 4 * 3;
  engine.free = 8 * model.weight_bytes;  // kernels make up to seven times as much of them
  as_loaded = with_inputs(model.graph, {});
  framed(
      [&] {
        check_cancelled();
        const LastingScope lasting;
        prepare(model.graph);
        executor = std::make_shared<const Executor>(model.graph, engine);
        if (engine.backends.size() == 1) pack_weights();
      },
      {.cancel = options.cancel});
  options.cancel = nullptr;  // of loading alone
  if (!device_note.empty()) engine.log(Log::Level::warning, model.path, ": ", device_note);
  engine.log(Log::Level::information, model.path, ": ", as_loaded.nodes.size(), " nodes, ", model.weight_bytes >> 10,
             " KiB of weights, on ", engine.backends.front()->name());
}

void Session::Impl::start_around(const Impl& base, Graph graph) {
  model = base.model;
  about = base.about;
  model.graph = std::move(graph);
  options = base.options;
  device = base.device;
  device_note = base.device_note;
  for (const ValueId id : model.graph.inputs) inputs.push_back(port_of(model.graph.values[id]));
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i].place = i;
  for (const ValueId id : model.graph.outputs) outputs.push_back(port_of(model.graph.values[id]));
  has_containers = std::any_of(inputs.begin(), inputs.end(), [](const Port& p) { return p.kind != Kind::tensor; });
  as_loaded = with_inputs(model.graph, {});
  framed([&] {
    const LastingScope lasting;
    prepare(model.graph);
  });
  executor = std::make_shared<const Executor>(model.graph, engine);
}

void Session::Impl::prepare(Graph& graph) const {
  if (options.optimize) {
    fold_constants(graph, optimizer::wants_unfolded);
    optimizer::prepare(graph);
  }
  fold_constants(graph);
  if (options.optimize) optimizer::prepare(graph);
}

// Which optional inputs are given is part of what is planned: those that are not stay constants.
std::shared_ptr<const Executor> Session::Impl::executor_with(const std::vector<bool>& given) const {
  constexpr size_t most = 16;
  const std::lock_guard lock(mutex);
  if (const auto known = with_given.find(given); known != with_given.end()) return known->second;
  std::vector<ValueId> ids;
  for (size_t i = 0; i < given.size(); ++i)
    if (given[i]) ids.push_back(default_ids[i]);
  const LastingScope lasting;
  const auto graph = std::make_shared<Graph>(with_inputs(as_loaded, ids));
  prepare(*graph);
  check_cancelled();  // then not all is prepared
  if (with_given.size() >= most) with_given.clear();
  const std::shared_ptr<const Executor> made(new Executor(*graph, engine), [graph](const Executor* e) { delete e; });
  return with_given.emplace(given, made).first->second;
}

// Checks the inputs and finds what runs them. Where optional ones are left out, or booleans are other bytes than 0 and
// 1, the list is `kept` then, without the former and with copies of the latter.
template <class Item>
std::shared_ptr<const Executor> Session::Impl::select(List<Item>* in, Kept<Item>* kept) const {
  const size_t needed = inputs.size();
  if (in->size() < needed || in->size() > needed + optional_inputs.size())
    fail(Error::Kind::usage, "the model has ", needed, " inputs",
         optional_inputs.empty() ? "" : cat(" and ", optional_inputs.size(), " optional ones"), ", but ", in->size(),
         " are given");
  bool some = false, sound = true;
  for (size_t i = 0; i < in->size(); ++i) {
    const Port& port = i < needed ? inputs[i] : optional_inputs[i - needed];
    if (port.optional && is_left_out((*in)[i])) continue;
    some |= port.optional;
    check_input(port, kind_of((*in)[i], port), type_of((*in)[i]));
    sound &= are_booleans((*in)[i]);
  }
  if (!some && sound) {
    *in = in->first(needed);
    return executor;
  }
  std::vector<bool> given(optional_inputs.size());
  for (size_t i = 0; i < in->size(); ++i) {
    if (i >= needed && is_left_out((*in)[i])) continue;
    if (i >= needed) given[i - needed] = true;
    kept->items.push_back(with_booleans((*in)[i], kept->copies));
  }
  *in = kept->items;
  return some ? executor_with(given) : executor;
}

std::shared_ptr<const Plan> Session::Impl::first_plan(List<Type> in, bool* whole) const {
  Kept<Type> kept;
  const auto chosen = select(&in, &kept);
  const std::shared_ptr<const Plan> plan = chosen->first_plan(in, whole);
  return {plan.get(), [chosen, plan](const Plan*) {}};
}

// Packs weights while loading and not in the first run, by a plan for likely extents of the inputs: what
// is packed serves all extents. Where they do not suit the model, the first run packs what it needs.
void Session::Impl::pack_weights() const {
  constexpr int64_t side = 256, length = 128;
  std::vector<Type> types;
  for (const Port& port : inputs) {
    if (port.kind != Kind::tensor || !port.ranked) return;
    Type type{port.type.dtype, port.type.shape};
    for (size_t i = 0; i < type.shape.size(); ++i)
      if (type.shape[i] < 0) type.shape[i] = i == 0 ? 1 : type.shape.size() == 4 ? side : length;
    types.push_back(std::move(type));
  }
  try {
    bool whole = false;
    executor->first_plan(types, &whole);
  } catch (const Error& error) {
    if (error.is_stop()) throw;
  }
}

void Session::Impl::check_input(const Port& port, Kind kind, const Type& type) const {
  if (kind != port.kind) fail(Error::Kind::type, "input \"", port.name, "\" is the wrong kind of value");
  if (kind != Kind::tensor) return;
  if (port.type.dtype != DType::undefined && type.dtype != port.type.dtype)
    fail(Error::Kind::type, "input \"", port.name, "\" must be ", name_of(port.type.dtype), ", not ",
         name_of(type.dtype));
  if (type.layout != Layout::row_major) fail(Error::Kind::type, "input \"", port.name, "\" is not row-major");
  if (!port.ranked) return;
  const Shape& declared = port.type.shape;
  bool fits = declared.size() == type.shape.size();
  for (size_t i = 0; fits && i < declared.size(); ++i) fits = declared[i] < 0 || declared[i] == type.shape[i];
  if (!fits) fail(Error::Kind::shape, "input \"", port.name, "\" must be ", declared, ", not ", type.shape);
}

void Session::Impl::check_outputs(size_t count) const {
  if (count != outputs.size())
    fail(Error::Kind::usage, "the model has ", outputs.size(), " outputs, but ", count, " are given");
}

void Session::Impl::check_places(List<End> ends, const char* what) const {
  for (size_t i = 0; i < ends.size(); ++i) {
    const Resident* resident = ends[i].resident;
    if (!resident || (device && device->holds(*resident))) continue;
    const Text own = engine.backends.front()->name(), other = resident->device();
    if (own == other) fail(Error::Kind::device, what, " ", i, " is lost with ", own, ", which failed: make it again");
    fail(Error::Kind::device, what, " ", i, " lies in the memory of ", other, ", but the session runs on ", own,
         ": make it there, or copy it");
  }
}

void Session::Impl::copy_results(List<Datum> results, List<View> to) const {
  for (size_t i = 0; i < to.size(); ++i) {
    if (results[i].kind != Kind::tensor || results[i].tensor.type != to[i].type)
      fail(Error::Kind::shape, "output \"", outputs[i].name, "\" is ", results[i].tensor.type, ", but the buffer is ",
           to[i].type);
    copy_elements(results[i].tensor.view(), to[i]);
  }
}

std::string Session::Impl::why_not_on_device(const Problem& problem) const {
  std::vector<Offer> offers;
  device->offers(problem, offers);
  if (offers.empty()) return device->why_not(problem);
  if (engine.whole_on_device) return "the device does not run the whole model";
  return "its work is not worth the way to the device";
}

// What `load` gives, ended by the cancel and the deadline of the options.
template <class Load>
static onnx::Loaded limited(const SessionOptions& options, const Load& load) {
  const RunScope scope({options.cancel, 0, options.milliseconds});
  return load();
}

Session::Session(const std::string& path, const SessionOptions& options) : impl_(std::make_unique<Impl>()) {
  const FloatEnvironment environment;
  impl_->start(limited(options, [&] { return onnx::load(path, {}, options.operators, options.copy_files); }), options);
}

Session::Session(List<std::byte> model, const SessionOptions& options) : impl_(std::make_unique<Impl>()) {
  const FloatEnvironment environment;
  std::shared_ptr<std::byte[]> copy(new std::byte[model.size() + 1]);
  std::memcpy(copy.get(), model.data(), model.size());
  impl_->start(limited(options,
                       [&] {
                         return onnx::load({copy.get(), model.size()}, copy, "model in memory", {}, options.operators);
                       }),
               options);
}

Session::Session(onnx::Loaded model, const SessionOptions& options) : impl_(std::make_unique<Impl>()) {
  impl_->start(std::move(model), options);
}

Session::Session(const Session& base, Graph graph) : impl_(std::make_unique<Impl>(base.impl_->own)) {
  impl_->start_around(*base.impl_, std::move(graph));
}

Session::Session(Session&&) noexcept = default;
Session::~Session() = default;

List<Port> Session::inputs() const { return impl_->inputs; }
List<Port> Session::optional_inputs() const { return impl_->optional_inputs; }
List<Port> Session::outputs() const { return impl_->outputs; }
const Model& Session::model() const { return impl_->model; }
const onnx::About& Session::about() const { return impl_->about; }
const Graph& Session::as_loaded() const { return impl_->as_loaded; }
const SessionOptions& Session::options() const { return impl_->options; }
Text Session::device() const { return impl_->engine.backends.front()->name(); }
Text Session::device_note() const { return impl_->device_note; }
std::string Session::device_failure() const {
  const std::lock_guard lock(impl_->engine.failure_mutex);
  return impl_->engine.device_failure;
}
bool Session::stores_halves() const { return impl_->device && impl_->device->precision() == Precision::fp16; }
DeviceMemory Session::device_memory() const { return impl_->device ? impl_->device->memory() : DeviceMemory{}; }
int Session::runs_at_once() const { return impl_->device ? impl_->device->runs_at_once() : 1; }
int Session::threads() const { return impl_->engine.threads->count(); }
int Session::row_step() const {
  int step = 1;
  for (const auto& backend : impl_->engine.backends) step = std::lcm(step, backend->row_step());
  return step;
}
void Session::forget_plans() const {
  impl_->engine.segments.forget("");
  std::map<std::vector<bool>, std::shared_ptr<const Executor>> forgotten;
  const std::lock_guard lock(impl_->mutex);
  forgotten.swap(impl_->with_given);
}
const DeviceBackend* Session::device_backend() const { return impl_->device; }
const Traffic* Session::traffic() const { return impl_->device ? &impl_->device->traffic : nullptr; }

std::vector<Datum> Session::run(List<Datum> in, const RunOptions& options) const {
  const Threads::Busy busy(*impl_->engine.threads);
  return impl_->framed(
      [&] {
        std::vector<Datum> filled;
        Kept<Datum> kept;
        if (impl_->has_containers) {
          fill_containers(impl_->inputs, in, filled);
          in = filled;
        }
        const auto executor = impl_->select(&in, &kept);
        Rounds rounds{impl_->options.most_rounds};
        auto out = executor->run({in.begin(), in.end()}, rounds.control(options.profile));
        for (Datum& datum : out) own(datum);
        return out;
      },
      options);
}

std::vector<Tensor> Session::run(List<Tensor> in, const RunOptions& options) const {
  std::vector<Datum> data(in.size());
  for (size_t i = 0; i < in.size(); ++i) data[i].tensor = in[i];
  std::vector<Tensor> out;
  for (Datum& datum : run(List<Datum>(data), options)) {
    if (datum.kind != Kind::tensor)
      fail(Error::Kind::unsupported, "output \"", impl_->outputs[out.size()].name, "\" is not a tensor");
    out.push_back(std::move(datum.tensor));
  }
  return out;
}

void Session::run_into(List<View> in, List<View> out, const RunOptions& options) const {
  impl_->check_outputs(out.size());
  const Threads::Busy busy(*impl_->engine.threads);
  impl_->framed(
      [&] {
        Kept<View> kept;
        const auto executor = impl_->select(&in, &kept);
        Rounds rounds{impl_->options.most_rounds};
        const RunControl control = rounds.control(options.profile);
        if (executor->run_into(in, out, control)) return;
        std::vector<Datum> data(in.size());
        for (size_t i = 0; i < in.size(); ++i)
          data[i].tensor = {in[i].type, std::shared_ptr<std::byte>(in[i].data, [](std::byte*) {})};
        impl_->copy_results(executor->run(std::move(data), control), out);
      },
      options);
}

void Session::run_into(List<End> in, List<End> out, const RunOptions& options) const {
  impl_->check_outputs(out.size());
  impl_->check_places(in, "input");
  impl_->check_places(out, "output");
  const Threads::Busy busy(*impl_->engine.threads);
  impl_->framed(
      [&] {
        Kept<End> kept;
        const auto executor = impl_->select(&in, &kept);
        Rounds rounds{impl_->options.most_rounds};
        RunControl control = rounds.control(options.profile);
        std::vector<View> from, to;
        std::vector<Resident*> from_residents, to_residents;
        for (const End& end : in) from.push_back(end.view), from_residents.push_back(end.resident);
        for (const End& end : out) to.push_back(end.view), to_residents.push_back(end.resident);
        control.in_residents = from_residents;
        control.out_residents = to_residents;
        if (executor->run_into(from, to, control)) return;
        // Where shapes depend on data, values go from plan to plan in the host's memory.
        control.in_residents = control.out_residents = {};
        std::vector<Datum> data(in.size());
        for (size_t i = 0; i < in.size(); ++i) {
          Tensor& tensor = data[i].tensor;
          tensor = {from[i].type, std::shared_ptr<std::byte>(from[i].data, [](std::byte*) {})};
          if (!from_residents[i]) continue;
          tensor = Tensor::make(from[i].type);
          from_residents[i]->read(tensor.bytes.get());
        }
        const std::vector<Datum> results = executor->run(std::move(data), control);
        std::vector<Tensor> lent(out.size());
        for (size_t i = 0; i < out.size(); ++i)
          if (to_residents[i]) to[i].data = (lent[i] = Tensor::make(to[i].type)).bytes.get();
        impl_->copy_results(results, to);
        for (size_t i = 0; i < out.size(); ++i)
          if (to_residents[i]) to_residents[i]->write(to[i].data);
      },
      options);
}

std::vector<Type> Session::output_types(List<Type> in) const {
  return impl_->framed([&] {
    bool whole = false;
    const auto plan = impl_->first_plan(in, &whole);
    if (!whole) fail(Error::Kind::unsupported, "the outputs' shapes depend on data and are known only after a run");
    std::vector<Type> types;
    for (const ValueId id : plan->graph().outputs) types.push_back(plan->graph().values[id].type);
    return types;
  });
}

Memory Session::forecast(List<Type> in) const {
  return impl_->framed([&] {
    bool whole = false;
    const auto plan = impl_->first_plan(in, &whole);
    Memory memory;
    memory.weights_bytes = impl_->model.weight_bytes;
    memory.packed_bytes = impl_->engine.packs.bytes();
    if (impl_->device) {
      memory.device_weights_bytes = impl_->device->constant_bytes();
      memory.device = impl_->device->memory();
    }
    for (const Type& type : in)
      if (type.dtype != DType::undefined) memory.ends_bytes += type.bytes();
    if (!plan) return memory;
    memory.arena_bytes = plan->arena_bytes();
    memory.scratch_bytes = plan->scratch_bytes();
    memory.device_bytes = plan->device_bytes();
    for (const ValueId id : plan->graph().outputs) memory.ends_bytes += plan->graph().values[id].type.bytes();
    return memory;
  });
}

std::vector<StepInfo> Session::steps(List<Type> in) const {
  return impl_->framed([&] {
    bool whole = false;
    const auto plan = impl_->first_plan(in, &whole);
    std::vector<StepInfo> infos;
    if (!plan) return infos;
    for (size_t i = 0; i < plan->steps().size(); ++i) {
      const Step& step = plan->steps()[i];
      const NodeTypes types(plan->graph(), *step.node);
      const size_t backend = static_cast<size_t>(plan->choices()[i].backend);
      const bool in_place = plan->storage().done[i];
      StepInfo info;
      info.node = step.node->name;
      info.op = step.node->op->name;
      info.kernel = in_place ? Text("in place") : step.offer.name;
      info.backend = impl_->engine.backends[backend]->name();
      if (impl_->device && backend + 1 == impl_->engine.backends.size() && !in_place)
        info.why = impl_->why_not_on_device(types.problem(*step.node));
      for (const auto* side : {&types.in, &types.out})
        for (const Type& type : *side)
          if (!in_place && type.dtype != DType::undefined) info.bytes += type.bytes();
      info.in = types.in;
      info.out = types.out;
      if (step.node->op->work) info.flops = step.node->op->work(AttrReader(*step.node), types.in, types.out);
      info.at = step.node;
      infos.push_back(std::move(info));
    }
    return infos;
  });
}

}  // namespace tessera
