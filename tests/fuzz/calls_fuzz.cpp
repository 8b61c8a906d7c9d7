// Fuzzes the C interfaces: calls in any order, from up to three threads at once, with handles that they share and
// arguments that may be wrong. What is asked of callers is kept: nothing is used after it is freed, buffers are as
// large as they are said to be. Each call must give what it promises, or one status of a kind that is not a bug of
// tessera's.
#include <cstring>
#include <mutex>

#include "include/tessera/upscale.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/models.h"

namespace tessera::test {
namespace {

// A handle that is freed when its last user has done with it.
template <class T>
using Shared = std::shared_ptr<T>;

// Handles that all threads take from.
template <class T, void (*release)(T*)>
class Pool {
 public:
  void add(T* handle) {
    const std::lock_guard lock(mutex_);
    if (handles_.size() >= 6) handles_.erase(handles_.begin());
    handles_.emplace_back(handle, release);
  }
  /// One of them, or null.
  Shared<T> any(Choices& choices) {
    const std::lock_guard lock(mutex_);
    const auto at = static_cast<size_t>(choices.below(7));
    return at < handles_.size() ? handles_[at] : handles_.empty() || at == 6 ? nullptr : handles_.back();
  }
  void drop(Choices& choices) {
    const std::lock_guard lock(mutex_);
    if (!handles_.empty()) handles_.erase(handles_.begin() + choices.below(static_cast<int64_t>(handles_.size())));
  }

 private:
  std::mutex mutex_;
  std::vector<Shared<T>> handles_;
};

// --- What models there are ------------------------------------------------------------------------

std::string upscaler_model() {
  Pen pen;
  auto* shape = pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->clear_dim();
  for (const int64_t extent : {1, 3}) shape->add_dim()->set_dim_value(extent);
  for (const char* name : {"h", "w"}) shape->add_dim()->set_dim_param(name);
  *pen.graph->add_initializer() = proto_of("scales", floats({4}, {1, 1, 2, 2}));
  add_attr(pen.node("Resize", {"x", "", "scales"}, {"y"}), "mode", AttributeProto::STRING)->set_s("linear");
  return pen.model.SerializeAsString();
}

const std::vector<std::string>& models() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> made;
    const auto subjects = model_subjects();
    for (size_t i = 0; i < 17; ++i) made.push_back(file_of(subjects[i]));
    for (size_t i = 17; i < subjects.size(); i += 23) made.push_back(file_of(subjects[i]));
    made.push_back(upscaler_model());
    return made;
  }();
  return all;
}

// --- One thread's calls ------------------------------------------------------------------------------

// What threads share.
struct World {
  Pool<tessera_environment, tessera_environment_free> environments;
  Pool<tessera_session, tessera_session_free> sessions;
  Pool<tessera_value, tessera_value_free> values;
  Pool<tessera_result, tessera_result_free> results;
  Pool<tessera_cancel, tessera_cancel_free> cancels;
  Pool<tessera_upscaler, tessera_upscaler_free> upscalers;
  std::atomic<int> pending{0};
};

// A tensor as a caller may have it, with bytes of its own.
struct Given {
  std::vector<int64_t> dims;
  std::vector<std::byte> bytes;
  tessera_tensor tensor{};
};

class Caller {
 public:
  Caller(World& world, Choices choices) : world_(world), choices_(choices) {}

  void call() {
    switch (choices_.below(16)) {
      case 0:
      case 1: return load();
      case 2:
      case 3: return run();
      case 4: return run_values();
      case 5: return run_into();
      case 6: return run_async();
      case 7: return ask_session();
      case 8:
      case 9: return make_value();
      case 10: return ask_value();
      case 11: return ask_result();
      case 12: return cancels();
      case 13: return drop();
      case 14: return environment();
      default: return choices_.below(6) ? ask_session() : upscale();
    }
  }

 private:
  int64_t below(int64_t end) { return choices_.below(end); }
  bool rarely() { return below(40) == 0; }

  /// Whether it was a success.
  static bool check(tessera_status* status) {
    if (!status) return true;
    const tessera_code code = tessera_status_code(status);
    const std::string text = tessera_status_text(status);
    tessera_status_free(status);
    if (code <= TESSERA_OK || code >= TESSERA_INTERNAL || text.empty())
      finding(cat("status ", static_cast<int>(code), ": \"", text, '"'));
    return false;
  }

  Given tensor() {
    Given given;
    for (int64_t rank = choices_.pick<int64_t>({0, 1, 2, 2, 3, 4, 9}); rank > 0; --rank)
      given.dims.push_back(choices_.pick<int64_t>({0, 1, 2, 3, 4, 5, 8}));
    const auto dtype = static_cast<tessera_dtype>(below(3) ? 1 : choices_.roll(0, 27));
    int64_t elements = 1;
    for (const int64_t extent : given.dims) elements *= extent;
    if (elements > 1 << 16) given.dims.assign(1, elements = 4);
    int64_t bytes = elements * 16;
    if (dtype > 0 && static_cast<int>(dtype) < dtype_count && dtype != TESSERA_STRING)
      bytes = (elements * bits_of(static_cast<DType>(dtype)) + 7) / 8;
    given.bytes.resize(static_cast<size_t>(bytes));
    for (size_t i = 0; i < given.bytes.size(); i += 5) given.bytes[i] = static_cast<std::byte>(below(64));
    given.tensor = {dtype, given.dims.size(), nullptr, given.bytes.data(), given.bytes.size()};
    if (rarely()) given.tensor.data = nullptr;
    if (rarely()) given.tensor.bytes /= 2;
    // Not of none: a Scan would go 2^40 times over nothing.
    if (rarely() && !given.dims.empty() && elements > 0)
      given.dims[0] = choices_.pick<int64_t>({-1, int64_t{1} << 40, std::numeric_limits<int64_t>::max()});
    if (!rarely()) given.tensor.dims = given.dims.data();
    return given;
  }

  struct Inputs {
    std::vector<Given> given;
    std::vector<tessera_tensor> tensors;
  };
  Inputs inputs(const tessera_session* session) {
    Inputs in;
    int64_t count = static_cast<int64_t>(tessera_session_input_count(session));
    if (rarely()) count = below(5);
    for (; count > 0; --count) in.given.push_back(tensor());
    for (Given& given : in.given) {
      // Moving the list kept the bytes where they are, but be sure of it.
      if (given.tensor.data) given.tensor.data = given.bytes.data();
      if (given.tensor.dims) given.tensor.dims = given.dims.data();
      // Mostly as the model declares it.
      tessera_port port;
      tessera_port_init(&port);
      const auto index = static_cast<size_t>(&given - in.given.data());
      if (below(4) && session && check(tessera_session_input(session, index, &port))) as_declared(port, given);
      in.tensors.push_back(given.tensor);
    }
    return in;
  }

  static void as_declared(const tessera_port& port, Given& given) {
    if (port.kind != TESSERA_TENSOR || port.dtype == TESSERA_STRING || !port.dtype) return;
    if (port.ranked) given.dims.assign(port.dims, port.dims + port.rank);
    int64_t elements = 1;
    for (int64_t& extent : given.dims) {
      if (extent < 0) extent = 3;
      if (__builtin_mul_overflow(elements, extent, &elements) || elements > 1 << 16) return;
    }
    given.bytes.resize(static_cast<size_t>((elements * bits_of(static_cast<DType>(port.dtype)) + 7) / 8));
    given.tensor = {port.dtype, given.dims.size(), given.dims.data(), given.bytes.data(), given.bytes.size()};
  }

  void load() {
    const std::string& model = choices_.pick(models());
    tessera_options options;
    tessera_options_init(&options);
    options.threads = static_cast<int>(choices_.pick<int64_t>({1, 1, 1, 2, 3, -1}));
    options.device = choices_.pick<const char*>({"cpu", "cpu", "cpu", "cpu", "gpu:0", ""});
    options.precision = choices_.pick<const char*>({nullptr, nullptr, "fp32", "exact", "bf16", "int8", "fp8"});
    options.optimize = below(3) != 0;
    options.memory_limit = choices_.pick<int64_t>({0, 1 << 24, 1 << 24, 1 << 12, -1});
    options.most_plans = static_cast<size_t>(below(3));
    options.name = below(2) ? "a model" : nullptr;
    const tessera_fixed_input fixed{"a", 1};
    if (rarely()) options.fixed = &fixed, options.fixed_count = 1;
    const auto environment = world_.environments.any(choices_);
    options.environment = environment.get();
    if (rarely()) options.struct_size = static_cast<size_t>(8 * below(40));
    tessera_session* session = nullptr;
    size_t size = model.size();
    if (rarely()) size = static_cast<size_t>(below(static_cast<int64_t>(size)));
    if (check(tessera_session_load_memory(rarely() ? nullptr : model.data(), size, rarely() ? nullptr : &options,
                                          rarely() ? nullptr : &session)) &&
        session)
      world_.sessions.add(session);
  }

  void run() {
    const auto session = world_.sessions.any(choices_);
    const auto cancel = world_.cancels.any(choices_);
    const Inputs in = inputs(session.get());
    tessera_result* result = nullptr;
    tessera_status* status = nullptr;
    if (below(2)) {
      status =
          tessera_run(session.get(), in.tensors.data(), in.tensors.size(), below(4) ? nullptr : cancel.get(), &result);
    } else {
      tessera_run_options options;
      TESSERA_INIT(&options);
      options.progress = [](void*, double done) { return done > 2 ? 1 : 0; };
      options.step = [](void*, const tessera_step* step) {
        if (!step->op || !step->kernel || !step->node) finding("a step without texts");
      };
      status = tessera_run_with(session.get(), in.tensors.data(), in.tensors.size(), &options, &result);
    }
    if (check(status)) world_.results.add(result);
  }

  std::vector<Shared<tessera_value>> some_values(size_t count) {
    std::vector<Shared<tessera_value>> values;
    for (size_t i = 0; i < count; ++i) values.push_back(world_.values.any(choices_));
    return values;
  }
  static std::vector<const tessera_value*> handles(const std::vector<Shared<tessera_value>>& values) {
    std::vector<const tessera_value*> list;
    for (const auto& value : values) list.push_back(value.get());
    return list;
  }

  void run_values() {
    const auto session = world_.sessions.any(choices_);
    const auto values = some_values(tessera_session_input_count(session.get()));
    const auto list = handles(values);
    tessera_result* result = nullptr;
    if (check(tessera_run_values(session.get(), list.data(), list.size(), nullptr, &result)))
      world_.results.add(result);
  }

  void run_into() {
    const auto session = world_.sessions.any(choices_);
    const Inputs in = inputs(session.get());
    std::vector<Given> out(tessera_session_output_count(session.get()));
    std::vector<tessera_tensor> tensors;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i].dims.resize(10);
      tessera_dtype dtype = TESSERA_UNDEFINED;
      size_t rank = 0, bytes = 0;
      const auto capacity = static_cast<size_t>(below(8) ? 10 : 1);
      if (!check(tessera_output_type(session.get(), in.tensors.data(), in.tensors.size(), i, &dtype, out[i].dims.data(),
                                     capacity, &rank, &bytes)))
        return;
      if (bytes > 1 << 24) return;
      out[i].dims.resize(std::min<size_t>(rank, 10));
      out[i].bytes.resize(bytes);
      tensors.push_back({dtype, out[i].dims.size(), out[i].dims.data(), out[i].bytes.data(), bytes});
      if (rarely() && bytes) --tensors.back().bytes;
    }
    if (below(3) == 0) return run_buffers(session.get(), in.tensors, tensors);
    check(
        tessera_run_into(session.get(), in.tensors.data(), in.tensors.size(), tensors.data(), tensors.size(), nullptr));
  }

  // Around the same memory, or of the library's own.
  void run_buffers(const tessera_session* session, List<tessera_tensor> in, List<tessera_tensor> out) {
    std::vector<tessera_buffer*> all;
    for (const auto& side : {in, out})
      for (const tessera_tensor& tensor : side) {
        tessera_buffer*& made = all.emplace_back(nullptr);
        if (!below(3)) {
          check(tessera_buffer_create("cpu", &tensor, below(2) != 0, &made));
          if (made && tensor.data) check(tessera_buffer_write(made, tensor.data, tensor.bytes));
        } else if (!rarely()) {
          check(tessera_buffer_create_around(&tensor, &made));
        }
      }
    if (rarely() && !all.empty()) std::swap(all.front(), all.back());
    check(tessera_run_buffers(session, all.data(), in.size(), all.data() + in.size(), out.size(), nullptr));
    tessera_buffer_facts facts;
    TESSERA_INIT(&facts);
    if (rarely()) facts.struct_size = static_cast<size_t>(below(100));
    int descriptor = 0;
    for (tessera_buffer* buffer : all) {
      check(tessera_buffer_get(buffer, &facts));
      check(tessera_buffer_descriptor(buffer, &descriptor));
    }
    for (size_t i = 0; i < out.size(); ++i) check(tessera_buffer_read(all[in.size() + i], out[i].data, out[i].bytes));
    for (tessera_buffer* buffer : all) tessera_buffer_free(buffer);
  }

  void run_async() {
    const auto session = world_.sessions.any(choices_);
    const auto values = some_values(tessera_session_input_count(session.get()));
    const auto list = handles(values);
    ++world_.pending;
    const bool begun = check(tessera_run_async(
        session.get(), list.data(), list.size(), nullptr,
        [](void* context, tessera_status* status, tessera_result* result) {
          if ((status == nullptr) == (result == nullptr)) finding("a run's end has a status and a result, or neither");
          check(status);
          auto& world = *static_cast<World*>(context);
          if (result) world.results.add(result);
          --world.pending;
        },
        &world_));
    if (!begun) --world_.pending;
  }

  void ask_session() {
    const auto shared = world_.sessions.any(choices_);
    const tessera_session* session = shared.get();
    const auto index = static_cast<size_t>(below(4));
    tessera_port port;
    tessera_port_init(&port);
    if (rarely()) port.struct_size = static_cast<size_t>(8 * below(14));
    if (check(tessera_session_input(session, index, &port)) && port.type) {
      tessera_type_facts facts;
      TESSERA_INIT(&facts);
      check(tessera_type_get(port.type, &facts));
      tessera_type_dim_name(port.type, index);
    }
    tessera_port_init(&port);
    check(tessera_session_output(session, index, &port));
    tessera_session_optional_input_count(session);
    if (session) tessera_session_device(session), tessera_session_device_note(session);
    if (below(4) == 0) check(tessera_session_forget_plans(session));
  }

  void make_value() {
    tessera_value* value = nullptr;
    tessera_status* status = nullptr;
    const auto some = some_values(static_cast<size_t>(below(4)));
    const auto list = handles(some);
    const auto one = world_.values.any(choices_), other = world_.values.any(choices_);
    switch (below(8)) {
      case 0:
      case 1: {
        const Given given = tensor();
        status = tessera_value_create_tensor(rarely() ? nullptr : &given.tensor, &value);
        break;
      }
      case 2: {
        auto* given = new Given(tensor());
        if (given->tensor.dims) given->tensor.dims = given->dims.data();
        status = tessera_value_create_around(
            &given->tensor, [](void* context) { delete static_cast<Given*>(context); }, given, &value);
        if (status) delete given;
        break;
      }
      case 3: {
        const char* const texts[] = {"a", "", "long enough to be elsewhere than in the string itself", "d"};
        const size_t lengths[] = {1, 0, 4, 1};
        const int64_t dims[] = {choices_.roll(0, 4), 1};
        status = tessera_value_create_strings(texts, below(2) ? lengths : nullptr, dims, static_cast<size_t>(below(3)),
                                              &value);
        break;
      }
      case 4:
        status = tessera_value_create_sequence(static_cast<tessera_dtype>(below(28)), list.data(), list.size(), &value);
        break;
      case 5: status = tessera_value_create_optional(one.get(), &value); break;
      case 6: status = tessera_value_create_map(one.get(), other.get(), &value); break;
      default: status = tessera_value_share(one.get(), &value);
    }
    if (check(status)) world_.values.add(value);
  }

  void ask_value() {
    const auto shared = world_.values.any(choices_);
    const tessera_value* value = shared.get();
    tessera_value_kind(value);
    tessera_value_dtype(value);
    const size_t count = tessera_value_count(value);
    const auto index = static_cast<size_t>(below(static_cast<int64_t>(std::min<size_t>(count, 100)) + 2));
    tessera_tensor tensor;
    if (check(tessera_value_tensor(value, &tensor))) touch(tensor);
    const char* text = nullptr;
    size_t length = 0;
    if (check(tessera_value_string(value, index, &text, below(2) ? &length : nullptr)) && length &&
        text[length] != '\0')
      finding("a text does not end in 0");
    tessera_value* made = nullptr;
    if (check(tessera_value_item(value, index, &made))) world_.values.add(made);
    if (check(tessera_value_keys(value, &made))) world_.values.add(made);
    if (check(tessera_value_values(value, &made))) world_.values.add(made);
  }

  // All of it may be read.
  static void touch(const tessera_tensor& tensor) {
    unsigned sum = 0;
    for (size_t i = 0; tensor.data && i < tensor.bytes; ++i) sum += static_cast<const unsigned char*>(tensor.data)[i];
    for (size_t i = 0; i < tensor.rank; ++i)
      if (tensor.dims[i] < 0) finding("a negative extent");
    [[maybe_unused]] volatile unsigned kept = sum;
  }

  void ask_result() {
    const auto shared = world_.results.any(choices_);
    const size_t count = tessera_result_count(shared.get());
    const auto index = static_cast<size_t>(below(static_cast<int64_t>(count) + 1));
    tessera_tensor tensor;
    if (check(tessera_result_tensor(shared.get(), index, &tensor))) touch(tensor);
    tessera_value* value = nullptr;
    if (check(tessera_result_value(shared.get(), index, &value))) world_.values.add(value);
  }

  void cancels() {
    static const volatile unsigned char quiet = 0;
    tessera_cancel* made = nullptr;
    const auto cancel = world_.cancels.any(choices_);
    switch (below(4)) {
      case 0:
        if (check(tessera_cancel_create(&made))) world_.cancels.add(made);
        break;
      case 1:
        if (check(tessera_cancel_watch(&quiet, &made))) world_.cancels.add(made);
        break;
      case 2: tessera_cancel_request(cancel.get()); break;
      default: tessera_cancel_requested(cancel.get());
    }
  }

  void drop() {
    switch (below(6)) {
      case 0: return world_.sessions.drop(choices_);
      case 1: return world_.values.drop(choices_);
      case 2: return world_.results.drop(choices_);
      case 3: return world_.cancels.drop(choices_);
      case 4: return world_.environments.drop(choices_);
      default: return world_.upscalers.drop(choices_);
    }
  }

  void environment() {
    tessera_environment_options options;
    TESSERA_INIT(&options);
    options.share_threads = static_cast<int>(below(2));
    options.threads = static_cast<int>(below(3));
    options.share_models = static_cast<int>(below(2));
    options.log = [](void*, tessera_log_level, const char* text) {
      if (std::strchr(text, '\n')) finding("a log's line has several");
    };
    if (rarely()) options.struct_size = static_cast<size_t>(8 * below(16));
    tessera_environment* made = nullptr;
    if (check(tessera_environment_create(below(4) ? &options : nullptr, &made))) world_.environments.add(made);
  }

  void upscale() {
    auto upscaler = world_.upscalers.any(choices_);
    if (!upscaler) {
      tessera_upscaler_options options;
      TESSERA_INIT(&options);
      options.devices = "cpu";
      options.threads = 1;
      options.tile = choices_.pick<int64_t>({0, 32, 1, 40});
      options.overlap = choices_.pick<int64_t>({0, 8, -1, 1000});
      options.range = choices_.pick<const char*>({nullptr, nullptr, "0:255", "x"});
      tessera_upscaler* made = nullptr;
      const std::string& model = below(4) ? models().back() : choices_.pick(models());
      if (!check(tessera_upscaler_open_memory(model.data(), model.size(), &options, &made))) return;
      world_.upscalers.add(made);
      upscaler = world_.upscalers.any(choices_);
    }
    tessera_upscaler_facts facts;
    TESSERA_INIT(&facts);
    check(tessera_upscaler_ask(upscaler.get(), &facts));
    const int64_t width = choices_.roll(0, 70), height = choices_.roll(0, 70), channels = choices_.roll(0, 5);
    const int64_t scale = choices_.roll(1, 3);
    const auto dtype = choices_.pick({TESSERA_UINT8, TESSERA_UINT16, TESSERA_FLOAT32, TESSERA_INT8});
    std::vector<float> from(static_cast<size_t>(width * height * channels + 1)),
        to(static_cast<size_t>(width * height * channels * scale * scale + 1));
    tessera_picture source, result;
    TESSERA_INIT(&source);
    TESSERA_INIT(&result);
    source.width = width, source.height = height, source.channels = static_cast<int>(channels), source.dtype = dtype;
    source.data = from.data();
    result.width = width * scale, result.height = height * scale, result.channels = source.channels,
    result.dtype = dtype;
    result.data = to.data();
    tessera_upscale_options options;
    TESSERA_INIT(&options);
    if (rarely()) options.x = choices_.roll(-1, 9);
    tessera_upscale_report* report = nullptr;
    if (check(tessera_upscale(upscaler.get(), &source, &result, below(2) ? &options : nullptr,
                              below(2) ? &report : nullptr))) {
      tessera_upscale_summary summary;
      TESSERA_INIT(&summary);
      if (report) check(tessera_upscale_report_get(report, &summary)), tessera_upscale_report_note(report, 0);
    }
    tessera_upscale_report_free(report);
  }

  World& world_;
  Choices choices_;
};

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> made;
  for (int i = 0; i < 48; ++i) {
    std::string text;
    for (int k = 0; k < 96; ++k) text.push_back(static_cast<char>(k * (2 * i + 1) * 29 + i * 7));
    made.push_back(text);
  }
  return made;
}

// What the fuzzer does with its bytes: each thread has a part of them.
void call_at_random(List<uint8_t> bytes) {
  World world;
  const size_t threads = bytes.empty() ? 1 : 1 + bytes[0] % 3, part = bytes.size() / threads;
  {
    std::vector<std::jthread> running;
    for (size_t t = 0; t < threads; ++t)
      running.emplace_back([&world, mine = bytes.subspan(t * part, part)] {
        Caller caller(world, Choices(mine));
        for (size_t calls = 4 + mine.size() / 6; calls > 0; --calls) caller.call();
      });
  }
  while (world.pending > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace tessera::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const tessera::test::TemporaryFolder cache;  // of what upscalers find out of models
  setenv("TESSERA_CACHE", cache.path().c_str(), 1);
  tessera::test::call_at_random({data, size});
  return 0;
}
