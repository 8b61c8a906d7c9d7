// Sessions: loading, what they take and give, runs.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "bindings/onnxruntime/table.h"

namespace tessera::ort {
namespace {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// A declared type; open extents that the program gave are closed.
TypeInfo read_type(const tessera_type* from, const std::map<std::string, int64_t>& extents) {
  TypeInfo type;
  if (!from) return type;
  tessera_type_facts facts;
  TESSERA_INIT(&facts);
  check(tessera_type_get(from, &facts));
  static constexpr int kinds[] = {kind_tensor, kind_sequence, kind_optional, kind_map};
  type.kind = kinds[facts.kind];
  type.tensor.element = element_of(facts.dtype);
  type.tensor.ranked = facts.ranked != 0;
  for (size_t i = 0; i < facts.rank; ++i) {
    const char* name = tessera_type_dim_name(from, i);
    const auto given = extents.find(name);
    type.tensor.dims.push_back(facts.dims[i] < 0 && given != extents.end() ? given->second : facts.dims[i]);
    type.tensor.names.push_back(name);
  }
  if (facts.item) type.item = std::make_shared<TypeInfo>(read_type(facts.item, extents));
  return type;
}

using PortOf = tessera_status* (*)(const tessera_session*, size_t, tessera_port*);
std::vector<Port> read_ports(const tessera_session* session, PortOf get, size_t first, size_t count,
                             const std::map<std::string, int64_t>& extents) {
  std::vector<Port> ports;
  for (size_t i = first; i < first + count; ++i) {
    tessera_port port;
    tessera_port_init(&port);
    check(get(session, i, &port));
    ports.push_back({port.name, std::make_shared<TypeInfo>(read_type(port.type, extents))});
  }
  return ports;
}

/// "prefix_2026-11-28_05-03-12.json", in UTC.
std::string profile_path(const std::string& prefix) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "_%Y-%m-%d_%H-%M-%S.json", &parts);
  return (prefix.empty() ? "onnxruntime_profile_" : prefix) + text;
}

struct FreeCancel {
  void operator()(tessera_cancel* cancel) const { tessera_cancel_free(cancel); }
};
using CancelHandle = std::unique_ptr<tessera_cancel, FreeCancel>;

CancelHandle watch(const unsigned char* flag) {
  tessera_cancel* cancel = nullptr;
  check(tessera_cancel_watch(flag, &cancel));
  return CancelHandle(cancel);
}

std::unique_ptr<Session> load(const Env* env, const SessionOptions* given, const char* path, const void* data,
                              size_t bytes) {
  need(env);
  const SessionOptions options = given ? *given : SessionOptions();
  tessera_options inner;
  tessera_options_init(&inner);
  inner.threads = options.own_threads ? options.threads : env->threading.threads;
  // A model stays on the host unless the program, or who runs it, asks for a device.
  inner.device = options.device.empty() ? "cpu" : options.device.c_str();
  if (!options.precision.empty()) inner.precision = options.precision.c_str();
  inner.optimize = options.optimization > 0;
  const Logger logger = options.has_logger ? options.logger : env->logger;
  const OperatorsHandle operators = make_operators(options, logger);
  inner.operators = operators.get();
  std::vector<tessera_initializer> initializers;
  for (const auto& [name, value] : options.initializers) initializers.push_back({name.c_str(), value.get()});
  inner.initializers = initializers.data();
  inner.initializer_count = initializers.size();
  const CancelHandle cancel = watch(options.cancel.get());
  inner.cancel = cancel.get();
  auto session = std::make_unique<Session>();
  tessera_session* loaded = nullptr;
  tessera_status* status =
      path ? tessera_session_load(path, &inner, &loaded) : tessera_session_load_memory(data, bytes, &inner, &loaded);
  if (tessera_status_code(status) == TESSERA_CANCELLED) {
    tessera_status_free(status);
    fail(code_load_cancelled, "loading was cancelled");
  }
  check(status);
  session->libraries = options.libraries;
  session->session.reset(loaded);
  session->logger = logger;
  const size_t required = tessera_session_input_count(loaded);
  session->inputs = read_ports(loaded, tessera_session_input, 0, required, options.extents);
  session->overridable = read_ports(loaded, tessera_session_input, required,
                                    tessera_session_optional_input_count(loaded), options.extents);
  session->outputs =
      read_ports(loaded, tessera_session_output, 0, tessera_session_output_count(loaded), options.extents);
  session->metadata = read_metadata(loaded);
  session->began_ns = now_ns();
  if (options.profiling) session->profile_path = profile_path(options.profile_prefix);
  const char* note = tessera_session_device_note(loaded);
  if (*note) session->logger.log(2, "session", note);
  return session;
}

// --- Runs ------------------------------------------------------------------------------------------

size_t find_port(const std::vector<Port>& ports, const char* name) {
  for (size_t i = 0; i < ports.size(); ++i)
    if (ports[i].name == name) return i;
  return ports.size();
}

const Port& port_of(const Session& session, size_t input) {
  const size_t required = session.inputs.size();
  return input < required ? session.inputs[input] : session.overridable[input - required];
}

/// ONNX Runtime takes one element of any rank for a number without axes, and programs count on it.
Value as_declared(const Value& value, const Port& port) {
  Value declared = value;
  const TensorInfo& tensor = port.type->tensor;
  if (port.type->kind == kind_tensor && tensor.ranked && tensor.dims.empty() && value.kind == kind_tensor &&
      value.count() == 1)
    declared.dims.clear();
  return declared;
}

/// Whether bytes of a value lie in memory that the program lent to the run.
bool lies_in(const Value& value, const Value& lent) {
  for (const auto& item : lent.items)
    if (lies_in(value, *item)) return true;
  const auto at = reinterpret_cast<uintptr_t>(value.data), begin = reinterpret_cast<uintptr_t>(lent.data);
  return value.bytes && lent.bytes && at < begin + lent.bytes && begin < at + value.bytes;
}
/// An output that is an input gets memory of its own: the program may end or change the input's.
void part_from(Value& value, const std::vector<const Value*>& lent) {
  for (const auto& item : value.items) part_from(*item, lent);
  for (const Value* input : lent) {
    if (!lies_in(value, *input)) continue;
    auto copy = make_tensor(&host_allocator(), value.dims.data(), value.dims.size(), value.element);
    std::memcpy(copy->data, value.data, value.bytes);
    value = std::move(*copy);
    return;
  }
}

void fill(Value& target, const Value& from, const std::string& name) {
  if (target.kind != from.kind || target.kind != kind_tensor) {
    target = from;
    return;
  }
  if (target.element != from.element || target.dims != from.dims)
    fail(code_invalid_argument,
         "output \"" + name + "\" has another type or shape than the value that was given for it");
  target.texts = from.texts;
  if (from.bytes) std::memcpy(target.data, from.data, from.bytes);
}

struct Recorder {
  Session& session;
  double at;
  std::vector<ProfileEvent> events;
};
void record(void* context, const tessera_step* step) {
  Recorder& recorder = *static_cast<Recorder*>(context);
  try {
    recorder.events.push_back({step->node, step->op, step->kernel, recorder.at, step->seconds});
  } catch (const std::bad_alloc&) {
    return;  // a step that is not told of
  }
  recorder.at += step->seconds;
}

struct FreeResult {
  void operator()(tessera_result* result) const { tessera_result_free(result); }
};

}  // namespace

Session::~Session() {
  for (std::thread& run : runs) run.join();
}

void run(Session& session, const RunOptions* options, const char* const* input_names, const Value* const* inputs,
         size_t input_count, const char* const* output_names, size_t output_count, Value** outputs) {
  if (input_count) need(input_names, inputs);
  need(output_names, outputs);
  if (!output_count) fail(code_invalid_argument, "no output is asked for");
  std::vector<ValueHandle> handles(session.inputs.size() + session.overridable.size());
  std::vector<const Value*> lent;
  for (size_t i = 0; i < input_count; ++i) {
    need(input_names[i]);
    size_t at = find_port(session.inputs, input_names[i]);
    if (at == session.inputs.size()) at += find_port(session.overridable, input_names[i]);
    if (at == handles.size()) fail(code_invalid_argument, std::string("Invalid input name: ") + input_names[i]);
    if (!inputs[i]) continue;  // an optional that is not given
    handles[at] = to_tessera(as_declared(*inputs[i], port_of(session, at)));
    lent.push_back(inputs[i]);
  }
  size_t given = handles.size();
  while (given > session.inputs.size() && !handles[given - 1]) --given;
  std::vector<const tessera_value*> pointers;
  for (size_t i = 0; i < given; ++i) {
    if (i < session.inputs.size() && !handles[i] && session.inputs[i].type->kind != kind_optional)
      fail(code_invalid_argument, "Missing Input: " + session.inputs[i].name);
    pointers.push_back(handles[i].get());
  }
  std::vector<size_t> wanted;
  for (size_t i = 0; i < output_count; ++i) {
    need(output_names[i]);
    wanted.push_back(find_port(session.outputs, output_names[i]));
    if (wanted.back() == session.outputs.size())
      fail(code_invalid_argument, std::string("Invalid output name: ") + output_names[i]);
  }

  tessera_run_options inner;
  TESSERA_INIT(&inner);
  const CancelHandle cancel = options ? watch(&options->stop) : nullptr;
  inner.cancel = cancel.get();
  Recorder recorder{session, static_cast<double>(now_ns() - session.began_ns) * 1e-9, {}};
  if (!session.profile_path.empty()) {
    inner.step = record;
    inner.context = &recorder;
  }
  tessera_result* made = nullptr;
  check(tessera_run_values(session.session.get(), pointers.data(), pointers.size(), &inner, &made));
  const std::unique_ptr<tessera_result, FreeResult> result(made);
  if (inner.step) {
    const std::lock_guard lock(session.mutex);
    session.events.insert(session.events.end(), recorder.events.begin(), recorder.events.end());
  }
  // All of them, or none.
  std::vector<std::unique_ptr<Value>> values;
  for (size_t i = 0; i < output_count; ++i) {
    tessera_value* value = nullptr;
    check(tessera_result_value(result.get(), wanted[i], &value));
    values.push_back(from_tessera(ValueHandle(value)));
    part_from(*values.back(), lent);
  }
  for (size_t i = 0; i < output_count; ++i)
    if (outputs[i]) fill(*outputs[i], *values[i], session.outputs[wanted[i]].name);
  for (size_t i = 0; i < output_count; ++i)
    if (!outputs[i]) outputs[i] = values[i].release();
}

Status* CreateSession(const Env* env, const char* path, const SessionOptions* options, Session** out) {
  return guarded([&] {
    need(path, out);
    *out = load(env, options, path, nullptr, 0).release();
  });
}
Status* CreateSessionFromArray(const Env* env, const void* data, size_t bytes, const SessionOptions* options,
                               Session** out) {
  return guarded([&] {
    need(data, out);
    *out = load(env, options, nullptr, data, bytes).release();
  });
}
// Sessions keep weights as the file has them: there is little to share.
Status* CreateSessionWithPrepackedWeightsContainer(const Env* env, const char* path, const SessionOptions* options,
                                                   PrepackedWeights*, Session** out) {
  return CreateSession(env, path, options, out);
}
Status* CreateSessionFromArrayWithPrepackedWeightsContainer(const Env* env, const void* data, size_t bytes,
                                                            const SessionOptions* options, PrepackedWeights*,
                                                            Session** out) {
  return CreateSessionFromArray(env, data, bytes, options, out);
}
void ReleaseSession(Session* session) { delete session; }

Status* Run(Session* session, const RunOptions* options, const char* const* input_names, const Value* const* inputs,
            size_t input_count, const char* const* output_names, size_t output_count, Value** outputs) {
  return guarded([&] {
    need(session);
    run(*session, options, input_names, inputs, input_count, output_names, output_count, outputs);
  });
}
Status* RunAsync(Session* session, const RunOptions* options, const char* const* input_names,
                 const Value* const* inputs, size_t input_count, const char* const* output_names, size_t output_count,
                 Value** outputs, RunCallback callback, void* context) {
  return guarded([&] {
    need(session, callback, outputs);
    // What the lists point to stays the program's until the callback; the lists themselves need not.
    if (input_count) need(input_names, inputs);
    if (output_count) need(output_names);
    std::vector<const char*> from(input_names, input_names + input_count),
        to(output_names, output_names + output_count);
    std::vector<const Value*> values(inputs, inputs + input_count);
    const std::lock_guard lock(session->mutex);
    session->runs.emplace_back([=] {
      Status* status = Run(session, options, from.data(), values.data(), from.size(), to.data(), to.size(), outputs);
      callback(context, status ? nullptr : outputs, status ? 0 : to.size(), status);
    });
  });
}
Status* SetEpDynamicOptions(Session* session, const char* const* keys, const char* const*, size_t count) {
  return guarded([&] {
    need(session);
    if (count) need(keys, keys[0]);
    if (count) fail(code_not_implemented, std::string("there is no option \"") + keys[0] + "\"");
  });
}

// --- What a session takes and gives ----------------------------------------------------------------

namespace {

const Port& port_at(const std::vector<Port>& ports, size_t index) {
  if (index >= ports.size()) fail(code_invalid_argument, "there is no index " + std::to_string(index));
  return ports[index];
}
Status* give_fact(const Session* session, std::vector<Port> Session::*ports, size_t* out, const char* function) {
  return guarded(
      [&] {
        need(session, out);
        *out = (session->*ports).size();
      },
      function);
}
Status* give_type(const Session* session, std::vector<Port> Session::*ports, size_t index, TypeInfo** out,
                  const char* function) {
  return guarded(
      [&] {
        need(session, out);
        *out = new TypeInfo(*port_at(session->*ports, index).type);
      },
      function);
}
Status* give_name(const Session* session, std::vector<Port> Session::*ports, size_t index, Allocator* allocator,
                  char** out, const char* function) {
  return guarded(
      [&] {
        need(session, allocator, out);
        *out = copy_text(allocator, port_at(session->*ports, index).name);
      },
      function);
}

}  // namespace

#define PORTS(word, member)                                                                                \
  Status* SessionGet##word##Count(const Session* session, size_t* out) {                                   \
    return give_fact(session, &Session::member, out, __func__);                                            \
  }                                                                                                        \
  Status* SessionGet##word##TypeInfo(const Session* session, size_t index, TypeInfo** out) {               \
    return give_type(session, &Session::member, index, out, __func__);                                     \
  }                                                                                                        \
  Status* SessionGet##word##Name(const Session* session, size_t index, Allocator* allocator, char** out) { \
    return give_name(session, &Session::member, index, allocator, out, __func__);                          \
  }
PORTS(Input, inputs)
PORTS(Output, outputs)
PORTS(OverridableInitializer, overridable)
#undef PORTS

#define PLACES(function, Type, member, place)                                                     \
  Status* function(const Session* session, const Type** out, size_t count) {                      \
    return guarded([&] {                                                                          \
      need(session);                                                                              \
      if (count != session->member.size())                                                        \
        fail(code_invalid_argument, "the session has " + std::to_string(session->member.size())); \
      if (count) need(out);                                                                       \
      std::fill(out, out + count, place);                                                         \
    });                                                                                           \
  }
PLACES(SessionGetMemoryInfoForInputs, MemoryInfo, inputs, &host_memory())
PLACES(SessionGetMemoryInfoForOutputs, MemoryInfo, outputs, &host_memory())
PLACES(SessionGetEpDeviceForInputs, EpDevice, inputs, the_device())
PLACES(SessionGetEpDeviceForOutputs, EpDevice, outputs, the_device())
#undef PLACES

// --- Profiles --------------------------------------------------------------------------------------

namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= ' ') out += c;
  }
  return out + "\"";
}
/// With three digits behind the point, whatever the locale.
std::string microseconds(double seconds) {
  char text[400];
  return {text, std::to_chars(text, text + sizeof text, seconds * 1e6, std::chars_format::fixed, 3).ptr};
}

/// A list of events as trace viewers read it, times in microseconds.
void write_profile(const Session& session) {
  std::FILE* file = std::fopen(session.profile_path.c_str(), "w");
  if (!file) fail(code_fail, "cannot write " + session.profile_path);
  std::fprintf(file, "[\n");
  const char* comma = "";
  for (const ProfileEvent& event : session.events) {
    std::fprintf(file,
                 "%s{\"cat\":\"Node\",\"pid\":0,\"tid\":0,\"ph\":\"X\",\"ts\":%s,\"dur\":%s,\"name\":%s,"
                 "\"args\":{\"op_name\":%s,\"kernel\":%s,\"provider\":\"CPUExecutionProvider\"}}",
                 comma, microseconds(event.start).c_str(), microseconds(event.length).c_str(),
                 quoted(event.node + "_kernel_time").c_str(), quoted(event.op).c_str(), quoted(event.kernel).c_str());
    comma = ",\n";
  }
  std::fprintf(file, "\n]\n");
  const bool failed = std::ferror(file) != 0;
  if (std::fclose(file) != 0 || failed) fail(code_fail, "cannot write " + session.profile_path);
}

}  // namespace

Status* SessionEndProfiling(Session* session, Allocator* allocator, char** out) {
  return guarded([&] {
    need(session, allocator, out);
    const std::lock_guard lock(session->mutex);
    if (!session->profile_path.empty()) write_profile(*session);
    *out = copy_text(allocator, session->profile_path);
    session->events.clear();
  });
}
Status* SessionGetProfilingStartTimeNs(const Session* session, uint64_t* out) {
  return guarded([&] {
    need(session, out);
    *out = static_cast<uint64_t>(session->began_ns);
  });
}

}  // namespace tessera::ort
