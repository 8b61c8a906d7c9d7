// Quantized operators: kernels against the reference, integer by integer; rewrites against the graph as
// written, to one quantum.
#include "ops/cpu/layout.h"
#include "tests/graph_builder.h"
#include "tests/kernel_case.h"

namespace tessera::test {
namespace {

constexpr DType u8 = DType::uint8, s8 = DType::int8;

Input bytes(DType type, const Shape& shape) {
  return random(shape, type == s8 ? -128 : 0, type == s8 ? 128 : 256, type);
}
Input byte(DType type, double value) { return fixed({tensor(type, {}, {value})}); }

struct Layer {
  Shape x, w;
  DType x_type = u8, w_type = s8;
  Attrs attrs = {};
  int w_zero = 0;
  DType bias = DType::int32;        // undefined: none
  DType y_type = DType::undefined;  // of the product's own quantization
  std::vector<Fused> epilogue = {};
  std::vector<Input> operands = {};
  DType out_type = DType::undefined;
  int least = 1;
  Text op = "QuantizedConv";
};

void check_layer(const Layer& layer) {
  Case c{.op = layer.op, .opset = 1};
  c.domain = layer.op == "QLinearConv" ? "" : "tessera";
  if (layer.op == "QLinearConv") c.opset = 10;
  const int64_t outputs = layer.w[0];
  Input w = fixed(bytes(layer.w_type, layer.w));
  const bool scalar = layer.w_zero != 0;
  c.in = {bytes(layer.x_type, layer.x),
          number(0.021f),
          byte(layer.x_type, layer.x_type == s8 ? -3 : 131),
          w,
          scalar ? number(0.0013f) : fixed(random({outputs}, 0.0005, 0.002)),
          scalar ? byte(layer.w_type, layer.w_zero) : fixed({tensor(layer.w_type, {outputs}, {0})})};
  if (layer.y_type != DType::undefined) {
    c.in.push_back(number(0.47f));
    c.in.push_back(byte(layer.y_type, layer.y_type == s8 ? 5 : 120));
  } else {
    c.in.resize(8);
  }
  if (layer.bias == DType::int32) c.in.push_back(fixed(random({outputs}, -90000, 90000, DType::int32)));
  if (layer.bias == DType::float32) c.in.push_back(fixed(random({outputs}, -5, 5)));
  c.in.resize(9);
  c.attrs = layer.attrs;
  c.epilogue = layer.epilogue;
  c.operands = layer.operands;
  c.out_type = layer.out_type;
  c.relative = c.absolute = 0;
  c.least = layer.least;
  check(c);
}

Attrs window(std::initializer_list<int64_t> pads, std::initializer_list<int64_t> strides = {1, 1},
             std::initializer_list<int64_t> dilations = {1, 1}, int64_t group = 1) {
  return {attr("pads", list(pads)), attr("strides", list(strides)), attr("dilations", list(dilations)),
          attr("group", group)};
}

TEST(Quantized, ConvolutionsGiveTheReferencesIntegers) {
  for (const DType x : {u8, s8})
    for (const DType y : {u8, s8, DType::undefined}) {
      check_layer({.x = {1, 20, 9, 17}, .w = {37, 20, 3, 3}, .x_type = x, .attrs = window({1, 1, 1, 1}), .y_type = y});
      check_layer({.x = {2, 64, 7, 7}, .w = {48, 64, 3, 3}, .x_type = x, .attrs = window({1, 1, 1, 1}), .y_type = y});
      check_layer({.x = {1, 33, 8, 9}, .w = {70, 33, 1, 1}, .x_type = x, .attrs = window({0, 0, 0, 0}), .y_type = y});
    }
}

TEST(Quantized, ConvolutionsOfEveryWindow) {
  const Attrs windows[] = {window({0, 0, 0, 0}), window({2, 1, 0, 3}), window({1, 1, 1, 1}, {2, 2}),
                           window({2, 2, 2, 2}, {1, 1}, {2, 2}), window({1, 0, 0, 2}, {3, 2}, {1, 2})};
  for (const Attrs& attrs : windows)
    for (const Shape& w : {Shape{17, 24, 3, 3}, Shape{32, 24, 5, 2}, Shape{3, 24, 1, 1}})
      check_layer({.x = {1, 24, 13, 61}, .w = w, .attrs = attrs, .y_type = u8});
  check_layer({.x = {1, 16, 90, 130}, .w = {16, 16, 3, 3}, .attrs = window({1, 1, 1, 1}), .y_type = u8});
  check_layer({.x = {1, 48, 40, 130}, .w = {40, 48, 1, 1}, .attrs = window({0, 0, 0, 0}), .y_type = u8});
}

TEST(Quantized, FirstLayersGroupsAndDepthwise) {
  check_layer(
      {.x = {1, 3, 30, 31}, .w = {64, 3, 7, 7}, .attrs = window({3, 3, 3, 3}, {2, 2}), .y_type = u8, .least = 2});
  check_layer({.x = {2, 5, 9, 70}, .w = {18, 5, 3, 3}, .x_type = s8, .attrs = window({1, 1, 1, 1}), .least = 2});
  check_layer(
      {.x = {1, 64, 9, 10}, .w = {32, 32, 3, 3}, .attrs = window({1, 1, 1, 1}, {1, 1}, {1, 1}, 2), .y_type = u8});
  for (const int64_t stride : {1, 2})
    for (const int64_t kernel : {3, 5, 1})
      for (const DType x : {u8, s8})
        check_layer({.x = {1, 40, 19, 21},
                     .w = {40, 1, kernel, kernel},
                     .x_type = x,
                     .attrs = window({kernel / 2, kernel / 2, kernel / 2, kernel / 2}, {stride, stride}, {1, 1}, 40),
                     .y_type = u8});
  check_layer(
      {.x = {1, 32, 19, 21}, .w = {32, 1, 3, 3}, .attrs = window({2, 2, 2, 2}, {1, 1}, {2, 2}, 32), .y_type = s8});
}

TEST(Quantized, WeightsWithZeroPoints) {
  for (const DType w : {u8, s8})
    for (const int zero : {7, 128 - (w == s8 ? 60 : 0)}) {
      check_layer({.x = {1, 24, 9, 11},
                   .w = {20, 24, 3, 3},
                   .w_type = w,
                   .attrs = window({1, 1, 1, 1}),
                   .w_zero = zero,
                   .y_type = u8});
      check_layer({.x = {1, 24, 9, 11},
                   .w = {24, 1, 3, 3},
                   .w_type = w,
                   .attrs = window({1, 1, 1, 1}, {1, 1}, {1, 1}, 24),
                   .w_zero = zero,
                   .y_type = u8});
    }
}

TEST(Quantized, OperatorsOfTheStandard) {
  check_layer(
      {.x = {1, 20, 9, 17}, .w = {37, 20, 3, 3}, .attrs = window({1, 1, 1, 1}), .y_type = u8, .op = "QLinearConv"});
  check_layer({.x = {1, 3, 9, 17},
               .w = {37, 3, 3, 3},
               .bias = DType::undefined,
               .y_type = s8,
               .least = 2,
               .op = "QLinearConv"});
}

TEST(Quantized, GemmOfRows) {
  for (const Shape& x : {Shape{1, 100}, Shape{3, 17}, Shape{130, 64}, Shape{2, 5, 40}})
    for (const DType y : {u8, DType::undefined})
      check_layer({.x = x,
                   .w = {45, x.back()},
                   .x_type = y == u8 ? u8 : s8,
                   .bias = y == u8 ? DType::int32 : DType::float32,
                   .y_type = y,
                   .op = "QuantizedGemm"});
}

TEST(Quantized, EpiloguesOfRealNumbersAndIntegers) {
  using namespace elementwise;
  const Shape x{1, 24, 9, 23}, w{40, 24, 3, 3}, y{1, 40, 9, 23};
  const Fused quantize{.a = 0.31f, .b = 11, .kind = Fused::Kind::quantize_u8},
      quantize_signed{.a = 0.7f, .b = -9, .kind = Fused::Kind::quantize_s8};
  const Fused back{.a = 0.47f, .b = 120, .kind = Fused::Kind::dequantize};
  const Attrs attrs = window({1, 1, 1, 1});
  // Quantized, an activation, quantized again, as in models that quantize around each operator.
  check_layer({.x = x,
               .w = w,
               .attrs = attrs,
               .y_type = u8,
               .epilogue = {back, {PRelu, 0}, quantize},
               .operands = {fixed(random({40, 1, 1}, -0.5, 0.5))},
               .out_type = u8});
  // A sum with another quantized tensor, and an activation.
  for (const DType other : {u8, s8})
    check_layer({.x = x,
                 .w = w,
                 .attrs = attrs,
                 .y_type = u8,
                 .epilogue = {back, {Add, 0, other == s8, 0.11f, 3}, {Relu}, quantize_signed},
                 .operands = {bytes(other, y)},
                 .out_type = s8});
  // Floats with activations, to floats and to integers.
  check_layer({.x = x,
               .w = w,
               .attrs = attrs,
               .bias = DType::float32,
               .epilogue = {{LeakyRelu, -1, false, 0.1f}, {Add, 0}, {Mul, 1}, {Clip, -1, false, -3.0f, 6.0f}},
               .operands = {fixed(random({1, 40, 1, 1})), number(1.7f)}});
  check_layer({.x = x, .w = w, .attrs = attrs, .epilogue = {{Clip, -1, false, 0.0f, 6.0f}, quantize}, .out_type = u8});
  // Out of integers at the end: what DequantizeLinear would give.
  check_layer({.x = x, .w = w, .attrs = attrs, .y_type = u8, .epilogue = {back}, .out_type = DType::float32});
}

TEST(Quantized, PoolsOfBytes) {
  for (const DType type : {u8, s8}) {
    Case pool{
        .op = "MaxPool",
        .in = {bytes(type, {2, 35, 11, 12})},
        .attrs = {attr("kernel_shape", list({3, 3})), attr("strides", list({2, 2})), attr("pads", list({1, 1, 1, 1}))}};
    check(pool);
    Case mean{.op = "QLinearGlobalAveragePool",
              .opset = 1,
              .in = {bytes(type, {2, 35, 7, 7}), number(0.03f), byte(type, 7), number(0.017f), byte(type, 3)}};
    mean.domain = "com.microsoft";
    mean.relative = mean.absolute = 0;
    check(mean);
  }
}

TEST(Quantized, BytesBetweenLayouts) {
  for (const auto& [mode, size] :
       {std::pair("CRD", 2), std::pair("CRD", 4), std::pair("CRD", 3), std::pair("DCR", 2)}) {
    Case shuffle{.op = "DepthToSpace",
                 .in = {bytes(u8, {2, size * size * 3, 5, 19})},
                 .attrs = {attr("blocksize", int64_t{size}), attr("mode", std::string(mode))},
                 .least = 2};
    shuffle.relative = shuffle.absolute = 0;
    check(shuffle);
  }
  const auto backend = cpu::make_backend();
  for (const cpu::Level level : {cpu::Level::baseline, cpu::best_level()}) {
    cpu::pin_level(level);
    for (const Shape& shape : {Shape{2, 35, 5, 19}, Shape{1, 3, 1, 33}, Shape{1, 64, 4, 4}}) {
      Node node;
      node.op = find_op("tessera", "Reorder", 1);
      node.in = {0}, node.out = {1};
      Tensor from = bytes(u8, shape).tensor;
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

struct Qdq : GraphBuilder {
  unsigned next = 1;
  Tensor scalar(DType type, double value) { return tensor(type, {}, {value}); }
  ValueId around(ValueId x, double scale, double zero, DType type = u8) {
    const ValueId s = constant(scalar(DType::float32, scale)), z = constant(scalar(type, zero));
    return node("DequantizeLinear", {node("QuantizeLinear", {x, s, z}, {}, 13), s, z}, {}, 13);
  }
  ValueId weights(const Shape& shape, double x_scale, ValueId* bias, int64_t axis = 0) {
    const int64_t outputs = shape[static_cast<size_t>(axis)];
    Tensor scale = tessera::test::random_tensor(DType::float32, {outputs}, next++, 0.002, 0.004), unit = scale.clone();
    for (int64_t i = 0; i < outputs; ++i) unit.as<float>()[i] *= static_cast<float>(x_scale);
    const ValueId w = constant(tessera::test::random_tensor(s8, shape, next++, -128, 128));
    const ValueId b = constant(tessera::test::random_tensor(DType::int32, {outputs}, next++, -3000, 3000));
    *bias = node("DequantizeLinear", {b, constant(std::move(unit))}, {{"axis", int64_t{0}}}, 13);
    return node("DequantizeLinear", {w, constant(std::move(scale))}, {{"axis", axis}}, 13);
  }
  ValueId conv(ValueId x, int64_t from, int64_t to, double x_scale, int64_t kernel = 3, int64_t group = 1) {
    ValueId bias;
    const ValueId w = weights({to, from / group, kernel, kernel}, x_scale, &bias);
    const int64_t pad = kernel / 2;
    return node("Conv", {x, w, bias}, {{"pads", std::vector<int64_t>{pad, pad, pad, pad}}, {"group", group}});
  }
};

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
