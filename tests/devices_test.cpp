// Plans for devices with memory and layouts of their own: where values lie, what crosses between backends, and what
// that may cost.

#include <gtest/gtest.h>

#include <chrono>

#include "ops/cpu/layout.h"
#include "tests/fake_device.h"
#include "tests/random_graph.h"

namespace tessera::test {
namespace {

constexpr LayoutForm halves_form{"halves", 1, DType::float16};
constexpr Layout halves{&halves_form};

bool takes_all(const Problem&) { return true; }
bool takes_floats(const Problem& problem) { return problem.in[0].dtype == DType::float32; }
bool takes_relu(const Problem& problem) { return problem.node.op->name == "Relu"; }
bool takes_convs(const Problem& problem) { return problem.node.op->name == "Conv"; }
bool takes_every_second(const Problem& problem) { return problem.node.out[0] % 2 == 0; }

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.type == b.type && std::memcmp(a.bytes.get(), b.bytes.get(), static_cast<size_t>(a.type.bytes())) == 0;
}

// Both backends compute by references: the same bits, unless a value is where it should not be.
void expect_same_bits(const Graph& graph, const std::vector<Tensor>& inputs,
                      const std::shared_ptr<FakeDevice>& device) {
  const auto engine = engine_with(device, false);
  engine->backends.back() = std::make_shared<References>();
  const auto expected = run_references(graph, inputs), got = run_on(*engine, graph, inputs);
  ASSERT_EQ(expected.size(), got.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(same_bits(expected[i], got[i])) << "output " << i;
}

TEST(Devices, RandomGraphsLieInTheirMemory) {
  size_t blocks = 0, copies = 0;
  for (uint32_t seed = 0; seed < 60 && !HasFailure(); ++seed) {
    SCOPED_TRACE(cat("seed ", seed));
    const RandomGraph random(seed, seed % 2 ? Numbers::float32 : Numbers::exact);
    const MemoryRules rules{.alignment = int64_t{16} << seed % 5, .block_bytes = 4096};
    const auto device = std::make_shared<FakeDevice>(seed % 3 ? takes_all : takes_every_second, Layout{}, rules);
    expect_same_bits(random.graph, random.inputs, device);
    for (const Region& region : device->regions) {
      blocks = std::max(blocks, region.storage.block_bytes.size());
      for (const auto& [id, range] : region.storage.places) EXPECT_EQ(range.offset % rules.alignment, 0);
      copies += region.storage.copies.size();
    }
  }
  EXPECT_GT(blocks, 1u);
  EXPECT_GT(copies, 0u);
}

TEST(Devices, ADenseBlockCostsNoCopy) {
  const Graph graph = dense_block();
  const std::vector<Tensor> inputs{random_tensor({1, 8, 6, 8}, 3)};
  for (const int64_t alignment : {64, 256, 1 << 12}) {
    const auto device = std::make_shared<FakeDevice>(takes_all, Layout{}, MemoryRules{.alignment = alignment});
    expect_same_bits(graph, inputs, device);
    ASSERT_EQ(device->regions.size(), 1u);
    // Four channels are 768 bytes: parts that begin at no multiple of the alignment are copied.
    EXPECT_EQ(device->regions[0].storage.copies.empty(), alignment <= 256);
  }
  const auto device = std::make_shared<FakeDevice>(takes_all);
  const auto engine = engine_with(device, false);
  const Executor executor(graph, *engine);
  const Type type = inputs[0].type;
  bool whole = false;
  const auto plan = executor.first_plan({&type, 1}, &whole);
  for (const Step& step : plan->steps()) EXPECT_EQ(step.done, step.node->op->name == "Concat");
  const DeviceStorage& storage = device->regions.at(0).storage;
  EXPECT_EQ(storage.block_bytes, std::vector<int64_t>{(24 + 8) * 6 * 8 * 4});
}

TEST(Devices, PartsShareTheBytesOfTheirInput) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 8, 4, 8}});
  const ValueId all = b.node("Relu", {x});
  const auto parts = b.nodes("Split", {all, b.constant({2, 6})}, 2, {{"axis", int64_t{1}}});
  const ValueId slice = b.node("Slice", {parts[1], b.constant({2}), b.constant({4}), b.constant({1})});
  b.output(b.node("Sigmoid", {slice}));
  b.output(b.node("Neg", {b.node("Reshape", {parts[0], b.constant({2, 32})})}));
  const std::vector<Tensor> inputs{random_tensor({1, 8, 4, 8}, 3)};
  const auto device = std::make_shared<FakeDevice>(takes_floats);
  expect_same_bits(b.graph, inputs, device);
  ASSERT_EQ(device->regions.size(), 1u);
  const auto& places = device->regions[0].storage.places;
  EXPECT_EQ(places.at(parts[1]).offset, places.at(all).offset + 2 * 4 * 8 * 4);
  EXPECT_EQ(places.at(slice).offset, places.at(all).offset + 4 * 4 * 8 * 4);
  // Bytes that lie askew for the device are no part of others: then these operators compute.
  expect_same_bits(b.graph, inputs,
                   std::make_shared<FakeDevice>(takes_floats, Layout{}, MemoryRules{.alignment = 2048}));
}

// Small whole numbers, which float16 holds.
Tensor whole_numbers(const Shape& shape) {
  Tensor tensor = Tensor::make({DType::float32, shape});
  for (int64_t i = 0; i < shape.elements(); ++i) tensor.as<float>()[i] = static_cast<float>(i * 7 % 31 - 15);
  return tensor;
}

TEST(Devices, MayStoreFloatsAsHalves) {
  GraphBuilder b;
  const Type type{DType::float32, {2, 5, 3}};
  const ValueId x = b.input("x", type), y = b.input("y", type);
  const ValueId sum = b.node("Add", {x, y}), product = b.node("Mul", {sum, x});
  b.output(b.node("Reshape", {product, b.constant({10, 3})}));
  b.output(sum);
  const std::vector<Tensor> inputs{whole_numbers(type.shape), whole_numbers(type.shape)};
  const auto device = std::make_shared<FakeDevice>(takes_floats, halves);
  expect_same_bits(b.graph, inputs, device);
  ASSERT_EQ(device->regions.size(), 1u);
  // What crosses is row-major float32; what stays is halves.
  const Region& region = device->regions[0];
  for (const auto* ids : {&region.inputs, &region.outputs})
    for (const ValueId id : *ids) EXPECT_EQ(region.storage.places.at(id).bytes, 30 * 4);
  EXPECT_EQ(region.inputs.size() + region.outputs.size(), 4u);
  EXPECT_EQ(region.storage.places.at(product).bytes, 30 * 2);
}

// Convolutions of the CPU, whose values are blocked, between operators of a device that stores halves.
TEST(Devices, TwoLayoutsMeetInRowMajorOrder) {
  GraphBuilder b;
  const auto conv = [&](ValueId in) {
    Tensor weights = Tensor::make({DType::float32, {32, 32, 1, 1}});
    for (int64_t i = 0; i < 32; ++i) weights.as<float>()[i * 33] = 1;
    return b.node("Conv", {in, b.constant(weights)});
  };
  const ValueId x = b.input("x", {DType::float32, {1, 32, 8, 8}});
  const ValueId first = conv(conv(x));
  const ValueId relu = b.node("Relu", {first});
  b.output(conv(conv(relu)));
  const std::vector<Tensor> inputs{whole_numbers({1, 32, 8, 8})};
  const auto device = std::make_shared<FakeDevice>(takes_relu, halves);
  const auto engine = engine_with(device, false);
  const auto got = run_on(*engine, b.graph, inputs), expected = run_graph(b.graph, inputs, false);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(same_bits(expected[i], got[i]));
  ASSERT_EQ(device->regions.size(), 1u);
  const Executor executor(b.graph, *engine);
  const Type type = inputs[0].type;
  bool whole = false;
  const auto plan = executor.first_plan({&type, 1}, &whole);
  std::vector<std::string> kernels;
  for (size_t i = 0; i < plan->steps().size(); ++i)
    if (plan->choices()[i].backend == 0) kernels.emplace_back(plan->steps()[i].offer.name);
  EXPECT_EQ(kernels, (std::vector<std::string>{"fake reorder", "fake", "fake reorder"}));
  EXPECT_EQ(device->regions[0].outputs.size(), 1u);
}

// An operator that the CPU has no kernel for, only a reference, between operators of such a device.
TEST(Devices, AReferenceReadsWhatADeviceStored) {
  GraphBuilder b;
  const Type type{DType::float32, {4, 6}};
  b.output(b.node("Relu", {b.node("Hardmax", {b.node("Relu", {b.input("x", type)})}, {{"axis", int64_t{1}}})}));
  const std::vector<Tensor> inputs{whole_numbers(type.shape)};
  const auto engine = engine_with(std::make_shared<FakeDevice>(takes_relu, halves), false);
  EXPECT_TRUE(same_bits(run_graph(b.graph, inputs, false)[0], run_on(*engine, b.graph, inputs)[0]));
}

// Two devices that store halves: what the one makes, the other one takes as it is.
TEST(Devices, ALayoutThatBothKnowCrosses) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 4, 5, 6}});
  const ValueId relu = b.node("Relu", {x});
  b.output(b.node("Sigmoid", {b.node("Neg", {relu})}));
  const std::vector<Tensor> inputs{whole_numbers({1, 4, 5, 6})};
  const auto first = std::make_shared<FakeDevice>(takes_relu, halves),
             second = std::make_shared<FakeDevice>(takes_floats, halves);
  const auto engine = engine_with(second, false);
  engine->backends.insert(engine->backends.begin(), first);
  const auto got = run_on(*engine, b.graph, inputs), expected = run_references(b.graph, inputs);
  EXPECT_LT(relative_difference(expected[0], got[0]), 1e-3);
  ASSERT_EQ(first->regions.size() + second->regions.size(), 2u);
  const Region &from = first->regions[0], &to = second->regions[0];
  EXPECT_EQ(from.outputs, to.inputs);
  EXPECT_EQ(from.storage.places.at(relu).bytes, 4 * 5 * 6 * 2);
  EXPECT_EQ(to.storage.places.at(relu).bytes, 4 * 5 * 6 * 2);
}

// The backends of the nodes, one after the other.
std::string backends_of(Graph graph, const std::shared_ptr<DeviceBackend>& device, bool count_crossings) {
  infer_types(graph);
  std::string text;
  for (const int backend : cut(graph, {device, cpu::make_backend()}, count_crossings)) text += backend ? 'c' : 'd';
  return text;
}

TEST(Cut, MakesFewAndLongStretches) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {4, 4}});
  ValueId chains[3] = {x, x, x};
  for (int i = 0; i < 3; ++i)
    for (ValueId& chain : chains) chain = b.node("Relu", {b.node("Sigmoid", {chain})});
  for (const ValueId chain : chains) b.output(chain);
  const auto device = std::make_shared<FakeDevice>(takes_relu);
  EXPECT_EQ(backends_of(b.graph, device, false), "cccdddcccdddcccddd");
  expect_same_bits(b.graph, {random_tensor({4, 4}, 1)}, device);
  EXPECT_EQ(device->regions.size(), 3u);
}

TEST(Cut, LeavesToTheHostWhatIsNotWorthTheWay) {
  const auto device = std::make_shared<FakeDevice>(takes_convs);
  for (const int64_t extent : {8, 512}) {
    GraphBuilder b;
    ValueId y = b.input("x", {DType::float32, {1, 16, extent, extent}});
    for (unsigned i = 0; i < 6; ++i)
      y = b.node("Conv", {y, b.constant(random_tensor({16, 16, 3, 3}, i))}, {{"pads", std::vector<int64_t>(4, 1)}});
    b.output(b.node("Sigmoid", {y}));
    EXPECT_EQ(backends_of(b.graph, device, true), extent > 8 ? "ddddddc" : "ccccccc");
    EXPECT_EQ(backends_of(b.graph, device, false), "ddddddc");
  }
  // What only passes over the bus is not worth it either, however large.
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 16, 512, 512}});
  b.output(b.node("Sigmoid", {b.node("Relu", {b.node("Sigmoid", {x})})}));
  EXPECT_EQ(backends_of(b.graph, std::make_shared<FakeDevice>(takes_relu), true), "ccc");
}

// A large result that the host reads costs its way back, though it is no output of the graph.
TEST(Cut, CountsWhatTheHostReads) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 1}});
  const ValueId large = b.node("Expand", {x, b.constant({2048, 2048})});
  b.output(b.node("ReduceSum", {b.node("Sigmoid", {large})}));
  const auto takes_expand = [](const Problem& problem) { return problem.node.op->name == "Expand"; };
  EXPECT_EQ(backends_of(b.graph, std::make_shared<FakeDevice>(takes_expand), true), "ccc");
}

TEST(Cut, TakesTimeInProportion) {
  const auto device = std::make_shared<FakeDevice>(takes_relu);
  const Backends backends{device, cpu::make_backend()};
  for (const bool count_crossings : {false, true}) {
    const auto seconds = [&](int count) {
      GraphBuilder b;
      ValueId y = b.input("x", {DType::float32, {1, 4, 4, 4}});
      const ValueId first = y;
      for (int i = 0; i < count; ++i) y = i % 4 ? b.node("Relu", {y}) : b.node("Add", {y, first});
      b.output(y);
      infer_types(b.graph);
      PackCache packs;
      PlanOptions options;
      options.count_crossings = count_crossings;
      const auto start = std::chrono::steady_clock::now();
      const Plan plan(b.graph, backends, packs, options);
      EXPECT_EQ(plan.uses_device(), !count_crossings);
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    const double few = std::min(seconds(3000), seconds(3000)), many = seconds(12000);
    EXPECT_LT(many, 8 * few + 0.2);
  }
}

}  // namespace
}  // namespace tessera::test
