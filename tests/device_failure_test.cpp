// A device that fails while a plan runs on it and on the CPU: the CPU takes over, with right values.

#include <gtest/gtest.h>

#include <thread>

#include "tests/fake_device.h"

namespace tessera::test {
namespace {

bool is_add_or_sigmoid(const Problem& problem) {
  return problem.node.op->name == "Add" || problem.node.op->name == "Sigmoid";
}

// Convolutions, whose values are blocked, between operators of the device, whose values are not. Both
// outputs come from behind reorders: one of a value that the device reads, one of a convolution's.
Graph mixed_graph() {
  GraphBuilder b;
  const auto conv = [&](ValueId in, int64_t from, unsigned seed) {
    return b.node("Conv", {in, b.constant(random_tensor({32, from, 3, 3}, seed, -0.1f, 0.1f))},
                  {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  };
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  const ValueId first = b.node("Relu", {conv(x, 3, 1)});
  const ValueId sum = b.node("Add", {conv(first, 32, 2), first});
  const ValueId gate = b.node("Sigmoid", {conv(sum, 32, 3)});
  b.output(conv(b.node("Add", {gate, first}), 32, 4));
  b.output(first);
  return b.graph;
}

std::vector<Tensor> run(const Executor& executor, const Tensor& in) {
  std::vector<Datum> data(1);
  data[0].tensor = in;
  std::vector<Tensor> out;
  for (Datum& datum : executor.run(std::move(data), {})) out.push_back(std::move(datum.tensor));
  return out;
}

void expect_right_values(int fails_at) {
  constexpr unsigned callers = 8, rounds = 12;
  Graph graph = mixed_graph();
  optimizer::prepare(graph);
  auto device = std::make_shared<FakeDevice>(is_add_or_sigmoid);
  device->fails_at = fails_at;
  const auto plain = cpu_engine(true, 2), engine = engine_with(device, true, 2);
  const Executor on_cpu(graph, *plain), executor(graph, *engine);

  const Type type{DType::float32, {1, 3, 20, 24}};
  bool whole = false;
  const auto plan = executor.first_plan({&type, 1}, &whole);
  ASSERT_TRUE(whole && plan->uses_device());
  ASSERT_TRUE(std::any_of(plan->graph().nodes.begin(), plan->graph().nodes.end(),
                          [](const Node& node) { return node.op->name == "Reorder"; }));

  std::vector<std::thread> threads;
  for (unsigned c = 0; c < callers; ++c)
    threads.emplace_back([&, c] {
      const Tensor in = random_tensor(type.shape, c, 0, 1);
      const std::vector<Tensor> expected = run(on_cpu, in);
      for (unsigned round = 0; round < rounds; ++round) {
        const std::vector<Tensor> got = run(executor, in);
        for (size_t i = 0; i < expected.size(); ++i) EXPECT_LT(relative_difference(expected[i], got[i]), 5e-6);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(device->runs(), fails_at);

  // Lost for good: what runs now is the CPU's own plan, to the bit, and the device is not asked again.
  const int runs = device->runs();
  const Tensor in = random_tensor(type.shape, 77, 0, 1);
  const std::vector<Tensor> expected = run(on_cpu, in), got = run(executor, in);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(relative_difference(expected[i], got[i]), 0);
  EXPECT_EQ(device->runs(), runs);
}

// What a compilation finds out, the next one knows.
TEST(DeviceFailure, ADeviceThatFailsToCompileIsAskedOnceMore) {
  const Tensor in = random_tensor({1, 3, 12, 10}, 1, 0, 1);
  const std::vector<Tensor> expected = run_on(*cpu_engine(true), mixed_graph(), {in});
  for (const int failures : {1, 2}) {
    const auto device = std::make_shared<FakeDevice>(is_add_or_sigmoid);
    device->compilations_that_fail = failures;
    const auto engine = engine_with(device, true);
    const std::vector<Tensor> got = run_on(*engine, mixed_graph(), {in});
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_LT(relative_difference(expected[i], got[i]), 5e-6);
    EXPECT_EQ(device->runs() > 0, failures == 1);
    EXPECT_EQ(engine->device_failure.empty(), failures == 1);
  }
}

TEST(DeviceFailure, TheFirstRunFails) { expect_right_values(1); }
TEST(DeviceFailure, TheSecondStretchOfTheFirstRunFails) { expect_right_values(2); }
TEST(DeviceFailure, TheHundredthRunFails) { expect_right_values(100); }

}  // namespace
}  // namespace tessera::test
