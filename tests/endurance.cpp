// Long and many: sessions that run for long, in many threads, many at a time, and in hosts that are unlike a plain
// program. In `./dev test` a few seconds; with TESSERA_ENDURANCE=1 in the numbers that are promised.

#include <fenv.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <clocale>
#include <locale>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "include/tessera/tessera.h"
#include "tests/onnx_pen.h"
#include "tests/statuses.h"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

int times(int few, int many) { return std::getenv("TESSERA_ENDURANCE") ? many : few; }

// A convolution, and a cut: what the input `shape` holds gives the result its shape.
std::string model() {
  Pen pen;
  auto* dims = pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  dims->clear_dim();
  for (const int64_t dim : {1, 4}) dims->add_dim()->set_dim_value(dim);
  for (const char* name : {"h", "w"}) dims->add_dim()->set_dim_param(name);
  add_input(pen.graph, "shape", DType::int64);
  const Tensor weights = random_tensor(DType::float32, {4, 4, 3, 3}, 1);
  *pen.graph->add_initializer() = raw_tensor(
      "weights", DType::float32, {4, 4, 3, 3},
      std::string(reinterpret_cast<const char*>(weights.bytes.get()), static_cast<size_t>(weights.type.bytes())));
  auto* conv = pen.node("Conv", {"x", "weights"}, {"c"});
  auto* pads = add_attr(conv, "pads", AttributeProto::INTS);
  for (int k = 0; k < 4; ++k) pads->add_ints(1);
  pen.node("Sigmoid", {"c"}, {"s"});
  pen.node("Reshape", {"s", "shape"}, {"r"});
  pen.node("Softmax", {"r"}, {"m"});
  pen.node("Mul", {"m", "r"}, {"y"});
  return pen.model.SerializeAsString();
}

tessera_session* open_model(const std::string& bytes, int threads, size_t most_plans = 0) {
  tessera_options options;
  tessera_options_init(&options);
  options.device = "cpu";
  options.threads = threads;
  options.most_plans = most_plans;
  tessera_session* session = nullptr;
  expect_success(tessera_session_load_memory(bytes.data(), bytes.size(), &options, &session));
  return session;
}

// A run whose input has `height` rows of `width`, and whose result rows of `columns`.
struct Question {
  int64_t height = 6, width = 6, columns = 8;
  friend auto operator<=>(const Question&, const Question&) = default;

  int64_t elements() const { return 4 * height * width; }
  std::vector<float> ask(const tessera_session* session) const {
    std::vector<float> x(static_cast<size_t>(elements())), y(x.size());
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
    const int64_t x_dims[4] = {1, 4, height, width}, two = 2;
    int64_t y_dims[2] = {elements() / columns, columns};
    const tessera_tensor in[2] = {{TESSERA_FLOAT32, 4, x_dims, x.data(), x.size() * sizeof(float)},
                                  {TESSERA_INT64, 1, &two, y_dims, sizeof y_dims}};
    const tessera_tensor out{TESSERA_FLOAT32, 2, y_dims, y.data(), y.size() * sizeof(float)};
    expect_success(tessera_run_into(session, in, 2, &out, 1, nullptr));
    return y;
  }
};

std::vector<Question> questions() {
  std::vector<Question> all;
  for (const int64_t height : {4, 6, 16, 33})
    for (const int64_t width : {4, 7, 40})
      for (const int64_t columns : {2, 4}) all.push_back({height, width, columns});
  return all;
}

int64_t resident_bytes() {
  ::malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  int64_t whole = 0, resident = 0;
  file >> whole >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

int64_t count_in(const char* folder) { return std::distance(fs::directory_iterator(folder), fs::directory_iterator{}); }

// Whether this process has so many threads; one that has been joined may be listed for a moment longer.
bool has_threads(int64_t count) {
  for (int i = 0; i < 2000 && count_in("/proc/self/task") != count; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return count_in("/proc/self/task") == count;
}

TEST(Endurance, RunsOfChangingShapesAndCuts) {
  const std::string bytes = model();
  const std::vector<Question> all = questions();
  std::vector<std::vector<float>> right;
  for (const Question& question : all) {
    tessera_session* fresh = open_model(bytes, 1);
    right.push_back(question.ask(fresh));
    tessera_session_free(fresh);
  }
  // So few plans are kept that some are forgotten and made again all the time.
  tessera_session* session = open_model(bytes, 3, 16);
  std::mt19937 chance(7);
  const int count = times(4000, 100'000), early = 1000;
  int64_t before = 0;
  for (int i = 0; i < count; ++i) {
    if (i == early) before = resident_bytes();
    const size_t which = chance() % all.size();
    ASSERT_EQ(all[which].ask(session), right[which]) << "run " << i;
  }
  const int64_t growth = resident_bytes() - before;
  std::printf("%d runs, %ld KiB more after the first thousand\n", count, static_cast<long>(growth >> 10));
  EXPECT_LE(growth, int64_t{1} << 20);
  tessera_session_free(session);
}

TEST(Endurance, ManyThreadsOnOneSession) {
  tessera_session* session = open_model(model(), 4);
  const std::vector<Question> all = questions();
  std::vector<std::vector<float>> right;
  for (const Question& question : all) right.push_back(question.ask(session));
  tessera_session_forget_plans(session);
  std::vector<std::thread> threads;
  std::atomic<int64_t> wrong{0};
  const int runs = times(40, 1000);
  for (unsigned t = 0; t < 32; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 chance(t);
      for (int i = 0; i < runs; ++i) {
        const size_t which = chance() % all.size();
        wrong += all[which].ask(session) != right[which];
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  tessera_session_free(session);
}

TEST(Endurance, SessionsOpenedAndClosed) {
  const TemporaryFolder folder;
  const std::string bytes = model(), file = (folder.path() / "m.onnx").string();
  std::ofstream(file, std::ios::binary) << bytes;
  const std::vector<float> right = [&] {
    tessera_session* session = open_model(bytes, 1);
    auto y = Question().ask(session);
    tessera_session_free(session);
    return y;
  }();
  const auto once = [&](int i) {
    tessera_session* session = nullptr;
    if (i % 2) {
      session = open_model(bytes, 3);
    } else {
      tessera_options options;
      tessera_options_init(&options);
      options.device = "cpu";
      options.threads = 3;
      expect_success(tessera_session_load(file.c_str(), &options, &session));
    }
    ASSERT_EQ(Question().ask(session), right);
    tessera_session_free(session);
  };
  const int count = times(200, 1000);
  for (int i = 0; i < 50; ++i) once(i);
  const int64_t memory = resident_bytes(), files = count_in("/proc/self/fd"), threads = count_in("/proc/self/task");
  for (int i = 0; i < count; ++i) once(i);
  const int64_t growth = resident_bytes() - memory;
  std::printf("%d sessions, %ld KiB more\n", count, static_cast<long>(growth >> 10));
  EXPECT_LE(growth, int64_t{1} << 20);
  EXPECT_EQ(count_in("/proc/self/fd"), files);
  EXPECT_TRUE(has_threads(threads));
}

// What the child says: how many of its checks failed.
template <class Child>
int in_child(const Child& child) {
  const pid_t id = ::fork();
  if (id == 0) {
    ::alarm(60);  // one that hangs ends
    ::_exit(child());
  }
  int status = -1;
  ::waitpid(id, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

TEST(Endurance, ParentAndChildComputeAfterAFork) {
  const std::string bytes = model();
  const Question large{64, 64, 4};
  tessera_session* session = open_model(bytes, 4);
  const std::vector<float> right = Question().ask(session), much = large.ask(session);
  for (int i = 0; i < times(10, 300); ++i) {
    // Workers asleep, awake or in between.
    if (i % 2) std::this_thread::sleep_for(std::chrono::microseconds(100 * i));
    const int failed = in_child([&] {
      cpu_set_t before, after;
      sched_getaffinity(0, sizeof before, &before);
      int wrong = 0;
      for (int k = 0; k < 5; ++k) wrong += Question().ask(session) != right || large.ask(session) != much;
      // A session of its own has threads again.
      tessera_session* own = open_model(bytes, 4);
      wrong += !has_threads(4);
      wrong += large.ask(own) != much;
      tessera_session_free(own);
      tessera_session_free(session);
      wrong += !has_threads(1);
      sched_getaffinity(0, sizeof after, &after);
      wrong += !CPU_EQUAL(&before, &after);
      // And so has the child's child.
      return wrong + in_child([&] {
               tessera_session* other = open_model(bytes, 2);
               const bool same = Question().ask(other) == right;
               tessera_session_free(other);
               return same ? 0 : 1;
             });
    });
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(large.ask(session), much);
  }
  tessera_session_free(session);
}

std::atomic<int64_t> signals_seen{0};

TEST(Endurance, StormsOfSignals) {
  const TemporaryFolder folder;
  const std::string bytes = model(), file = (folder.path() / "m.onnx").string();
  std::ofstream(file, std::ios::binary) << bytes;
  tessera_session* session = open_model(bytes, 3);
  const std::vector<float> right = Question().ask(session);
  struct sigaction counting {};
  counting.sa_handler = [](int) { ++signals_seen; };  // without SA_RESTART: calls are interrupted
  sigemptyset(&counting.sa_mask);
  std::map<int, struct sigaction> before;
  for (const int number : {SIGINT, SIGALRM, SIGPIPE}) sigaction(number, &counting, &before[number]);
  const itimerval often{{0, 200}, {0, 200}}, never{};
  setitimer(ITIMER_REAL, &often, nullptr);
  std::atomic<bool> stop{false};
  std::thread storm([&] {
    while (!stop) {
      ::kill(::getpid(), SIGINT);
      ::kill(::getpid(), SIGPIPE);
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  });
  for (int i = 0; i < times(300, 20'000); ++i) {
    ASSERT_EQ(Question().ask(session), right);
    if (i % 10) continue;
    tessera_options options;
    tessera_options_init(&options);
    options.device = "cpu";
    options.threads = 2;
    tessera_session* other = nullptr;
    expect_success(tessera_session_load(file.c_str(), &options, &other));
    ASSERT_EQ(Question().ask(other), right);
    tessera_session_free(other);
  }
  stop = true;
  storm.join();
  setitimer(ITIMER_REAL, &never, nullptr);
  for (const auto& [number, action] : before) sigaction(number, &action, nullptr);
  EXPECT_GT(signals_seen, 100);
  tessera_session_free(session);
}

// Runs `body` on a thread with a stack of so many bytes.
template <class Body>
void on_small_stack(size_t bytes, const Body& body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, bytes), 0);
  pthread_t thread;
  const auto call = [](void* argument) -> void* {
    (*static_cast<const Body*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, call, const_cast<Body*>(&body)), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(Endurance, HostsWithSmallStacks) {
  const std::string bytes = model();
  on_small_stack(64 << 10, [&] {
    tessera_session* session = open_model(bytes, 2);
    const std::vector<float> first = Question().ask(session);
    EXPECT_EQ(Question().ask(session), first);
    tessera_session_free(session);
  });
}

// Numbers become words and words numbers in a model, as in no locale.
void expect_plain_numbers() {
  const auto cast = [](const char* to, DType keys, DType values, const void* value, std::vector<tessera_value*>& made) {
    Pen pen;
    auto* ml = pen.model.add_opset_import();
    ml->set_domain("ai.onnx.ml");
    ml->set_version(1);
    auto* map = pen.graph->mutable_input(0)->mutable_type()->mutable_map_type();
    map->set_key_type(static_cast<int>(keys));
    map->mutable_value_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(values));
    auto* node = pen.node("CastMap", {"x"}, {"y"});
    node->set_domain("ai.onnx.ml");
    add_attr(node, "cast_to", AttributeProto::STRING)->set_s(to);
    tessera_session* session = open_model(pen.model.SerializeAsString(), 1);
    const int64_t key = 1, one = 1;
    tessera_value *k = nullptr, *v = nullptr, *in = nullptr;
    const tessera_tensor row{TESSERA_INT64, 1, &one, const_cast<int64_t*>(&key), sizeof key};
    expect_success(tessera_value_create_tensor(&row, &k));
    if (values == DType::string) {
      const char* text = static_cast<const char*>(value);
      expect_success(tessera_value_create_strings(&text, nullptr, &one, 1, &v));
    } else {
      const tessera_tensor number{TESSERA_FLOAT32, 1, &one, const_cast<void*>(value), sizeof(float)};
      expect_success(tessera_value_create_tensor(&number, &v));
    }
    expect_success(tessera_value_create_map(k, v, &in));
    tessera_result* result = nullptr;
    expect_success(tessera_run_values(session, &in, 1, nullptr, &result));
    tessera_value* out = nullptr;
    expect_success(tessera_result_value(result, 0, &out));
    tessera_result_free(result);
    tessera_session_free(session);
    made = {k, v, in, out};
    return out;
  };
  const auto free_all = [](const std::vector<tessera_value*>& values) {
    for (tessera_value* value : values) tessera_value_free(value);
  };
  std::vector<tessera_value*> made;
  tessera_tensor tensor{};
  expect_success(tessera_value_tensor(cast("TO_FLOAT", DType::int64, DType::string, "1234.5", made), &tensor));
  EXPECT_EQ(*static_cast<const float*>(tensor.data), 1234.5f);
  free_all(made);
  const float number = 1234.5f;
  const char* text = nullptr;
  expect_success(
      tessera_value_string(cast("TO_STRING", DType::int64, DType::float32, &number, made), 0, &text, nullptr));
  EXPECT_STREQ(text, "1234.5");
  free_all(made);
}

TEST(Endurance, HostsWithADecimalComma) {
  const TemporaryFolder folder;
  const std::string make = "localedef -i de_DE -f UTF-8 " + (folder.path() / "de_DE.UTF-8").string() + " 2>/dev/null";
  static_cast<void>(!std::system(make.c_str()));
  ::setenv("LOCPATH", folder.path().c_str(), 1);
  if (!std::setlocale(LC_ALL, "de_DE.UTF-8")) GTEST_SKIP() << "skipped: this machine cannot make a German locale";
  char half[16];
  std::snprintf(half, sizeof half, "%.1f", 0.5);
  EXPECT_STREQ(half, "0,5");
  expect_plain_numbers();
  std::setlocale(LC_ALL, "C");
}

TEST(Endurance, HostsWhoseStreamsWriteACommaAndGroups) {
  struct German : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new German));
  std::ostringstream text;
  text << 1234.5;
  EXPECT_EQ(text.str(), "1.234,5");
  expect_plain_numbers();
  std::locale::global(before);
}

}  // namespace
}  // namespace tessera::test
