// A device that fails while a plan runs on it and on the CPU: the CPU takes over, with right values.

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "tests/graph_builder.h"

namespace tessera::test {
namespace {

// A device that computes a few elementwise operators by their references, until it is lost.
class FakeDevice final : public DeviceBackend {
 public:
  /// From its `fails_at`-th run on, every run fails.
  explicit FakeDevice(int fails_at) : fails_at_(fails_at) {}

  Text name() const override { return "fake"; }

  void offers(const Problem& problem, std::vector<Offer>& out) const override {
    const Text op = problem.node.op->name;
    if (problem.node.epilogue.empty() && (op == "Add" || op == "Sigmoid")) out.push_back({this, "fake", 1});
  }

  std::unique_ptr<Program> compile(const Region& region) const override {
    return std::make_unique<Stretch>(*this, region);
  }

  int runs() const { return runs_; }

 private:
  struct Stretch final : Program {
    Stretch(const FakeDevice& device, const Region& region) : device(device), region(region) {}

    void run(List<View> in, List<View> out, Profile*) override {
      if (++device.runs_ >= device.fails_at_) fail(Error::Kind::device, "the device is lost");
      std::map<ValueId, View> views;
      std::vector<Tensor> made;
      for (size_t i = 0; i < in.size(); ++i) views[region.inputs[i]] = in[i];
      for (size_t i = 0; i < out.size(); ++i) views[region.outputs[i]] = out[i];
      const auto view_of = [&](ValueId id) {
        const Value& value = region.graph->values[id];
        if (value.constant) return value.constant->view();
        if (!views.contains(id)) views[id] = made.emplace_back(Tensor::make(value.type)).view();
        return views[id];
      };
      for (const Step& step : region.steps) {
        std::vector<View> from, to;
        for (const ValueId id : step.node->in) from.push_back(view_of(id));
        for (const ValueId id : step.node->out) to.push_back(view_of(id));
        step.node->op->reference(Args(*step.node, from, to));
      }
    }

    const FakeDevice& device;
    Region region;
  };

  int fails_at_;
  mutable std::atomic<int> runs_{0};
};

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
  const auto plain = cpu_engine(true, 2), engine = cpu_engine(true, 2);
  auto device = std::make_shared<FakeDevice>(fails_at);
  engine->backends.insert(engine->backends.begin(), device);
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

TEST(DeviceFailure, TheFirstRunFails) { expect_right_values(1); }
TEST(DeviceFailure, TheSecondStretchOfTheFirstRunFails) { expect_right_values(2); }
TEST(DeviceFailure, TheHundredthRunFails) { expect_right_values(100); }

}  // namespace
}  // namespace tessera::test
