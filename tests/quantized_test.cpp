// Quantized operators: reorders of bytes; rewrites against the graph as written, to one quantum. Their kernels run the
// cases of tests/cases/quantized_cases.cpp.
#include "ops/cpu/layout.h"
#include "ops/cpu/level.h"
#include "tests/qdq_builder.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

constexpr DType u8 = DType::uint8, s8 = DType::int8;

TEST(Quantized, BytesBetweenLayouts) {
  const auto backend = cpu::make_backend();
  for (const cpu::Level level : {cpu::Level::baseline, cpu::best_level()}) {
    cpu::pin_level(level);
    for (const Shape& shape : {Shape{2, 35, 5, 19}, Shape{1, 3, 1, 33}, Shape{1, 64, 4, 4}}) {
      Node node;
      node.op = find_op("tessera", "Reorder", 1);
      node.in = {0}, node.out = {1};
      const Tensor from = random_tensor(u8, shape, 1, 0, 256);
      Type blocked = from.type;
      blocked.layout = cpu::nchw16c;
      const Tensor between = Tensor::make(blocked), back = Tensor::make(from.type), expected = Tensor::make(blocked);
      Threads threads(2);
      const auto reorder = [&](const Tensor& in, const Tensor& out) {
        const Problem problem{node, List<Type>(&in.type, 1), List<Type>(&out.type, 1), {}};
        const View x = in.view(), y = out.view();
        std::vector<Offer> offers;
        backend->offers(problem, offers);
        EXPECT_NE(offers[0].kernel, nullptr);
        backend->run(offers[0], Args(node, List<View>(&x, 1), List<View>(&y, 1)), threads);
      };
      reorder(from, between);
      const View x = from.view(), y = expected.view();
      node.op->reference(Args(node, List<View>(&x, 1), List<View>(&y, 1)));
      EXPECT_EQ(std::memcmp(between.bytes.get(), expected.bytes.get(), static_cast<size_t>(blocked.bytes())), 0);
      reorder(between, back);
      EXPECT_TRUE(close(back, from, 0, 0));
    }
  }
  cpu::pin_level(cpu::best_level());
}

// --- Rewrites ------------------------------------------------------------------------------------

// As written and optimized, to one step of the output; returns the optimized plan's steps.
std::vector<std::string> expect_same(const Graph& graph, const Tensor& input, double quantum) {
  const auto plain = run_graph(graph, {input}, false), fast = run_graph(graph, {input}, true, 2);
  EXPECT_TRUE(close(fast[0], plain[0], 0, quantum * 1.001));
  Graph prepared = graph;
  optimizer::prepare(prepared);
  const auto engine = cpu_engine(true);
  const Executor executor(prepared, *engine);
  bool whole = false;
  const auto plan = executor.first_plan(List<Type>(&input.type, 1), &whole);
  std::vector<std::string> steps;
  for (const Step& step : plan->steps())
    if (step.node->op->name != "Reorder") steps.emplace_back(step.node->op->name);
  return steps;
}

using Steps = std::vector<std::string>;

TEST(QuantizedRewrite, ConvolutionsAndPRelusBecomeOneStepEach) {
  Qdq b;
  ValueId x = b.around(b.input("x", {DType::float32, {1, 3, 20, 22}}), 0.02, 128);
  x = b.around(b.conv(x, 3, 24, 0.02), 0.05, 120);
  x = b.around(b.node("PRelu", {x, b.constant(test::random_tensor(DType::float32, {24, 1, 1}, 5))}), 0.04, 90);
  x = b.around(b.conv(x, 24, 12, 0.04), 0.3, 128);
  x = b.around(b.node("DepthToSpace", {x}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}}), 0.3, 128);
  b.output(x);
  const Tensor input = test::random_tensor(DType::float32, {1, 3, 20, 22}, 3, -2, 2);
  EXPECT_EQ(expect_same(b.graph, input, 0.3),
            (Steps{"QuantizeLinear", "QuantizedConv", "QuantizedConv", "DepthToSpace", "DequantizeLinear"}));
}

TEST(QuantizedRewrite, AResidualBlockStaysInIntegers) {
  Qdq b;
  ValueId x = b.around(b.input("x", {DType::float32, {1, 16, 14, 14}}), 0.02, 128);
  const ValueId y = b.around(b.node("Relu", {b.conv(x, 16, 32, 0.02, 1)}), 0.03, 0);
  const ValueId z =
      b.around(b.node("Clip", {b.conv(y, 32, 32, 0.03, 3, 32), b.constant(tensor(DType::float32, {}, {0})),
                               b.constant(tensor(DType::float32, {}, {6}))}),
               6.0 / 255, 0);
  x = b.around(b.conv(z, 32, 32, 6.0 / 255, 1), 0.05, 128);
  x = b.around(b.node("Relu", {b.node("Add", {x, y})}), 0.06, 0);
  x = b.around(
      b.node("MaxPool", {x}, {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}}),
      0.06, 0);
  x = b.around(b.node("GlobalAveragePool", {x}), 0.05, 0);
  x = b.around(b.node("Flatten", {x}), 0.05, 0);
  ValueId bias;
  const ValueId w = b.weights({10, 32}, 0.05, &bias);
  b.output(b.around(b.node("Gemm", {x, w, bias}, {{"transB", int64_t{1}}}), 0.1, 128));
  const Tensor input = test::random_tensor(DType::float32, {1, 16, 14, 14}, 3, -2, 2);
  EXPECT_EQ(expect_same(b.graph, input, 0.3),
            (Steps{"QuantizeLinear", "QuantizedConv", "QuantizedConv", "QuantizedConv", "MaxPool",
                   "QLinearGlobalAveragePool", "Flatten", "QuantizedGemm"}));
}

TEST(QuantizedRewrite, PartsOfAConcatenationTakeItsScale) {
  Qdq b;
  const ValueId x = b.around(b.input("x", {DType::float32, {1, 16, 9, 10}}), 0.02, 128);
  const ValueId y = b.around(b.conv(x, 16, 32, 0.02, 1), 0.05, 128), z = b.around(b.conv(x, 16, 24, 0.02, 3), 0.3, 120);
  b.output(
      b.around(b.conv(b.around(b.node("Concat", {y, z}, {{"axis", int64_t{1}}}), 0.3, 120), 56, 8, 0.3, 1), 1.5, 128));
  const Tensor input = test::random_tensor(DType::float32, {1, 16, 9, 10}, 3, -2, 2);
  EXPECT_EQ(expect_same(b.graph, input, 1.5),
            (Steps{"QuantizeLinear", "QuantizedConv", "QuantizedConv", "Concat", "QuantizedConv"}));
}

TEST(QuantizedRewrite, OperatorsOnIntegersJoinTheProductsBeforeThem) {
  Qdq b;
  const auto real = [&](double v) { return b.constant(tensor(DType::float32, {}, {v})); };
  const auto zero = [&](double v) { return b.constant(tensor(u8, {}, {v})); };
  const ValueId x = b.input("x", {u8, {1, 16, 9, 10}});
  const auto conv = [&](ValueId from, unsigned seed) {
    return b.node("QLinearConv",
                  {from, real(0.02), zero(128), b.constant(test::random_tensor(s8, {16, 16, 3, 3}, seed, -128, 128)),
                   real(0.002), b.constant(tensor(s8, {}, {0})), real(0.1), zero(120)},
                  {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}, 10);
  };
  const ValueId sum =
      b.node("QLinearAdd", {conv(x, 5), real(0.1), zero(120), x, real(0.02), zero(128), real(0.11), zero(117)}, {}, 1,
             "com.microsoft");
  b.output(b.node("QLinearLeakyRelu", {sum, real(0.11), zero(117), real(0.1), zero(3)}, {{"alpha", 0.1f}}, 1,
                  "com.microsoft"));
  EXPECT_EQ(expect_same(b.graph, test::random_tensor(u8, {1, 16, 9, 10}, 3, 0, 256), 1), (Steps{"QuantizedConv"}));
}

TEST(QuantizedRewrite, MatricesWithTheirColumnsOutermost) {
  Qdq b;
  ValueId x = b.around(b.input("x", {DType::float32, {2, 7, 20}}), 0.02, -3, s8), bias;
  const ValueId w = b.weights({20, 9}, 0.02, &bias, 1);
  b.output(b.around(b.node("MatMul", {x, w}), 0.05, 4, s8));
  const Tensor input = test::random_tensor(DType::float32, {2, 7, 20}, 3, -2, 2);
  EXPECT_EQ(expect_same(b.graph, input, 0.05), (Steps{"QuantizeLinear", "QuantizedGemm"}));
}

TEST(QuantizedRewrite, QGemmIsAProductOfBytes) {
  for (const int64_t turned : {0, 1})
    for (const bool biased : {false, true}) {
      Qdq b;
      const auto real = [&](double v) { return b.constant(tensor(DType::float32, {}, {v})); };
      const Shape weights = turned ? Shape{9, 20} : Shape{20, 9};
      const ValueId c = biased ? b.constant(test::random_tensor(DType::int32, {9}, 7, -900, 900)) : absent;
      b.output(b.node("QGemm",
                      {b.input("x", {u8, {7, 20}}), real(0.02), b.constant(tensor(u8, {}, {120})),
                       b.constant(test::random_tensor(s8, weights, 5, -128, 128)), real(0.002),
                       b.constant(tensor(s8, {}, {0})), c, real(0.05), b.constant(tensor(u8, {}, {117}))},
                      {{"transB", turned}}, 1, "com.microsoft"));
      EXPECT_EQ(expect_same(b.graph, test::random_tensor(u8, {7, 20}, 3, 0, 256), 0), (Steps{"QuantizedGemm"}));
    }
}

// What moves bytes between two convolutions moves no more than there are.
TEST(QuantizedRewrite, MovesBetweenConvolutionsStayInBytes) {
  const auto cut = [](Qdq& b, ValueId x) {
    return b.node("Slice", {x, b.constant({1, 2}), b.constant({9, 17}), b.constant({2, 3}), b.constant({1, 2})});
  };
  const auto padded = [](Qdq& b, ValueId x) { return b.node("Pad", {x, b.constant({0, 0, 1, 2, 0, 0, 2, 1})}); };
  const auto joined = [](Qdq& b, ValueId x) { return b.node("Concat", {x, x}, {{"axis", int64_t{2}}}); };
  const auto turned = [](Qdq& b, ValueId x) {
    return b.node("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  };
  const auto parted = [](Qdq& b, ValueId x) {
    const auto parts = b.nodes("Split", {x, b.constant({4, 6})}, 2, {{"axis", int64_t{2}}});
    return b.node("Concat", {parts[1], parts[0]}, {{"axis", int64_t{2}}});
  };
  using Move = std::function<ValueId(Qdq&, ValueId)>;
  for (const Move& move : {Move(cut), Move(padded), Move(joined), Move(turned), Move(parted)})
    for (const int64_t channels : {16, 24, 40}) {
      Qdq b;
      ValueId x = b.around(b.input("x", {DType::float32, {1, 3, 10, 18}}), 0.02, 128);
      x = b.around(b.conv(x, 3, channels, 0.02), 0.05, 120);
      x = b.around(move(b, x), 0.05, 120);
      b.output(b.around(b.conv(x, channels, 8, 0.05), 0.3, 128));
      const Tensor input = test::random_tensor(DType::float32, {1, 3, 10, 18}, 3, -2, 2);
      expect_same(b.graph, input, 0.3);
    }
}

TEST(QuantizedRewrite, WhatNoKernelTakesIsFloatsAgain) {
  Qdq b;
  ValueId x = b.around(b.input("x", {DType::float32, {1, 12, 9, 9}}), 0.02, 128);
  b.output(b.around(b.conv(x, 12, 6, 0.02, 3, 3), 0.05, 128));
  const Tensor input = test::random_tensor(DType::float32, {1, 12, 9, 9}, 3, -2, 2);
  const Steps steps = expect_same(b.graph, input, 0.05);
  EXPECT_NE(std::find(steps.begin(), steps.end(), "Conv"), steps.end());
}

}  // namespace
}  // namespace tessera::test
