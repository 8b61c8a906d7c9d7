// The C interface, as a caller uses and misuses it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "include/tessera/tessera.hpp"
#include "tests/places.h"

namespace {

using testing::HasSubstr;

const std::string model_path = tessera::test::source_dir() + "/models/photo-x2.onnx";
const char* const model = model_path.c_str();

// Expects a failure, and frees it.
void expect_failure(tessera_status* status, tessera_code code, const std::string& text) {
  ASSERT_NE(status, nullptr);
  EXPECT_EQ(tessera_status_code(status), code) << tessera_status_text(status);
  EXPECT_THAT(tessera_status_text(status), HasSubstr(text));
  tessera_status_free(status);
}

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
}

}  // namespace
