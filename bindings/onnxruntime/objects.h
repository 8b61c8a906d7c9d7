// What stands behind the interface's opaque pointers. Programs see pointers alone, so that these are ours to shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tessera/tessera.h"

namespace tessera::ort {

inline constexpr uint32_t api_version = 30;
inline constexpr const char* version_text = "1.30.0";

enum Code {
  code_ok,
  code_fail,
  code_invalid_argument,
  code_no_such_file,
  code_no_model,
  code_engine_error,
  code_runtime_exception,
  code_invalid_protobuf,
  code_model_loaded,
  code_not_implemented,
  code_invalid_graph,
  code_ep_fail,
  code_load_cancelled,
};

enum Kind { kind_unknown, kind_tensor, kind_sequence, kind_map, kind_opaque, kind_sparse, kind_optional };

struct Status {
  int code;
  std::string text;
};

/// Thrown inside, a Status outside.
struct Failure {
  int code;
  std::string text;
};
[[noreturn]] void fail(int code, std::string text);
/// The status of what is being caught: the text of a Failure behind the function's name.
Status* caught(const char* function) noexcept;
/// Runs the body of a function of the interface: NULL, or what it threw as a status.
template <class Body>
Status* guarded(Body&& body, const char* function = __builtin_FUNCTION()) noexcept {
  try {
    body();
    return nullptr;
  } catch (...) {
    return caught(function);
  }
}
/// A status of tessera's as a Failure; frees it.
void check(tessera_status* status);
/// A status of a callback's as a Failure; releases it.
void check(Status* status);
template <class... Pointers>
void need(Pointers... pointers) {
  if (((pointers == nullptr) || ...)) fail(code_invalid_argument, "an argument is NULL");
}

using LogFunction = void (*)(void* context, int severity, const char* category, const char* id, const char* place,
                             const char* text);
using CreateThread = void* (*)(void* context, void (*work)(void*), void* argument);
using JoinThread = void (*)(void* thread);

/// Where messages go: to the program's function, or to standard error.
struct Logger {
  LogFunction function = nullptr;
  void* context = nullptr;
  int severity = 2;
  std::string id;
  void log(int level, const char* place, const std::string& text) const;
};

struct ThreadingOptions {
  int threads = 0;
};

struct KeyValues {
  std::map<std::string, std::string> entries;
  std::vector<const char*> keys, values;  // of the map's, in its order
  void changed();
};

struct MemoryInfo {
  std::string name = "Cpu";
  int type = 0;  // device, arena
  int id = 0;
  int memory = 0;  // default, or -1, -2: of the CPU, for a device
  int device = 0;  // CPU
  int device_memory = 0;
  uint32_t vendor = 0;
  size_t alignment = 0;
  bool is_host() const { return device == 0 || memory < 0; }
};
const MemoryInfo& host_memory();

/// The interface's own struct: programs bring theirs. What lies behind `info` is there from the version on in which it
/// came.
struct Allocator {
  uint32_t version;
  void* (*allocate)(Allocator* self, size_t bytes);
  void (*free)(Allocator* self, void* block);
  const MemoryInfo* (*info)(const Allocator* self);
  void* (*reserve)(Allocator* self, size_t bytes);
  Status* (*stats)(const Allocator* self, KeyValues** out);
  void* (*allocate_on_stream)(Allocator* self, size_t bytes, void* stream);
  Status* (*shrink)(Allocator* self);
};
Allocator& host_allocator();
/// Copies into memory of an allocator.
char* copy_text(Allocator* allocator, const std::string& text);
void* take(Allocator* allocator, size_t bytes);

struct Env {
  Logger logger;
  ThreadingOptions threading;
};

/// The one device on offer: the host. It is its own hardware device.
struct EpDevice {
  KeyValues metadata, options;
};
const EpDevice* the_device();

struct ArenaConfig {};
struct PrepackedWeights {};

struct TensorInfo {
  int element = 0;  // the interface's number
  bool ranked = true;
  std::vector<int64_t> dims;
  std::vector<std::string> names;  // one for each extent, "" where it has none
};
struct TypeInfo {
  int kind = kind_unknown;
  TensorInfo tensor;  // of a map: `element` is that of its keys
  std::shared_ptr<const TypeInfo> item;
};
using TypeHandle = std::shared_ptr<const TypeInfo>;

/// The numbers of element types agree with ONNX's, but for the last three.
tessera_dtype dtype_of(int element);
int element_of(tessera_dtype dtype);
/// Bits of an element; 0 of strings and what is no type.
size_t element_bits(int element);

struct Value {
  int kind = kind_tensor;
  int element = 0;  // of a tensor
  std::vector<int64_t> dims;
  void* data = nullptr;
  size_t bytes = 0;
  std::shared_ptr<void> owner;                // of `data`; null where it is the program's
  std::vector<std::string> texts;             // of a tensor of strings
  std::vector<std::shared_ptr<Value>> items;  // of a sequence; of a map its keys and its values
  bool is_text() const { return kind == kind_tensor && element == TESSERA_STRING; }
  size_t count() const;  // elements of a tensor
};
/// Elements of a shape, and the bytes that they take.
size_t count_elements(const int64_t* dims, size_t rank);
size_t count_bytes(const int64_t* dims, size_t rank, int element);
/// A tensor with memory of its own, zeros.
std::unique_ptr<Value> make_tensor(Allocator* allocator, const int64_t* dims, size_t rank, int element);
TypeInfo type_of(const Value& value);

struct FreeValue {
  void operator()(tessera_value* value) const { tessera_value_free(value); }
};
using ValueHandle = std::unique_ptr<tessera_value, FreeValue>;
ValueHandle to_tessera(const Value& value);
std::unique_ptr<Value> from_tessera(ValueHandle value);

struct RunOptions {
  unsigned char stop = 0;
  int severity = -1, verbosity = 0;
  std::string tag;
  std::map<std::string, std::string> config;
};

struct CustomOp;
struct CustomOpDomain;
struct FreeOperators {
  void operator()(tessera_operators* operators) const { tessera_operators_free(operators); }
};
using OperatorsHandle = std::unique_ptr<tessera_operators, FreeOperators>;

struct SessionOptions {
  int threads = 0;
  int optimization = 99;
  int execution_mode = 0;
  bool memory_pattern = true;
  bool own_threads = true;
  bool profiling = false;
  std::string profile_prefix, device, precision;
  std::map<std::string, std::string> config;
  std::map<std::string, int64_t> extents;                              // by the names of open dimensions
  std::map<std::string, std::shared_ptr<tessera_value>> initializers;  // of the program
  Logger logger;
  bool has_logger = false;
  std::shared_ptr<unsigned char> cancel = std::make_shared<unsigned char>(0);
  std::vector<CustomOpDomain*> domains;
  std::vector<std::shared_ptr<void>> libraries;  // that the domains come from
};
/// The operators of the options' domains; null where there are none.
OperatorsHandle make_operators(const SessionOptions& options, const Logger& logger);
/// The tables that operators get.
const void* api_functions();
const void* api_base_functions();
/// A text into a buffer of the caller's: `*size` is its size, then what the text takes with its end. A buffer that is
/// NULL asks for the size alone.
void copy_out(const std::string& text, char* out, size_t* size);

struct Port {
  std::string name;
  TypeHandle type;
};

struct ProfileEvent {
  std::string node, op, kernel;
  double start, length;  // seconds since the session began
};

struct ModelMetadata {
  std::string producer, graph, domain, description, graph_description;
  int64_t version = 0;
  std::map<std::string, std::string> custom;
};

ModelMetadata read_metadata(const tessera_session* session);

struct FreeSession {
  void operator()(tessera_session* session) const { tessera_session_free(session); }
};

struct Session {
  std::vector<std::shared_ptr<void>> libraries;  // closed behind all else
  std::unique_ptr<tessera_session, FreeSession> session;
  Logger logger;
  std::vector<Port> inputs, overridable, outputs;
  ModelMetadata metadata;
  std::string profile_path;
  int64_t began_ns = 0;
  std::mutex mutex;  // over what follows
  std::vector<ProfileEvent> events;
  std::vector<std::thread> runs;
  ~Session();
};

/// The names of inputs as places in a run's list, and a run.
void run(Session& session, const RunOptions* options, const char* const* input_names, const Value* const* inputs,
         size_t input_count, const char* const* output_names, size_t output_count, Value** outputs);

struct IoBinding {
  Session* session;
  std::vector<std::pair<std::string, Value>> inputs;
  std::vector<std::pair<std::string, std::unique_ptr<Value>>> outputs;  // null: made by the run
  std::vector<bool> bound;                                              // which of the outputs the program gave
};

using RunCallback = void (*)(void* context, Value** outputs, size_t count, Status* status);

struct EnvOptions {
  uint32_t version;
  int32_t severity;
  const char* id;
  LogFunction log;
  void* log_context;
  const ThreadingOptions* threading;
  const KeyValues* config;
};

struct KernelInfo;
struct KernelContext;
struct ShapeInferContext;

}  // namespace tessera::ort
