// Buffers of the host's memory, and what is refused whatever the memory; tests/vulkan_buffers_proto_test.cpp has a
// device's.

#include <gtest/gtest.h>

#include <numeric>

#include "include/tessera/tessera.hpp"
#include "tests/places.h"
#include "tests/statuses.h"

namespace {

using tessera::api::Buffer;
using tessera::api::Options;
using tessera::api::Session;
using tessera::api::Tensor;
using tessera::test::expect_failure;
using tessera::test::expect_success;

const std::string model = tessera::test::source_dir() + "/models/photo-x2.onnx";

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 61) / 61;
  return values;
}

Options on_cpu() {
  Options options;
  options.device = "cpu";
  options.threads = 1;
  return options;
}

TEST(CApiBuffers, HoldWhatOneSessionLeavesForTheNext) {
  std::vector<float> values = ramp(3 * 8 * 10);
  const Tensor in(std::span<float>(values), {1, 3, 8, 10});
  const Session session(model, on_cpu());
  const tessera::api::Result first = session.run({&in, 1});
  const Tensor between = first[0];
  const tessera::api::Result expected = session.run({&between, 1});

  const Buffer from(in);
  Buffer middle("cpu", TESSERA_FLOAT32, {1, 3, 16, 20}), to("cpu", TESSERA_FLOAT32, {1, 3, 32, 40});
  const Buffer *one = &from, *two = &middle;
  Buffer *one_out = &middle, *two_out = &to;
  Session(model, on_cpu()).run({&one, 1}, {&one_out, 1});  // a buffer outlives its session
  session.run({&two, 1}, {&two_out, 1});
  std::vector<float> got(3 * 32 * 40);
  to.read(got.data(), got.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(got.data(), expected[0].elements<float>().data(), got.size() * sizeof(float)), 0);

  const tessera_buffer_facts facts = to.facts();
  EXPECT_STREQ(facts.device, "cpu");
  EXPECT_EQ(facts.tensor.dims[3], 40);
  ASSERT_TRUE(facts.tensor.data);
  EXPECT_EQ(std::memcmp(got.data(), facts.tensor.data, facts.tensor.bytes), 0);
  EXPECT_EQ(facts.uploaded + facts.downloaded, 0);
  EXPECT_EQ(from.facts().tensor.data, values.data());
}

TEST(CApiBuffers, AnEmptyOneTakesNoData) {
  Buffer none("cpu", TESSERA_FLOAT32, {1, 0, 8, 8});
  expect_success(tessera_buffer_write(none.c(), nullptr, 0));
  expect_success(tessera_buffer_read(none.c(), nullptr, 0));
}

TEST(CApiBuffers, SayWhatIsWrong) {
  const Session session(model, on_cpu());
  std::vector<float> values = ramp(3 * 8 * 8);
  Buffer in("cpu", TESSERA_FLOAT32, {1, 3, 8, 8}), out("cpu", TESSERA_FLOAT32, {1, 3, 16, 16});
  const auto run = [&](const tessera_buffer* from, tessera_buffer* to) {
    return tessera_run_buffers(session.c(), &from, 1, &to, 1, nullptr);
  };
  in.write(values.data(), values.size() * sizeof(float));
  EXPECT_EQ(run(in.c(), out.c()), nullptr);
  expect_failure(tessera_buffer_write(in.c(), values.data(), 764), TESSERA_USAGE, "takes 768 bytes, not 764");
  expect_failure(tessera_buffer_read(in.c(), values.data(), 772), TESSERA_USAGE, "takes 768 bytes, not 772");
  expect_failure(tessera_buffer_read(in.c(), nullptr, 768), TESSERA_USAGE, "NULL");
  const Buffer small("cpu", TESSERA_FLOAT32, {1, 3, 15, 16}), grey("cpu", TESSERA_FLOAT32, {1, 1, 8, 8}),
      bytes("cpu", TESSERA_UINT8, {1, 3, 8, 8});
  expect_failure(run(in.c(), small.c()), TESSERA_SHAPE, "the buffer is float32[1,3,15,16]");
  expect_failure(run(grey.c(), out.c()), TESSERA_SHAPE, "must be [?,3,?,?]");
  expect_failure(run(bytes.c(), out.c()), TESSERA_TYPE, "must be float32, not uint8");
  expect_failure(run(in.c(), in.c()), TESSERA_USAGE, "output 0 is an input, too");
  expect_failure(run(in.c(), nullptr), TESSERA_USAGE, "output 0 is NULL");
  expect_failure(run(nullptr, out.c()), TESSERA_TYPE, "must be float32");
  const tessera_buffer* from = in.c();
  tessera_buffer* twice[] = {out.c(), out.c()};
  expect_failure(tessera_run_buffers(session.c(), &from, 1, twice, 2, nullptr), TESSERA_USAGE,
                 "output 0 is there twice");
  expect_failure(tessera_run_buffers(session.c(), &from, 1, twice, 0, nullptr), TESSERA_USAGE, "1 outputs");
  expect_failure(tessera_run_buffers(session.c(), &from, 0, twice, 1, nullptr), TESSERA_USAGE, "1 inputs");

  const int64_t dims[] = {2, -1};
  const tessera_tensor open{TESSERA_FLOAT32, 2, dims, nullptr, 0}, texts{TESSERA_STRING, 0, nullptr, nullptr, 0};
  tessera_buffer* made = in.c();
  expect_failure(tessera_buffer_create("cpu", &open, 0, &made), TESSERA_SHAPE, "buffer 0 has shape [2,?]");
  EXPECT_EQ(made, nullptr);
  expect_failure(tessera_buffer_create("cpu", &texts, 0, &made), TESSERA_UNSUPPORTED, "strings");
  const tessera_tensor number{TESSERA_FLOAT32, 0, nullptr, nullptr, 0};
  expect_failure(tessera_buffer_create("gpu", &number, 0, &made), TESSERA_USAGE, "device \"gpu\" is not known");
  expect_failure(tessera_buffer_create("vulkan:7777", &number, 0, &made), TESSERA_DEVICE, "Vulkan");
  expect_failure(tessera_buffer_create("cpu", &number, 1, &made), TESSERA_UNSUPPORTED, "host's memory");
  expect_failure(tessera_buffer_import("cpu", &number, 0, &made), TESSERA_UNSUPPORTED, "host's memory");
  expect_failure(tessera_buffer_import("cpu", &number, -1, &made), TESSERA_USAGE, "no file descriptor");
  expect_failure(tessera_buffer_create_around(&number, &made), TESSERA_USAGE, "bytes");
  int descriptor = 0;
  expect_failure(tessera_buffer_descriptor(in.c(), &descriptor), TESSERA_UNSUPPORTED, "host's memory");
  EXPECT_EQ(descriptor, -1);
}

}  // namespace
