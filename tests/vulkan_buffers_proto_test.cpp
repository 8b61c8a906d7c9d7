// Tensors that stay in a device's memory: what crosses the bus is counted, and bits are those of runs with copies.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "include/tessera/tessera.hpp"
#include "tests/onnx_pen.h"
#include "tests/places.h"
#include "tests/statuses.h"
#include "tests/vulkan_device.h"

namespace tessera::test {
namespace {

using api::Buffer;
using api::Options;
using api::Session;

const std::string model = source_dir() + "/models/photo-x2.onnx";
const std::vector<int64_t> small{1, 3, 8, 10}, middle{1, 3, 16, 20}, large{1, 3, 32, 40};

std::vector<float> ramp(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 61) / 61;
  return values;
}

struct Crossed {
  int64_t up = 0, down = 0;
};
Crossed crossed(const Session& session) {
  tessera_traffic traffic;
  TESSERA_INIT(&traffic);
  api::check(tessera_session_traffic(session.c(), &traffic));
  return {traffic.uploaded, traffic.downloaded};
}

class VulkanBuffers : public VulkanDevice {
 protected:
  // What the device made for one test serves the next.
  void SetUp() override {
    VulkanDevice::SetUp();
    kept_ = device_;
  }
  static void TearDownTestSuite() { kept_.reset(); }
  static inline std::shared_ptr<DeviceBackend> kept_;

  static Session session(const char* device = "vulkan:0") {
    Options options;
    options.device = device;
    options.threads = 1;
    options.fail_with_device = 1;
    return Session(model, options);
  }
  static void run(const Session& session, const Buffer& in, Buffer& out) {
    const Buffer* from = &in;
    Buffer* to = &out;
    session.run({&from, 1}, {&to, 1});
  }
  template <class T>
  static std::vector<T> read(const Buffer& buffer, size_t count) {
    std::vector<T> values(count);
    buffer.read(values.data(), count * sizeof(T));
    return values;
  }

  // What a device makes of the ramp in two runs, each by way of the host.
  static std::vector<float> twice_with_copies(const Session& one, const Session& two) {
    std::vector<float> values = ramp(240);
    const api::Tensor in(std::span<float>(values), small);
    const api::Result first = one.run({&in, 1});
    const api::Tensor between = first[0];
    const api::Result second = two.run({&between, 1});
    const auto got = second[0].elements<float>();
    return {got.begin(), got.end()};
  }
};

TEST_F(VulkanBuffers, NothingCrossesBetweenSessions) {
  const Session two = session();
  auto one = std::make_unique<Session>(session());
  const std::vector<float> expected = twice_with_copies(*one, two);
  const Crossed one_before = crossed(*one), two_before = crossed(two);
  EXPECT_EQ(one_before.up, 960);
  EXPECT_EQ(two_before.up, 4 * 960);

  Buffer in("vulkan:0", TESSERA_FLOAT32, small), between("vulkan:0", TESSERA_FLOAT32, middle),
      out("vulkan:0", TESSERA_FLOAT32, large);
  EXPECT_STREQ(in.facts().device, "vulkan:0");
  EXPECT_EQ(in.facts().tensor.data, nullptr);
  in.write(ramp(240).data(), 960);
  run(*one, in, between);
  EXPECT_EQ(crossed(*one).up, one_before.up);
  EXPECT_EQ(crossed(*one).down, one_before.down);
  one.reset();  // what it left stays
  run(two, between, out);
  EXPECT_EQ(crossed(two).up, two_before.up);
  EXPECT_EQ(crossed(two).down, two_before.down);
  EXPECT_EQ(in.facts().uploaded, 960);
  EXPECT_EQ(in.facts().downloaded, 0);
  EXPECT_EQ(between.facts().uploaded + between.facts().downloaded, 0);
  EXPECT_EQ(read<float>(out, expected.size()), expected);
  EXPECT_EQ(out.facts().downloaded, 16 * 960);
}

// Ends of the host's memory beside a device's: these alone cross.
TEST_F(VulkanBuffers, GoWithTheHostsMemory) {
  const Session one = session();
  const std::vector<float> expected = twice_with_copies(one, one);
  std::vector<float> values = ramp(240), result(expected.size());
  const Buffer in(api::Tensor(std::span<float>(values), small));
  Buffer between("vulkan:0", TESSERA_FLOAT32, middle), out(api::Tensor(std::span<float>(result), large));
  const Crossed before = crossed(one);
  run(one, in, between);
  EXPECT_EQ(crossed(one).up - before.up, 960);
  EXPECT_EQ(crossed(one).down, before.down);
  run(one, between, out);
  EXPECT_EQ(crossed(one).up - before.up, 960);
  EXPECT_EQ(crossed(one).down - before.down, 16 * 960);
  EXPECT_EQ(result, expected);
}

TEST_F(VulkanBuffers, OfManyThreadsStayTheirOwn) {
  const Session one = session();
  const std::vector<float> expected = twice_with_copies(one, one);
  std::vector<std::vector<float>> got(2);
  std::vector<std::thread> threads;
  for (auto& result : got)
    threads.emplace_back([&] {
      Buffer in("vulkan:0", TESSERA_FLOAT32, small), between("vulkan:0", TESSERA_FLOAT32, middle),
          out("vulkan:0", TESSERA_FLOAT32, large);
      in.write(ramp(240).data(), 960);
      for (int i = 0; i < 3; ++i) {
        run(one, in, between);
        run(one, between, out);
      }
      result = read<float>(out, expected.size());
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : got) EXPECT_EQ(result, expected);
}

TEST_F(VulkanBuffers, OfAnotherDeviceAreRefused) {
  const Buffer in("vulkan:0", TESSERA_FLOAT32, small);
  Buffer out("vulkan:0", TESSERA_FLOAT32, middle), host("cpu", TESSERA_FLOAT32, middle);
  const Session cpu = session("cpu");
  const tessera_buffer* from = in.c();
  tessera_buffer* to = host.c();
  expect_failure(tessera_run_buffers(cpu.c(), &from, 1, &to, 1, nullptr), TESSERA_DEVICE,
                 "input 0 lies in the memory of vulkan:0, but the session runs on cpu");
  const Buffer host_in("cpu", TESSERA_FLOAT32, small);
  from = host_in.c();
  to = out.c();
  expect_failure(tessera_run_buffers(cpu.c(), &from, 1, &to, 1, nullptr), TESSERA_DEVICE,
                 "output 0 lies in the memory of vulkan:0");
  const Buffer wrong("vulkan:0", TESSERA_FLOAT32, large);
  const Session own = session();
  to = wrong.c();
  expect_failure(tessera_run_buffers(own.c(), &from, 1, &to, 1, nullptr), TESSERA_SHAPE,
                 "the buffer is float32[1,3,32,40]");
}

// What the host computes with goes there and back, and is counted: single steps, and all where shapes depend on data.
TEST_F(VulkanBuffers, ServeWhatTheHostComputes) {
  for (const bool by_data : {false, true}) {
    Pen pen;
    pen.graph->add_output()->set_name("negative");
    pen.node("Relu", {"x"}, {"y"});
    // The device has no numbers of 64 bits.
    add_attr(pen.node("Cast", {"x"}, {"wide"}), "to", AttributeProto::INT)->set_i(TESSERA_FLOAT64);
    pen.node("Neg", {"wide"}, {"less"});
    add_attr(pen.node("Cast", {"less"}, {"negative"}), "to", AttributeProto::INT)->set_i(TESSERA_FLOAT32);
    if (by_data) {
      pen.graph->add_output()->set_name("places");
      pen.node("NonZero", {"y"}, {"places"});
    }
    const std::string bytes = pen.model.SerializeAsString();
    Options options;
    options.device = "vulkan:0";
    const Session session(std::as_bytes(std::span(bytes)), options);
    const std::vector<float> values{-1, 2};
    Buffer in("vulkan:0", TESSERA_FLOAT32, {2}), relu("vulkan:0", TESSERA_FLOAT32, {2}),
        negative("vulkan:0", TESSERA_FLOAT32, {2}), places("vulkan:0", TESSERA_INT64, {1, 1});
    in.write(values.data(), 8);
    const Buffer* from = &in;
    Buffer* to[] = {&relu, &negative, &places};
    session.run({&from, 1}, std::span(to).first(by_data ? 3 : 2));
    EXPECT_EQ(read<float>(relu, 2), (std::vector<float>{0, 2}));
    EXPECT_EQ(read<float>(negative, 2), (std::vector<float>{1, -2}));
    EXPECT_EQ(in.facts().downloaded, 8);
    EXPECT_EQ(negative.facts().uploaded, 8);
    EXPECT_EQ(relu.facts().uploaded, by_data ? 8 : 0);
    if (by_data) {
      EXPECT_EQ(read<int64_t>(places, 1), std::vector<int64_t>{1});
    }
  }
}

TEST_F(VulkanBuffers, AreSharedByDescriptors) {
  const Session one = session();
  const std::vector<float> expected = twice_with_copies(one, one);
  Buffer in("vulkan:0", TESSERA_FLOAT32, small), out("vulkan:0", TESSERA_FLOAT32, large);
  in.write(ramp(240).data(), 960);
  int none = 0;
  expect_failure(tessera_buffer_descriptor(in.c(), &none), TESSERA_UNSUPPORTED, "not made to be exported");
  tessera_tensor type = in.facts().tensor;
  type.dims = middle.data();
  tessera_buffer* made = nullptr;
  if (tessera_status* status = tessera_buffer_create("vulkan:0", &type, 1, &made)) {
    const std::string why = tessera_status_text(status);
    expect_failure(status, TESSERA_UNSUPPORTED, "shares no memory by file descriptors");
    GTEST_SKIP() << "skipped: " << why;
  }
  auto exported = std::make_unique<Buffer>(made);
  const int descriptor = exported->descriptor();
  struct stat facts {};
  EXPECT_EQ(fstat(descriptor, &facts), 0);
  EXPECT_TRUE(fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
  const Buffer imported = Buffer::imported("vulkan:0", TESSERA_FLOAT32, middle, descriptor);
  ::close(descriptor);
  run(one, in, *exported);
  exported.reset();  // the memory lives as long as one of them
  const Crossed before = crossed(one);
  run(one, imported, out);
  EXPECT_EQ(crossed(one).up, before.up);
  EXPECT_EQ(read<float>(out, expected.size()), expected);

  const int closed = dup(0);
  ::close(closed);
  expect_failure(tessera_buffer_import("vulkan:0", &type, closed, &made), TESSERA_USAGE, "is not open");
}

}  // namespace
}  // namespace tessera::test
