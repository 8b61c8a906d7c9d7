// The C interface of ONNX Runtime is one table of function pointers whose order never changes: new
// entries go to its end. The numbers below are the places of the entries that are used here.
#include "bench/peers/ort.h"

#include <dlfcn.h>

#include <filesystem>

namespace tessera::peers {

namespace {

using Status = void*;  // null: all is well

struct Base {
  void* const* (*table)(uint32_t version);
  const char* (*version)();
};

constexpr uint32_t interface_version = 8;

enum Entry {
  get_error_message = 2,
  create_env = 3,
  create_session = 7,
  run_session = 9,
  create_session_options = 10,
  set_optimization_level = 23,
  set_intra_threads = 24,
  set_inter_threads = 25,
  input_count = 30,
  output_count = 31,
  input_type_info = 33,
  input_name = 36,
  output_name = 37,
  create_tensor = 48,
  create_tensor_with_data = 49,
  tensor_data = 51,
  fill_strings = 52,
  string_bytes = 53,
  string_content = 54,
  tensor_info_of_type = 55,
  kind_of_type = 56,
  element_type = 60,
  dimension_count = 61,
  dimensions = 62,
  symbolic_dimensions = 63,
  tensor_info_of_value = 65,
  kind_of_value = 67,
  create_cpu_memory_info = 69,
  allocator_free = 76,
  default_allocator = 78,
  release_status = 93,
  release_memory_info = 94,
  release_session = 95,
  release_value = 96,
  release_type_info = 98,
  release_tensor_info = 99,
  release_session_options = 100,
};

constexpr int kind_tensor = 1, kind_sequence = 2, kind_map = 3;
constexpr int warnings_off = 4, level_none = 0, level_all = 99;

}  // namespace

void Ort::check(void* status) const {
  if (!status) return;
  const std::string text = entry<const char* (*)(Status)>(get_error_message)(status);
  entry<void (*)(Status)>(release_status)(status);
  fail(Error::Kind::device, "ONNX Runtime: ", text);
}

Ort::Ort(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) fail(Error::Kind::device, "ONNX Runtime cannot be loaded: ", dlerror());
  const auto get = reinterpret_cast<const Base* (*)()>(dlsym(handle, "OrtGetApiBase"));
  if (!get) fail(Error::Kind::device, library, " is not ONNX Runtime");
  version_ = get()->version();
  table_ = get()->table(interface_version);
  if (!table_) fail(Error::Kind::device, "ONNX Runtime ", version_, " is too old");
  check(entry<Status (*)(int, const char*, void**)>(create_env)(warnings_off, "tessera", &env_));
}

std::string Ort::find(const std::string& prepared) {
  if (const char* named = std::getenv("TESSERA_ORT")) return named;
  const std::filesystem::path path = std::filesystem::path(prepared) / "libonnxruntime.so.1";
  std::error_code error;
  return std::filesystem::exists(path, error) ? path.string() : "";
}

OrtSession::OrtSession(const Ort& ort, const std::string& model, int threads, bool optimize) : ort_(ort) {
  void* options = nullptr;
  ort.check(ort.entry<Status (*)(void**)>(create_session_options)(&options));
  const std::shared_ptr<void> options_owner(options, ort.entry<void (*)(void*)>(release_session_options));
  ort.check(ort.entry<Status (*)(void*, int)>(set_intra_threads)(options, threads));
  ort.check(ort.entry<Status (*)(void*, int)>(set_inter_threads)(options, 1));
  ort.check(ort.entry<Status (*)(void*, int)>(set_optimization_level)(options, optimize ? level_all : level_none));
  ort.check(ort.entry<Status (*)(void*, const char*, void*, void**)>(create_session)(ort.env_, model.c_str(), options,
                                                                                     &session_));
  void* allocator = nullptr;
  ort.check(ort.entry<Status (*)(void**)>(default_allocator)(&allocator));
  const auto name_at = [&](Entry which, size_t i) {
    char* text = nullptr;
    ort.check(ort.entry<Status (*)(void*, size_t, void*, char**)>(which)(session_, i, allocator, &text));
    const std::string name = text;
    ort.check(ort.entry<Status (*)(void*, void*)>(allocator_free)(allocator, text));
    return name;
  };
  size_t count = 0;
  ort.check(ort.entry<Status (*)(void*, size_t*)>(output_count)(session_, &count));
  for (size_t i = 0; i < count; ++i) outputs_.push_back(name_at(output_name, i));
  ort.check(ort.entry<Status (*)(void*, size_t*)>(input_count)(session_, &count));
  for (size_t i = 0; i < count; ++i) {
    Port port;
    port.name = name_at(input_name, i);
    void* type = nullptr;
    ort.check(ort.entry<Status (*)(void*, size_t, void**)>(input_type_info)(session_, i, &type));
    const std::shared_ptr<void> type_owner(type, ort.entry<void (*)(void*)>(release_type_info));
    int kind = 0;
    ort.check(ort.entry<Status (*)(void*, int*)>(kind_of_type)(type, &kind));
    port.kind = kind == kind_tensor     ? Kind::tensor
                : kind == kind_sequence ? Kind::sequence
                : kind == kind_map      ? Kind::map
                                        : Kind::optional;
    if (kind == kind_tensor) {
      void* info = nullptr;  // owned by `type`
      ort.check(ort.entry<Status (*)(void*, void**)>(tensor_info_of_type)(type, &info));
      int element = 0;
      size_t rank = 0;
      ort.check(ort.entry<Status (*)(void*, int*)>(element_type)(info, &element));
      ort.check(ort.entry<Status (*)(void*, size_t*)>(dimension_count)(info, &rank));
      port.type = {static_cast<DType>(element), Shape(rank, -1), Layout::row_major};
      ort.check(ort.entry<Status (*)(void*, int64_t*, size_t)>(dimensions)(info, port.type.shape.data(), rank));
      std::vector<const char*> names(rank);
      ort.check(ort.entry<Status (*)(void*, const char**, size_t)>(symbolic_dimensions)(info, names.data(), rank));
      port.dim_names.assign(names.begin(), names.end());
      port.ranked = true;
    }
    inputs_.push_back(std::move(port));
  }
}

OrtSession::~OrtSession() { ort_.entry<void (*)(void*)>(release_session)(session_); }

OrtRun::OrtRun(const OrtSession& session, List<Tensor> in)
    : session_(session), held_(in.begin(), in.end()), out_(session.outputs_.size(), nullptr) {
  const Ort& ort = session.ort_;
  if (in.size() != session.inputs_.size())
    fail(Error::Kind::usage, "ONNX Runtime wants ", session.inputs_.size(), " inputs, not ", in.size());
  void* memory = nullptr;
  ort.check(ort.entry<Status (*)(int, int, void**)>(create_cpu_memory_info)(1, 0, &memory));
  const std::shared_ptr<void> memory_owner(memory, ort.entry<void (*)(void*)>(release_memory_info));
  for (const Tensor& tensor : held_) {
    void* value = nullptr;
    const Shape& shape = tensor.type.shape;
    const int element = static_cast<int>(tensor.type.dtype);
    if (tensor.type.dtype == DType::string) {
      void* allocator = nullptr;
      ort.check(ort.entry<Status (*)(void**)>(default_allocator)(&allocator));
      ort.check(ort.entry<Status (*)(void*, const int64_t*, size_t, int, void**)>(create_tensor)(
          allocator, shape.data(), shape.size(), element, &value));
      std::vector<const char*> texts;
      for (int64_t i = 0; i < shape.elements(); ++i) texts.push_back(tensor.as<String>()[i].c_str());
      ort.check(
          ort.entry<Status (*)(void*, const char* const*, size_t)>(fill_strings)(value, texts.data(), texts.size()));
    } else {
      ort.check(ort.entry<Status (*)(void*, void*, size_t, const int64_t*, size_t, int, void**)>(
          create_tensor_with_data)(memory, tensor.bytes.get(), static_cast<size_t>(tensor.type.bytes()), shape.data(),
                                   shape.size(), element, &value));
    }
    in_.push_back(value);
  }
  for (const Port& port : session.inputs_) in_names_.push_back(port.name.c_str());
  for (const std::string& name : session.outputs_) out_names_.push_back(name.c_str());
}

OrtRun::~OrtRun() {
  release_outputs();
  for (void* value : in_) session_.ort_.entry<void (*)(void*)>(release_value)(value);
}

void OrtRun::release_outputs() {
  for (void*& value : out_) {
    if (value) session_.ort_.entry<void (*)(void*)>(release_value)(value);
    value = nullptr;
  }
}

void OrtRun::run() {
  release_outputs();
  using Call = Status (*)(void*, const void*, const char* const*, const void* const*, size_t, const char* const*,
                          size_t, void**);
  session_.ort_.check(session_.ort_.entry<Call>(run_session)(session_.session_, nullptr, in_names_.data(), in_.data(),
                                                             in_.size(), out_names_.data(), out_names_.size(),
                                                             out_.data()));
}

std::vector<Tensor> OrtRun::outputs() const {
  const Ort& ort = session_.ort_;
  std::vector<Tensor> tensors;
  for (void* value : out_) {
    int kind = 0;
    if (value) ort.check(ort.entry<Status (*)(void*, int*)>(kind_of_value)(value, &kind));
    if (kind != kind_tensor) {
      tensors.emplace_back();
      continue;
    }
    void* info = nullptr;
    ort.check(ort.entry<Status (*)(void*, void**)>(tensor_info_of_value)(value, &info));
    const std::shared_ptr<void> info_owner(info, ort.entry<void (*)(void*)>(release_tensor_info));
    int element = 0;
    size_t rank = 0;
    ort.check(ort.entry<Status (*)(void*, int*)>(element_type)(info, &element));
    ort.check(ort.entry<Status (*)(void*, size_t*)>(dimension_count)(info, &rank));
    Shape shape(rank, 0);
    ort.check(ort.entry<Status (*)(void*, int64_t*, size_t)>(dimensions)(info, shape.data(), rank));
    Tensor tensor = Tensor::make({static_cast<DType>(element), shape, Layout::row_major});
    const auto count = static_cast<size_t>(shape.elements());
    if (tensor.type.dtype == DType::string) {
      size_t bytes = 0;
      ort.check(ort.entry<Status (*)(void*, size_t*)>(string_bytes)(value, &bytes));
      std::string text(bytes, '\0');
      std::vector<size_t> offsets(count + 1, bytes);
      ort.check(ort.entry<Status (*)(void*, void*, size_t, size_t*, size_t)>(string_content)(value, text.data(), bytes,
                                                                                             offsets.data(), count));
      for (size_t i = 0; i < count; ++i) tensor.as<String>()[i] = text.substr(offsets[i], offsets[i + 1] - offsets[i]);
    } else if (count) {
      void* data = nullptr;
      ort.check(ort.entry<Status (*)(void*, void**)>(tensor_data)(value, &data));
      std::memcpy(tensor.bytes.get(), data, static_cast<size_t>(tensor.type.bytes()));
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::vector<Tensor> OrtSession::run(List<Tensor> in) const {
  OrtRun once(*this, in);
  once.run();
  return once.outputs();
}

}  // namespace tessera::peers
