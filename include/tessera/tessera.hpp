// tessera for C++20: RAII over tessera.h, header-only. Failures throw tessera::api::Failure.
// A Session may be shared by threads; the other classes belong to one thread at a time.
#pragma once

#include <tessera/tessera.h>

#include <cstring>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tessera::api {

/// A status as an exception.
class Failure : public std::runtime_error {
 public:
  Failure(tessera_code code, const char* text) : std::runtime_error(text), code_(code) {}
  tessera_code code() const { return code_; }

 private:
  tessera_code code_;
};

/// Throws if the status is a failure; frees it.
inline void check(tessera_status* status) {
  if (!status) return;
  const Failure failure(tessera_status_code(status), tessera_status_text(status));
  tessera_status_free(status);
  throw failure;
}

/// The tessera_dtype of a C++ element type.
template <class T>
constexpr tessera_dtype dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return TESSERA_FLOAT32;
  else if constexpr (std::is_same_v<T, double>)
    return TESSERA_FLOAT64;
  else if constexpr (std::is_same_v<T, int8_t>)
    return TESSERA_INT8;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return TESSERA_UINT8;
  else if constexpr (std::is_same_v<T, int16_t>)
    return TESSERA_INT16;
  else if constexpr (std::is_same_v<T, uint16_t>)
    return TESSERA_UINT16;
  else if constexpr (std::is_same_v<T, int32_t>)
    return TESSERA_INT32;
  else if constexpr (std::is_same_v<T, uint32_t>)
    return TESSERA_UINT32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return TESSERA_INT64;
  else if constexpr (std::is_same_v<T, uint64_t>)
    return TESSERA_UINT64;
  else if constexpr (std::is_same_v<T, bool>)
    return TESSERA_BOOL;
  else
    static_assert(sizeof(T) == 0, "no tensor has elements of this type");
}

/// A tensor in someone else's memory, with its own copy of the shape.
class Tensor {
 public:
  /// None: an optional input that is left out.
  Tensor() : dtype_(TESSERA_UNDEFINED), data_(nullptr), bytes_(0) {}
  template <class T>
  Tensor(std::span<T> data, std::vector<int64_t> dims)
      : dtype_(dtype_of<std::remove_const_t<T>>()),
        dims_(std::move(dims)),
        data_(const_cast<std::remove_const_t<T>*>(data.data())),
        bytes_(data.size_bytes()) {}
  explicit Tensor(const tessera_tensor& tensor)
      : dtype_(tensor.dtype), dims_(tensor.dims, tensor.dims + tensor.rank), data_(tensor.data), bytes_(tensor.bytes) {}

  tessera_dtype dtype() const { return dtype_; }
  const std::vector<int64_t>& dims() const { return dims_; }
  /// The elements; throws if T is not the tensor's element type.
  template <class T>
  std::span<T> elements() const {
    if (dtype_of<std::remove_const_t<T>>() != dtype_) throw Failure(TESSERA_TYPE, "the tensor has other elements");
    return {static_cast<T*>(data_), bytes_ / sizeof(T)};
  }
  tessera_tensor c() const { return {dtype_, dims_.size(), dims_.data(), data_, bytes_}; }

 private:
  tessera_dtype dtype_;
  std::vector<int64_t> dims_;
  void* data_;
  size_t bytes_;
};

/// Whatever a model takes or gives: a handle to something that never changes. Copies are handles to the same.
class Value {
 public:
  /// Takes over a handle.
  explicit Value(tessera_value* value) : value_(value, tessera_value_free) {}
  /// None: an optional input that is left out, or an optional without a value.
  Value() : Value(static_cast<tessera_value*>(nullptr)) {}
  /// A copy of the tensor.
  explicit Value(const Tensor& tensor) : Value(made(tessera_value_create_tensor, pointer_to(tensor.c()))) {}
  static Value strings(std::span<const std::string> texts, std::vector<int64_t> dims) {
    std::vector<const char*> starts;
    std::vector<size_t> lengths;
    for (const std::string& text : texts) {
      starts.push_back(text.data());
      lengths.push_back(text.size());
    }
    return Value(made(tessera_value_create_strings, starts.data(), lengths.data(), dims.data(), dims.size()));
  }
  /// `dtype` is needed for an empty sequence of tensors.
  static Value sequence(std::span<const Value> items, tessera_dtype dtype = TESSERA_UNDEFINED) {
    std::vector<const tessera_value*> list;
    for (const Value& item : items) list.push_back(item.c());
    return Value(made(tessera_value_create_sequence, dtype, list.data(), list.size()));
  }
  /// An optional that has `item`, or has none.
  static Value optional(const Value& item) { return Value(made(tessera_value_create_optional, item.c())); }
  static Value map(const Value& keys, const Value& values) {
    return Value(made(tessera_value_create_map, keys.c(), values.c()));
  }

  tessera_kind kind() const { return tessera_value_kind(c()); }
  tessera_dtype dtype() const { return tessera_value_dtype(c()); }
  size_t size() const { return tessera_value_count(c()); }
  /// Valid as long as a handle to it; its elements must not be written.
  Tensor tensor() const {
    tessera_tensor tensor{};
    check(tessera_value_tensor(c(), &tensor));
    return Tensor(tensor);
  }
  std::string string(size_t i) const {
    const char* text = nullptr;
    size_t length = 0;
    check(tessera_value_string(c(), i, &text, &length));
    return {text, length};
  }
  Value operator[](size_t i) const { return Value(made(tessera_value_item, c(), i)); }
  Value keys() const { return Value(made(tessera_value_keys, c())); }
  Value values() const { return Value(made(tessera_value_values, c())); }
  const tessera_value* c() const { return value_.get(); }

 private:
  static const tessera_tensor* pointer_to(const tessera_tensor& tensor) { return &tensor; }
  template <class Make, class... Given>
  static tessera_value* made(const Make& make, const Given&... given) {
    tessera_value* value = nullptr;
    check(make(given..., &value));
    return value;
  }

  std::shared_ptr<tessera_value> value_;
};

/// The outputs of one run.
class Result {
 public:
  explicit Result(tessera_result* result) : result_(result, tessera_result_free) {}
  size_t size() const { return tessera_result_count(result_.get()); }
  /// Output i; valid as long as this Result.
  Tensor operator[](size_t i) const {
    tessera_tensor tensor{};
    check(tessera_result_tensor(result_.get(), i, &tensor));
    return Tensor(tensor);
  }
  /// Output i, whatever it is; it may outlive this Result.
  Value value(size_t i) const {
    tessera_value* value = nullptr;
    check(tessera_result_value(result_.get(), i, &value));
    return Value(value);
  }

 private:
  std::unique_ptr<tessera_result, void (*)(tessera_result*)> result_;
};

struct Port {
  std::string name;
  tessera_dtype dtype;
  bool ranked;
  std::vector<int64_t> dims;  ///< -1 where the model leaves an extent open
  tessera_kind kind;
  bool optional;                       ///< an input that has a default
  std::vector<std::string> dim_names;  ///< the model's words for open extents, "" where it has none
};

/// What sessions share: see tessera_environment_options. It may end before its sessions.
class Environment {
 public:
  explicit Environment(const tessera_environment_options& options) {
    tessera_environment* environment = nullptr;
    check(tessera_environment_create(&options, &environment));
    environment_.reset(environment);
  }
  const tessera_environment* c() const { return environment_.get(); }

 private:
  std::unique_ptr<tessera_environment, void (*)(tessera_environment*)> environment_{nullptr, tessera_environment_free};
};

struct Options : tessera_options {
  Options() { tessera_options_init(static_cast<tessera_options*>(this)); }
  /// Runs on the caller's threads: pool(count, task) calls task(i) once for each i < count and returns
  /// when all calls have. See tessera_options::parallel_for; the pool must outlive the session.
  template <class Pool>
  void use_threads(Pool& pool) {
    parallel_context = &pool;
    parallel_for = [](void* context, size_t count, tessera_task task, void* argument) {
      (*static_cast<Pool*>(context))(count, [task, argument](size_t index) { task(argument, index); });
    };
  }
};

/// Operators of one's own, for Options::operators: see tessera_operator and operator_of.
class Operators {
 public:
  Operators() {
    tessera_operators* operators = nullptr;
    check(tessera_operators_create(&operators));
    operators_.reset(operators);
  }
  void add(const tessera_operator& definition) { check(tessera_operators_add(operators_.get(), &definition)); }
  const tessera_operators* c() const { return operators_.get(); }

 private:
  std::unique_ptr<tessera_operators, void (*)(tessera_operators*)> operators_{nullptr, tessera_operators_free};
};

/// What an exception is to C: the failure that a function of an operator returns.
template <class Body>
tessera_status* returned(const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Failure& failure) {
    return tessera_status_create(failure.code(), failure.what());
  } catch (const std::bad_alloc&) {
    return tessera_status_create(TESSERA_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return tessera_status_create(TESSERA_MODEL, error.what());
  } catch (...) {
    return tessera_status_create(TESSERA_MODEL, "an unknown exception");
  }
}

/// An operator whose nodes are objects: Kernel(const tessera_node*) makes one as a model is loaded;
/// infer(tessera_inference*) const and run(tessera_call*) const serve many threads at once. All may throw. What else
/// the definition has (its version is 1, its counts of inputs and outputs 0) is the caller's to set.
template <class Kernel>
tessera_operator operator_of(const char* domain, const char* name, const char* types) {
  tessera_operator made;
  TESSERA_INIT(&made);
  made.domain = domain;
  made.name = name;
  made.version = 1;
  made.types = types;
  made.create = [](void*, const tessera_node* node, void** state) {
    return returned([&] { *state = new Kernel(node); });
  };
  made.destroy = [](void*, void* state) { delete static_cast<Kernel*>(state); };
  made.infer = [](void*, void* state, const tessera_node*, tessera_inference* inference) {
    return returned([&] { static_cast<const Kernel*>(state)->infer(inference); });
  };
  made.run = [](void*, void* state, const tessera_node*, tessera_call* call) {
    return returned([&] { static_cast<const Kernel*>(state)->run(call); });
  };
  return made;
}

/// A device of this machine: see tessera_device.
struct Device {
  std::string id, name, driver;
  int64_t memory;
  int threads;
  bool software, fp16, matrix_units;
};
/// The CPU first.
inline std::vector<Device> devices() {
  tessera_devices* all = nullptr;
  check(tessera_devices_list(&all));
  const std::unique_ptr<tessera_devices, void (*)(tessera_devices*)> owner(all, tessera_devices_free);
  std::vector<Device> list;
  for (size_t i = 0; i < tessera_devices_count(all); ++i) {
    tessera_device d;
    TESSERA_INIT(&d);
    check(tessera_devices_get(all, i, &d));
    list.push_back({d.id, d.name, d.driver, d.memory, d.threads, d.software != 0, d.fp16 != 0, d.matrix_units != 0});
  }
  return list;
}

/// A tensor that stays in the memory of one device, or of the host, between runs: see tessera_buffer.
class Buffer {
 public:
  /// Takes over a handle.
  explicit Buffer(tessera_buffer* buffer) : buffer_(buffer) {}
  /// On a device ("vulkan:0"), or the host ("cpu").
  Buffer(const std::string& device, tessera_dtype dtype, const std::vector<int64_t>& dims, bool exported = false)
      : Buffer(made(tessera_buffer_create, device.c_str(), &as_const(type(dtype, dims)), int{exported})) {}
  /// The caller's memory, which must outlive it.
  explicit Buffer(const Tensor& tensor) : Buffer(made(tessera_buffer_create_around, &as_const(tensor.c()))) {}
  /// The memory of another program's buffer of the same type.
  static Buffer imported(const std::string& device, tessera_dtype dtype, const std::vector<int64_t>& dims,
                         int descriptor) {
    return Buffer(made(tessera_buffer_import, device.c_str(), &as_const(type(dtype, dims)), descriptor));
  }
  /// A new file descriptor of its memory, the caller's to close.
  int descriptor() const {
    int descriptor = -1;
    check(tessera_buffer_descriptor(c(), &descriptor));
    return descriptor;
  }

  tessera_buffer_facts facts() const {
    tessera_buffer_facts facts;
    TESSERA_INIT(&facts);
    check(tessera_buffer_get(c(), &facts));
    return facts;
  }
  void write(const void* data, size_t bytes) { check(tessera_buffer_write(c(), data, bytes)); }
  void read(void* data, size_t bytes) const { check(tessera_buffer_read(c(), data, bytes)); }
  tessera_buffer* c() const { return buffer_.get(); }

 private:
  static tessera_tensor type(tessera_dtype dtype, const std::vector<int64_t>& dims) {
    return {dtype, dims.size(), dims.data(), nullptr, 0};
  }
  static const tessera_tensor& as_const(const tessera_tensor& tensor) { return tensor; }
  template <class Make, class... Given>
  static tessera_buffer* made(const Make& make, const Given&... given) {
    tessera_buffer* buffer = nullptr;
    check(make(given..., &buffer));
    return buffer;
  }

  struct Free {
    void operator()(tessera_buffer* buffer) const { tessera_buffer_free(buffer); }
  };
  std::unique_ptr<tessera_buffer, Free> buffer_;
};

class Session {
 public:
  explicit Session(const std::string& path, const Options& options = {}) {
    tessera_session* session = nullptr;
    check(tessera_session_load(path.c_str(), &options, &session));
    session_.reset(session);
  }
  /// From memory, which is copied.
  explicit Session(std::span<const std::byte> model, const Options& options = {}) {
    tessera_session* session = nullptr;
    check(tessera_session_load_memory(model.data(), model.size(), &options, &session));
    session_.reset(session);
  }

  std::string device() const { return tessera_session_device(session_.get()); }
  std::vector<Port> inputs() const { return ports(tessera_session_input_count(session_.get()), tessera_session_input); }
  /// Inputs with a default: a run may give them behind the others. One in between is left out as Tensor().
  std::vector<Port> optional_inputs() const {
    return ports(tessera_session_optional_input_count(session_.get()), tessera_session_input,
                 tessera_session_input_count(session_.get()));
  }
  std::vector<Port> outputs() const {
    return ports(tessera_session_output_count(session_.get()), tessera_session_output);
  }

  Result run(std::span<const Tensor> inputs, const tessera_cancel* cancel = nullptr) const {
    const std::vector<tessera_tensor> in = plain(inputs);
    tessera_result* result = nullptr;
    check(tessera_run(session_.get(), in.data(), in.size(), cancel, &result));
    return Result(result);
  }
  /// Inputs of all kinds; Value() is one that is left out.
  Result run(std::span<const Value> inputs, const tessera_run_options* options = nullptr) const {
    std::vector<const tessera_value*> in;
    for (const Value& value : inputs) in.push_back(value.c());
    tessera_result* result = nullptr;
    check(tessera_run_values(session_.get(), in.data(), in.size(), options, &result));
    return Result(result);
  }
  /// Returns at once; see tessera_run_async for when runs are made. What fails is told by the future.
  std::future<Result> run_async(std::span<const Value> inputs, const tessera_run_options* options = nullptr) const {
    std::vector<const tessera_value*> in;
    for (const Value& value : inputs) in.push_back(value.c());
    auto promise = std::make_unique<std::promise<Result>>();
    std::future<Result> future = promise->get_future();
    check(tessera_run_async(
        session_.get(), in.data(), in.size(), options,
        [](void* context, tessera_status* status, tessera_result* result) {
          const std::unique_ptr<std::promise<Result>> told(static_cast<std::promise<Result>*>(context));
          try {
            Result owner(result);
            check(status);
            told->set_value(std::move(owner));
          } catch (...) {
            told->set_exception(std::current_exception());
          }
        },
        promise.get()));
    (void)promise.release();
    return future;
  }
  /// Tells `progress` which part of the work is done, 0..1. What it throws ends the run and is thrown.
  Result run(std::span<const Tensor> inputs, const std::function<void(double)>& progress,
             const tessera_cancel* cancel = nullptr) const {
    const std::vector<tessera_tensor> in = plain(inputs);
    struct Caller {
      const std::function<void(double)>& progress;
      std::exception_ptr error;
    } caller{progress, {}};
    tessera_run_options options;
    TESSERA_INIT(&options);
    options.cancel = cancel;
    options.context = &caller;
    options.progress = [](void* context, double done) {
      auto& caller = *static_cast<Caller*>(context);
      try {
        caller.progress(done);
        return 0;
      } catch (...) {
        caller.error = std::current_exception();
        return 1;
      }
    };
    tessera_result* result = nullptr;
    tessera_status* status = tessera_run_with(session_.get(), in.data(), in.size(), &options, &result);
    if (caller.error) {
      tessera_status_free(status);
      std::rethrow_exception(caller.error);
    }
    check(status);
    return Result(result);
  }
  void run_into(std::span<const Tensor> inputs, std::span<const Tensor> outputs,
                const tessera_cancel* cancel = nullptr) const {
    const std::vector<tessera_tensor> in = plain(inputs), out = plain(outputs);
    check(tessera_run_into(session_.get(), in.data(), in.size(), out.data(), out.size(), cancel));
  }

  /// From buffers into buffers. A null input is an optional one that is left out.
  void run(std::span<const Buffer* const> inputs, std::span<Buffer* const> outputs,
           const tessera_run_options* options = nullptr) const {
    std::vector<const tessera_buffer*> in;
    std::vector<tessera_buffer*> out;
    for (const Buffer* buffer : inputs) in.push_back(buffer ? buffer->c() : nullptr);
    for (const Buffer* buffer : outputs) out.push_back(buffer ? buffer->c() : nullptr);
    check(tessera_run_buffers(session_.get(), in.data(), in.size(), out.data(), out.size(), options));
  }

  /// Bytes that a run would need; tensors may have no data.
  tessera_memory forecast(std::span<const Tensor> inputs) const {
    const std::vector<tessera_tensor> in = plain(inputs);
    tessera_memory memory;
    TESSERA_INIT(&memory);
    check(tessera_session_forecast(session_.get(), in.data(), in.size(), &memory));
    return memory;
  }
  tessera_facts facts() const {
    tessera_facts facts;
    TESSERA_INIT(&facts);
    check(tessera_session_facts(session_.get(), &facts));
    return facts;
  }
  /// The keys and values of the model's own metadata.
  std::vector<std::pair<std::string, std::string>> metadata() const {
    tessera_model model;
    TESSERA_INIT(&model);
    check(tessera_session_model(session_.get(), &model));
    std::vector<std::pair<std::string, std::string>> all;
    for (size_t i = 0; i < model.metadata_count; ++i) {
      const char *key = nullptr, *value = nullptr;
      check(tessera_session_metadata(session_.get(), i, &key, &value));
      all.emplace_back(key, value);
    }
    return all;
  }
  const tessera_session* c() const { return session_.get(); }

 private:
  static std::vector<tessera_tensor> plain(std::span<const Tensor> tensors) {
    std::vector<tessera_tensor> list;
    for (const Tensor& tensor : tensors) list.push_back(tensor.c());
    return list;
  }
  template <class Get>
  std::vector<Port> ports(size_t count, Get get, size_t first = 0) const {
    std::vector<Port> list;
    for (size_t i = 0; i < count; ++i) {
      tessera_port port;
      tessera_port_init(&port);
      check(get(session_.get(), first + i, &port));
      std::vector<std::string> names;
      for (size_t axis = 0; axis < port.rank; ++axis) names.emplace_back(tessera_type_dim_name(port.type, axis));
      list.push_back({port.name,
                      port.dtype,
                      port.ranked != 0,
                      {port.dims, port.dims + port.rank},
                      port.kind,
                      port.optional != 0,
                      std::move(names)});
    }
    return list;
  }

  std::unique_ptr<tessera_session, void (*)(tessera_session*)> session_{nullptr, tessera_session_free};
};

}  // namespace tessera::api
