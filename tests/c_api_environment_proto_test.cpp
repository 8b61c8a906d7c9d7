// Environments, runs that nobody waits for, plans that are forgotten, and what models and plans say of themselves.
#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "include/tessera/tessera.h"
#include "tests/onnx_pen.h"
#include "tests/statuses.h"

namespace tessera {
namespace {

using test::expect_failure;
using test::expect_success;
using testing::Contains;
using testing::HasSubstr;

constexpr int64_t width = 512;  // its weights are larger than what the heap keeps

/// y = x * w, where w is a matrix of `width` rows and columns.
std::string product_model(float weight = 0.5f) {
  test::Pen pen;
  pen.graph->clear_input();
  auto* input = pen.graph->add_input();
  input->set_name("x");
  auto* type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(TESSERA_FLOAT32);
  type->mutable_shape()->add_dim()->set_dim_param("rows");
  type->mutable_shape()->add_dim()->set_dim_value(width);
  const std::vector<float> weights(width * width, weight);
  *pen.graph->add_initializer() = test::raw_tensor("w", DType::float32, {width, width},
                                                   {reinterpret_cast<const char*>(weights.data()), weights.size() * 4});
  pen.node("MatMul", {"x", "w"}, {"y"})->set_name("multiply");
  pen.graph->set_name("a graph");
  pen.graph->set_doc_string("of one node");
  pen.model.set_producer_name("a pen");
  pen.model.set_producer_version("7");
  pen.model.set_domain("example.org");
  pen.model.set_doc_string("a product");
  pen.model.set_model_version(3);
  return pen.model.SerializeAsString();
}

struct Rows {
  std::vector<float> values;
  int64_t dims[2];
  tessera_tensor tensor;
  explicit Rows(int64_t rows) : values(static_cast<size_t>(rows * width), 1.0f), dims{rows, width} {
    tensor = {TESSERA_FLOAT32, 2, dims, values.data(), values.size() * 4};
  }
};

struct Environment {
  tessera_environment* c = nullptr;
  Environment() = default;
  explicit Environment(const tessera_environment_options& options) {
    expect_success(tessera_environment_create(&options, &c));
  }
  ~Environment() { tessera_environment_free(c); }
};

tessera_environment_options environment_options() {
  tessera_environment_options options;
  TESSERA_INIT(&options);
  return options;
}

struct Session {
  tessera_session* c = nullptr;
  explicit Session(const std::string& bytes, const Environment& environment = {}, size_t most_plans = 0) {
    tessera_options options = options_of(environment);
    options.most_plans = most_plans;
    expect_success(tessera_session_load_memory(bytes.data(), bytes.size(), &options, &c));
  }
  ~Session() { tessera_session_free(c); }
  static tessera_options options_of(const Environment& environment) {
    tessera_options options;
    tessera_options_init(&options);
    options.device = "cpu";
    options.environment = environment.c;
    return options;
  }
  tessera_memory forecast() const {
    const Rows rows(2);
    tessera_memory memory;
    TESSERA_INIT(&memory);
    expect_success(tessera_session_forecast(c, &rows.tensor, 1, &memory));
    return memory;
  }
};

void run(const tessera_session* session, int64_t count = 2) {
  const Rows rows(count);
  tessera_result* result = nullptr;
  expect_success(tessera_run(session, &rows.tensor, 1, nullptr, &result));
  tessera_tensor out{};
  expect_success(tessera_result_tensor(result, 0, &out));
  EXPECT_EQ(static_cast<const float*>(out.data)[width - 1], width / 2.0f);
  tessera_result_free(result);
}

TEST(CApiEnvironment, SessionsShareThreads) {
  tessera_environment_options options = environment_options();
  options.share_threads = 1;
  options.threads = 3;
  std::atomic<int> loops = 0;
  options.parallel_context = &loops;
  options.parallel_for = [](void* context, size_t count, tessera_task task, void* argument) {
    ++*static_cast<std::atomic<int>*>(context);
    for (size_t i = 0; i < count; ++i) task(argument, i);
  };
  auto environment = std::make_unique<Environment>(options);
  const std::string model = product_model();
  const Session a(model, *environment), b(model, *environment);
  tessera_options wrong = Session::options_of(*environment);
  wrong.threads = 2;
  tessera_session* session = nullptr;
  expect_failure(tessera_session_load_memory(model.data(), model.size(), &wrong, &session), TESSERA_USAGE,
                 "the environment has the threads");
  environment.reset();  // before its sessions
  for (const Session* one : {&a, &b}) {
    const int before = loops;
    run(one->c, 64);
    EXPECT_GT(loops, before);
    tessera_facts facts;
    TESSERA_INIT(&facts);
    expect_success(tessera_session_facts(one->c, &facts));
    EXPECT_EQ(facts.threads, 3);
  }
}

TEST(CApiEnvironment, RefusesWhatCannotBe) {
  tessera_environment* environment = nullptr;
  const auto refuse = [&](const auto& change, const char* text) {
    tessera_environment_options options = environment_options();
    change(options);
    expect_failure(tessera_environment_create(&options, &environment), TESSERA_USAGE, text);
    EXPECT_EQ(environment, nullptr);
  };
  refuse([](auto& o) { o.struct_size = 0; }, "struct_size is 0");
  refuse([](auto& o) { o.threads = 2; }, "share_threads");
  refuse([](auto& o) { o.share_threads = 1, o.threads = -1; }, "cannot run on -1 threads");
  refuse([](auto& o) { o.allocate = [](void*, size_t, size_t) -> void* { return nullptr; }; }, "both");
  expect_failure(tessera_environment_create(nullptr, nullptr), TESSERA_USAGE, "NULL");
  expect_success(tessera_environment_create(nullptr, &environment));
  tessera_environment_free(environment);
  tessera_environment_free(nullptr);
}

// What one session packed, the other finds; other options and other bytes are other sessions.
TEST(CApiEnvironment, SessionsShareModels) {
  tessera_environment_options options = environment_options();
  options.share_models = 1;
  int loaded = 0;
  options.log_context = &loaded;
  options.log = [](void* context, tessera_log_level, const char*) { ++*static_cast<int*>(context); };
  const Environment environment(options);
  const std::string model = product_model(), other = product_model(0.25f);
  {
    const Session a(model, environment), b(model, environment);
    EXPECT_EQ(loaded, 1);
    const Session c(model, environment, 5), d(other, environment);
    EXPECT_EQ(loaded, 3);
    run(a.c);
    run(b.c);
    run(c.c);
    const std::string path = testing::TempDir() + "/shared_model.onnx";
    std::ofstream(path, std::ios::binary) << model;
    const tessera_options with = Session::options_of(environment);
    tessera_session *first = nullptr, *second = nullptr, *changed = nullptr;
    expect_success(tessera_session_load(path.c_str(), &with, &first));
    expect_success(tessera_session_load(path.c_str(), &with, &second));
    EXPECT_EQ(loaded, 4);
    std::remove(path.c_str());
    std::ofstream(path, std::ios::binary) << other << std::string("\x1a\x00", 2);
    expect_success(tessera_session_load(path.c_str(), &with, &changed));
    EXPECT_EQ(loaded, 5);
    tessera_session_free(first);
    run(second);
    tessera_session_free(second);
    tessera_session_free(changed);
    std::remove(path.c_str());
  }
  const Session again(model, environment);
  EXPECT_EQ(loaded, 6) << "what nobody has any more is loaded anew";
}

TEST(CApiEnvironment, LogsWhatHappens) {
  struct Line {
    tessera_log_level level;
    std::string text;
  };
  std::vector<Line> lines;
  tessera_environment_options options = environment_options();
  options.log_context = &lines;
  options.log = [](void* context, tessera_log_level level, const char* text) {
    static_cast<std::vector<Line>*>(context)->push_back({level, text});
  };
  const Environment environment(options);
  const std::string model = product_model();
  tessera_options with = Session::options_of(environment);
  with.name = "product";
  with.device = "vulkan:99";
  tessera_session* session = nullptr;
  expect_success(tessera_session_load_memory(model.data(), model.size(), &with, &session));
  tessera_session_free(session);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].level, TESSERA_LOG_WARNING);
  EXPECT_THAT(lines[0].text, HasSubstr("Vulkan"));
  EXPECT_EQ(lines[1].level, TESSERA_LOG_INFORMATION);
  EXPECT_EQ(lines[1].text, "product: 1 nodes, 1024 KiB of weights, on cpu");
}

struct Lender {
  std::atomic<int64_t> lent = 0, most = 0, calls = 0;
  std::atomic<bool> empty = false;
  static void* allocate(void* context, size_t bytes, size_t alignment) {
    auto& self = *static_cast<Lender*>(context);
    if (self.empty) return nullptr;
    ++self.calls;
    const int64_t now = self.lent += static_cast<int64_t>(bytes);
    if (now > self.most) self.most = now;
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    std::memset(memory, 0xA5, bytes);
    return memory;
  }
  static void release(void* context, void* memory, size_t bytes) {
    static_cast<Lender*>(context)->lent -= static_cast<int64_t>(bytes);
    std::free(memory);
  }
  tessera_environment_options options() {
    tessera_environment_options made = environment_options();
    made.memory_context = this;
    made.allocate = allocate;
    made.release = release;
    return made;
  }
};

TEST(CApiEnvironment, TakesMemoryFromTheCaller) {
  Lender lender;
  const Environment environment(lender.options());
  tessera_result* result = nullptr;
  {
    const Session session(product_model(), environment);
    EXPECT_GT(lender.lent, 4 * width * width) << "packed weights";
    run(session.c);
    const Rows rows(64);
    expect_success(tessera_run(session.c, &rows.tensor, 1, nullptr, &result));
    lender.empty = true;
    const Rows more(4096);
    tessera_result* none = nullptr;
    expect_failure(tessera_run(session.c, &more.tensor, 1, nullptr, &none), TESSERA_MEMORY, "memory");
    lender.empty = false;
    run(session.c, 3);
  }
  EXPECT_GT(lender.lent, 0) << "the result outlives its session";
  tessera_result_free(result);
  EXPECT_EQ(lender.lent, 0);
}

TEST(CApiEnvironment, RefusesAskewMemory) {
  Lender lender;
  tessera_environment_options options = lender.options();
  options.allocate = [](void* context, size_t bytes, size_t alignment) -> void* {
    return static_cast<char*>(Lender::allocate(context, bytes + 8, alignment)) + 8;
  };
  options.release = [](void* context, void* memory, size_t bytes) {
    Lender::release(context, static_cast<char*>(memory) - 8, bytes + 8);
  };
  const Environment environment(options);
  const std::string model = product_model();
  const tessera_options with = Session::options_of(environment);
  tessera_session* session = nullptr;
  tessera_status* status = tessera_session_load_memory(model.data(), model.size(), &with, &session);
  if (!status) {  // nothing was packed at load
    const Rows rows(2);
    tessera_result* result = nullptr;
    status = tessera_run(session, &rows.tensor, 1, nullptr, &result);
  }
  expect_failure(status, TESSERA_MEMORY, "not aligned to 64 bytes");
  tessera_session_free(session);
  EXPECT_EQ(lender.lent, 0);
}

// Plans take memory, which is counted here by a lender.
TEST(CApiEnvironment, PlansAreLimitedAndForgotten) {
  Lender lender;
  const Environment environment(lender.options());
  const Session session(product_model(), environment, 2);
  for (int64_t rows = 1; rows <= 6; ++rows) run(session.c, rows);
  const int64_t before = lender.lent;
  expect_success(tessera_session_forget_plans(session.c));
  EXPECT_LE(lender.lent, before);
  for (int64_t rows = 1; rows <= 6; ++rows) run(session.c, rows);
  expect_failure(tessera_session_forget_plans(nullptr), TESSERA_USAGE, "NULL");
  std::atomic<bool> ends = false;
  std::thread forgetful([&] {
    while (!ends) expect_success(tessera_session_forget_plans(session.c));
  });
  for (int i = 0; i < 200; ++i) run(session.c, 1 + i % 7);
  ends = true;
  forgetful.join();
}

/// What `done` was told, in the order in which it was.
struct Told {
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<tessera_code> codes;
  std::vector<float> firsts;

  static void done(void* context, tessera_status* status, tessera_result* result) {
    auto& self = *static_cast<Told*>(context);
    float first = -1;
    if (result) {
      tessera_tensor out{};
      expect_success(tessera_result_tensor(result, 0, &out));
      first = *static_cast<const float*>(out.data);
    }
    EXPECT_EQ(status == nullptr, result != nullptr);
    const std::lock_guard lock(self.mutex);
    self.codes.push_back(tessera_status_code(status));
    self.firsts.push_back(first);
    tessera_status_free(status);
    tessera_result_free(result);
    self.wake.notify_all();
  }
  void wait(size_t count) {
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return codes.size() >= count; });
  }
};

TEST(CApiEnvironment, RunsMayBeWaitedForByNobody) {
  Told told;
  const Session session(product_model());
  for (int i = 1; i <= 5; ++i) {
    Rows rows(2);
    rows.values[0] = static_cast<float>(i);
    tessera_value* value = nullptr;
    expect_success(tessera_value_create_tensor(&rows.tensor, &value));
    expect_success(tessera_run_async(session.c, &value, 1, nullptr, Told::done, &told));
    tessera_value_free(value);
  }
  told.wait(5);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(told.firsts[static_cast<size_t>(i - 1)], (width - 1 + i) / 2.0f);
}

TEST(CApiEnvironment, RunsInTheBackgroundFailAndAreCancelled) {
  Told told;
  const Rows rows(2);
  tessera_value* value = nullptr;
  expect_success(tessera_value_create_tensor(&rows.tensor, &value));
  tessera_cancel* cancel = nullptr;
  expect_success(tessera_cancel_create(&cancel));
  tessera_cancel_request(cancel);
  tessera_run_options options;
  TESSERA_INIT(&options);
  options.cancel = cancel;
  {
    const Session session(product_model());
    expect_success(tessera_run_async(session.c, &value, 1, &options, Told::done, &told));
    expect_success(tessera_run_async(session.c, nullptr, 0, nullptr, Told::done, &told));
    expect_failure(tessera_run_async(session.c, &value, 1, nullptr, nullptr, &told), TESSERA_USAGE, "NULL");
    expect_failure(tessera_run_async(session.c, nullptr, 1, nullptr, Told::done, &told), TESSERA_USAGE, "NULL");
    expect_failure(tessera_run_async(nullptr, &value, 1, nullptr, Told::done, &told), TESSERA_USAGE, "NULL");
  }  // the session waits for them
  EXPECT_THAT(told.codes, testing::ElementsAre(TESSERA_CANCELLED, TESSERA_USAGE));
  tessera_cancel_free(cancel);
  tessera_value_free(value);
}

TEST(CApiEnvironment, ARunsEndMayFreeItsSession) {
  struct Owner {
    tessera_session* session;
    Told told;
  } owner;
  const std::string model = product_model();
  const tessera_options options = Session::options_of({});
  expect_success(tessera_session_load_memory(model.data(), model.size(), &options, &owner.session));
  const Rows rows(2);
  tessera_value* value = nullptr;
  expect_success(tessera_value_create_tensor(&rows.tensor, &value));
  expect_success(tessera_run_async(
      owner.session, &value, 1, nullptr,
      [](void* context, tessera_status* status, tessera_result* result) {
        auto& to = *static_cast<Owner*>(context);
        tessera_session_free(to.session);
        Told::done(&to.told, status, result);
      },
      &owner));
  tessera_value_free(value);
  owner.told.wait(1);
  EXPECT_EQ(owner.told.codes[0], TESSERA_OK);
}

TEST(CApiEnvironment, ModelsSayWhatTheyAre) {
  const Session session(product_model());
  tessera_model model;
  TESSERA_INIT(&model);
  expect_success(tessera_session_model(session.c, &model));
  EXPECT_STREQ(model.producer, "a pen 7");
  EXPECT_STREQ(model.producer_name, "a pen");
  EXPECT_STREQ(model.producer_version, "7");
  EXPECT_STREQ(model.domain, "example.org");
  EXPECT_STREQ(model.description, "a product");
  EXPECT_STREQ(model.graph_name, "a graph");
  EXPECT_STREQ(model.graph_description, "of one node");
  EXPECT_EQ(model.version, 3);
}

TEST(CApiEnvironment, PlansAreTold) {
  const Session session(product_model());
  const Rows rows(64);
  tessera_steps* steps = nullptr;
  expect_success(tessera_session_steps(session.c, &rows.tensor, 1, &steps));
  ASSERT_EQ(tessera_steps_count(steps), 1u);
  tessera_step_facts facts;
  TESSERA_INIT(&facts);
  expect_success(tessera_steps_get(steps, 0, &facts));
  EXPECT_STREQ(facts.node, "multiply");
  EXPECT_STREQ(facts.device, "cpu");
  EXPECT_STREQ(facts.why, "");
  EXPECT_STRNE(facts.kernel, "");
  EXPECT_EQ(facts.flops, 2.0 * 64 * width * width);
  EXPECT_EQ(facts.bytes, 4 * (2 * 64 * width + width * width));
  ASSERT_EQ(facts.input_count, 2u);
  tessera_tensor type{};
  expect_success(tessera_steps_operand(steps, 0, 1, 0, &type));
  EXPECT_EQ(type.dtype, TESSERA_FLOAT32);
  ASSERT_EQ(type.rank, 2u);
  EXPECT_EQ(type.dims[0], 64);
  EXPECT_EQ(type.bytes, rows.tensor.bytes);
  expect_failure(tessera_steps_operand(steps, 0, 1, 1, &type), TESSERA_USAGE, "no output 1");
  expect_failure(tessera_steps_operand(steps, 0, 0, 2, &type), TESSERA_USAGE, "no input 2");
  expect_failure(tessera_steps_get(steps, 1, &facts), TESSERA_USAGE, "no step 1");
  tessera_steps_free(steps);
  expect_failure(tessera_session_steps(session.c, &rows.tensor, 0, &steps), TESSERA_USAGE, "1 inputs, but 0");
  EXPECT_EQ(steps, nullptr);
  EXPECT_EQ(tessera_steps_count(nullptr), 0u);
}

}  // namespace
}  // namespace tessera
