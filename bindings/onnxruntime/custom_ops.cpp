// Operators that a program brings: ONNX Runtime's struct of functions behind tessera's.
#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include "bindings/onnxruntime/table.h"

namespace tessera::ort {

/// The interface's own struct. Functions behind a version's end are not there in older ones.
struct CustomOp {
  uint32_t version;
  void* (*create)(const CustomOp* self, const void* api, const KernelInfo* info);
  const char* (*name)(const CustomOp* self);
  const char* (*provider)(const CustomOp* self);
  int (*input_type)(const CustomOp* self, size_t index);
  size_t (*input_count)(const CustomOp* self);
  int (*output_type)(const CustomOp* self, size_t index);
  size_t (*output_count)(const CustomOp* self);
  void (*compute)(void* kernel, KernelContext* context);
  void (*destroy)(void* kernel);
  int (*input_is)(const CustomOp* self, size_t index);  // version 8
  int (*output_is)(const CustomOp* self, size_t index);
  int (*input_memory)(const CustomOp* self, size_t index);  // 13
  int (*least_inputs)(const CustomOp* self);                // 14
  int (*inputs_alike)(const CustomOp* self);
  int (*least_outputs)(const CustomOp* self);
  int (*outputs_alike)(const CustomOp* self);
  Status* (*create_status)(const CustomOp* self, const void* api, const KernelInfo* info, void** kernel);  // 16
  Status* (*compute_status)(void* kernel, KernelContext* context);
  Status* (*infer)(const CustomOp* self, ShapeInferContext* context);  // 17
  int (*first_version)(const CustomOp* self);
  int (*last_version)(const CustomOp* self);
};
struct CustomOpDomain {
  std::string name;
  std::vector<const CustomOp*> ops;
};

namespace {

enum { is_required, is_optional, is_variadic };

struct Attribute {
  tessera_attribute_kind kind = TESSERA_NO_ATTRIBUTE;
  std::vector<int64_t> integers;
  std::vector<float> reals;
  std::vector<std::string> texts;
  std::shared_ptr<Value> tensor;
};

/// What a definition's functions know of it.
struct Definition {
  const CustomOp* op;
  std::string domain;
  Logger logger;
  std::map<std::string, std::string> config;
};

}  // namespace

/// What a kernel may ask of its node. A copy of it may outlive the call.
struct KernelInfo {
  std::string name, domain, op;
  int since = 1;
  size_t inputs = 0, outputs = 0;
  std::map<std::string, Attribute> attributes;
  std::vector<std::shared_ptr<Value>> constants;  // one for each input, null where it is none
  Logger logger;
  std::map<std::string, std::string> config;
};

struct KernelContext {
  const Definition& definition;
  tessera_call* call;
  std::vector<std::unique_ptr<Value>> inputs, outputs;

  std::vector<std::shared_ptr<void>> scratch;
};

namespace {

const Logger& logger_of(const KernelInfo& info) { return info.logger; }

tessera_status* give(Status* status) {
  if (!status) return nullptr;
  tessera_status* given = tessera_status_create(TESSERA_USAGE, GetErrorMessage(status));
  ReleaseStatus(status);
  return given;
}

Attribute read_attribute(const tessera_node* node, const tessera_attribute& from) {
  Attribute attribute;
  attribute.kind = from.kind;
  if (from.integers) attribute.integers.assign(from.integers, from.integers + from.count);
  if (from.reals) attribute.reals.assign(from.reals, from.reals + from.count);
  if (from.kind == TESSERA_TEXT || from.kind == TESSERA_TEXTS) {
    for (size_t i = 0; i < from.count; ++i) {
      const char* text = nullptr;
      size_t length = 0;
      check(tessera_node_attribute_text(node, from.name, i, &text, &length));
      attribute.texts.emplace_back(text, length);
    }
  }
  if (from.kind == TESSERA_TENSOR_ATTRIBUTE) {
    tessera_value* value = nullptr;
    check(tessera_node_attribute_value(node, from.name, &value));
    attribute.tensor = from_tessera(ValueHandle(value));
  }
  return attribute;
}

KernelInfo read_node(const Definition& definition, const tessera_node* node) {
  KernelInfo info;
  info.name = tessera_node_name(node);
  info.domain = definition.domain;
  info.op = definition.op->name(definition.op);
  info.since = tessera_node_version(node);
  info.inputs = tessera_node_input_count(node);
  info.outputs = tessera_node_output_count(node);
  info.logger = definition.logger;
  info.config = definition.config;
  for (size_t i = 0; i < tessera_node_attribute_count(node); ++i) {
    tessera_attribute attribute;
    TESSERA_INIT(&attribute);
    check(tessera_node_attribute_at(node, i, &attribute));
    info.attributes[attribute.name] = read_attribute(node, attribute);
  }
  for (size_t i = 0; i < info.inputs; ++i) {
    tessera_value* value = nullptr;
    check(tessera_node_constant(node, i, &value));
    info.constants.push_back(value ? from_tessera(ValueHandle(value)) : nullptr);
  }
  return info;
}

tessera_status* create_kernel(void* user, const tessera_node* node, void** state) {
  const Definition& definition = *static_cast<Definition*>(user);
  const CustomOp& op = *definition.op;
  return give(guarded(
      [&] {
        const KernelInfo info = read_node(definition, node);
        if (op.version >= 16 && op.create_status)
          check(op.create_status(&op, api_functions(), &info, state));
        else
          *state = op.create(&op, api_functions(), &info);
      },
      ""));
}
void destroy_kernel(void* user, void* state) {
  const CustomOp& op = *static_cast<Definition*>(user)->op;
  if (op.destroy) op.destroy(state);
}
void release_definition(void* user) { delete static_cast<Definition*>(user); }

/// A declared type that does not hold for the value that came.
void check_types(const KernelContext& context) {
  const CustomOp& op = *context.definition.op;
  const size_t declared = op.input_count(&op);
  for (size_t i = 0; i < context.inputs.size() && declared; ++i) {
    const size_t last = std::min(i, declared - 1);
    const bool variadic = op.version >= 14 && op.input_is && op.input_is(&op, last) == is_variadic;
    const int wanted = variadic ? 0 : op.input_type(&op, last);
    const Value* value = context.inputs[i].get();
    if (value && wanted && value->element != wanted)
      fail(code_invalid_argument, "input " + std::to_string(i) + " has elements of type " +
                                      std::to_string(value->element) + ", the operator takes " +
                                      std::to_string(wanted));
  }
}

tessera_status* compute(void* user, void* state, const tessera_node* node, tessera_call* call) {
  const Definition& definition = *static_cast<Definition*>(user);
  const CustomOp& op = *definition.op;
  return give(guarded(
      [&] {
        KernelContext context{definition, call, {}, {}, {}};
        for (size_t i = 0; i < tessera_node_input_count(node); ++i) {
          tessera_value* value = nullptr;
          check(tessera_call_input_value(call, i, &value));
          context.inputs.push_back(value ? from_tessera(ValueHandle(value)) : nullptr);
        }
        context.outputs.resize(tessera_node_output_count(node));
        check_types(context);
        if (op.version >= 16 && op.compute_status)
          check(op.compute_status(state, &context));
        else
          op.compute(state, &context);
        for (size_t i = 0; i < context.outputs.size(); ++i) {
          const Value* value = context.outputs[i].get();
          if (value && value->is_text()) check(tessera_call_set_output(call, i, to_tessera(*value).get()));
          if (!value && tessera_node_has_output(node, i))
            fail(code_fail, "the operator made no output " + std::to_string(i));
        }
      },
      ""));
}

/// How many inputs or outputs there may be: optional ones need not be, the last may stand for any number.
struct Range {
  size_t least, most;
};
Range range_of(const CustomOp& op, size_t count, int (*is)(const CustomOp*, size_t), int (*least)(const CustomOp*)) {
  Range range{0, count};
  for (size_t i = 0; i < count; ++i) {
    const int kind = op.version >= 8 && is ? is(&op, i) : is_required;
    if (kind == is_required) range.least = i + 1;
    if (kind != is_variadic) continue;
    range.most = SIZE_MAX;
    const int needed = op.version >= 14 && least ? least(&op) : 1;
    range.least = std::max(range.least, i + static_cast<size_t>(std::max(needed, 0)));
  }
  return range;
}

void add_operator(tessera_operators* operators, const CustomOp& op, const std::string& domain,
                  const SessionOptions& options, const Logger& logger) {
  const Range inputs = range_of(op, op.input_count(&op), op.input_is, op.least_inputs);
  const Range outputs = range_of(op, op.output_count(&op), op.output_is, op.least_outputs);
  auto definition = std::make_unique<Definition>(Definition{&op, domain, logger, options.config});
  tessera_operator made;
  TESSERA_INIT(&made);
  made.domain = domain.c_str();
  made.name = op.name(&op);
  made.version = op.version >= 17 && op.first_version ? std::max(op.first_version(&op), 1) : 1;
  made.min_inputs = inputs.least;
  made.max_inputs = inputs.most;
  made.min_outputs = outputs.least;
  made.max_outputs = outputs.most;
  made.user = definition.get();
  made.release = release_definition;
  made.create = create_kernel;
  made.destroy = destroy_kernel;
  made.run = compute;
  check(tessera_operators_add(operators, &made));
  definition.release();
}

}  // namespace

OperatorsHandle make_operators(const SessionOptions& options, const Logger& logger) {
  if (options.domains.empty()) return nullptr;
  tessera_operators* operators = nullptr;
  check(tessera_operators_create(&operators));
  OperatorsHandle handle(operators);
  for (const CustomOpDomain* domain : options.domains)
    for (const CustomOp* op : domain->ops) add_operator(operators, *op, domain->name, options, logger);
  return handle;
}

// --- Domains ---------------------------------------------------------------------------------------

Status* CreateCustomOpDomain(const char* domain, CustomOpDomain** out) {
  return guarded([&] {
    need(domain, out);
    *out = new CustomOpDomain{domain, {}};
  });
}
void ReleaseCustomOpDomain(CustomOpDomain* domain) { delete domain; }
Status* CustomOpDomain_Add(CustomOpDomain* domain, const CustomOp* op) {
  return guarded([&] {
    need(domain, op);
    need(op->name, op->input_type, op->input_count, op->output_type, op->output_count);
    if (op->version < 1 || op->version > api_version)
      fail(code_invalid_argument, "the operator has version " + std::to_string(op->version) +
                                      " of the interface, this is " + std::to_string(api_version));
    domain->ops.push_back(op);
  });
}
Status* AddCustomOpDomain(SessionOptions* options, CustomOpDomain* domain) {
  return guarded([&] {
    need(options, domain);
    options->domains.push_back(domain);
  });
}

namespace {

void register_with(void* function, SessionOptions* options, const std::string& name) {
  if (!function) fail(code_fail, "there is no function " + name);
  check(reinterpret_cast<Status* (*)(SessionOptions*, const void*)>(function)(options, api_base_functions()));
}
std::shared_ptr<void> open_library(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) fail(code_fail, dlerror());
  return std::shared_ptr<void>(library, dlclose);
}

}  // namespace

Status* RegisterCustomOpsLibrary(SessionOptions* options, const char* path, void** library) {
  return guarded([&] {
    need(options, path, library);
    std::shared_ptr<void> opened = open_library(path);
    register_with(dlsym(opened.get(), "RegisterCustomOps"), options, "RegisterCustomOps in " + std::string(path));
    // The program closes it, after its sessions.
    *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  });
}
Status* RegisterCustomOpsLibrary_V2(SessionOptions* options, const char* path) {
  return guarded([&] {
    need(options, path);
    options->libraries.push_back(open_library(path));
    register_with(dlsym(options->libraries.back().get(), "RegisterCustomOps"), options,
                  "RegisterCustomOps in " + std::string(path));
  });
}
Status* RegisterCustomOpsUsingFunction(SessionOptions* options, const char* name) {
  return guarded([&] {
    need(options, name);
    register_with(dlsym(RTLD_DEFAULT, name), options, name);
  });
}

// --- What a kernel asks of its node ----------------------------------------------------------------

namespace {

const Attribute& attribute_of(const KernelInfo* info, const char* name, tessera_attribute_kind kind) {
  need(info, name);
  const auto found = info->attributes.find(name);
  if (found == info->attributes.end())
    fail(code_fail, "node \"" + info->name + "\" (" + info->op + ") has no attribute \"" + name + "\"");
  if (found->second.kind != kind)
    fail(code_fail, "attribute \"" + std::string(name) + "\" of node \"" + info->name + "\" is of another type");
  return found->second;
}
/// Into an array of the caller's, of `*size` elements; NULL asks for the size alone.
template <class T>
void copy_list(const std::vector<T>& list, T* out, size_t* size) {
  need(size);
  const size_t room = *size;
  *size = list.size();
  if (!out) return;
  if (room < list.size())
    fail(code_invalid_argument, "the array is too small: there are " + std::to_string(list.size()));
  std::copy(list.begin(), list.end(), out);
}

}  // namespace

Status* KernelInfoGetAttribute_float(const KernelInfo* info, const char* name, float* out) {
  return guarded([&] {
    need(out);
    *out = attribute_of(info, name, TESSERA_REAL).reals.at(0);
  });
}
Status* KernelInfoGetAttribute_int64(const KernelInfo* info, const char* name, int64_t* out) {
  return guarded([&] {
    need(out);
    *out = attribute_of(info, name, TESSERA_INTEGER).integers.at(0);
  });
}
Status* KernelInfoGetAttribute_string(const KernelInfo* info, const char* name, char* out, size_t* size) {
  return guarded([&] { copy_out(attribute_of(info, name, TESSERA_TEXT).texts.at(0), out, size); });
}
Status* KernelInfoGetAttributeArray_float(const KernelInfo* info, const char* name, float* out, size_t* size) {
  return guarded([&] { copy_list(attribute_of(info, name, TESSERA_REALS).reals, out, size); });
}
Status* KernelInfoGetAttributeArray_int64(const KernelInfo* info, const char* name, int64_t* out, size_t* size) {
  return guarded([&] { copy_list(attribute_of(info, name, TESSERA_INTEGERS).integers, out, size); });
}
Status* KernelInfoGetAttributeArray_string(const KernelInfo* info, const char* name, Allocator* allocator, char*** out,
                                           size_t* size) {
  return guarded([&] {
    need(allocator, out, size);
    const auto& texts = attribute_of(info, name, TESSERA_TEXTS).texts;
    *size = texts.size();
    *out = nullptr;
    if (texts.empty()) return;
    *out = static_cast<char**>(take(allocator, texts.size() * sizeof(char*)));
    for (size_t i = 0; i < texts.size(); ++i) (*out)[i] = copy_text(allocator, texts[i]);
  });
}
Status* KernelInfoGetAttribute_tensor(const KernelInfo* info, const char* name, Allocator* allocator, Value** out) {
  return guarded([&] {
    need(allocator, out);
    *out = new Value(*attribute_of(info, name, TESSERA_TENSOR_ATTRIBUTE).tensor);
  });
}
Status* KernelInfoGetConstantInput_tensor(const KernelInfo* info, size_t index, int* constant, const Value** out) {
  return guarded([&] {
    need(info, constant, out);
    if (index >= info->constants.size()) fail(code_invalid_argument, "there is no input " + std::to_string(index));
    *out = info->constants[index].get();
    *constant = *out != nullptr;
  });
}

#define INFO_FACT(function, Type, expression)           \
  Status* function(const KernelInfo* info, Type* out) { \
    return guarded([&] {                                \
      need(info, out);                                  \
      *out = expression;                                \
    });                                                 \
  }
INFO_FACT(KernelInfo_GetInputCount, size_t, info->inputs)
INFO_FACT(KernelInfo_GetOutputCount, size_t, info->outputs)
INFO_FACT(KernelInfo_GetOperatorSinceVersion, int, info->since)
INFO_FACT(KernelInfo_GetLogger, const Logger*, &logger_of(*info))
INFO_FACT(CopyKernelInfo, KernelInfo*, new KernelInfo(*info))
#undef INFO_FACT
void ReleaseKernelInfo(KernelInfo* info) { delete info; }
#define INFO_TEXT(function, member)                                   \
  Status* function(const KernelInfo* info, char* out, size_t* size) { \
    return guarded([&] {                                              \
      need(info);                                                     \
      copy_out(info->member, out, size);                              \
    });                                                               \
  }
INFO_TEXT(KernelInfo_GetNodeName, name)
INFO_TEXT(KernelInfo_GetOperatorDomain, domain)
INFO_TEXT(KernelInfo_GetOperatorType, op)
#undef INFO_TEXT
Status* KernelInfo_GetConfigEntries(const KernelInfo* info, KeyValues** out) {
  return guarded([&] {
    need(info, out);
    auto pairs = std::make_unique<KeyValues>();
    pairs->entries = info->config;
    pairs->changed();
    *out = pairs.release();
  });
}
Status* KernelInfoGetAllocator(const KernelInfo* info, int, Allocator** out) {
  return guarded([&] {
    need(info, out);
    *out = &host_allocator();
  });
}

// --- What a kernel asks of a run -------------------------------------------------------------------

Status* KernelContext_GetInputCount(const KernelContext* context, size_t* out) {
  return guarded([&] {
    need(context, out);
    *out = context->inputs.size();
  });
}
Status* KernelContext_GetOutputCount(const KernelContext* context, size_t* out) {
  return guarded([&] {
    need(context, out);
    *out = context->outputs.size();
  });
}
Status* KernelContext_GetInput(const KernelContext* context, size_t index, const Value** out) {
  return guarded([&] {
    need(context, out);
    if (index >= context->inputs.size()) fail(code_invalid_argument, "there is no input " + std::to_string(index));
    *out = context->inputs[index].get();
  });
}
Status* KernelContext_GetOutput(KernelContext* context, size_t index, const int64_t* dims, size_t rank, Value** out) {
  return guarded([&] {
    need(context, out);
    if (rank) need(dims);
    if (index >= context->outputs.size()) fail(code_invalid_argument, "there is no output " + std::to_string(index));
    std::unique_ptr<Value>& made = context->outputs[index];
    if (!made) {
      const CustomOp& op = *context->definition.op;
      const size_t declared = op.output_count(&op);
      int element = declared ? op.output_type(&op, std::min(index, declared - 1)) : 0;
      // An operator that leaves its types open gives what it takes.
      if (!element && !context->inputs.empty() && context->inputs[0]) element = context->inputs[0]->element;
      count_elements(dims, rank);
      if (element == TESSERA_STRING) {
        made = make_tensor(&host_allocator(), dims, rank, element);
      } else {
        tessera_tensor tensor{};
        check(tessera_call_output(context->call, index, dtype_of(element), dims, rank, &tensor));
        made = std::make_unique<Value>();
        made->element = element;
        made->dims.assign(dims, dims + rank);
        made->data = tensor.data;
        made->bytes = tensor.bytes;
      }
    }
    *out = made.get();
  });
}
Status* KernelContext_GetAllocator(const KernelContext* context, const MemoryInfo* info, Allocator** out) {
  return guarded([&] {
    need(context, info, out);
    if (!info->is_host()) fail(code_not_implemented, "there is no memory of a device, \"" + info->name + "\"");
    *out = &host_allocator();
  });
}
Status* KernelContext_GetScratchBuffer(const KernelContext* context, const MemoryInfo* info, size_t bytes, void** out) {
  return guarded([&] {
    need(context, info, out);
    Allocator& allocator = host_allocator();
    void* block = take(&allocator, bytes);
    // The interface has the context const, but its blocks live as long as it does.
    const_cast<KernelContext*>(context)->scratch.emplace_back(
        block, [&allocator](void* each) { allocator.free(&allocator, each); });
    *out = block;
  });
}
Status* KernelContext_GetLogger(const KernelContext* context, const Logger** out) {
  return guarded([&] {
    need(context, out);
    *out = &context->definition.logger;
  });
}
Status* KernelContext_ParallelFor(const KernelContext* context, void (*task)(void*, size_t), size_t total, size_t,
                                  void* argument) {
  return guarded([&] {
    need(context, task);
    tessera_call_parallel(context->call, total, task, argument);
  });
}

}  // namespace tessera::ort
