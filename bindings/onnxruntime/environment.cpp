// Statuses, the environment, logging, memory, and what a program asks of the library at large.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "bindings/onnxruntime/table.h"

namespace tessera::ort {
namespace {

// Told where there is no memory for a status; never freed.
Status out_of_memory{code_fail, {}};
constexpr const char* out_of_memory_text = "out of memory";

Status* make_status(int code, const char* text, const char* function) noexcept {
  try {
    return new Status{code, *function ? std::string(function) + ": " + text : std::string(text)};
  } catch (...) {
    return &out_of_memory;
  }
}

int code_of(tessera_code code) {
  switch (code) {
    case TESSERA_OK: return code_ok;
    case TESSERA_USAGE:
    case TESSERA_SHAPE:
    case TESSERA_TYPE: return code_invalid_argument;
    case TESSERA_FILE: return code_no_such_file;
    case TESSERA_MODEL: return code_invalid_protobuf;
    case TESSERA_UNSUPPORTED: return code_not_implemented;
    case TESSERA_DEVICE: return code_ep_fail;
    case TESSERA_MEMORY:
    case TESSERA_CANCELLED:
    case TESSERA_DEADLINE: return code_fail;
    case TESSERA_INTERNAL: return code_runtime_exception;
  }
  return code_fail;
}

constexpr size_t block_alignment = 64;

void* host_allocate(Allocator*, size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > PTRDIFF_MAX - block_alignment) return nullptr;
  return std::aligned_alloc(block_alignment, (bytes + block_alignment - 1) / block_alignment * block_alignment);
}
void host_free(Allocator*, void* block) { std::free(block); }
const MemoryInfo* host_info(const Allocator*) { return &host_memory(); }
void* host_allocate_on_stream(Allocator* self, size_t bytes, void*) { return host_allocate(self, bytes); }
Status* host_stats(const Allocator*, KeyValues** out) {
  return guarded([&] {
    need(out);
    *out = new KeyValues;
  });
}
Status* host_shrink(Allocator*) { return nullptr; }

}  // namespace

void fail(int code, std::string text) { throw Failure{code, std::move(text)}; }

Status* caught(const char* function) noexcept {
  try {
    throw;
  } catch (const Failure& failure) {
    return make_status(failure.code, failure.text.c_str(), function);
  } catch (const std::bad_alloc&) {
    return &out_of_memory;
  } catch (const std::exception& error) {
    return make_status(code_runtime_exception, error.what(), function);
  } catch (...) {
    return make_status(code_runtime_exception, "an unknown exception", function);
  }
}

void check(tessera_status* status) {
  if (!status) return;
  const int code = code_of(tessera_status_code(status));
  const std::string text = tessera_status_text(status);
  tessera_status_free(status);
  fail(code, text);
}
void check(Status* status) {
  if (!status) return;
  const std::unique_ptr<Status, void (*)(Status*)> owned(status, ReleaseStatus);
  fail(GetErrorCode(status), GetErrorMessage(status));
}

Status* CreateStatus(int code, const char* text) {
  if (code == code_ok) return nullptr;
  return make_status(code, text ? text : "", "");
}
int GetErrorCode(const Status* status) { return status ? status->code : code_ok; }
const char* GetErrorMessage(const Status* status) {
  if (!status) return "";
  return status == &out_of_memory ? out_of_memory_text : status->text.c_str();
}
void ReleaseStatus(Status* status) {
  if (status != &out_of_memory) delete status;
}

// --- The environment -------------------------------------------------------------------------------

void Logger::log(int level, const char* place, const std::string& text) const {
  if (level < severity) return;
  if (function) {
    function(context, level, "tessera", id.c_str(), place, text.c_str());
    return;
  }
  static const char* const names[] = {"verbose", "info", "warning", "error", "fatal"};
  std::fprintf(stderr, "tessera: %s: %s: %s\n", names[level < 0 || level > 4 ? 4 : level], place, text.c_str());
}

Status* CreateEnvWithCustomLoggerAndGlobalThreadPools(LogFunction log, void* context, int severity, const char* id,
                                                      const ThreadingOptions* threading, Env** out) {
  return guarded([&] {
    need(out);
    *out = new Env{{log, context, severity, id ? id : ""}, threading ? *threading : ThreadingOptions{}};
  });
}
Status* CreateEnv(int severity, const char* id, Env** out) {
  return CreateEnvWithCustomLoggerAndGlobalThreadPools(nullptr, nullptr, severity, id, nullptr, out);
}
Status* CreateEnvWithCustomLogger(LogFunction log, void* context, int severity, const char* id, Env** out) {
  return CreateEnvWithCustomLoggerAndGlobalThreadPools(log, context, severity, id, nullptr, out);
}
Status* CreateEnvWithGlobalThreadPools(int severity, const char* id, const ThreadingOptions* threading, Env** out) {
  return CreateEnvWithCustomLoggerAndGlobalThreadPools(nullptr, nullptr, severity, id, threading, out);
}
Status* CreateEnvWithOptions(const EnvOptions* options, Env** out) {
  return guarded([&] {
    need(options, out);
    check(CreateEnvWithCustomLoggerAndGlobalThreadPools(options->log, options->log_context, options->severity,
                                                        options->id, options->threading, out));
  });
}
void ReleaseEnv(Env* env) { delete env; }
// Nothing is ever reported to anybody.
Status* EnableTelemetryEvents(const Env*) { return nullptr; }
Status* DisableTelemetryEvents(const Env*) { return nullptr; }
Status* SetLanguageProjection(const Env*, int) { return nullptr; }
Status* UpdateEnvWithCustomLogLevel(Env* env, int severity) {
  return guarded([&] {
    need(env);
    env->logger.severity = severity;
  });
}

Status* Logger_LogMessage(const Logger* logger, int severity, const char* text, const char* file, int line,
                          const char* function) {
  return guarded([&] {
    need(logger, text);
    const std::string place =
        std::string(file ? file : "") + ":" + std::to_string(line) + " " + (function ? function : "");
    logger->log(severity, place.c_str(), text);
  });
}
Status* Logger_GetLoggingSeverityLevel(const Logger* logger, int* out) {
  return guarded([&] {
    need(logger, out);
    *out = logger->severity;
  });
}

Status* CreateThreadingOptions(ThreadingOptions** out) {
  return guarded([&] {
    need(out);
    *out = new ThreadingOptions;
  });
}
void ReleaseThreadingOptions(ThreadingOptions* options) { delete options; }
Status* SetGlobalIntraOpNumThreads(ThreadingOptions* options, int threads) {
  return guarded([&] {
    need(options);
    if (threads < 0) fail(code_invalid_argument, "a negative number of threads");
    options->threads = threads;
  });
}
// Operators run one after the other, threads do not spin, and denormal numbers cost nothing that is worth an option.
Status* SetGlobalInterOpNumThreads(ThreadingOptions*, int) { return nullptr; }
Status* SetGlobalSpinControl(ThreadingOptions*, int) { return nullptr; }
Status* SetGlobalDenormalAsZero(ThreadingOptions*) { return nullptr; }
Status* SetGlobalIntraOpThreadAffinity(ThreadingOptions*, const char*) { return nullptr; }

// --- Memory ----------------------------------------------------------------------------------------

const MemoryInfo& host_memory() {
  static const MemoryInfo info;
  return info;
}
Allocator& host_allocator() {
  static Allocator allocator{api_version, host_allocate,           host_free,  host_info, host_allocate,
                             host_stats,  host_allocate_on_stream, host_shrink};
  return allocator;
}
void* take(Allocator* allocator, size_t bytes) {
  void* block = allocator->allocate(allocator, bytes ? bytes : 1);
  if (!block) throw std::bad_alloc();
  return block;
}
char* copy_text(Allocator* allocator, const std::string& text) {
  char* copy = static_cast<char*>(take(allocator, text.size() + 1));
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

Status* CreateMemoryInfo_V2(const char* name, int device, uint32_t vendor, int32_t id, int memory, size_t alignment,
                            int type, MemoryInfo** out) {
  return guarded([&] {
    need(name, out);
    *out = new MemoryInfo{name, type, id, 0, device, memory, vendor, alignment};
  });
}
Status* CreateMemoryInfo(const char* name, int type, int id, int memory, MemoryInfo** out) {
  return guarded([&] {
    need(name, out);
    auto info = std::make_unique<MemoryInfo>(MemoryInfo{name, type, id, memory});
    if (info->name == "DML" || info->name == "Cuda" || info->name == "WebGPU_Buffer") info->device = 1;
    *out = info.release();
  });
}
Status* CreateCpuMemoryInfo(int type, int memory, MemoryInfo** out) {
  return CreateMemoryInfo("Cpu", type, 0, memory, out);
}
void ReleaseMemoryInfo(MemoryInfo* info) {
  if (info != &host_memory()) delete info;
}
Status* CompareMemoryInfo(const MemoryInfo* a, const MemoryInfo* b, int* out) {
  return guarded([&] {
    need(a, b, out);
    *out =
        a->name == b->name && a->type == b->type && a->id == b->id && a->memory == b->memory && a->device == b->device
            ? 0
            : -1;
  });
}
#define MEMORY_FACT(function, type, member)             \
  Status* function(const MemoryInfo* info, type* out) { \
    return guarded([&] {                                \
      need(info, out);                                  \
      *out = info->member;                              \
    });                                                 \
  }
MEMORY_FACT(MemoryInfoGetName, const char*, name.c_str())
MEMORY_FACT(MemoryInfoGetId, int, id)
MEMORY_FACT(MemoryInfoGetMemType, int, memory)
MEMORY_FACT(MemoryInfoGetType, int, type)
#undef MEMORY_FACT
void MemoryInfoGetDeviceType(const MemoryInfo* info, int* out) {
  if (info && out) *out = info->device;
}
int MemoryInfoGetDeviceMemType(const MemoryInfo* info) { return info ? info->device_memory : 0; }
uint32_t MemoryInfoGetVendorId(const MemoryInfo* info) { return info ? info->vendor : 0; }

Status* GetAllocatorWithDefaultOptions(Allocator** out) {
  return guarded([&] {
    need(out);
    *out = &host_allocator();
  });
}
Status* CreateAllocator(const Session* session, const MemoryInfo* info, Allocator** out) {
  return guarded([&] {
    need(session, info, out);
    if (!info->is_host()) fail(code_not_implemented, "there is no memory of a device, \"" + info->name + "\"");
    *out = new Allocator(host_allocator());
  });
}
void ReleaseAllocator(Allocator* allocator) {
  if (allocator != &host_allocator()) delete allocator;
}
Status* AllocatorAlloc(Allocator* allocator, size_t bytes, void** out) {
  return guarded([&] {
    need(allocator, out);
    *out = allocator->allocate(allocator, bytes);
    if (!*out && bytes) throw std::bad_alloc();
  });
}
Status* AllocatorFree(Allocator* allocator, void* block) {
  return guarded([&] {
    need(allocator);
    allocator->free(allocator, block);
  });
}
Status* AllocatorGetInfo(const Allocator* allocator, const MemoryInfo** out) {
  return guarded([&] {
    need(allocator, out);
    *out = allocator->info(allocator);
  });
}
Status* AllocatorGetStats(const Allocator* allocator, KeyValues** out) {
  return guarded([&] {
    need(allocator, out);
    if (allocator->version < 23 || !allocator->stats) fail(code_not_implemented, "this allocator keeps none");
    check(allocator->stats(allocator, out));
  });
}
// Runs take their memory as their plans have it; an allocator of the environment's is not asked for any.
Status* CreateAndRegisterAllocator(Env*, const MemoryInfo*, const ArenaConfig*) { return nullptr; }
Status* CreateAndRegisterAllocatorV2(Env*, const char*, const MemoryInfo* info, const ArenaConfig*, const char* const*,
                                     const char* const*, size_t) {
  return guarded([&] {
    need(info);
    if (!info->is_host()) fail(code_not_implemented, "there is no memory of a device, \"" + info->name + "\"");
  });
}
Status* RegisterAllocator(Env*, Allocator*) { return nullptr; }
Status* UnregisterAllocator(Env*, const MemoryInfo*) { return nullptr; }
Status* CreateSharedAllocator(Env*, const EpDevice*, int, int, const KeyValues*, Allocator** out) {
  if (out) *out = &host_allocator();
  return nullptr;
}
Status* GetSharedAllocator(Env*, const MemoryInfo* info, Allocator** out) {
  return guarded([&] {
    need(info, out);
    *out = info->is_host() ? &host_allocator() : nullptr;
  });
}
Status* ReleaseSharedAllocator(Env*, const EpDevice*, int) { return nullptr; }
Status* CreateArenaCfg(size_t, int, int, int, ArenaConfig** out) {
  return guarded([&] {
    need(out);
    *out = new ArenaConfig;
  });
}
Status* CreateArenaCfgV2(const char* const*, const size_t*, size_t, ArenaConfig** out) {
  return CreateArenaCfg(0, 0, 0, 0, out);
}
void ReleaseArenaCfg(ArenaConfig* config) { delete config; }
Status* CreatePrepackedWeightsContainer(PrepackedWeights** out) {
  return guarded([&] {
    need(out);
    *out = new PrepackedWeights;
  });
}
void ReleasePrepackedWeightsContainer(PrepackedWeights* weights) { delete weights; }

// --- Pairs of texts --------------------------------------------------------------------------------

void KeyValues::changed() {
  keys.clear();
  values.clear();
  for (const auto& [key, value] : entries) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
}
void CreateKeyValuePairs(KeyValues** out) {
  if (out) *out = new (std::nothrow) KeyValues;
}
void AddKeyValuePair(KeyValues* pairs, const char* key, const char* value) {
  if (!pairs || !key || !value || !*key) return;
  ReleaseStatus(guarded([&] {
    pairs->entries[key] = value;
    pairs->changed();
  }));
}
const char* GetKeyValue(const KeyValues* pairs, const char* key) {
  if (!pairs || !key) return nullptr;
  for (const auto& [name, value] : pairs->entries)
    if (name == key) return value.c_str();
  return nullptr;
}
void GetKeyValuePairs(const KeyValues* pairs, const char* const** keys, const char* const** values, size_t* count) {
  if (!pairs || !keys || !values || !count) return;
  *keys = pairs->keys.data();
  *values = pairs->values.data();
  *count = pairs->keys.size();
}
void RemoveKeyValuePair(KeyValues* pairs, const char* key) {
  if (!pairs || !key) return;
  ReleaseStatus(guarded([&] {
    pairs->entries.erase(key);
    pairs->changed();
  }));
}
void ReleaseKeyValuePairs(KeyValues* pairs) { delete pairs; }

// --- What there is ---------------------------------------------------------------------------------

const char* GetBuildInfoString() {
  static const std::string text =
      std::string("tessera ") + tessera_version() + " behind the C interface of ONNX Runtime " + version_text;
  return text.c_str();
}
namespace {
const char* const providers[] = {"CPUExecutionProvider"};
}
Status* GetAvailableProviders(char*** out, int* count) {
  return guarded([&] {
    need(out, count);
    const size_t names = sizeof(providers) / sizeof(*providers);
    auto** list = static_cast<char**>(take(&host_allocator(), names * sizeof(char*)));
    for (size_t i = 0; i < names; ++i) list[i] = copy_text(&host_allocator(), providers[i]);
    *out = list;
    *count = static_cast<int>(names);
  });
}
Status* ReleaseAvailableProviders(char** names, int count) {
  if (!names) return nullptr;
  for (int i = 0; i < count; ++i) host_free(nullptr, names[i]);
  host_free(nullptr, names);
  return nullptr;
}

const EpDevice* the_device() {
  static const EpDevice device;
  return &device;
}
Status* GetEpDevices(const Env*, const EpDevice* const** out, size_t* count) {
  return guarded([&] {
    need(out, count);
    static const EpDevice* const list[] = {the_device()};
    *out = list;
    *count = 1;
  });
}
Status* GetNumHardwareDevices(const Env*, size_t* out) {
  return guarded([&] {
    need(out);
    *out = 1;
  });
}
Status* GetHardwareDevices(const Env*, const EpDevice** out, size_t count) {
  return guarded([&] {
    need(out);
    if (count < 1) fail(code_invalid_argument, "there is room for 0 devices, but there is one");
    *out = the_device();
  });
}
int HardwareDevice_Type(const EpDevice*) { return 0; }
uint32_t HardwareDevice_VendorId(const EpDevice*) { return 0; }
const char* HardwareDevice_Vendor(const EpDevice*) { return ""; }
uint32_t HardwareDevice_DeviceId(const EpDevice*) { return 0; }
const KeyValues* HardwareDevice_Metadata(const EpDevice* device) { return device ? &device->metadata : nullptr; }
const char* EpDevice_EpName(const EpDevice*) { return providers[0]; }
const char* EpDevice_EpVendor(const EpDevice*) { return "tessera"; }
const KeyValues* EpDevice_EpMetadata(const EpDevice* device) { return device ? &device->metadata : nullptr; }
const KeyValues* EpDevice_EpOptions(const EpDevice* device) { return device ? &device->options : nullptr; }
const EpDevice* EpDevice_Device(const EpDevice* device) { return device; }
const MemoryInfo* EpDevice_MemoryInfo(const EpDevice*, int) { return &host_memory(); }

}  // namespace tessera::ort
