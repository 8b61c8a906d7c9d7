// Options of sessions and of runs.
#include <cstdlib>
#include <cstring>

#include "bindings/onnxruntime/table.h"

namespace tessera::ort {
namespace {

template <class Options, class Body>
Status* set(Options* options, Body&& body, const char* function = __builtin_FUNCTION()) {
  return guarded(
      [&] {
        need(options);
        body();
      },
      function);
}
#define SET(body) set(options, [&] body)

}  // namespace

void copy_out(const std::string& text, char* out, size_t* size) {
  need(size);
  const size_t room = *size;
  *size = text.size() + 1;
  if (!out) return;
  if (room < text.size() + 1) fail(code_invalid_argument, "the buffer is too small");
  std::memcpy(out, text.c_str(), text.size() + 1);
}

Status* CreateSessionOptions(SessionOptions** out) {
  return guarded([&] {
    need(out);
    auto options = std::make_unique<SessionOptions>();
    // For programs that cannot be changed: where their models run.
    if (const char* device = std::getenv("TESSERA_ORT_DEVICE")) options->device = device;
    if (const char* precision = std::getenv("TESSERA_ORT_PRECISION")) options->precision = precision;
    *out = options.release();
  });
}
Status* CloneSessionOptions(const SessionOptions* options, SessionOptions** out) {
  return guarded([&] {
    need(options, out);
    auto clone = std::make_unique<SessionOptions>(*options);
    clone->cancel = std::make_shared<unsigned char>(*options->cancel);
    *out = clone.release();
  });
}
void ReleaseSessionOptions(SessionOptions* options) { delete options; }

Status* SetSessionExecutionMode(SessionOptions* options, int mode) {
  return SET({
    if (mode != 0 && mode != 1) fail(code_invalid_argument, "the mode is 0 or 1");
    options->execution_mode = mode;
  });
}
Status* GetSessionExecutionMode(const SessionOptions* options, int* out) {
  return guarded([&] {
    need(options, out);
    *out = options->execution_mode;
  });
}
Status* EnableProfiling(SessionOptions* options, const char* prefix) {
  return SET({
    options->profiling = true;
    options->profile_prefix = prefix ? prefix : "";
  });
}
Status* DisableProfiling(SessionOptions* options) {
  return SET({ options->profiling = false; });
}
// A plan has all places of a run in one arena, whatever is asked for here.
Status* EnableMemPattern(SessionOptions* options) {
  return SET({ options->memory_pattern = true; });
}
Status* DisableMemPattern(SessionOptions* options) {
  return SET({ options->memory_pattern = false; });
}
Status* GetMemPatternEnabled(const SessionOptions* options, int* out) {
  return guarded([&] {
    need(options, out);
    *out = options->memory_pattern;
  });
}
Status* EnableCpuMemArena(SessionOptions* options) { return SET({}); }
Status* DisableCpuMemArena(SessionOptions* options) { return SET({}); }
Status* SetSessionLogId(SessionOptions* options, const char* id) {
  return SET({ options->logger.id = id ? id : ""; });
}
Status* SetSessionLogVerbosityLevel(SessionOptions* options, int) { return SET({}); }
Status* SetSessionLogSeverityLevel(SessionOptions* options, int severity) {
  return SET({
    options->logger.severity = severity;
    options->has_logger = true;
  });
}
Status* SetUserLoggingFunction(SessionOptions* options, LogFunction log, void* context) {
  return SET({
    options->logger.function = log;
    options->logger.context = context;
    options->has_logger = true;
  });
}
Status* SetSessionGraphOptimizationLevel(SessionOptions* options, int level) {
  return SET({
    if (level < 0) fail(code_invalid_argument, "the level is not valid");
    options->optimization = level;
  });
}
Status* SetIntraOpNumThreads(SessionOptions* options, int threads) {
  return SET({
    if (threads < 0) fail(code_invalid_argument, "a negative number of threads");
    options->threads = threads;
  });
}
// Operators run one after the other, each on all threads.
Status* SetInterOpNumThreads(SessionOptions* options, int) { return SET({}); }
Status* DisablePerSessionThreads(SessionOptions* options) {
  return SET({ options->own_threads = false; });
}
// Runs repeat bit for bit in any case.
Status* SetDeterministicCompute(SessionOptions* options, bool) { return SET({}); }
Status* SessionOptionsSetLoadCancellationFlag(SessionOptions* options, bool cancel) {
  return SET({ __atomic_store_n(options->cancel.get(), cancel ? 1 : 0, __ATOMIC_RELAXED); });
}
Status* AddFreeDimensionOverrideByName(SessionOptions* options, const char* name, int64_t extent) {
  return guarded([&] {
    need(options, name);
    if (extent < 0) fail(code_invalid_argument, std::string("a negative extent for ") + name);
    options->extents[name] = extent;
  });
}

namespace {

// The value's memory is the program's, or shared.
void add_initializer(SessionOptions* options, const char* name, const Value* value) {
  need(options, name, value);
  if (value->kind != kind_tensor) fail(code_invalid_argument, std::string("initializer ") + name + " is no tensor");
  options->initializers[name] = to_tessera(*value);
}

}  // namespace

Status* AddInitializer(SessionOptions* options, const char* name, const Value* value) {
  return guarded([&] { add_initializer(options, name, value); });
}
Status* AddExternalInitializers(SessionOptions* options, const char* const* names, const Value* const* values,
                                size_t count) {
  return guarded([&] {
    if (count) need(names, values);
    for (size_t i = 0; i < count; ++i) add_initializer(options, names[i], values[i]);
  });
}

Status* AddSessionConfigEntry(SessionOptions* options, const char* key, const char* value) {
  return guarded([&] {
    need(options, key, value);
    if (!*key) fail(code_invalid_argument, "the key is empty");
    if (std::string(key) == "tessera.device") options->device = value;
    if (std::string(key) == "tessera.precision") options->precision = value;
    options->config[key] = value;
  });
}
Status* HasSessionConfigEntry(const SessionOptions* options, const char* key, int* out) {
  return guarded([&] {
    need(options, key, out);
    *out = options->config.count(key) != 0;
  });
}
Status* GetSessionConfigEntry(const SessionOptions* options, const char* key, char* out, size_t* size) {
  return guarded([&] {
    need(options, key, size);
    const auto found = options->config.find(key);
    if (found == options->config.end()) fail(code_invalid_argument, std::string("there is no entry \"") + key + "\"");
    copy_out(found->second, out, size);
  });
}
Status* GetSessionOptionsConfigEntries(const SessionOptions* options, KeyValues** out) {
  return guarded([&] {
    need(options, out);
    auto pairs = std::make_unique<KeyValues>();
    pairs->entries = options->config;
    pairs->changed();
    *out = pairs.release();
  });
}

// --- Where models run ------------------------------------------------------------------------------

Status* SessionOptionsAppendExecutionProvider(SessionOptions* options, const char* name, const char* const* keys,
                                              const char* const* values, size_t count) {
  return guarded([&] {
    need(options, name);
    const std::string provider = name;
    if (provider == "CPU" || provider == "CPUExecutionProvider") return;
    if (provider != "Vulkan" && provider != "VulkanExecutionProvider")
      fail(code_invalid_argument, "execution provider \"" + provider +
                                      "\" is not there: tessera has CPU and Vulkan (options device, precision)");
    options->device = "vulkan";
    for (size_t i = 0; i < count; ++i) {
      need(keys, values, keys[i], values[i]);
      const std::string key = keys[i];
      if (key == "device") {
        options->device = values[i];
      } else if (key == "precision") {
        options->precision = values[i];
      } else {
        fail(code_invalid_argument,
             "execution provider Vulkan has no option \"" + key + "\", but device and precision");
      }
    }
  });
}
Status* SessionOptionsAppendExecutionProvider_V2(SessionOptions* options, Env*, const EpDevice* const* devices,
                                                 size_t device_count, const char* const*, const char* const*, size_t) {
  return guarded([&] {
    need(options);
    for (size_t i = 0; i < device_count; ++i)
      if (!devices || devices[i] != the_device())
        fail(code_invalid_argument, "this device was not listed by GetEpDevices");
  });
}
// There is one device to choose from.
Status* SessionOptionsSetEpSelectionPolicy(SessionOptions* options, int) { return SET({}); }

// Threads that the program makes itself are not taken: a session's are its own. NULL is what it is without.
#define LACKS_THREADS(function, Options, Argument)                                        \
  Status* function(Options* options, Argument argument) {                                 \
    return SET({                                                                          \
      if (argument) fail(code_not_implemented, "threads of the program's are not taken"); \
    });                                                                                   \
  }
LACKS_THREADS(SessionOptionsSetCustomCreateThreadFn, SessionOptions, CreateThread)
LACKS_THREADS(SessionOptionsSetCustomThreadCreationOptions, SessionOptions, void*)
LACKS_THREADS(SessionOptionsSetCustomJoinThreadFn, SessionOptions, JoinThread)
LACKS_THREADS(SetGlobalCustomCreateThreadFn, ThreadingOptions, CreateThread)
LACKS_THREADS(SetGlobalCustomThreadCreationOptions, ThreadingOptions, void*)
LACKS_THREADS(SetGlobalCustomJoinThreadFn, ThreadingOptions, JoinThread)
#undef LACKS_THREADS

// --- Runs ------------------------------------------------------------------------------------------

Status* CreateRunOptions(RunOptions** out) {
  return guarded([&] {
    need(out);
    *out = new RunOptions;
  });
}
void ReleaseRunOptions(RunOptions* options) { delete options; }
Status* RunOptionsSetRunLogVerbosityLevel(RunOptions* options, int level) {
  return SET({ options->verbosity = level; });
}
Status* RunOptionsSetRunLogSeverityLevel(RunOptions* options, int severity) {
  return SET({ options->severity = severity; });
}
Status* RunOptionsSetRunTag(RunOptions* options, const char* tag) {
  return SET({ options->tag = tag ? tag : ""; });
}
Status* RunOptionsGetRunLogVerbosityLevel(const RunOptions* options, int* out) {
  return guarded([&] {
    need(options, out);
    *out = options->verbosity;
  });
}
Status* RunOptionsGetRunLogSeverityLevel(const RunOptions* options, int* out) {
  return guarded([&] {
    need(options, out);
    *out = options->severity;
  });
}
Status* RunOptionsGetRunTag(const RunOptions* options, const char** out) {
  return guarded([&] {
    need(options, out);
    *out = options->tag.c_str();
  });
}
Status* RunOptionsSetTerminate(RunOptions* options) {
  return SET({ __atomic_store_n(&options->stop, 1, __ATOMIC_RELAXED); });
}
Status* RunOptionsUnsetTerminate(RunOptions* options) {
  return SET({ __atomic_store_n(&options->stop, 0, __ATOMIC_RELAXED); });
}
Status* AddRunConfigEntry(RunOptions* options, const char* key, const char* value) {
  return guarded([&] {
    need(options, key, value);
    options->config[key] = value;
  });
}
const char* GetRunConfigEntry(const RunOptions* options, const char* key) {
  if (!options || !key) return nullptr;
  for (const auto& [name, value] : options->config)
    if (name == key) return value.c_str();
  return nullptr;
}
Status* RunOptionsDisableProfiling(RunOptions* options) { return SET({}); }

}  // namespace tessera::ort
