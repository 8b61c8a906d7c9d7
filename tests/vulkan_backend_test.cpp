// The Vulkan backend on whatever device there is, Mesa's software renderer included, against the
// CPU. The validation layer watches, and is to have nothing to say.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "ops/elementwise.h"
#include "ops/vulkan/hazards.h"
#include "ops/vulkan/kernel.h"
#include "runtime/session/session.h"
#include "tests/fake_device.h"
#include "tests/qdq_builder.h"
#include "tests/support.h"
#include "tests/vulkan_device.h"

namespace tessera::test {
namespace {

class VulkanBackend : public VulkanDevice {
 protected:
  void SetUp() override {
    VulkanDevice::SetUp();
    if (!device_) return;
    engine_.backends = {device_, cpu::make_backend()};
    engine_.threads = std::make_unique<Threads>(1);
    engine_.plan.threads = 1;
    engine_.plan.poison = true;
    engine_.plan.count_crossings = false;
  }

  void TearDown() override {
    engine_.backends.clear();
    VulkanDevice::TearDown();
  }

  // Runs the graph on the device, all of it, and compares with the CPU's references.
  void check(const Graph& graph, const std::vector<Tensor>& inputs, bool optimize = true, double tolerance = 2e-6) {
    Graph prepared = graph;
    engine_.optimize = optimize;
    if (optimize) optimizer::prepare(prepared);
    const Executor executor(prepared, engine_);
    std::vector<Type> types;
    for (const Tensor& tensor : inputs) types.push_back(tensor.type);
    bool whole = false;
    const auto plan = executor.first_plan(types, &whole);
    ASSERT_TRUE(plan && whole);
    for (size_t i = 0; i < plan->steps().size(); ++i)
      EXPECT_EQ(plan->choices()[i].backend, 0) << plan->steps()[i].node->op->name << " is not on the device";
    steps_ = plan->steps().size();

    const int64_t submits = device_->traffic.submits, up = device_->traffic.uploaded_bytes,
                  down = device_->traffic.downloaded_bytes;
    std::vector<Datum> in(inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) in[i].tensor = inputs[i];
    const auto out = executor.run(in, {});
    const auto expected = run_graph(graph, inputs, false);
    int64_t in_bytes = 0, out_bytes = 0;
    for (const Tensor& tensor : inputs) in_bytes += tensor.type.bytes();
    ASSERT_EQ(out.size(), expected.size());
    for (size_t i = 0; i < out.size(); ++i) {
      out_bytes += expected[i].type.bytes();
      ASSERT_EQ(out[i].tensor.type, expected[i].type);
      EXPECT_LE(relative_difference(expected[i], out[i].tensor), tolerance);
    }
    // Nothing but the graph's inputs and outputs crosses the bus, in one submit.
    EXPECT_EQ(device_->traffic.submits - submits, 1);
    EXPECT_EQ(device_->traffic.uploaded_bytes - up, in_bytes);
    EXPECT_EQ(device_->traffic.downloaded_bytes - down, out_bytes);
  }

  Engine engine_;
  size_t steps_ = 0;
};

Type floats(const Shape& shape) { return {DType::float32, shape}; }

struct ConvCase {
  Shape in, weights;
  std::vector<int64_t> strides, pads, dilations;
};

TEST_F(VulkanBackend, Conv) {
  const ConvCase cases[] = {
      {{1, 3, 17, 19}, {24, 3, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {{2, 24, 9, 11}, {24, 24, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {{1, 5, 12, 13}, {3, 5, 1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {{1, 4, 16, 15}, {12, 4, 5, 5}, {2, 3}, {2, 0, 1, 3}, {1, 1}},
      {{1, 7, 14, 14}, {33, 7, 3, 2}, {1, 2}, {2, 1, 0, 1}, {2, 3}},
      {{1, 17, 8, 8}, {70, 17, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
  };
  unsigned seed = 1;
  for (const ConvCase& c : cases)
    for (const bool bias : {false, true}) {
      SCOPED_TRACE(cat(c.in, " ", c.weights, bias ? " with bias" : ""));
      GraphBuilder g;
      std::vector<ValueId> in{g.input("x", floats(c.in)), g.constant(random_tensor(c.weights, seed++))};
      if (bias) in.push_back(g.constant(random_tensor({c.weights[0]}, seed++)));
      g.output(g.node("Conv", in, {{"strides", c.strides}, {"pads", c.pads}, {"dilations", c.dilations}}));
      check(g.graph, {random_tensor(c.in, seed++)});
    }
}

TEST_F(VulkanBackend, ConvWithAutomaticPads) {
  for (const char* pad : {"SAME_UPPER", "SAME_LOWER", "VALID"}) {
    GraphBuilder g;
    const ValueId x = g.input("x", floats({1, 3, 10, 11}));
    g.output(g.node("Conv", {x, g.constant(random_tensor({8, 3, 4, 4}, 1))},
                    {{"auto_pad", std::string(pad)}, {"strides", std::vector<int64_t>{2, 2}}}));
    check(g.graph, {random_tensor({1, 3, 10, 11}, 2)});
  }
}

// The shape of the Compact family: convolutions with PRelu, a pixel shuffle, and the picture added.
TEST_F(VulkanBackend, CompactModelIsOneProgram) {
  for (const bool optimize : {true, false}) {
    GraphBuilder g;
    const ValueId x = g.input("x", floats({1, 3, 20, 22}));
    ValueId y = x;
    const int64_t widths[] = {3, 16, 16, 12};
    for (unsigned i = 0; i < 3; ++i) {
      y = g.node("Conv",
                 {y, g.constant(random_tensor({widths[i + 1], widths[i], 3, 3}, 10 + i, -0.3f, 0.3f)),
                  g.constant(random_tensor({widths[i + 1]}, 20 + i))},
                 {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
      if (i < 2) y = g.node("PRelu", {y, g.constant(random_tensor({widths[i + 1], 1, 1}, 30 + i))});
    }
    y = g.node("DepthToSpace", {y}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}});
    Tensor scales = Tensor::make(floats({4}));
    const float values[] = {1, 1, 2, 2};
    std::copy(std::begin(values), std::end(values), scales.as<float>());
    const ValueId up = g.node("Resize", {x, absent, g.constant(scales)},
                              {{"mode", std::string("nearest")},
                               {"coordinate_transformation_mode", std::string("asymmetric")},
                               {"nearest_mode", std::string("floor")}});
    y = g.node("Add", {y, up});
    Tensor low = Tensor::make(floats({})), high = Tensor::make(floats({}));
    high.as<float>()[0] = 1;
    g.output(g.node("Clip", {y, g.constant(low), g.constant(high)}));
    check(g.graph, {random_tensor({1, 3, 20, 22}, 3, 0, 1)}, optimize, 1e-5);
    EXPECT_EQ(steps_, optimize ? 4 : 9);
  }
}

// Numbers between QuantizeLinear and DequantizeLinear stay floats, rounded where they are made.
TEST_F(VulkanBackend, AQuantizedModelIsRoundedFloats) {
  Qdq b;
  ValueId x = b.around(b.input("x", floats({1, 3, 12, 14})), 0.02, 128);
  x = b.around(b.node("Relu", {b.conv(x, 3, 24, 0.02)}), 0.05, -128, DType::int8);
  const ValueId y = b.around(b.conv(x, 24, 24, 0.05, 3, 24), 0.04, 100);
  x = b.around(b.node("Add", {x, y}), 0.06, 90);
  x = b.around(b.node("GlobalAveragePool", {x}), 0.05, 0);
  ValueId bias;
  const ValueId w = b.weights({10, 24}, 0.05, &bias);
  b.output(b.around(b.node("Gemm", {b.node("Flatten", {x}), w, bias}, {{"transB", int64_t{1}}}), 0.01, 128));
  check(b.graph, {random_tensor({1, 3, 12, 14}, 3, -2, 2)}, true, 0.02);
  EXPECT_EQ(steps_, 6);
}

// So are those of the operators that quantize their own result.
TEST_F(VulkanBackend, AQuantizedConvolutionIsWrittenOut) {
  Qdq b;
  const auto number = [&](DType type, double value) { return b.constant(tensor(type, {}, {value})); };
  const ValueId scale = number(DType::float32, 0.02), zero = number(DType::uint8, 128);
  const ValueId bytes = b.node("QuantizeLinear", {b.input("x", floats({1, 3, 9, 10})), scale, zero}, {}, 13);
  const ValueId y_scale = number(DType::float32, 0.05), y_zero = number(DType::uint8, 120);
  const ValueId w = b.constant(tessera::test::random_tensor(DType::int8, {8, 3, 3, 3}, 5, -128, 128));
  const ValueId y = b.node(
      "QLinearConv", {bytes, scale, zero, w, number(DType::float32, 0.003), number(DType::int8, 0), y_scale, y_zero});
  b.output(b.node("DequantizeLinear", {y, y_scale, y_zero}, {}, 13));
  check(b.graph, {random_tensor({1, 3, 9, 10}, 3, -2, 2)}, true, 0.02);
  EXPECT_EQ(steps_, 2);
}

TEST_F(VulkanBackend, ElementwiseFunctions) {
  const struct {
    const char* op;
    int opset;
    Attrs attrs;
  } cases[] = {{"Relu", 14, {}},       {"LeakyRelu", 16, {{"alpha", 0.3f}}},
               {"Sigmoid", 13, {}},    {"Tanh", 13, {}},
               {"HardSigmoid", 6, {}}, {"HardSwish", 14, {}},
               {"Elu", 6, {}},         {"Selu", 6, {}},
               {"Softplus", 1, {}},    {"Softsign", 1, {}},
               {"Erf", 13, {}},        {"Exp", 13, {}},
               {"Reciprocal", 13, {}}, {"Abs", 13, {}},
               {"Neg", 13, {}},        {"Floor", 13, {}},
               {"Ceil", 13, {}},       {"Round", 11, {}},
               {"Sign", 13, {}},       {"ThresholdedRelu", 10, {}},
               {"Mish", 18, {}},       {"Gelu", 20, {}},
               {"Celu", 12, {}},       {"Gelu", 20, {{"approximate", std::string("tanh")}}}};
  Tensor x = random_tensor({2, 3, 5, 7}, 5, -4, 4);
  const float special[] = {0, -0.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 1e-6f, -1e-6f, 20, -20};
  std::copy(std::begin(special), std::end(special), x.as<float>());
  for (const auto& c : cases) {
    SCOPED_TRACE(c.op);
    const bool reciprocal = std::string(c.op) == "Reciprocal", grows = std::string(c.op) == "Exp";
    GraphBuilder g;
    g.output(g.node(c.op, {g.input("x", x.type)}, c.attrs, c.opset));
    check(g.graph, {reciprocal || grows ? random_tensor(x.type.shape, 6, 0.5f, 2) : x}, false, 3e-6);
  }
}

TEST_F(VulkanBackend, BinaryFunctionsBroadcast) {
  const Shape shapes[][2] = {{{2, 3, 4, 5}, {2, 3, 4, 5}}, {{2, 3, 4, 5}, {3, 1, 1}}, {{2, 3, 4, 5}, {}},
                             {{1, 1, 5}, {2, 3, 4, 1}},    {{4, 1}, {1, 6}},          {{2, 1, 2, 1, 2, 2}, {1}}};
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"})
    for (const auto& pair : shapes) {
      SCOPED_TRACE(cat(op, " ", pair[0], " ", pair[1]));
      GraphBuilder g;
      const ValueId x = g.input("x", floats(pair[0])), y = g.input("y", floats(pair[1]));
      g.output(g.node(op, {x, y}));
      check(g.graph, {random_tensor(pair[0], 1, 0.5f, 2), random_tensor(pair[1], 2, 0.5f, 2)});
    }
}

TEST_F(VulkanBackend, PowerOfNegativeNumbers) {
  GraphBuilder g;
  Tensor x = Tensor::make(floats({6})), y = Tensor::make(floats({6}));
  const float base[] = {-2, -2, -1.5f, 0, 3, -3}, exponent[] = {2, 3, -1, 0, 0.5f, 0};
  std::copy(std::begin(base), std::end(base), x.as<float>());
  std::copy(std::begin(exponent), std::end(exponent), y.as<float>());
  g.output(g.node("Pow", {g.input("x", x.type), g.input("y", y.type)}));
  check(g.graph, {x, y});
}

TEST_F(VulkanBackend, DepthToSpaceAndConcat) {
  for (const char* mode : {"DCR", "CRD"}) {
    GraphBuilder g;
    const ValueId x = g.input("x", floats({2, 18, 3, 4}));
    g.output(g.node("DepthToSpace", {x}, {{"blocksize", int64_t{3}}, {"mode", std::string(mode)}}));
    check(g.graph, {random_tensor({2, 18, 3, 4}, 1)});
  }
  for (const int64_t axis : {0, 1, 2, -1}) {
    Shape shapes[] = {{2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}};
    shapes[1][static_cast<size_t>((axis + 4) % 4)] = 1;
    shapes[2][static_cast<size_t>((axis + 4) % 4)] = 7;
    GraphBuilder g;
    std::vector<ValueId> in;
    std::vector<Tensor> tensors;
    for (const Shape& shape : shapes) {
      in.push_back(g.input(cat("x", in.size()), floats(shape)));
      tensors.push_back(random_tensor(shape, static_cast<unsigned>(in.size())));
    }
    const ValueId whole = g.node("Concat", in, {{"axis", axis}});
    g.output(g.node("Relu", {whole}));
    check(g.graph, tensors);
  }
}

TEST_F(VulkanBackend, SplitWritesEveryOutput) {
  for (const int64_t axis : {0, 1, 2, -1}) {
    SCOPED_TRACE(axis);
    Shape shape{3, 4, 5, 6};
    shape[static_cast<size_t>((axis + 4) % 4)] = 9;
    GraphBuilder g;
    const ValueId x = g.input("x", floats(shape));
    const auto parts = g.nodes("Split", {g.node("Neg", {x}), g.constant({2, 6, 1})}, 3, {{"axis", axis}});
    g.output(parts[0]);
    g.output(g.node("Relu", {parts[1]}));
    g.output(parts[2]);
    check(g.graph, {random_tensor(shape, 1)}, false);
  }
}

TEST_F(VulkanBackend, ReductionsAlongAnyAxes) {
  const Shape shapes[] = {{2, 3, 4, 5}, {3, 50, 61}, {1, 3, 70, 90}, {2, 3, 4, 2, 3}, {20000}};
  const std::vector<int64_t> axes[] = {{}, {-1}, {0}, {1, 2}, {0, 2}, {0, 1, 2}};
  for (const char* op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                         "ReduceSumSquare", "ReduceLogSum"})
    for (const Shape& shape : shapes)
      for (const auto& named : axes)
        for (const int64_t keep : {0, 1}) {
          if (!named.empty() && named.back() >= shape.rank()) continue;
          if (shape.rank() > 4 && keep) continue;  // results of five axes are the CPU's
          SCOPED_TRACE(cat(op, " ", shape, " ", Shape(named), keep ? " kept" : ""));
          GraphBuilder g;
          const std::string text = op;
          const bool product = text == "ReduceProd";
          const bool by_attribute = !named.empty() && text != "ReduceSum";
          const Attrs attrs = by_attribute ? Attrs{{"keepdims", keep}, {"axes", named}} : Attrs{{"keepdims", keep}};
          std::vector<ValueId> in{g.input("x", floats(shape))};
          if (!named.empty() && text == "ReduceSum") in.push_back(g.constant(named));
          g.output(g.node(op, in, attrs, 13));
          const float least = product ? 0.999f : text == "ReduceLogSum" ? 0.5f : -1;
          check(g.graph, {random_tensor(shape, 1, least, product ? 1.001f : 2)}, false, 2e-5);
        }
}

// The first step wants the most.
TEST_F(VulkanBackend, ScratchIsSharedOverTime) {
  GraphBuilder g;
  const ValueId x = g.input("x", floats({5, 90, 70}));
  const ValueId means = g.node("ReduceMean", {x}, {{"axes", std::vector<int64_t>{1, 2}}}, 13);
  const ValueId most = g.node("ReduceMax", {g.node("Neg", {means})}), least = g.node("ReduceMin", {x});
  g.output(g.node("Add", {least, most}));
  g.output(means);
  check(g.graph, {random_tensor({5, 90, 70}, 1, 0, 1)}, false, 1e-5);
}

TEST_F(VulkanBackend, PoolsOverWholePicturesAndTheirEpilogue) {
  for (const char* op : {"GlobalAveragePool", "GlobalMaxPool"})
    for (const Shape& shape : {Shape{2, 7, 9, 11}, Shape{1, 2, 120, 130}}) {
      SCOPED_TRACE(cat(op, " ", shape));
      GraphBuilder g;
      const ValueId pooled = g.node(op, {g.input("x", floats(shape))});
      g.output(g.node("Mul", {g.node("Sigmoid", {pooled}), g.constant(random_tensor({1, shape[1], 1, 1}, 2))}));
      check(g.graph, {random_tensor(shape, 1)}, true, 1e-5);
    }
}

struct AttentionCase {
  Shape q, k, v, mask;  // no mask: {}
  Attrs attrs;
  bool truths = false;
};

TEST_F(VulkanBackend, AttentionOfTheStandard) {
  const AttentionCase cases[] = {
      {{2, 3, 10, 8}, {2, 3, 70, 8}, {2, 3, 70, 9}, {}, {}},
      {{2, 4, 5, 16}, {2, 2, 130, 16}, {2, 2, 130, 70}, {5, 130}, {{"scale", 0.3f}}},
      {{2, 4, 6, 16}, {2, 2, 6, 16}, {2, 2, 6, 16}, {2, 1, 6, 6}, {{"is_causal", int64_t{1}}, {"softcap", 2.0f}}},
      {{1, 7, 24}, {1, 9, 12}, {1, 9, 20}, {4, 1, 9}, {{"q_num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}}},
      {{1, 2, 8, 4}, {1, 2, 8, 4}, {1, 2, 8, 4}, {8, 8}, {}, true},
      {{1, 1, 33001, 2}, {1, 1, 3, 2}, {1, 1, 3, 1}, {}, {}},  // more workgroups than one axis takes
  };
  unsigned seed = 1;
  for (const AttentionCase& c : cases) {
    SCOPED_TRACE(cat(c.q, " ", c.k, " ", c.mask));
    GraphBuilder g;
    std::vector<Tensor> inputs{random_tensor(c.q, seed++), random_tensor(c.k, seed++), random_tensor(c.v, seed++)};
    std::vector<ValueId> in;
    if (!c.mask.empty() && !c.truths) inputs.push_back(random_tensor(c.mask, seed++, -3, 3));
    for (const Tensor& tensor : inputs) in.push_back(g.input(cat("x", in.size()), tensor.type));
    if (c.truths) {
      Tensor mask = Tensor::make({DType::boolean, c.mask});
      for (int64_t i = 0; i < c.mask.elements(); ++i) mask.as<bool>()[i] = i >= 8 && i % 3 != 0;  // row 0 sees nothing
      in.push_back(g.constant(mask));
    }
    g.output(g.node("Attention", in, c.attrs, 23));
    check(g.graph, inputs, true, 1e-5);
  }
}

// As exporters spell it out, with a bias of positions and one of windows.
TEST_F(VulkanBackend, AttentionOfTheOptimizer) {
  const int64_t windows = 4, heads = 2, length = 9, depth = 6;
  const Shape shape{windows, heads, length, depth}, scores{windows, heads, length, length};
  GraphBuilder g;
  std::vector<ValueId> in;
  for (const char* name : {"q", "k", "v"}) in.push_back(g.input(name, floats(shape)));
  const ValueId mask = g.input("mask", floats({windows, 1, length, length}));
  ValueId x = g.node("MatMul", {in[0], g.node("Transpose", {in[1]}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}})});
  x = g.node("Mul", {x, g.constant(random_tensor({}, 7, 0.3f, 0.4f))});
  x = g.node("Add", {x, g.constant(random_tensor({1, heads, length, length}, 5))});
  x = g.node("Softmax", {g.node("Add", {x, mask})}, {{"axis", int64_t{-1}}});
  g.output(g.node("MatMul", {x, in[2]}));
  check(g.graph,
        {random_tensor(shape, 1), random_tensor(shape, 2), random_tensor(shape, 3),
         random_tensor({windows, 1, length, length}, 4, -2, 2)},
        true, 1e-5);
  EXPECT_EQ(steps_, 1);
}

TEST_F(VulkanBackend, ResizeAsTheReferenceDoes) {
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* coordinates : {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"})
      for (const char* rounding : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) {
        const bool nearest = std::string(mode) == "nearest";
        if (!nearest && std::string(rounding) != "floor") continue;
        if (nearest && std::string(coordinates) == "align_corners") continue;  // a tie hangs on the last bit
        for (const Shape& size : {Shape{1, 2, 10, 14}, Shape{1, 2, 7, 5}, Shape{1, 2, 1, 3}}) {
          SCOPED_TRACE(cat(mode, " ", coordinates, " ", rounding, " ", size));
          GraphBuilder g;
          const ValueId x = g.input("x", floats({1, 2, 5, 7}));
          g.output(g.node("Resize", {x, absent, absent, g.constant(List<int64_t>(size))},
                          {{"mode", std::string(mode)},
                           {"coordinate_transformation_mode", std::string(coordinates)},
                           {"nearest_mode", std::string(rounding)}}));
          check(g.graph, {random_tensor({1, 2, 5, 7}, 1)}, true, 1e-5);
        }
      }
}

TEST_F(VulkanBackend, ViewsCostNothing) {
  GraphBuilder g;
  const ValueId x = g.input("x", floats({2, 3, 4}));
  const ValueId flat = g.node("Flatten", {g.node("Relu", {x})});
  g.output(g.node("Neg", {g.node("Reshape", {flat, g.constant({4, 6})})}));
  g.output(flat);
  check(g.graph, {random_tensor({2, 3, 4}, 1)});
}

// Parts are written where they belong: what is left to run are the convolutions.
TEST_F(VulkanBackend, ADenseBlockIsItsConvolutions) {
  struct Ran : Profile {
    std::vector<Text> ops;
    void step(const Node& node, Text, double) override { ops.push_back(node.op->name); }
  } ran;
  const Graph graph = dense_block();
  const Tensor in = random_tensor({1, 8, 6, 8}, 3);
  check(graph, {in}, false, 1e-5);
  const Executor executor(graph, engine_);
  std::vector<Datum> data(1);
  data[0].tensor = in;
  RunControl control;
  control.profile = &ran;
  executor.run(data, control);
  EXPECT_EQ(ran.ops, std::vector<Text>(5, "Conv"));
}

// Reused memory: many short-lived tensors, some read late.
TEST_F(VulkanBackend, MemoryIsSharedOverTime) {
  GraphBuilder g;
  const ValueId x = g.input("x", floats({1, 4, 16, 16}));
  std::vector<ValueId> kept{x};
  for (unsigned i = 0; i < 12; ++i) {
    const ValueId y = g.node(i % 2 ? "Tanh" : "Sigmoid", {kept.back()});
    kept.push_back(g.node("Add", {y, kept[kept.size() / 2]}));
  }
  g.output(kept.back());
  g.output(kept[3]);
  check(g.graph, {random_tensor({1, 4, 16, 16}, 1)}, false);
}

TEST_F(VulkanBackend, UnknownOperatorsFallBackToTheCpu) {
  GraphBuilder g;
  const ValueId x = g.input("x", floats({1, 3, 8, 8}));
  g.output(g.node("Neg", {g.node("Det", {g.node("Relu", {x})})}));
  const Tensor in = random_tensor({1, 3, 8, 8}, 1);
  const Executor executor(g.graph, engine_);
  std::vector<Datum> data(1);
  data[0].tensor = in;
  const auto out = executor.run(data, {});
  EXPECT_EQ(relative_difference(run_graph(g.graph, {in}, false)[0], out[0].tensor), 0);
  EXPECT_EQ(device_->traffic.submits, 2);
}

// A device cannot say what is wrong with an index. The host runs the stretch then, and says it; the next run is the
// device's again.
TEST_F(VulkanBackend, IndicesOutsideAreToldByTheHost) {
  GraphBuilder g;
  const ValueId table = g.input("table", floats({50, 4})), at = g.input("at", {DType::int64, {3}});
  g.output(g.node("Relu", {g.node("Gather", {table, at})}));
  const Executor executor(g.graph, engine_);
  const auto run = [&](int64_t last) {
    std::vector<Datum> data(2);
    data[0].tensor = random_tensor({50, 4}, 1);
    data[1].tensor = Tensor::of(std::vector<int64_t>{0, -50, last});
    return executor.run(data, {})[0].tensor;
  };
  run(49);
  try {
    run(50);
    ADD_FAILURE() << "an index of 50 is taken for an axis of 50";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::shape);
    EXPECT_NE(std::string(error.what()).find("index 50 is outside"), std::string::npos) << error.what();
  }
  const int64_t submits = device_->traffic.submits;
  EXPECT_EQ(relative_difference(
                run(7),
                run_graph(g.graph, {random_tensor({50, 4}, 1), Tensor::of(std::vector<int64_t>{0, -50, 7})}, false)[0]),
            0);
  EXPECT_EQ(device_->traffic.submits, submits + 1);
}

// What one binding cannot hold is left to the CPU: 128 MiB on Mesa's software renderer.
TEST_F(VulkanBackend, TooLargeTensorsAreNotOffered) {
  GraphBuilder g;
  g.node("Relu", {g.input("x", {})});
  const Node& node = g.graph.nodes[0];
  const Tensor* none = nullptr;
  for (const int64_t extent : {int64_t{4}, int64_t{1} << 20}) {
    const Type type = floats({1, 4, extent, 1 << 10});
    std::vector<Offer> offers;
    device_->offers({node, List<Type>(&type, 1), List<Type>(&type, 1), List<const Tensor*>(&none, 1)}, offers);
    EXPECT_EQ(offers.empty(), extent > 4);
  }
}

TEST_F(VulkanBackend, EveryVariantAnswersItsKnownQuestion) {
  for (const std::string& line : vulkan::ask_every_variant(*device_)) ADD_FAILURE() << line;
}

TEST_F(VulkanBackend, RunsFromManyThreadsAtOnce) {
  GraphBuilder g;
  const ValueId x = g.input("x", floats({1, 3, 12, 12}));
  g.output(g.node("Conv", {x, g.constant(random_tensor({8, 3, 3, 3}, 1))}));
  const Executor executor(g.graph, engine_);
  std::vector<std::thread> threads;
  std::vector<double> worst(4);
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const Tensor in = random_tensor({1, 3, 12, 12}, 10 + t);
      const Tensor expected = run_graph(g.graph, {in}, false)[0];
      for (int i = 0; i < 5; ++i) {
        std::vector<Datum> data(1);
        data[0].tensor = in;
        worst[t] = std::max(worst[t], relative_difference(expected, executor.run(data, {})[0].tensor));
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const double difference : worst) EXPECT_LE(difference, 2e-6);
}

TEST_F(VulkanBackend, ProfilesEveryStep) {
  struct Times : Profile {
    int steps = 0;
    double total = 0;
    void step(const Node&, Text, double milliseconds) override { ++steps, total += milliseconds; }
  } times;
  GraphBuilder g;
  const ValueId x = g.input("x", floats({1, 3, 32, 32}));
  g.output(g.node("Neg", {g.node("Conv", {x, g.constant(random_tensor({8, 3, 3, 3}, 1))})}));
  engine_.optimize = false;
  const Executor executor(g.graph, engine_);
  std::vector<Datum> data(1);
  data[0].tensor = random_tensor({1, 3, 32, 32}, 1);
  RunControl control;
  control.profile = &times;
  executor.run(data, control);
  EXPECT_EQ(times.steps, 2);
  EXPECT_GT(times.total, 0);
}

// A published upscaler runs wholly on the device.
TEST_F(VulkanBackend, PublishedCompactModel) {
  TESSERA_REQUIRE_SHARED(data);
  const std::string path = (data / "models/upscale/2x_AnimeJaNai_HD_V3_SuperUltraCompact.onnx").string();
  SessionOptions options;
  options.threads = 1;
  options.device = "vulkan:0";
  const Session session(path, options);
  const std::vector<Tensor> in{random_tensor({1, 3, 44, 52}, 1, 0, 1)};
  const Type type = in[0].type;
  for (const StepInfo& step : session.steps(List<Type>(&type, 1))) EXPECT_EQ(step.backend, "vulkan:0") << step.node;
  const Tensor out = session.run(List<Tensor>(in))[0];
  EXPECT_EQ(session.traffic()->uploaded_bytes, type.bytes());
  EXPECT_EQ(session.traffic()->downloaded_bytes, out.type.bytes());
  EXPECT_EQ(session.traffic()->submits, 1);
  options.device = "cpu";
  EXPECT_LE(relative_difference(Session(path, options).run(List<Tensor>(in))[0], out), 1e-5);
}

TEST(VulkanRecorder, BindsByTheNamesOfTheShader) {
  const auto& kernels = vulkan::all_kernels();
  const auto conv =
      std::find_if(kernels.begin(), kernels.end(), [](const auto& k) { return k.kernel->name == "conv"; });
  ASSERT_NE(conv, kernels.end());
  const vulkan::Facts facts;
  vulkan::Recorder recorder(*conv, facts);
  const int64_t params = 7;
  vulkan::Dispatch& dispatch = recorder.dispatch("conv", params);
  ASSERT_EQ(dispatch.slots.size(), dispatch.shader->buffers.size());
  dispatch.bind("src", recorder.in(3));
  dispatch.bind("weights", recorder.scratch(64));
  dispatch.bind("bias", recorder.scratch(128));
  dispatch.set("tile_m", 48);
  for (size_t i = 0; i < dispatch.slots.size(); ++i) {
    const Text name = dispatch.shader->buffers[i].name;
    const auto& slot = dispatch.slots[i];
    EXPECT_EQ(slot.has_value(), name == "params" || name == "src" || name == "weights" || name == "bias") << name;
    EXPECT_TRUE(name != "src" || slot->index == 3);
    EXPECT_TRUE(name != "bias" || recorder.scratch_bytes()[slot->index] == 128);
    EXPECT_TRUE(name != "params" || recorder.tables()[slot->index].size() == sizeof params);
    EXPECT_EQ(dispatch.shader->buffers[i].writes, name == "dst") << name;
    EXPECT_NE(dispatch.shader->buffers[i].reads, name == "dst") << name;
  }
  for (const auto& constant : dispatch.shader->constants)
    EXPECT_EQ(dispatch.constants.count(constant.id), constant.name == "tile_m" ? 1u : 0u) << constant.name;
  EXPECT_THROW(dispatch.set("tile_x", 1), Error);
  EXPECT_THROW(dispatch.bind("source", recorder.in(0)), Error);
  EXPECT_THROW(recorder.dispatch("map", params), Error);
}

// A barrier stands between any two dispatches of which one writes what the other touches, and nowhere else.
TEST(VulkanHazards, BarriersStandWhereTheyMustAndNowhereElse) {
  using vulkan::Access;
  const auto conflict = [](const std::vector<Access>& a, const std::vector<Access>& b) {
    for (const Access& x : a)
      for (const Access& y : b)
        for (int64_t i = 0; x.memory == y.memory && (x.writes || y.writes) && i < x.bytes; ++i)
          if (x.offset + i >= y.offset && x.offset + i < y.offset + y.bytes) return true;
    return false;
  };
  std::mt19937 engine(5);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(engine()) % n; };
  const int memories[2] = {};
  for (int round = 0; round < 200; ++round) {
    vulkan::Hazards hazards;
    std::vector<std::vector<Access>> since;  // the last barrier
    for (int i = 0; i < 20; ++i) {
      std::vector<Access> next(1 + below(3));
      for (Access& access : next) {
        const bool writes = below(4) == 0;
        access = {&memories[below(2)], below(200), 1 + below(20), !writes || below(2) == 0, writes};
      }
      const bool needed =
          std::any_of(since.begin(), since.end(), [&](const auto& before) { return conflict(before, next); });
      EXPECT_EQ(hazards.note(next), needed);
      if (needed) since.clear();
      since.push_back(next);
    }
  }
}

TEST(VulkanDevices, SoftwareRenderersAreUsedOnlyByName) {
  std::string why;
  const auto found = vulkan::devices(&why);
  if (found.empty()) {
    EXPECT_FALSE(why.empty());
    GTEST_SKIP() << "skipped: " << why;
  }
  const bool only_cpu = std::all_of(found.begin(), found.end(), [](const auto& device) { return device.cpu_type; });
  EXPECT_EQ(vulkan::make_backend(-1, &why) == nullptr, only_cpu) << why;
  EXPECT_EQ(vulkan::make_backend(99, &why), nullptr);
  EXPECT_EQ(why.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace tessera::test
