// The C interface over Session: sessions and runs.
#include "runtime/session/c_api.h"

#include <chrono>
#include <cstddef>
#include <new>

#include "runtime/onnx/load.h"
#include "runtime/session/parts.h"

using namespace tessera;
using namespace tessera::c_api;

struct tessera_status {
  tessera_code code;
  std::string text;
};

namespace {

static_assert(TESSERA_INT2 == static_cast<int>(DType::int2) && TESSERA_FLOAT32 == static_cast<int>(DType::float32));

// What there is to say when there is no memory to say it with.
tessera_status no_memory{TESSERA_MEMORY, "out of memory"};

tessera_status* status(tessera_code code, const char* text) noexcept {
  try {
    return new tessera_status{code, text};
  } catch (...) {
    return &no_memory;
  }
}

// What the first version of each struct had.
constexpr size_t first_options = offsetof(tessera_options, name), first_port = offsetof(tessera_port, kind);

// Up to this many tensors, run_into needs no memory for their views.
constexpr size_t few = 16;

struct Views {
  View some[few];
  std::vector<View> more;
  size_t count;

  Views(const tessera_tensor* tensors, size_t n, const char* what) : count(n) {
    if (n) require(tensors);
    if (n > few) more.resize(n);
    for (size_t i = 0; i < n; ++i)
      if (!is_left_out(tensors[i])) (n > few ? more[i] : some[i]) = view_of(tensors[i], what, i);
  }
  List<View> list() const { return {count > few ? more.data() : some, count}; }
};

int64_t checked_limit(int64_t limit, const char* name) {
  if (limit < 0 || limit > int64_t{1} << 53) fail(Error::Kind::usage, name, " is ", limit);
  return limit;
}

RunOptions run_options(const tessera_cancel* cancel) {
  RunOptions options;
  if (cancel) options.cancel = cancel->flag;
  return options;
}

tessera_status* get_port(List<Port> ports, size_t index, tessera_port* port) {
  return guard([&] {
    require(port);
    if (port->struct_size < first_port) fail(Error::Kind::usage, "call tessera_port_init first");
    if (index >= ports.size()) fail(Error::Kind::usage, "there is no port ", index);
    const Port& from = ports[index];
    write_struct(
        {sizeof(tessera_port), from.name.c_str(), static_cast<tessera_dtype>(from.type.dtype), from.ranked,
         from.ranked ? from.type.shape.size() : 0, from.type.shape.data(), static_cast<tessera_kind>(from.kind),
         from.optional, from.place, reinterpret_cast<const tessera_type*>(from.declared.get())},
        port, "tessera_port");
  });
}

// A model with some of its inputs made numbers.
/// `load` reads the model's file.
template <class Load>
Session open(const tessera_options* options, const Load& load) {
  const SessionOptions how = read(options);
  onnx::Loaded loaded = [&] {
    const RunScope scope({how.cancel, 0, how.milliseconds});
    return load(how);
  }();
  if (options && loaded.unsupported.empty()) {
    for (const auto& [name, value] : read_initializers(options)) replace_constant(loaded, name, value);
    for (const auto& [name, value] : read_fixed(options)) fix_input(loaded, name, value);
  }
  return Session(std::move(loaded), how);
}

std::vector<Datum> data_of(const tessera_tensor* inputs, size_t count) {
  const Views views(inputs, count, "input");
  std::vector<Datum> in(count);
  for (size_t i = 0; i < count; ++i) {
    const View& view = views.list()[i];
    in[i].tensor = {view.type, view.data ? std::shared_ptr<std::byte>(view.data, [](std::byte*) {}) : nullptr};
  }
  return in;
}

// The parts of all arithmetic that the steps of a run are; none where the steps depend on data.
std::vector<double> work_of(tessera_session* session, List<Type> types) {
  Shape key;
  for (const Type& type : types) {
    key.push_back(static_cast<int64_t>(type.dtype));
    for (const int64_t extent : type.shape) key.push_back(extent);
  }
  const std::lock_guard lock(session->mutex);
  if (key == session->watched) return session->work;
  std::vector<StepInfo> steps;
  try {
    steps = session->session.steps(types);
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::unsupported) throw;
  }
  double all = 0;
  session->work.clear();
  for (const StepInfo& step : steps) {
    if (step.kernel == "in place") continue;
    session->work.push_back(step.flops + 1);
    all += session->work.back();
  }
  for (double& part : session->work) part /= all;
  session->watched = key;
  return session->work;
}

// Asks a caller whether to go on.
void ask(const tessera_run_options& options, double done) {
  if (options.progress && options.progress(options.context, done) != 0) fail(Error::Kind::cancelled, "cancelled");
}

// Tells a caller of a run's steps.
class Teller : public Profile {
 public:
  Teller(const tessera_run_options& options, std::vector<double> work) : options_(options), work_(std::move(work)) {}
  void step(const Node& node, Text kernel, double milliseconds) override {
    if (options_.step) {
      const std::string op(node.op->name), name(kernel);
      const tessera_step step{sizeof(tessera_step), node.name.c_str(), op.c_str(), name.c_str(), milliseconds / 1000};
      options_.step(options_.context, &step);
    }
    if (!options_.progress || next_ == work_.size()) return;
    done_ += work_[next_++];
    const Clock::time_point now = Clock::now();
    if (now - told_ < told_after || done_ >= 1) return;
    told_ = now;
    ask(options_, done_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto told_after = std::chrono::milliseconds(50);
  const tessera_run_options& options_;
  const std::vector<double> work_;
  Clock::time_point told_ = Clock::now();
  size_t next_ = 0;
  double done_ = 0;
};

}  // namespace

namespace tessera::c_api {

tessera_options known(const tessera_options* options) {
  if (options->struct_size < first_options)
    fail(Error::Kind::usage, "tessera_options.struct_size is ", options->struct_size,
         ": call tessera_options_init first");
  return read_struct(options, "tessera_options");
}

SessionOptions read(const tessera_options* options) {
  SessionOptions result;
  if (!options) return result;
  const tessera_options given = known(options);
  result.threads = given.threads;
  if (given.device) result.device = given.device;
  if (given.precision) result.precision = given.precision;
  result.optimize = given.optimize != 0;
  result.memory_limit = given.memory_limit;
  result.copy_files = given.copy_files != 0;
  result.tune = given.tune != 0;
  result.foreign_threads = {given.parallel_for, given.parallel_context};
  result.cpu_takes_over = given.fail_with_device == 0;
  result.operators = operators_of(given.operators);
  result.most_plans = given.most_plans;
  result.milliseconds = checked_limit(given.deadline_ms, "tessera_options.deadline_ms");
  result.most_rounds = checked_limit(given.most_rounds, "tessera_options.most_rounds");
  if (given.cancel) result.cancel = given.cancel->flag;
  if (given.environment) {
    result.environment = given.environment->shared;
    if (result.environment->threads && (given.threads || given.parallel_for))
      fail(Error::Kind::usage, "the environment has the threads: leave tessera_options.threads and parallel_for 0");
  }
  return result;
}

std::vector<std::pair<std::string, std::vector<double>>> read_fixed(const tessera_options* options) {
  const tessera_options given = known(options);
  if (given.fixed_count) require(given.fixed);
  std::vector<std::pair<std::string, std::vector<double>>> fixed;
  for (size_t i = 0; i < given.fixed_count; ++i) {
    require(given.fixed[i].name);
    const std::string name = given.fixed[i].name;
    const auto known = std::find_if(fixed.begin(), fixed.end(), [&](const auto& each) { return each.first == name; });
    (known == fixed.end() ? fixed.emplace_back(name, std::vector<double>()) : *known)
        .second.push_back(given.fixed[i].value);
  }
  return fixed;
}

std::vector<std::pair<std::string, Datum>> read_initializers(const tessera_options* options) {
  const tessera_options given = known(options);
  if (given.initializer_count) require(given.initializers);
  std::vector<std::pair<std::string, Datum>> initializers;
  for (size_t i = 0; i < given.initializer_count; ++i) {
    require(given.initializers[i].name, given.initializers[i].value);
    initializers.emplace_back(given.initializers[i].name, given.initializers[i].value->datum);
  }
  return initializers;
}

Type type_of(const tessera_tensor& tensor, const char* what, size_t index, int64_t least) {
  if (tensor.dtype <= TESSERA_UNDEFINED || tensor.dtype >= dtype_count)
    fail(Error::Kind::type, what, " ", index, " has no valid data type");
  if (tensor.dtype == TESSERA_STRING)
    fail(Error::Kind::unsupported, what, " ", index,
         " is a tensor of strings, which is a tessera_value: use tessera_value_create_strings and tessera_run_values");
  if (tensor.rank && !tensor.dims) fail(Error::Kind::usage, what, " ", index, " has no dims");
  if (tensor.rank > 64) fail(Error::Kind::shape, what, " ", index, " has rank ", tensor.rank);
  Type type{static_cast<DType>(tensor.dtype), Shape(List<int64_t>(tensor.dims, tensor.rank))};
  for (const int64_t dim : type.shape)
    if (dim < least) fail(Error::Kind::shape, what, " ", index, " has shape ", type.shape);
  return type;
}

View view_of(const tessera_tensor& tensor, const char* what, size_t index) {
  const Type type = type_of(tensor, what, index);
  if (static_cast<int64_t>(tensor.bytes) != type.bytes())
    fail(Error::Kind::usage, what, " ", index, " is ", type, " and takes ", type.bytes(), " bytes, not ", tensor.bytes);
  static std::byte nothing[1];
  if (!tensor.data && tensor.bytes) fail(Error::Kind::usage, what, " ", index, " has no data");
  return {type, tensor.data ? static_cast<std::byte*>(tensor.data) : nothing};
}

tessera_tensor told(const Tensor& tensor) {
  const bool dense = tensor.type.dtype != DType::string;
  return {static_cast<tessera_dtype>(tensor.type.dtype), tensor.type.shape.size(), tensor.type.shape.data(),
          dense ? tensor.bytes.get() : nullptr, dense ? static_cast<size_t>(tensor.type.bytes()) : 0};
}

void told_run(const tessera_session* session, const tessera_run_options* options, List<Type> types,
              const std::function<void(const RunOptions&)>& body) {
  const tessera_run_options given = read_struct(options, "tessera_run_options");
  RunOptions how = run_options(given.cancel);
  how.milliseconds = checked_limit(given.deadline_ms, "tessera_run_options.deadline_ms");
  // A device would be timed for it.
  const bool watched = given.progress && !session->session.device_backend();
  std::vector<double> work;
  if (watched && !types.empty()) work = work_of(const_cast<tessera_session*>(session), types);
  Teller teller(given, std::move(work));
  if (watched || given.step) how.profile = &teller;
  body(how);
  ask(given, 1);
}

std::unique_ptr<tessera_result> run(const tessera_session* session, List<Datum> in,
                                    const tessera_run_options* options) {
  std::vector<Type> types;
  if (std::all_of(in.begin(), in.end(), [](const Datum& datum) { return datum.kind == Kind::tensor; }))
    for (const Datum& datum : in) types.push_back(datum.tensor.type);
  auto out = std::make_unique<tessera_result>();
  told_run(session, options, types, [&](const RunOptions& how) { out->values = session->session.run(in, how); });
  return out;
}

std::vector<Type> types_of(const tessera_tensor* inputs, size_t count) {
  if (count) require(inputs);
  std::vector<Type> types;
  for (size_t i = 0; i < count; ++i) types.push_back(is_left_out(inputs[i]) ? Type{} : type_of(inputs[i], "input", i));
  return types;
}

}  // namespace tessera::c_api

const char* tessera_version(void) { return TESSERA_VERSION; }

tessera_code tessera_status_code(const tessera_status* status) { return status ? status->code : TESSERA_OK; }
const char* tessera_status_text(const tessera_status* status) { return status ? status->text.c_str() : ""; }
tessera_status* tessera_status_create(tessera_code code, const char* text) { return status(code, text ? text : ""); }
void tessera_status_free(tessera_status* status) {
  if (status != &no_memory) delete status;
}

void tessera_struct_init(void* any, size_t size) {
  if (!any || size < sizeof(size_t)) return;
  std::memset(any, 0, size);
  std::memcpy(any, &size, sizeof size);
}

void tessera_options_init_sized(tessera_options* options, size_t size) {
  tessera_struct_init(options, size);
  if (options && size >= first_options) options->optimize = 1;
}

void tessera_port_init_sized(tessera_port* port, size_t size) {
  tessera_struct_init(port, size);
  if (port && size >= first_port) port->name = "";
}

// For programs that were compiled when these were functions.
#undef tessera_options_init
#undef tessera_port_init
extern "C" {
TESSERA_API void tessera_options_init(tessera_options* options) { tessera_options_init_sized(options, first_options); }
TESSERA_API void tessera_port_init(tessera_port* port) { tessera_port_init_sized(port, first_port); }
}

tessera_status* tessera_session_load(const char* path, const tessera_options* options, tessera_session** session) {
  return guard([&] {
    require(path, session);
    *session = nullptr;
    const FloatEnvironment environment;
    *session = new tessera_session(shared(options, path, {}, [&] {
      return open(options,
                  [&](const SessionOptions& how) { return onnx::load(path, {}, how.operators, how.copy_files); });
    }));
  });
}

tessera_status* tessera_session_load_memory(const void* data, size_t bytes, const tessera_options* options,
                                            tessera_session** session) {
  return guard([&] {
    require(data, session);
    *session = nullptr;
    const FloatEnvironment environment;
    const List<std::byte> given(static_cast<const std::byte*>(data), bytes);
    *session = new tessera_session(shared(options, {}, given, [&] {
      const char* name = options ? known(options).name : nullptr;
      std::shared_ptr<std::byte[]> copy(new std::byte[bytes + 1]);
      std::memcpy(copy.get(), data, bytes);
      return open(options, [&](const SessionOptions& how) {
        return onnx::load({copy.get(), bytes}, copy, name ? name : "model in memory", {}, how.operators);
      });
    }));
  });
}

const char* tessera_session_device(const tessera_session* session) {
  return session ? session->session.device().data() : "";
}
const char* tessera_session_device_note(const tessera_session* session) {
  return session ? session->session.device_note().data() : "";
}

size_t tessera_session_input_count(const tessera_session* session) {
  return session ? session->session.inputs().size() : 0;
}
size_t tessera_session_output_count(const tessera_session* session) {
  return session ? session->session.outputs().size() : 0;
}
size_t tessera_session_optional_input_count(const tessera_session* session) {
  return session ? session->session.optional_inputs().size() : 0;
}
tessera_status* tessera_session_input(const tessera_session* session, size_t index, tessera_port* port) {
  if (!session) return get_port({}, index, port);
  const List<Port> inputs = session->session.inputs();
  if (index < inputs.size()) return get_port(inputs, index, port);
  return get_port(session->session.optional_inputs(), index - inputs.size(), port);
}
tessera_status* tessera_session_output(const tessera_session* session, size_t index, tessera_port* port) {
  return get_port(session ? session->session.outputs() : List<Port>{}, index, port);
}

tessera_status* tessera_cancel_create(tessera_cancel** cancel) {
  return guard([&] {
    require(cancel);
    *cancel = new tessera_cancel;
  });
}
tessera_status* tessera_cancel_watch(const volatile unsigned char* flag, tessera_cancel** cancel) {
  static_assert(sizeof(std::atomic<bool>) == 1 && std::atomic<bool>::is_always_lock_free);
  return guard([&] {
    require(const_cast<const unsigned char*>(flag), cancel);
    *cancel = new tessera_cancel;
    (*cancel)->flag = reinterpret_cast<const std::atomic<bool>*>(const_cast<const unsigned char*>(flag));
  });
}
void tessera_cancel_request(tessera_cancel* cancel) {
  if (cancel) cancel->requested.store(true, std::memory_order_relaxed);
}
int tessera_cancel_requested(const tessera_cancel* cancel) {
  return cancel && cancel->flag->load(std::memory_order_relaxed);
}
void tessera_cancel_free(tessera_cancel* cancel) { delete cancel; }

tessera_status* tessera_run(const tessera_session* session, const tessera_tensor* inputs, size_t input_count,
                            const tessera_cancel* cancel, tessera_result** result) {
  return guard([&] {
    require(session, result);
    *result = nullptr;
    tessera_run_options options;
    TESSERA_INIT(&options);
    options.cancel = cancel;
    *result = run(session, data_of(inputs, input_count), &options).release();
  });
}

tessera_status* tessera_run_with(const tessera_session* session, const tessera_tensor* inputs, size_t input_count,
                                 const tessera_run_options* options, tessera_result** result) {
  return guard([&] {
    require(session, result);
    *result = nullptr;
    *result = run(session, data_of(inputs, input_count), options).release();
  });
}

size_t tessera_result_count(const tessera_result* result) { return result ? result->values.size() : 0; }

tessera_status* tessera_result_tensor(const tessera_result* result, size_t index, tessera_tensor* tensor) {
  return guard([&] {
    require(result, tensor);
    if (index >= result->values.size()) fail(Error::Kind::usage, "there is no output ", index);
    const Datum& from = result->values[index];
    if (from.kind != Kind::tensor || from.tensor.type.dtype == DType::string)
      fail(Error::Kind::unsupported, "output ", index, " is ",
           from.kind == Kind::tensor ? "a tensor of strings" : "no tensor", ": use tessera_result_value");
    *tensor = told(from.tensor);
  });
}

void tessera_result_free(tessera_result* result) { delete result; }

tessera_status* tessera_output_type(const tessera_session* session, const tessera_tensor* inputs, size_t input_count,
                                    size_t index, tessera_dtype* dtype, int64_t* dims, size_t capacity, size_t* rank,
                                    size_t* bytes) {
  return guard([&] {
    require(session, dtype, rank, bytes);
    if (capacity) require(dims);
    const std::vector<Type> out = session->session.output_types(types_of(inputs, input_count));
    if (index >= out.size()) fail(Error::Kind::usage, "there is no output ", index);
    *dtype = static_cast<tessera_dtype>(out[index].dtype);
    *rank = out[index].shape.size();
    *bytes = static_cast<size_t>(out[index].bytes());
    for (size_t i = 0; i < std::min(capacity, *rank); ++i) dims[i] = out[index].shape[i];
  });
}

tessera_status* tessera_run_into(const tessera_session* session, const tessera_tensor* inputs, size_t input_count,
                                 const tessera_tensor* outputs, size_t output_count, const tessera_cancel* cancel) {
  return guard([&] {
    require(session);
    const Views in(inputs, input_count, "input"), out(outputs, output_count, "output");
    session->session.run_into(in.list(), out.list(), run_options(cancel));
  });
}
