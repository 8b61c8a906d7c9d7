// The C interface, as a caller uses and misuses it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <thread>

#include "include/tessera/tessera.hpp"
#include "tests/places.h"
#include "tests/statuses.h"

// What the first version of the header declared; now they are macros.
extern "C" void(tessera_options_init)(tessera_options*);
extern "C" void(tessera_port_init)(tessera_port*);

namespace {

using tessera::test::expect_failure;
using testing::HasSubstr;

const std::string model_path = tessera::test::source_dir() + "/models/photo-x2.onnx";
const char* const model = model_path.c_str();

struct Loaded {
  tessera_session* session = nullptr;
  Loaded() {
    tessera_options options;
    tessera_options_init(&options);
    options.device = "cpu";
    EXPECT_EQ(tessera_session_load(model, &options, &session), nullptr);
  }
  ~Loaded() { tessera_session_free(session); }
};

struct Picture {
  std::vector<float> values;
  int64_t dims[4];
  tessera_tensor tensor;
  Picture(int64_t height, int64_t width)
      : values(static_cast<size_t>(3 * height * width), 0.5f), dims{1, 3, height, width} {
    tensor = {TESSERA_FLOAT32, 4, dims, values.data(), values.size() * sizeof(float)};
  }
};

TEST(CApi, DescribesTheModel) {
  const Loaded loaded;
  ASSERT_EQ(tessera_session_input_count(loaded.session), 1u);
  ASSERT_EQ(tessera_session_output_count(loaded.session), 1u);
  tessera_port port;
  tessera_port_init(&port);
  ASSERT_EQ(tessera_session_input(loaded.session, 0, &port), nullptr);
  EXPECT_STREQ(port.name, "in");
  EXPECT_EQ(port.dtype, TESSERA_FLOAT32);
  ASSERT_EQ(port.rank, 4u);
  EXPECT_EQ(port.dims[1], 3);
  EXPECT_EQ(port.dims[2], -1);
  EXPECT_STREQ(tessera_session_device(loaded.session), "cpu");
  expect_failure(tessera_session_output(loaded.session, 1, &port), TESSERA_USAGE, "no port 1");
}

// Runs on threads of the caller's give the same bits as the session's own.
TEST(CApi, RunsOnTheCallersThreads) {
  size_t loops = 0;
  auto pool = [&](size_t count, const auto& task) {
    ++loops;
    std::vector<std::thread> threads;
    for (size_t i = 1; i < count; ++i) threads.emplace_back(task, i);
    task(0);
    for (std::thread& thread : threads) thread.join();
  };
  std::vector<float> values(3 * 20 * 28);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) / 17;
  const tessera::api::Tensor in(std::span<float>(values), {1, 3, 20, 28});
  tessera::api::Options options;
  options.device = "cpu";
  options.threads = 3;
  const tessera::api::Session own(model, options);
  options.use_threads(pool);
  const tessera::api::Session foreign(model, options);
  const tessera::api::Result expected = own.run({&in, 1}), got = foreign.run({&in, 1});
  EXPECT_GT(loops, 0u);
  const auto a = expected[0].elements<float>(), b = got[0].elements<float>();
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size_bytes()), 0);
}

TEST(CApi, RunsIntoItsOwnAndTheCallersMemory) {
  const Loaded loaded;
  Picture picture(10, 14);
  tessera_result* result = nullptr;
  ASSERT_EQ(tessera_run(loaded.session, &picture.tensor, 1, nullptr, &result), nullptr);
  tessera_tensor out;
  ASSERT_EQ(tessera_result_tensor(result, 0, &out), nullptr);
  ASSERT_EQ(out.rank, 4u);
  EXPECT_EQ(out.dims[2], 20);
  EXPECT_EQ(out.dims[3], 28);

  tessera_dtype dtype;
  int64_t dims[4];
  size_t rank, bytes;
  ASSERT_EQ(tessera_output_type(loaded.session, &picture.tensor, 1, 0, &dtype, dims, 4, &rank, &bytes), nullptr);
  EXPECT_EQ(bytes, out.bytes);
  Picture target(20, 28);
  ASSERT_EQ(tessera_run_into(loaded.session, &picture.tensor, 1, &target.tensor, 1, nullptr), nullptr);
  EXPECT_EQ(std::memcmp(target.values.data(), out.data, out.bytes), 0);
  // A grey picture stays grey, more or less: the model really ran.
  EXPECT_NEAR(target.values[target.values.size() / 2], 0.5f, 0.05f);
  tessera_result_free(result);
}

TEST(CApi, SaysWhatIsWrongWithTheArguments) {
  const Loaded loaded;
  Picture picture(8, 8);
  tessera_result* result = nullptr;
  expect_failure(tessera_run(nullptr, &picture.tensor, 1, nullptr, &result), TESSERA_USAGE, "NULL");
  expect_failure(tessera_run(loaded.session, &picture.tensor, 0, nullptr, &result), TESSERA_USAGE, "1 input");
  tessera_tensor wrong = picture.tensor;
  wrong.bytes -= 4;
  expect_failure(tessera_run(loaded.session, &wrong, 1, nullptr, &result), TESSERA_USAGE, "takes 768 bytes, not 764");
  wrong = picture.tensor;
  wrong.dtype = TESSERA_INT32;
  expect_failure(tessera_run(loaded.session, &wrong, 1, nullptr, &result), TESSERA_TYPE, "must be float32, not int32");
  const int64_t channels[4] = {1, 1, 8, 24};
  wrong = picture.tensor;
  wrong.dims = channels;
  expect_failure(tessera_run(loaded.session, &wrong, 1, nullptr, &result), TESSERA_SHAPE, "must be [?,3,?,?]");
  Picture target(15, 16);
  expect_failure(tessera_run_into(loaded.session, &picture.tensor, 1, &target.tensor, 1, nullptr), TESSERA_SHAPE,
                 "the buffer is float32[1,3,15,16]");
  EXPECT_EQ(result, nullptr);
}

TEST(CApi, SaysWhatIsWrongWithTheModelAndOptions) {
  tessera_session* session = nullptr;
  expect_failure(tessera_session_load("/nonexistent/x.onnx", nullptr, &session), TESSERA_FILE, "/nonexistent/x.onnx");
  tessera_options options;
  tessera_options_init(&options);
  options.device = "abacus";
  expect_failure(tessera_session_load(model, &options, &session), TESSERA_USAGE, "abacus");
  tessera_options_init(&options);
  options.struct_size = 3;
  expect_failure(tessera_session_load(model, &options, &session), TESSERA_USAGE, "tessera_options_init");
  std::ifstream file(model, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  expect_failure(tessera_session_load_memory(bytes.data(), bytes.size() / 2, nullptr, &session), TESSERA_MODEL, "");
  EXPECT_EQ(session, nullptr);
  ASSERT_EQ(tessera_session_load_memory(bytes.data(), bytes.size(), nullptr, &session), nullptr);
  tessera_session_free(session);
}

TEST(CApi, TakesAPrecision) {
  tessera_options options;
  tessera_options_init(&options);
  options.device = "cpu";
  for (const char* precision : {"fp32", "exact", "bf16x3", "bf16", "fp16"}) {
    tessera_session* session = nullptr;
    options.precision = precision;
    ASSERT_EQ(tessera_session_load(model, &options, &session), nullptr);
    // Where a precision gains nothing, the session says what it computes in.
    const std::string note = tessera_session_device_note(session);
    EXPECT_TRUE(note.empty() || note.find("computing in fp32") != std::string::npos) << note;
    EXPECT_TRUE(note.empty() || std::string(precision).find("16") != std::string::npos) << precision;
    tessera_session_free(session);
  }
  tessera_session* session = nullptr;
  options.precision = "fp8";
  expect_failure(tessera_session_load(model, &options, &session), TESSERA_USAGE,
                 "use fp32, exact, bf16x3, bf16, fp16 or int8");
  options.precision = "int8";
  expect_failure(tessera_session_load(model, &options, &session), TESSERA_USAGE, "nothing in this model is quantized");
  EXPECT_EQ(session, nullptr);
}

TEST(CApi, CancelsARun) {
  const Loaded loaded;
  Picture picture(64, 64);
  tessera_cancel* cancel = nullptr;
  ASSERT_EQ(tessera_cancel_create(&cancel), nullptr);
  tessera_cancel_request(cancel);
  tessera_result* result = nullptr;
  expect_failure(tessera_run(loaded.session, &picture.tensor, 1, cancel, &result), TESSERA_CANCELLED, "cancelled");
  tessera_cancel_free(cancel);
}

TEST(CApi, OneSessionServesManyThreads) {
  const Loaded loaded;
  std::vector<std::thread> callers;
  for (int c = 0; c < 6; ++c)
    callers.emplace_back([&, c] {
      Picture picture(12 + c % 3, 16), first(2 * (12 + c % 3), 32), again = first;
      again.tensor.data = again.values.data();
      again.tensor.dims = again.dims;
      for (int round = 0; round < 20; ++round) {
        Picture& target = round ? again : first;
        EXPECT_EQ(tessera_run_into(loaded.session, &picture.tensor, 1, &target.tensor, 1, nullptr), nullptr);
        if (round) {
          EXPECT_EQ(first.values, again.values);
        }
      }
    });
  for (std::thread& caller : callers) caller.join();
}

// As the header had them first.
struct FirstOptions {
  size_t struct_size;
  int threads;
  const char *device, *precision;
  int optimize;
  int64_t memory_limit;
  tessera_parallel_for parallel_for;
  void* parallel_context;
};
struct FirstPort {
  size_t struct_size;
  const char* name;
  tessera_dtype dtype;
  int ranked;
  size_t rank;
  const int64_t* dims;
};

// A program that was compiled with the first version's structs calls functions where there are macros now.
TEST(CApi, ServesCallersThatKnowSmallerStructs) {
  const auto init = &(tessera_options_init);
  const auto init_port = &(tessera_port_init);
  struct {
    FirstOptions options;
    unsigned char behind[64];
  } given;
  std::memset(&given, 0xAB, sizeof given);
  init(reinterpret_cast<tessera_options*>(&given.options));
  EXPECT_EQ(given.options.struct_size, sizeof(FirstOptions));
  EXPECT_EQ(given.options.optimize, 1);
  given.options.device = "cpu";
  struct {
    FirstPort port;
    unsigned char behind[64];
  } told;
  std::memset(&told, 0xAB, sizeof told);
  init_port(reinterpret_cast<tessera_port*>(&told.port));
  tessera_session* session = nullptr;
  ASSERT_EQ(tessera_session_load(model, reinterpret_cast<tessera_options*>(&given.options), &session), nullptr);
  ASSERT_EQ(tessera_session_input(session, 0, reinterpret_cast<tessera_port*>(&told.port)), nullptr);
  EXPECT_STREQ(told.port.name, "in");
  EXPECT_EQ(told.port.struct_size, sizeof(FirstPort));
  for (const unsigned char byte : given.behind) EXPECT_EQ(byte, 0xAB);
  for (const unsigned char byte : told.behind) EXPECT_EQ(byte, 0xAB);
  // And one from the future, whose struct is larger.
  struct {
    tessera_facts facts;
    uint64_t more;
  } wide{};
  wide.facts.struct_size = sizeof wide;
  wide.more = 5;
  ASSERT_EQ(tessera_session_facts(session, &wide.facts), nullptr);
  EXPECT_GT(wide.facts.threads, 0);
  EXPECT_EQ(wide.more, 5u);
  tessera_facts none{};
  expect_failure(tessera_session_facts(session, &none), TESSERA_USAGE, "tessera_facts.struct_size is 0");
  tessera_session_free(session);
}

TEST(CApi, ListsDevices) {
  tessera_devices* devices = nullptr;
  ASSERT_EQ(tessera_devices_list(&devices), nullptr);
  ASSERT_GE(tessera_devices_count(devices), 1u);
  EXPECT_EQ(tessera_devices_count(devices) == 1, *tessera_devices_note(devices) != 0);
  tessera_device device;
  TESSERA_INIT(&device);
  ASSERT_EQ(tessera_devices_get(devices, 0, &device), nullptr);
  EXPECT_STREQ(device.id, "cpu");
  EXPECT_GT(device.memory, 0);
  EXPECT_GT(device.threads, 0);
  expect_failure(tessera_devices_get(devices, tessera_devices_count(devices), &device), TESSERA_USAGE, "no device");
  EXPECT_EQ(tessera::api::devices().size(), tessera_devices_count(devices));
  tessera_devices_free(devices);
}

TEST(CApi, SaysWhatTheModelSays) {
  const Loaded loaded;
  tessera_model told;
  TESSERA_INIT(&told);
  ASSERT_EQ(tessera_session_model(loaded.session, &told), nullptr);
  EXPECT_EQ(told.path, model_path);
  EXPECT_GT(told.ir_version, 3);
  EXPECT_GT(told.weight_bytes, 10000);
  ASSERT_GE(told.opset_count, 1u);
  const char* domain = nullptr;
  int version = 0;
  ASSERT_EQ(tessera_session_opset(loaded.session, 0, &domain, &version), nullptr);
  EXPECT_STREQ(domain, "");
  EXPECT_GT(version, 6);
  size_t nodes = 0, convolutions = 0;
  for (size_t i = 0; i < told.operator_count; ++i) {
    const char* name = nullptr;
    size_t count = 0;
    ASSERT_EQ(tessera_session_operator(loaded.session, i, &domain, &name, &count), nullptr);
    nodes += count;
    if (std::string(name) == "Conv") convolutions = count;
  }
  EXPECT_EQ(nodes, told.node_count);
  EXPECT_GT(convolutions, 2u);
  const char *key = nullptr, *value = nullptr;
  for (size_t i = 0; i < told.metadata_count; ++i)
    ASSERT_EQ(tessera_session_metadata(loaded.session, i, &key, &value), nullptr);
  expect_failure(tessera_session_metadata(loaded.session, told.metadata_count, &key, &value), TESSERA_USAGE,
                 "metadata");
}

TEST(CApi, ForecastsAndCounts) {
  const Loaded loaded;
  const Picture small(32, 32), large(64, 64);
  tessera_memory of_small, of_large;
  TESSERA_INIT(&of_small);
  TESSERA_INIT(&of_large);
  tessera_tensor type = small.tensor;
  type.data = nullptr;  // types are enough
  type.bytes = 0;
  ASSERT_EQ(tessera_session_forecast(loaded.session, &type, 1, &of_small), nullptr);
  ASSERT_EQ(tessera_session_forecast(loaded.session, &large.tensor, 1, &of_large), nullptr);
  EXPECT_GT(of_large.arena, of_small.arena);
  EXPECT_EQ(of_small.ends, static_cast<int64_t>(small.tensor.bytes * 5));
  EXPECT_EQ(of_small.device, 0);
  tessera_facts facts;
  TESSERA_INIT(&facts);
  ASSERT_EQ(tessera_session_facts(loaded.session, &facts), nullptr);
  EXPECT_EQ(facts.has_device, 0);
  EXPECT_EQ(facts.runs_at_once, 1);
  EXPECT_GT(facts.row_step, 0);
  int64_t used = -1, budget = -1;
  ASSERT_EQ(tessera_session_device_memory(loaded.session, &used, &budget), nullptr);
  EXPECT_EQ(used, 0);
  tessera_traffic traffic;
  TESSERA_INIT(&traffic);
  ASSERT_EQ(tessera_session_traffic(loaded.session, &traffic), nullptr);
  EXPECT_EQ(traffic.uploaded, 0);
}

TEST(CApi, TellsOfARun) {
  const Loaded loaded;
  const Picture picture(40, 40);
  struct Seen {
    std::vector<double> parts;
    std::vector<std::string> ops;
    double seconds = 0;
  } seen;
  tessera_run_options options;
  TESSERA_INIT(&options);
  options.context = &seen;
  options.progress = [](void* context, double done) {
    static_cast<Seen*>(context)->parts.push_back(done);
    return 0;
  };
  options.step = [](void* context, const tessera_step* step) {
    auto& to = *static_cast<Seen*>(context);
    to.ops.emplace_back(step->op);
    to.seconds += step->seconds;
    EXPECT_STRNE(step->kernel, "");
  };
  tessera_result *told = nullptr, *plain = nullptr;
  ASSERT_EQ(tessera_run_with(loaded.session, &picture.tensor, 1, &options, &told), nullptr);
  ASSERT_EQ(tessera_run_with(loaded.session, &picture.tensor, 1, nullptr, &plain), nullptr);
  tessera_tensor a, b;
  ASSERT_EQ(tessera_result_tensor(told, 0, &a), nullptr);
  ASSERT_EQ(tessera_result_tensor(plain, 0, &b), nullptr);
  EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes), 0);
  EXPECT_TRUE(std::is_sorted(seen.parts.begin(), seen.parts.end()));
  ASSERT_FALSE(seen.parts.empty());
  EXPECT_EQ(seen.parts.back(), 1);
  EXPECT_GT(seen.seconds, 0);
  EXPECT_GT(std::count(seen.ops.begin(), seen.ops.end(), "Conv"), 2);
  tessera_result_free(told);
  tessera_result_free(plain);
  options.progress = [](void*, double) { return 1; };
  expect_failure(tessera_run_with(loaded.session, &picture.tensor, 1, &options, &told), TESSERA_CANCELLED, "cancelled");
  EXPECT_EQ(told, nullptr);
}

TEST(CApi, WatchesAFlagOfTheCallers) {
  const Loaded loaded;
  const Picture picture(16, 16);
  volatile unsigned char flag = 0;
  tessera_cancel* cancel = nullptr;
  ASSERT_EQ(tessera_cancel_watch(&flag, &cancel), nullptr);
  tessera_result* result = nullptr;
  ASSERT_EQ(tessera_run(loaded.session, &picture.tensor, 1, cancel, &result), nullptr);
  tessera_result_free(result);
  flag = 1;
  expect_failure(tessera_run(loaded.session, &picture.tensor, 1, cancel, &result), TESSERA_CANCELLED, "cancelled");
  tessera_cancel_free(cancel);
  expect_failure(tessera_cancel_watch(nullptr, &cancel), TESSERA_USAGE, "NULL");
}

tessera_reach_query picture_query() {
  tessera_reach_query query;
  TESSERA_INIT(&query);
  query.input_axes[0] = query.output_axes[0] = 2;
  query.input_axes[1] = query.output_axes[1] = 3;
  return query;
}

TEST(CApi, SaysHowFarAModelLooks) {
  const Loaded loaded;
  const Picture picture(64, 64);
  const tessera_reach_query query = picture_query();
  tessera_reach* reach = nullptr;
  ASSERT_EQ(tessera_session_reach(loaded.session, &picture.tensor, 1, &query, &reach), nullptr);
  tessera_reach_facts facts;
  TESSERA_INIT(&facts);
  ASSERT_EQ(tessera_reach_get(reach, &facts), nullptr);
  EXPECT_TRUE(facts.followed) << facts.reason;
  EXPECT_FALSE(facts.global);
  EXPECT_EQ(facts.pool_count, 0u);
  for (const int side : {0, 1}) {
    EXPECT_EQ(facts.step[side], 0.5);
    EXPECT_LT(facts.low[side], -3);
    EXPECT_GT(facts.high[side], 3);
    EXPECT_EQ(facts.lattice[side], 1);
  }
  tessera_pool pool;
  TESSERA_INIT(&pool);
  expect_failure(tessera_reach_pool(reach, 0, &pool), TESSERA_USAGE, "no pool 0");
  tessera_reach_free(reach);
  tessera_reach_query wrong = query;
  wrong.input_axes[1] = 4;
  expect_failure(tessera_session_reach(loaded.session, &picture.tensor, 1, &wrong, &reach), TESSERA_USAGE,
                 "two of its axes");
}

// Rows of 8-bit pixels in and out are the model on floats.
TEST(CApi, PutsPixelsAroundAModel) {
  const Loaded loaded;
  constexpr int64_t height = 12, width = 20;
  std::vector<unsigned char> pixels(static_cast<size_t>(height * width * 3));
  Picture floats(height, width);
  for (int64_t i = 0; i < height * width; ++i)
    for (int64_t c = 0; c < 3; ++c) {
      const auto value = static_cast<unsigned char>((i * 7 + c * 31) % 256);
      pixels[static_cast<size_t>(i * 3 + c)] = value;
      floats.values[static_cast<size_t>(c * height * width + i)] = static_cast<float>(value) / 255;
    }
  const float zeros[] = {0, 0, 0}, ones[] = {1, 1, 1};
  const int64_t straight[] = {0, 1, 2};
  tessera_pixels_in in;
  TESSERA_INIT(&in);
  in.bits = 8;
  in.samples = in.channels = 3;
  in.from = straight;
  in.black = zeros;
  in.white = ones;
  tessera_pixels_out out;
  TESSERA_INIT(&out);
  out.bits = 8;
  out.channels = out.from_count = 3;
  out.batched = 1;
  out.from = straight;
  out.black = zeros;
  out.white = ones;
  tessera_session* session = nullptr;
  ASSERT_EQ(tessera_session_pixels(loaded.session, &in, &out, &session), nullptr);
  const int64_t dims[] = {height, width, 3};
  const tessera_tensor rows{TESSERA_UINT8, 3, dims, pixels.data(), pixels.size()};
  tessera_result *as_pixels = nullptr, *as_floats = nullptr;
  ASSERT_EQ(tessera_run(session, &rows, 1, nullptr, &as_pixels), nullptr);
  ASSERT_EQ(tessera_run(loaded.session, &floats.tensor, 1, nullptr, &as_floats), nullptr);
  tessera_tensor a, b, facts;
  ASSERT_EQ(tessera_result_tensor(as_pixels, 0, &a), nullptr);
  ASSERT_EQ(tessera_result_tensor(as_pixels, 1, &facts), nullptr);
  ASSERT_EQ(tessera_result_tensor(as_floats, 0, &b), nullptr);
  ASSERT_EQ(a.dtype, TESSERA_UINT8);
  ASSERT_EQ(a.bytes, static_cast<size_t>(4 * height * width * 3));
  for (int64_t i = 0; i < 4 * height * width; ++i)
    for (int64_t c = 0; c < 3; ++c) {
      const float value = static_cast<const float*>(b.data)[c * 4 * height * width + i];
      const long expected = std::lround(std::clamp(value, 0.0f, 1.0f) * 255);
      EXPECT_NEAR(static_cast<const unsigned char*>(a.data)[i * 3 + c], expected, 1) << i;
    }
  ASSERT_EQ(facts.dims[1], 3);
  EXPECT_EQ(static_cast<const float*>(facts.data)[0], 0);
  tessera_result_free(as_pixels);
  tessera_result_free(as_floats);
  tessera_session_free(session);
  in.bits = 9;
  expect_failure(tessera_session_pixels(loaded.session, &in, &out, &session), TESSERA_USAGE, "not 9");
}

TEST(CppApi, ThrowsFailures) {
  namespace api = tessera::api;
  try {
    const api::Session session("/nonexistent/x.onnx");
    FAIL();
  } catch (const api::Failure& failure) {
    EXPECT_EQ(failure.code(), TESSERA_FILE);
  }
  const api::Session session(model);
  EXPECT_EQ(session.inputs()[0].name, "in");
  std::vector<float> picture(3 * 8 * 8);
  const api::Tensor input(std::span<const float>(picture), {1, 3, 8, 8});
  const api::Result result = session.run({&input, 1});
  EXPECT_EQ(result[0].dims(), (std::vector<int64_t>{1, 3, 16, 16}));
  EXPECT_THROW(result[0].elements<int32_t>(), api::Failure);
  double last = 0;
  session.run({&input, 1}, [&](double done) { last = done; });
  EXPECT_EQ(last, 1);
  EXPECT_THROW(session.run({&input, 1}, [](double) { throw std::runtime_error("enough"); }), std::runtime_error);
  EXPECT_GT(session.forecast({&input, 1}).arena, 0);
  EXPECT_GT(session.facts().threads, 0);
}

TEST(CppApi, PassesValues) {
  namespace api = tessera::api;
  tessera_environment_options together;
  TESSERA_INIT(&together);
  together.share_threads = 1;
  together.threads = 2;
  const api::Environment environment(together);
  api::Options options;
  options.device = "cpu";
  options.environment = environment.c();
  const api::Session session(model, options);
  EXPECT_EQ(session.facts().threads, 2);
  EXPECT_EQ(session.inputs()[0].kind, TESSERA_TENSOR);
  EXPECT_EQ(session.inputs()[0].dim_names.size(), 4u);
  EXPECT_FALSE(session.inputs()[0].optional);
  std::vector<float> picture(3 * 8 * 8, 0.25f);
  const api::Value input(api::Tensor(std::span<const float>(picture), {1, 3, 8, 8}));
  const api::Value output = session.run({&input, 1}).value(0);
  std::future<api::Result> later = session.run_async({&input, 1});
  const api::Result again = later.get();
  const auto a = output.tensor().elements<const float>(), b = again[0].elements<const float>();
  ASSERT_EQ(a.size(), 3u * 16 * 16);
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  EXPECT_THROW(session.run_async({&input, 0}).get(), api::Failure);
  const std::string texts[] = {"a", "bc"};
  const api::Value keys = api::Value::strings(texts, {2});
  const api::Value numbers[] = {input, input};
  const api::Value map = api::Value::map(keys, api::Value::sequence(numbers));
  EXPECT_EQ(map.kind(), TESSERA_MAP);
  EXPECT_EQ(map.keys().string(1), "bc");
  EXPECT_EQ(map.values().size(), 2u);
  EXPECT_EQ(map[1].tensor().elements<const float>()[0], 0.25f);
  EXPECT_EQ(api::Value::optional({}).size(), 0u);
  EXPECT_EQ(api::Value::optional(map)[0].kind(), TESSERA_MAP);
  EXPECT_EQ(api::Value::sequence({}, TESSERA_INT8).dtype(), TESSERA_INT8);
  EXPECT_THROW(api::Value::map(input, keys), api::Failure);
}

}  // namespace
