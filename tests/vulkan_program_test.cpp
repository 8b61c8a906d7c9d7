// What programs do on a device over many runs: which memory they take and give back, what they submit, what barriers
// order, and what becomes of a run in which a call to Vulkan fails.

#include <gtest/gtest.h>

#include <thread>

#include "ops/vulkan/device/device.h"
#include "runtime/session/session.h"
#include "tests/allocations.h"
#include "tests/fake_device.h"
#include "tests/random_graph.h"
#include "tests/support.h"
#include "tests/vulkan_device.h"
#include "tests/vulkan_layer.h"

namespace tessera::test {
namespace {

// Convolutions whose values are added later, for pictures of any size.
Graph small_network(unsigned convolutions = 3) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  const auto conv = [&](ValueId in, int64_t from, int64_t to, unsigned seed) {
    return b.node("Conv", {in, b.constant(random_tensor({to, from, 3, 3}, seed, -0.3f, 0.3f))},
                  {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  };
  ValueId y = conv(x, 3, 8, 1);
  for (unsigned i = 1; i < convolutions; ++i) y = b.node("Add", {b.node("Relu", {conv(y, 8, 8, 1 + i)}), y});
  b.output(b.node("Sigmoid", {y}));
  return b.graph;
}

Tensor run_once(const Executor& executor, const Tensor& in) {
  std::vector<Datum> data(1);
  data[0].tensor = in;
  return executor.run(data, {}).at(0).tensor;
}

class VulkanProgram : public VulkanDevice {
 protected:
  void SetUp() override {
    VulkanDevice::SetUp();
    if (device_) engine_ = engine_with(device_, true, 2);
  }
  void TearDown() override {
    engine_.reset();
    VulkanDevice::TearDown();
  }
  std::unique_ptr<Engine> engine_;
};

// --- Hazards ---------------------------------------------------------------------------------

// Of all that random graphs execute on the device, every two commands that touch the same bytes, one of them writing,
// have a barrier between them; and beside those around what crosses the bus, no barrier stands for nothing.
TEST_F(VulkanProgram, BarriersOrderAllThatIsExecuted) {
  device_.reset();
  engine_.reset();
  const VulkanLayer layer;
  const std::shared_ptr<DeviceBackend> devices[] = {vulkan::make_backend(0, nullptr),
                                                    vulkan::make_backend(0, nullptr, Precision::fp16)};
  vulkan::ask_every_variant(*devices[0]);
  VulkanLayer::Seen all;
  for (uint32_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(cat("seed ", seed));
    const auto& device = devices[seed / 2 % 2];
    const RandomGraph random(seed, Numbers::float32);
    VulkanLayer::take_seen();
    run_on(*engine_with(device, seed % 2), random.graph, random.inputs);
    const auto seen = VulkanLayer::take_seen();
    for (const std::string& line : seen.conflicts) ADD_FAILURE() << line;
    EXPECT_LE(seen.needless, 3 * seen.submits);
    all.dispatches += seen.dispatches;
    all.barriers += seen.barriers;
  }
  EXPECT_GT(all.dispatches, 20);
  EXPECT_GT(all.barriers, 20);
  VulkanLayer::take_seen();
  const Graph graph = dense_block();
  for (const auto& device : devices) run_on(*engine_with(device, true), graph, {random_tensor({1, 8, 6, 8}, 3)});
  EXPECT_TRUE(VulkanLayer::take_seen().conflicts.empty());
}

// The same of published models, and how many commands of theirs wait for no other.
TEST_F(VulkanProgram, BarriersOrderPublishedModels) {
  TESSERA_REQUIRE_SHARED(data);
  device_.reset();
  engine_.reset();
  const VulkanLayer layer;
  for (const char* name : {"2x_AnimeJaNai_HD_V3_SuperUltraCompact", "FSRCNN_s2_D56_S12_M4", "ESPCN_s2_D64_S32"})
    for (const char* precision : {"fp32", "fp16"}) {
      SCOPED_TRACE(cat(name, " ", precision));
      SessionOptions options;
      options.threads = 1;
      options.device = "vulkan:0";
      options.precision = precision;
      const Session session((data / "models/upscale" / name).string() + ".onnx", options);
      Type type = session.inputs()[0].type;
      for (size_t i = 0; i < 4; ++i)
        if (type.shape[i] < 0) type.shape[i] = i ? 12 + static_cast<int64_t>(i) : 1;
      const std::vector<Tensor> in{random_tensor(type.shape, 1, 0, 1)};
      session.run(List<Tensor>(in));
      VulkanLayer::take_seen();
      session.run(List<Tensor>(in));
      const auto seen = VulkanLayer::take_seen();
      for (const std::string& line : seen.conflicts) ADD_FAILURE() << line;
      EXPECT_GT(session.traffic()->submits, 1);
      EXPECT_LE(seen.needless, 3 * seen.submits);
      EXPECT_EQ(seen.pipelines, 0);
    }
}

// --- Memory ----------------------------------------------------------------------------------

// However many sizes there were: programs share one arena, and each plan's constants are the others' too.
TEST_F(VulkanProgram, ManySizesTakeTheMemoryOfTheLargest) {
  const Graph graph = small_network();
  int64_t most = 0, constants = 0;
  {
    const Executor executor(graph, *engine_);
    run_once(executor, random_tensor({1, 3, 40, 40}, 1));
    most = device_->memory().used;
    constants = device_->constant_bytes();
    EXPECT_GT(constants, 0);
    EXPECT_GT(most, constants);
    const int64_t pipelines = device_->traffic.pipelines;
    for (int64_t size = 8; size < 40; ++size) {
      const Tensor in = random_tensor({1, 3, size, 48 - size}, 1);
      EXPECT_LE(relative_difference(run_graph(graph, {in}, false)[0], run_once(executor, in)), 1e-5);
      EXPECT_EQ(device_->constant_bytes(), constants);
    }
    EXPECT_EQ(device_->traffic.pipelines, pipelines);
    EXPECT_EQ(device_->memory().used, most);
    bool whole = false;
    const Type type{DType::float32, {1, 3, 40, 40}};
    const auto plan = executor.first_plan({&type, 1}, &whole);
    EXPECT_GE(plan->device_bytes(), 2 * 8 * 40 * 40 * 4);
    EXPECT_LE(plan->device_bytes(), most - constants);
  }
  EXPECT_EQ(device_->constant_bytes(), 0);
  EXPECT_LE(device_->memory().used, most - constants);
  EXPECT_GT(device_->memory().budget, most);
  engine_.reset();
  device_.reset();
  const std::shared_ptr<DeviceBackend> fresh = vulkan::make_backend(0, nullptr);
  EXPECT_EQ(fresh->memory().used, 0);
}

TEST_F(VulkanProgram, SessionsShareADeviceAndNotTheirConstants) {
  const std::shared_ptr<DeviceBackend> other = vulkan::make_backend(0, nullptr);
  const Graph graph = small_network();
  const Executor executor(graph, *engine_);
  const Tensor in = random_tensor({1, 3, 20, 20}, 1);
  const Tensor expected = run_once(executor, in);
  EXPECT_EQ(other->memory().used, device_->memory().used);
  EXPECT_EQ(other->constant_bytes(), 0);
  EXPECT_EQ(other->traffic.submits, 0);
  const auto engine = engine_with(other, true);
  const Executor second(graph, *engine);
  EXPECT_EQ(relative_difference(expected, run_once(second, in)), 0);
  EXPECT_EQ(other->constant_bytes(), device_->constant_bytes());
  EXPECT_EQ(other->traffic.pipelines, 0);  // they were there
}

TEST_F(VulkanProgram, ASteadyRunAllocatesNothing) {
  device_.reset();
  engine_.reset();
  const VulkanLayer layer;
  const auto engine = engine_with(vulkan::make_backend(0, nullptr), true, 2);
  const Graph graph = small_network();
  const Executor executor(graph, *engine);
  const Tensor in = random_tensor({1, 3, 20, 24}, 1), out = Tensor::make({DType::float32, {1, 8, 20, 24}});
  const View in_view = in.view(), out_view = out.view();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(executor.run_into({&in_view, 1}, {&out_view, 1}, {}));
  // Without those of the layer, of the validation layer and of the driver.
  const int64_t before = allocations - VulkanLayer::own_allocations();
  for (int i = 0; i < 5; ++i) executor.run_into({&in_view, 1}, {&out_view, 1}, {});
  EXPECT_EQ(allocations - VulkanLayer::own_allocations() - before, 0);
  EXPECT_TRUE(VulkanLayer::take_seen().conflicts.empty());
}

// What one binding cannot hold: 128 MiB on Mesa's software renderer. The CPU takes such values, and nothing larger is
// ever bound.
TEST_F(VulkanProgram, ValuesLargerThanABindingAreTheCpus) {
  device_.reset();
  engine_.reset();
  const VulkanLayer layer;
  std::string why;
  const auto owner = vulkan::open_device(0, &why);
  const int64_t range = owner->limits().storage_range;
  if (range > int64_t{256} << 20) GTEST_SKIP() << "skipped: this device binds " << range << " bytes at once";
  const int64_t rows = range / 4 / 1024 / 2 + 256;
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {rows, 1024}}), y = b.input("y", {DType::float32, {rows, 1024}});
  const ValueId whole = b.node("Concat", {b.node("Neg", {x}), b.node("Neg", {y})}, {{"axis", int64_t{0}}});
  const ValueId part = b.node("Slice", {whole, b.constant({rows - 1}), b.constant({rows + 1}), b.constant({0})});
  b.output(b.node("Relu", {part}));
  b.output(b.node("ReduceMax", {whole}, {{"keepdims", int64_t{1}}}, 13));
  const std::vector<Tensor> in{random_tensor({rows, 1024}, 1), random_tensor({rows, 1024}, 2)};
  const auto engine = engine_with(vulkan::make_backend(0, nullptr), false, 2);
  const auto expected = run_graph(b.graph, in, false), got = run_on(*engine, b.graph, in);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(relative_difference(expected[i], got[i]), 0);
  const auto seen = VulkanLayer::take_seen();
  EXPECT_LE(seen.largest, range);
  EXPECT_GT(seen.dispatches, 0);
}

// However many constants there are, what goes up goes together.
TEST_F(VulkanProgram, ConstantsGoUpWithoutAWaitForEach) {
  device_.reset();
  engine_.reset();
  const VulkanLayer layer;
  const std::shared_ptr<DeviceBackend> device = vulkan::make_backend(0, nullptr);
  vulkan::ask_every_variant(*device);
  const auto engine = engine_with(device, true);
  const Graph graph = small_network(30);
  const Executor executor(graph, *engine);
  VulkanLayer::take_seen();
  bool whole = false;
  const Type type{DType::float32, {1, 3, 8, 8}};
  executor.first_plan({&type, 1}, &whole);
  const auto seen = VulkanLayer::take_seen();
  EXPECT_GE(seen.copies, 30);
  EXPECT_LE(seen.submits, 2);
}

// --- Submissions -----------------------------------------------------------------------------

TEST_F(VulkanProgram, LongWorkIsSubmittedInShortParts) {
  std::string why;
  const auto owner = vulkan::open_device(0, &why);
  const vulkan::Speed speed = owner->speed;
  const Graph graph = small_network(6);
  const Tensor in = random_tensor({1, 3, 16, 16}, 1);
  const Tensor expected = run_graph(graph, {in}, false)[0];
  for (const double flops_per_ms : {1e9, 5e3, 1e2}) {
    SCOPED_TRACE(flops_per_ms);
    owner->speed = {flops_per_ms, 1e9};
    owner->seen_faster = 1;
    const Executor executor(graph, *engine_);
    const int64_t before = device_->traffic.submits;
    EXPECT_LE(relative_difference(expected, run_once(executor, in)), 1e-5);
    const int64_t submits = device_->traffic.submits - before;
    // Five convolutions of 16 x 16 pixels, 8 channels to 8: 295 kFLOP each, or 59 ms at the middle speed; and one that
    // takes 22 ms.
    EXPECT_EQ(submits, flops_per_ms > 1e6 ? 1 : flops_per_ms > 1e3 ? 5 : 6);
    // Having seen that it is fast, it takes more at once.
    EXPECT_GT(owner->seen_faster, flops_per_ms > 1e6 ? 0.0 : 1.0);
    const int64_t between = device_->traffic.submits;
    EXPECT_LE(relative_difference(expected, run_once(executor, in)), 1e-5);
    EXPECT_LE(device_->traffic.submits - between, submits);
  }
  owner->speed = speed;
  owner->seen_faster = 1;
}

TEST_F(VulkanProgram, RunsOfManyThreadsAndSizesOverlap) {
  const Graph graph = small_network();
  const Executor executor(graph, *engine_);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 6; ++i) {
        const Tensor in = random_tensor({1, 3, 8 + 7 * ((t + i) % 4), 20}, t);
        EXPECT_LE(relative_difference(run_graph(graph, {in}, false)[0], run_once(executor, in)), 1e-5);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(device_->runs_at_once(), 1);
}

// As on a device with engines that only copy: what crosses the bus has queues of its own.
TEST_F(VulkanProgram, OtherQueuesBringInputsUpAndOutputsDown) {
  device_.reset();
  engine_.reset();
  setenv("TESSERA_VULKAN_QUEUES", "3", 1);
  std::string why;
  const auto owner = vulkan::open_device(0, &why);
  EXPECT_NE(&owner->up_queue(), &owner->queue());
  EXPECT_NE(&owner->down_queue(), &owner->queue());
  const std::shared_ptr<DeviceBackend> device = vulkan::make_backend(0, nullptr);
  const auto engine = engine_with(device, true, 2);
  const Graph graph = small_network();
  const Executor executor(graph, *engine);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 6; ++i) {
        const Tensor in = random_tensor({1, 3, 9 + 5 * (i % 2), 20}, t);
        EXPECT_LE(relative_difference(run_graph(graph, {in}, false)[0], run_once(executor, in)), 1e-5);
      }
    });
  for (std::thread& thread : threads) thread.join();
  unsetenv("TESSERA_VULKAN_QUEUES");
}

// --- Failures --------------------------------------------------------------------------------

// From opening the device to its end. What a failing call leaves behind the validation layer would tell of.
Tensor run_from_scratch(const Graph& graph, const std::vector<Tensor>& in) {
  std::string why;
  auto engine = cpu_engine(true, 2);
  if (std::shared_ptr<DeviceBackend> device = vulkan::make_backend(0, &why)) engine = engine_with(device, true, 2);
  const Executor executor(graph, *engine);
  run_once(executor, in[0]);
  return run_once(executor, in[1]);
}

void expect_right_values(VkResult result) {
  std::string why;
  if (vulkan::devices(&why).empty()) GTEST_SKIP() << "skipped: " << why;
  const VulkanLayer layer;
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  b.output(b.node("Add", {b.node("PRelu", {x, b.constant(random_tensor({3, 1, 1}, 1))}), x}));
  const std::vector<Tensor> in{random_tensor({1, 3, 6, 7}, 1), random_tensor({1, 3, 9, 8}, 2)};
  const Tensor expected = run_graph(b.graph, {in[1]}, true)[0];
  run_from_scratch(b.graph, in);  // asks for known answers
  VulkanLayer::fail_call(0, VK_SUCCESS);
  EXPECT_LE(relative_difference(expected, run_from_scratch(b.graph, in)), 1e-5);
  const int calls = VulkanLayer::calls();
  EXPECT_GT(calls, 30);
  std::set<std::string> failed;
  for (int call = 1; call <= calls && !testing::Test::HasFailure(); ++call) {
    VulkanLayer::fail_call(call, result);
    const Tensor got = run_from_scratch(b.graph, in);
    EXPECT_LE(relative_difference(expected, got), 1e-5) << call << ": " << VulkanLayer::failed();
    failed.insert(VulkanLayer::failed());
  }
  for (const char* name : {"vkCreateDevice", "vkAllocateMemory", "vkCreateComputePipelines", "vkQueueSubmit"})
    EXPECT_TRUE(failed.contains(name)) << name;
  for (const std::string& message : vulkan::take_validation_messages()) ADD_FAILURE() << message;
}

TEST(VulkanFailure, EveryCallMayFindNoMemory) { expect_right_values(VK_ERROR_OUT_OF_DEVICE_MEMORY); }
TEST(VulkanFailure, EveryCallMayLoseTheDevice) { expect_right_values(VK_ERROR_DEVICE_LOST); }
TEST(VulkanFailure, EveryCallMayLoseTheDeviceOfThreeQueues) {
  setenv("TESSERA_VULKAN_QUEUES", "3", 1);
  expect_right_values(VK_ERROR_DEVICE_LOST);
  unsetenv("TESSERA_VULKAN_QUEUES");
}
TEST(VulkanFailure, EveryCallMayFailToInitialize) { expect_right_values(VK_ERROR_INITIALIZATION_FAILED); }

// A device that is gone for good.
TEST_F(VulkanProgram, ALostDeviceIsOpenedAnew) {
  device_.reset();
  engine_.reset();
  const VulkanLayer layer;
  const Graph graph = small_network(2);
  const Tensor in = random_tensor({1, 3, 9, 8}, 1);
  const std::shared_ptr<DeviceBackend> device = vulkan::make_backend(0, nullptr);
  vulkan::ask_every_variant(*device);
  const auto engine = engine_with(device, true);
  const Tensor expected = run_graph(graph, {in}, false)[0];
  int call = 0;
  do {
    VulkanLayer::fail_call(++call, VK_ERROR_DEVICE_LOST);
    EXPECT_LE(relative_difference(expected, run_once(Executor(graph, *engine), in)), 1e-5);
  } while (VulkanLayer::failed() != "vkQueueSubmit" && call < 100);
  EXPECT_EQ(VulkanLayer::failed(), "vkQueueSubmit");
  EXPECT_NE(engine->device_failure.find("was lost"), std::string::npos) << engine->device_failure;
  const auto again = engine_with(vulkan::make_backend(0, nullptr), true);
  VulkanLayer::take_seen();
  const Executor second(graph, *again);
  EXPECT_LE(relative_difference(expected, run_once(second, in)), 1e-5);
  EXPECT_GT(VulkanLayer::take_seen().submits, 0);
  EXPECT_TRUE(again->device_failure.empty());
}

}  // namespace
}  // namespace tessera::test
