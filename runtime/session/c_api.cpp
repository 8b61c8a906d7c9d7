// The C interface over Session. Every body runs inside `guard`, the only place where exceptions end.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "include/tessera/tessera.h"
#include "runtime/session/session.h"

using namespace tessera;

struct tessera_status {
  tessera_code code;
  std::string text;
};

struct tessera_session {
  Session session;
};

struct tessera_result {
  std::vector<Tensor> tensors;
};

struct tessera_cancel {
  std::atomic<bool> requested{false};
};

namespace {

static_assert(TESSERA_INT2 == static_cast<int>(DType::int2) && TESSERA_FLOAT32 == static_cast<int>(DType::float32));

// What there is to say when there is no memory to say it with.
tessera_status no_memory{TESSERA_MEMORY, "out of memory"};

tessera_code code_of(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::usage: return TESSERA_USAGE;
    case Error::Kind::file: return TESSERA_FILE;
    case Error::Kind::model: return TESSERA_MODEL;
    case Error::Kind::unsupported: return TESSERA_UNSUPPORTED;
    case Error::Kind::shape: return TESSERA_SHAPE;
    case Error::Kind::type: return TESSERA_TYPE;
    case Error::Kind::memory: return TESSERA_MEMORY;
    case Error::Kind::device: return TESSERA_DEVICE;
    case Error::Kind::cancelled: return TESSERA_CANCELLED;
  }
  return TESSERA_INTERNAL;
}

tessera_status* status(tessera_code code, const char* text) noexcept {
  try {
    return new tessera_status{code, text};
  } catch (...) {
    return &no_memory;
  }
}

template <class Body>
tessera_status* guard(const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Error& error) {
    return status(code_of(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    return &no_memory;
  } catch (const std::exception& error) {
    return status(TESSERA_INTERNAL, error.what());
  } catch (...) {
    return status(TESSERA_INTERNAL, "unknown exception");
  }
}

template <class... Pointers>
void require(const Pointers*... pointers) {
  if ((... || !pointers)) fail(Error::Kind::usage, "an argument is NULL");
}

SessionOptions read(const tessera_options* options) {
  SessionOptions result;
  if (!options) return result;
  if (options->struct_size < sizeof(tessera_options))
    fail(Error::Kind::usage, "tessera_options.struct_size is ", options->struct_size,
         ": call tessera_options_init first");
  result.threads = options->threads;
  if (options->device) result.device = options->device;
  if (options->precision) result.precision = options->precision;
  result.optimize = options->optimize != 0;
  result.memory_limit = options->memory_limit;
  result.foreign_threads = {options->parallel_for, options->parallel_context};
  return result;
}

// An optional input may be left out.
bool is_left_out(const tessera_tensor& tensor) { return tensor.dtype == TESSERA_UNDEFINED && !tensor.data; }

Type type_of(const tessera_tensor& tensor, const char* what, size_t index) {
  if (tensor.dtype <= TESSERA_UNDEFINED || tensor.dtype >= dtype_count)
    fail(Error::Kind::type, what, " ", index, " has no valid data type");
  if (tensor.dtype == TESSERA_STRING)
    fail(Error::Kind::unsupported, what, " ", index, ": string tensors do not pass through the C interface");
  if (tensor.rank && !tensor.dims) fail(Error::Kind::usage, what, " ", index, " has no dims");
  if (tensor.rank > 64) fail(Error::Kind::shape, what, " ", index, " has rank ", tensor.rank);
  Type type{static_cast<DType>(tensor.dtype), Shape(List<int64_t>(tensor.dims, tensor.rank))};
  for (const int64_t dim : type.shape)
    if (dim < 0) fail(Error::Kind::shape, what, " ", index, " has shape ", type.shape);
  return type;
}

// A view of the caller's tensor, checked against its size.
View view_of(const tessera_tensor& tensor, const char* what, size_t index) {
  const Type type = type_of(tensor, what, index);
  if (static_cast<int64_t>(tensor.bytes) != type.bytes())
    fail(Error::Kind::usage, what, " ", index, " is ", type, " and takes ", type.bytes(), " bytes, not ", tensor.bytes);
  static std::byte nothing[1];
  if (!tensor.data && tensor.bytes) fail(Error::Kind::usage, what, " ", index, " has no data");
  return {type, tensor.data ? static_cast<std::byte*>(tensor.data) : nothing};
}

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

RunOptions run_options(const tessera_cancel* cancel) {
  RunOptions options;
  if (cancel) options.cancel = &cancel->requested;
  return options;
}

void fill(const Port& from, tessera_port* to) {
  to->name = from.name.c_str();
  to->dtype = static_cast<tessera_dtype>(from.type.dtype);
  to->ranked = from.ranked;
  to->rank = from.ranked ? from.type.shape.size() : 0;
  to->dims = from.type.shape.data();
}

tessera_status* get_port(List<Port> ports, size_t index, tessera_port* port) {
  return guard([&] {
    require(port);
    if (port->struct_size < sizeof(tessera_port)) fail(Error::Kind::usage, "call tessera_port_init first");
    if (index >= ports.size()) fail(Error::Kind::usage, "there is no port ", index);
    fill(ports[index], port);
  });
}

template <class Load>
tessera_status* load(tessera_session** session, const Load& make) {
  return guard([&] {
    require(session);
    *session = nullptr;
    *session = make();
  });
}

}  // namespace

const char* tessera_version(void) { return TESSERA_VERSION; }

tessera_code tessera_status_code(const tessera_status* status) { return status ? status->code : TESSERA_OK; }
const char* tessera_status_text(const tessera_status* status) { return status ? status->text.c_str() : ""; }
void tessera_status_free(tessera_status* status) {
  if (status != &no_memory) delete status;
}

void tessera_options_init(tessera_options* options) {
  if (options) *options = {sizeof(tessera_options), 0, nullptr, nullptr, 1, 0, nullptr, nullptr};
}

void tessera_port_init(tessera_port* port) {
  if (port) *port = {sizeof(tessera_port), "", TESSERA_UNDEFINED, 0, 0, nullptr};
}

tessera_status* tessera_session_load(const char* path, const tessera_options* options, tessera_session** session) {
  return load(session, [&] {
    require(path);
    return new tessera_session{Session(path, read(options))};
  });
}

tessera_status* tessera_session_load_memory(const void* data, size_t bytes, const tessera_options* options,
                                            tessera_session** session) {
  return load(session, [&] {
    require(data);
    return new tessera_session{Session({static_cast<const std::byte*>(data), bytes}, read(options))};
  });
}

void tessera_session_free(tessera_session* session) { delete session; }

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
void tessera_cancel_request(tessera_cancel* cancel) {
  if (cancel) cancel->requested.store(true, std::memory_order_relaxed);
}
void tessera_cancel_free(tessera_cancel* cancel) { delete cancel; }

tessera_status* tessera_run(const tessera_session* session, const tessera_tensor* inputs, size_t input_count,
                            const tessera_cancel* cancel, tessera_result** result) {
  return guard([&] {
    require(session, result);
    *result = nullptr;
    const Views views(inputs, input_count, "input");
    std::vector<Tensor> in;
    for (const View& view : views.list())
      in.push_back({view.type, view.data ? std::shared_ptr<std::byte>(view.data, [](std::byte*) {}) : nullptr});
    auto out = std::make_unique<tessera_result>();
    out->tensors = session->session.run(List<Tensor>(in), run_options(cancel));
    for (const Tensor& tensor : out->tensors)
      if (tensor.type.dtype == DType::string)
        fail(Error::Kind::unsupported, "string tensors do not pass through the C interface");
    *result = out.release();
  });
}

size_t tessera_result_count(const tessera_result* result) { return result ? result->tensors.size() : 0; }

tessera_status* tessera_result_tensor(const tessera_result* result, size_t index, tessera_tensor* tensor) {
  return guard([&] {
    require(result, tensor);
    if (index >= result->tensors.size()) fail(Error::Kind::usage, "there is no output ", index);
    const Tensor& from = result->tensors[index];
    *tensor = {static_cast<tessera_dtype>(from.type.dtype), from.type.shape.size(), from.type.shape.data(),
               from.bytes.get(), static_cast<size_t>(from.type.bytes())};
  });
}

void tessera_result_free(tessera_result* result) { delete result; }

tessera_status* tessera_output_type(const tessera_session* session, const tessera_tensor* inputs, size_t input_count,
                                    size_t index, tessera_dtype* dtype, int64_t* dims, size_t capacity, size_t* rank,
                                    size_t* bytes) {
  return guard([&] {
    require(session, dtype, rank, bytes);
    if (input_count) require(inputs);
    if (capacity) require(dims);
    std::vector<Type> in;
    for (size_t i = 0; i < input_count; ++i)
      in.push_back(is_left_out(inputs[i]) ? Type{} : type_of(inputs[i], "input", i));
    const std::vector<Type> out = session->session.output_types(in);
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
