// The tables of functions, filled from api.def and lacks.def.
#include "bindings/onnxruntime/table.h"

namespace tessera::ort {
namespace {

using Slot = void (*)();

Status* lacks(const char* name) {
  return CreateStatus(
      code_not_implemented,
      (std::string(name) + " is not implemented: this is tessera behind ONNX Runtime's interface").c_str());
}

// What is missing takes any arguments: the caller passes them and takes them away again.
#define HAVE(result, name, parameters)
#define LACK(name) \
  Status* lack_##name() { return lacks(#name); }
#define LACK_VOID(name) \
  void lack_##name() {}
#define LACK_ZERO(name) \
  const void* lack_##name() { return nullptr; }
#define VERSION(version, rows)
#include "bindings/onnxruntime/api.def"
#define MODEL_EDITOR LACK
#define COMPILE LACK
#define INTEROP LACK
#define COMPILE_VOID LACK_VOID
#define INTEROP_VOID LACK_VOID
#include "bindings/onnxruntime/lacks.def"
#undef MODEL_EDITOR
#undef COMPILE
#undef INTEROP
#undef COMPILE_VOID
#undef INTEROP_VOID
#undef HAVE
#undef LACK
#undef LACK_VOID
#undef LACK_ZERO
#undef VERSION

#define HAVE(result, name, parameters) reinterpret_cast<Slot>(&name),
#define LACK(name) reinterpret_cast<Slot>(&lack_##name),
#define LACK_VOID LACK
#define LACK_ZERO LACK
#define VERSION(version, rows)
const Slot api_table[] = {
#include "bindings/onnxruntime/api.def"
};
#undef HAVE
#undef LACK
#undef LACK_VOID
#undef LACK_ZERO
#undef VERSION

// Every version ends where its program expects it.
enum Row {
#define HAVE(result, name, parameters) row_##name,
#define LACK(name) row_##name,
#define LACK_VOID LACK
#define LACK_ZERO LACK
#define VERSION(version, rows) end_##version, after_##version = end_##version - 1,
#include "bindings/onnxruntime/api.def"
#undef HAVE
#undef LACK
#undef LACK_VOID
#undef LACK_ZERO
#undef VERSION
};
#define HAVE(result, name, parameters)
#define LACK(name)
#define LACK_VOID LACK
#define LACK_ZERO LACK
#define VERSION(version, rows) static_assert(int{end_##version} == rows);
#include "bindings/onnxruntime/api.def"
#undef HAVE
#undef LACK
#undef LACK_VOID
#undef LACK_ZERO
#undef VERSION

#define NONE(name)
#define SLOT(name) reinterpret_cast<Slot>(&lack_##name),
#define MODEL_EDITOR SLOT
#define COMPILE NONE
#define COMPILE_VOID NONE
#define INTEROP NONE
#define INTEROP_VOID NONE
const Slot model_editor_table[] = {
#include "bindings/onnxruntime/lacks.def"
};
#undef MODEL_EDITOR
#undef COMPILE
#undef COMPILE_VOID
#define MODEL_EDITOR NONE
#define COMPILE SLOT
#define COMPILE_VOID SLOT
const Slot compile_table[] = {
#include "bindings/onnxruntime/lacks.def"
};
#undef COMPILE
#undef COMPILE_VOID
#undef INTEROP
#undef INTEROP_VOID
#define COMPILE NONE
#define COMPILE_VOID NONE
#define INTEROP SLOT
#define INTEROP_VOID SLOT
const Slot interop_table[] = {
#include "bindings/onnxruntime/lacks.def"
};

// A version that the table does not have yet gets nothing, as the interface has it.
const void* get_api(uint32_t version) { return version >= 1 && version <= api_version ? api_table : nullptr; }
const char* get_version() { return version_text; }

struct ApiBase {
  const void* (*get_api)(uint32_t version);
  const char* (*get_version)();
};
const ApiBase api_base = {get_api, get_version};

}  // namespace

const void* api_functions() { return api_table; }
const void* api_base_functions() { return &api_base; }
const void* GetModelEditorApi() { return model_editor_table; }
const void* GetCompileApi() { return compile_table; }
const void* GetInteropApi() { return interop_table; }

}  // namespace tessera::ort

extern "C" {
__attribute__((visibility("default"))) const void* OrtGetApiBase();
const void* OrtGetApiBase() { return &tessera::ort::api_base; }

// Functions of the first versions that are found by name.
__attribute__((visibility("default"))) void* OrtSessionOptionsAppendExecutionProvider_CPU(void* options, int arena);
void* OrtSessionOptionsAppendExecutionProvider_CPU(void* options, int) {
  return tessera::ort::SessionOptionsAppendExecutionProvider(static_cast<tessera::ort::SessionOptions*>(options), "CPU",
                                                             nullptr, nullptr, 0);
}
}

// Programs ask for the functions with the version of the library that they were linked with: all of them are these.
#ifdef TESSERA_ORT_VERSIONS
#define ALIAS(name, version)                                                                                          \
  asm(".globl " #name "_" #version "\n.set " #name "_" #version ", " #name "\n.symver " #name "_" #version ", " #name \
      "@VERS_" #version);
#define VERSION(version)        \
  ALIAS(OrtGetApiBase, version) \
  ALIAS(OrtSessionOptionsAppendExecutionProvider_CPU, version)
#define NEWEST(version)                                        \
  asm(".symver OrtGetApiBase, OrtGetApiBase@@VERS_" #version); \
  asm(".symver OrtSessionOptionsAppendExecutionProvider_CPU, " \
      "OrtSessionOptionsAppendExecutionProvider_CPU@@VERS_" #version);
#include "versions.inc"
#endif
