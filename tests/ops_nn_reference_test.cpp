// Small cases, computed by hand, of the neural-network operators' references.
#include "tests/support.h"

#include "ops/window.h"
#include "runtime/graph/op.h"

namespace tessera::test {
namespace {

Attr ints(std::vector<int64_t> values) { return values; }

// Infers and runs one node by its reference. A tensor without bytes is an absent input.
std::vector<Tensor> run(Text op, int opset, const std::vector<Tensor>& in, Attrs attrs = {}, size_t outputs = 1,
                        Text domain = "") {
  Node node;
  node.op = find_op(domain, op, opset);
  if (!node.op) throw std::runtime_error("no operator " + std::string(op));
  node.opset = opset;
  node.attrs = std::make_shared<const Attrs>(std::move(attrs));
  std::vector<Type> types;
  std::vector<const Tensor*> constants;
  std::vector<View> views, results;
  for (const Tensor& tensor : in) {
    node.in.push_back(tensor.bytes ? static_cast<ValueId>(node.in.size()) : absent);
    types.push_back(tensor.type);
    constants.push_back(tensor.bytes ? &tensor : nullptr);
    views.push_back(tensor.view());
  }
  for (size_t i = 0; i < outputs; ++i) node.out.push_back(static_cast<ValueId>(in.size() + i));
  Infer problem(node, types, constants);
  infer(problem);
  std::vector<Tensor> out;
  for (const Infer::Output& o : problem.out) {
    out.push_back(Tensor::make(o.type));
    results.push_back(out.back().view());
  }
  node.op->reference(Args(node, views, results));
  return out;
}

Error::Kind failure(Text op, int opset, const std::vector<Tensor>& in, Attrs attrs = {}) {
  try {
    run(op, opset, in, std::move(attrs));
  } catch (const Error& error) {
    return error.kind();
  }
  return Error::Kind::cancelled;
}

Tensor counting(const Shape& shape, double first = 0) {
  std::vector<double> values(static_cast<size_t>(shape.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = first + static_cast<double>(i);
  return floats(shape, values);
}

// GroupNormalization is the same with the channels second; x * sigmoid(x) is Swish.
TEST(OpsNn, GroupNormHasItsChannelsLast) {
  const Tensor x = floats({1, 4, 2, 1}, {1, 3, -2, 5, 0.5, 0.25, -1, 7}), scale = floats({4}, {1, 2, -1, 0.5}),
               bias = floats({4}, {0.5, 0, 1, -1});
  const Attrs attrs = {{"num_groups", int64_t{2}}, {"epsilon", 0.01f}};
  const Tensor expected = run("GroupNormalization", 21, {x, scale, bias}, attrs)[0];
  const auto turned = [](const Tensor& t, std::vector<int64_t> perm) {
    return run("Transpose", 13, {t}, {{"perm", ints(std::move(perm))}})[0];
  };
  const auto norm = [&](const Tensor& in, int64_t activation, int64_t last) {
    return run("GroupNorm", 1, {in, scale, bias},
               {{"groups", int64_t{2}}, {"epsilon", 0.01f}, {"activation", activation}, {"channels_last", last}}, 1,
               "com.microsoft")[0];
  };
  EXPECT_TRUE(close(norm(x, 0, 0), expected));
  EXPECT_TRUE(close(turned(norm(turned(x, {0, 2, 3, 1}), 0, 1), {0, 3, 1, 2}), expected));
  EXPECT_TRUE(close(norm(x, 1, 0), run("Swish", 24, {expected})[0]));
}

TEST(OpsNn, ConvolutionWithPadsStridesAndGroups) {
  const Tensor x = counting({1, 1, 3, 3}), ones = floats({1, 1, 2, 2}, {1});
  EXPECT_TRUE(close(run("Conv", 11, {x, ones})[0], floats({1, 1, 2, 2}, {8, 12, 20, 24})));
  EXPECT_TRUE(
      close(run("Conv", 11, {x, ones, floats({1}, {1})}, {{"pads", ints({1, 0, 0, 0})}, {"strides", ints({2, 2})}})[0],
            floats({1, 1, 2, 1}, {2, 21})));
  EXPECT_TRUE(close(run("Conv", 11, {x, ones}, {{"auto_pad", std::string("SAME_UPPER")}})[0],
                    floats({1, 1, 3, 3}, {8, 12, 7, 20, 24, 13, 13, 15, 8})));
  EXPECT_TRUE(close(run("Conv", 11, {x, ones}, {{"auto_pad", std::string("SAME_LOWER")}})[0],
                    floats({1, 1, 3, 3}, {0, 1, 3, 3, 8, 12, 9, 20, 24})));
  EXPECT_TRUE(close(run("Conv", 11, {x, ones}, {{"dilations", ints({2, 2})}})[0], floats({1, 1, 1, 1}, {16})));
  EXPECT_TRUE(close(run("Conv", 11, {counting({1, 2, 2}), floats({2, 1, 1}, {10, 100})}, {{"group", int64_t{2}}})[0],
                    floats({1, 2, 2}, {0, 10, 200, 300})));
  const Tensor cube = counting({1, 1, 2, 2, 2});
  EXPECT_TRUE(close(run("Conv", 11, {cube, floats({1, 1, 2, 2, 2}, {1})})[0], floats({1, 1, 1, 1, 1}, {28})));
}

TEST(OpsNn, SoftmaxOfLargeNumbers) {
  for (const char* op : {"Softmax", "LogSoftmax"}) {
    const bool log = op[0] == 'L';
    for (const auto& row : {std::vector<double>{0, 1000, 0}, {1000, 0, 0}, {0, 0, 1000}}) {
      std::vector<double> expected;
      for (const double v : row) expected.push_back(log ? v - 1000 : v > 0 ? 1 : 0);
      EXPECT_TRUE(close(run(op, 13, {floats({1, 3}, row)})[0], floats({1, 3}, expected))) << op;
    }
  }
}

// Each pair of four heads has keys and values of its own.
TEST(OpsNn, AttentionOfGroupsOfHeads) {
  const Tensor q = floats({1, 4, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), k = floats({1, 2, 1, 2}, {1, 1, 2, 2});
  EXPECT_TRUE(
      close(run("Attention", 23, {q, k, floats({1, 2, 1, 1}, {10, 20})})[0], floats({1, 4, 1, 1}, {10, 10, 20, 20})));
}

// A quarter of a pixel beyond the last one's center, and beyond its edge.
TEST(OpsNn, GridsReflectAtThePixelsEdges) {
  const Tensor x = floats({1, 1, 1, 4}, {0, 1, 2, 3});
  const auto at = [&](double position, int64_t align) {
    const double normalized = align ? position / 3 * 2 - 1 : (position * 2 + 1) / 4 - 1;
    const Attrs attrs{{"padding_mode", std::string("reflection")}, {"align_corners", align}};
    return elements(run("GridSample", 16, {x, floats({1, 1, 1, 2}, {normalized, 0})}, attrs)[0])[0];
  };
  EXPECT_NEAR(at(3.25, 0), 3, 1e-5);
  EXPECT_NEAR(at(4.5, 0), 2.5, 1e-5);
  EXPECT_NEAR(at(-1.5, 0), 0.5, 1e-5);
  EXPECT_NEAR(at(3.25, 1), 2.75, 1e-5);
  EXPECT_NEAR(at(-0.25, 1), 0.25, 1e-5);
}

TEST(OpsNn, CubicTapsOutsideAreLeftOutOnBothSides) {
  const Tensor x = floats({1, 1, 1, 4}, {1, 2, 2, 1}), none;
  const auto y = elements(run("Resize", 13, {x, none, floats({4}, {1, 1, 1, 2})},
                              {{"mode", std::string("cubic")}, {"exclude_outside", int64_t{1}}})[0]);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(y[i], y[7 - i], 1e-5) << i;
  EXPECT_TRUE(close(
      run("Resize", 13, {floats({1, 1, 1, 3}, {1, 2, 3}), none, none, Tensor::of(std::vector<int64_t>{1, 1, 1, 5})},
          {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("align_corners")}})[0],
      floats({1, 1, 1, 5}, {1, 1.5, 2, 2.5, 3})));
}

TEST(OpsNn, ConvolutionRefusesWhatDoesNotFit) {
  const Tensor x = counting({1, 2, 3, 3});
  EXPECT_EQ(failure("Conv", 11, {x, floats({1, 1, 2, 2}, {1})}), Error::Kind::shape);
  EXPECT_EQ(failure("Conv", 11, {x, floats({1, 2, 4, 4}, {1})}), Error::Kind::shape);
  EXPECT_EQ(failure("Conv", 11, {x, floats({1, 2, 2, 2}, {1})}, {{"strides", ints({0, 1})}}), Error::Kind::shape);
  EXPECT_EQ(failure("Conv", 11, {x, floats({1, 2, 2, 2}, {1})}, {{"dilations", ints({int64_t{1} << 62, 1})}}),
            Error::Kind::shape);
  EXPECT_EQ(failure("Conv", 11, {x, floats({3, 1, 2, 2}, {1})}, {{"group", int64_t{2}}}), Error::Kind::shape);
  EXPECT_EQ(failure("Conv", 11, {x, floats({1, 2, 2, 2}, {1})}, {{"auto_pad", std::string("SAME")}}),
            Error::Kind::model);
}

TEST(OpsNn, TransposedConvolutionSpreadsAndCrops) {
  const Tensor x = floats({1, 1, 2, 2}, {1, 2, 3, 4}), ones = floats({1, 1, 2, 2}, {1});
  EXPECT_TRUE(close(run("ConvTranspose", 11, {x, ones})[0], floats({1, 1, 3, 3}, {1, 3, 2, 4, 10, 6, 3, 7, 4})));
  EXPECT_TRUE(close(run("ConvTranspose", 11, {x, ones}, {{"strides", ints({2, 2})}})[0],
                    floats({1, 1, 4, 4}, {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4})));
  EXPECT_TRUE(
      close(run("ConvTranspose", 11, {x, ones}, {{"pads", ints({1, 1, 1, 1})}})[0], floats({1, 1, 1, 1}, {10})));
  EXPECT_TRUE(close(run("ConvTranspose", 11, {x, ones}, {{"output_shape", ints({2, 3})}})[0],
                    floats({1, 1, 2, 3}, {4, 10, 6, 3, 7, 4})));
  EXPECT_EQ(
      run("ConvTranspose", 11, {x, ones}, {{"strides", ints({2, 2})}, {"output_padding", ints({1, 0})}})[0].type.shape,
      (Shape{1, 1, 5, 4}));
}

TEST(OpsNn, Pools) {
  const Tensor x = counting({1, 1, 4, 4});
  const auto kernel = std::pair<std::string, Attr>{"kernel_shape", ints({2, 2})};
  const auto strides = std::pair<std::string, Attr>{"strides", ints({2, 2})};
  const auto maxima = run("MaxPool", 12, {x}, {kernel, strides}, 2);
  EXPECT_TRUE(close(maxima[0], floats({1, 1, 2, 2}, {5, 7, 13, 15})));
  EXPECT_TRUE(close(maxima[1], tensor(DType::int64, {1, 1, 2, 2}, {5, 7, 13, 15})));
  EXPECT_TRUE(close(run("MaxPool", 12, {x}, {kernel, strides, {"storage_order", int64_t{1}}}, 2)[1],
                    tensor(DType::int64, {1, 1, 2, 2}, {5, 13, 7, 15})));
  EXPECT_TRUE(close(run("AveragePool", 11, {x}, {kernel, strides})[0], floats({1, 1, 2, 2}, {2.5, 4.5, 10.5, 12.5})));
  const std::pair<std::string, Attr> pads{"pads", ints({1, 1, 0, 0})};
  EXPECT_TRUE(close(run("AveragePool", 11, {counting({1, 1, 1, 1}, 8)}, {kernel, pads})[0], floats({1, 1, 1, 1}, {8})));
  EXPECT_TRUE(
      close(run("AveragePool", 11, {counting({1, 1, 1, 1}, 8)}, {kernel, pads, {"count_include_pad", int64_t{1}}})[0],
            floats({1, 1, 1, 1}, {2})));
  // What ceil_mode adds behind the pads counts for nothing.
  EXPECT_TRUE(close(run("AveragePool", 19, {counting({1, 1, 4}, 6)},
                        {{"kernel_shape", ints({3})},
                         {"strides", ints({2})},
                         {"pads", ints({1, 1})},
                         {"ceil_mode", int64_t{1}},
                         {"count_include_pad", int64_t{1}}})[0],
                    floats({1, 1, 3}, {13 / 3.0, 8, 4.5})));
  EXPECT_EQ(run("MaxPool", 12, {counting({1, 1, 5})},
                {{"kernel_shape", ints({2})}, {"strides", ints({2})}, {"ceil_mode", int64_t{1}}})[0]
                .type.shape,
            (Shape{1, 1, 3}));
  EXPECT_TRUE(close(run("GlobalAveragePool", 1, {x})[0], floats({1, 1, 1, 1}, {7.5})));
  EXPECT_TRUE(
      close(run("LpPool", 11, {floats({1, 1, 2}, {3, 4})}, {{"kernel_shape", ints({2})}})[0], floats({1, 1, 1}, {5})));
}

TEST(OpsNn, Normalizations) {
  const Tensor x = floats({1, 2, 2}, {1, 3, 10, 30});
  const auto layer = run("LayerNormalization", 17, {x, floats({2}, {1})}, {}, 3);
  EXPECT_TRUE(close(layer[0], floats({1, 2, 2}, {-1, 1, -1, 1}), 1e-4));
  EXPECT_TRUE(close(layer[1], floats({1, 2, 1}, {2, 20})));
  EXPECT_TRUE(close(run("InstanceNormalization", 6, {x, floats({2}, {1, 2}), floats({2}, {0, 5})})[0],
                    floats({1, 2, 2}, {-1, 1, 3, 7}), 1e-4));
  EXPECT_TRUE(close(run("BatchNormalization", 9,
                        {x, floats({2}, {2, 1}), floats({2}, {1, 0}), floats({2}, {1, 10}), floats({2}, {4, 100})})[0],
                    floats({1, 2, 2}, {1, 3, 0, 2}), 1e-4));
  EXPECT_TRUE(close(run("LpNormalization", 1, {floats({1, 2}, {3, 4})})[0], floats({1, 2}, {0.6, 0.8})));
  EXPECT_TRUE(close(run("RMSNormalization", 23, {floats({1, 2}, {3, 3}), floats({2}, {1, 2})})[0],
                    floats({1, 2}, {1, 2}), 1e-4));
}

TEST(OpsNn, SoftmaxChangedItsAxisInOpset13) {
  const Tensor x = floats({2, 2, 2}, {0});
  EXPECT_TRUE(close(run("Softmax", 11, {x})[0], floats({2, 2, 2}, {0.25})));
  EXPECT_TRUE(close(run("Softmax", 13, {x})[0], floats({2, 2, 2}, {0.5})));
  EXPECT_TRUE(close(run("Hardmax", 13, {floats({3}, {1, 5, 5})})[0], floats({3}, {0, 1, 0})));
}

TEST(OpsNn, Products) {
  const Tensor a = counting({2, 3}), b = counting({3, 2});
  EXPECT_TRUE(close(run("MatMul", 13, {a, b})[0], floats({2, 2}, {10, 13, 28, 40})));
  EXPECT_TRUE(close(run("MatMul", 13, {counting({3}), b})[0], floats({2}, {10, 13})));
  EXPECT_EQ(run("MatMul", 13, {counting({4, 1, 2, 3}), counting({5, 3, 2})})[0].type.shape, (Shape{4, 5, 2, 2}));
  EXPECT_EQ(failure("MatMul", 13, {a, a}), Error::Kind::shape);
  EXPECT_TRUE(close(run("Gemm", 13, {b, a, floats({2}, {1, 2})},
                        {{"transA", int64_t{1}}, {"transB", int64_t{1}}, {"alpha", 2.0f}, {"beta", 10.0f}})[0],
                    floats({2, 2}, {30, 76, 36, 100})));
  EXPECT_TRUE(
      close(run("Einsum", 12, {a, b}, {{"equation", std::string("ij,jk->ki")}})[0], floats({2, 2}, {10, 28, 13, 40})));
  EXPECT_TRUE(close(run("MatMulInteger", 10,
                        {tensor(DType::uint8, {1, 2}, {11, 7}), tensor(DType::uint8, {2, 1}, {1, 4}),
                         tensor(DType::uint8, {1}, {12})})[0],
                    tensor(DType::int32, {1, 1}, {-21})));
  EXPECT_TRUE(close(run("Det", 11, {floats({2, 2}, {0, 2, 3, 4})})[0], floats({}, {-6})));
}

TEST(OpsNn, QuantizationRoundsToEvenAndSaturates) {
  const Tensor x = floats({5}, {0.5, 1.5, 2.5, -1000, 1000}), one = floats({}, {1});
  EXPECT_TRUE(close(run("QuantizeLinear", 13, {x, one, tensor(DType::int8, {}, {1})})[0],
                    tensor(DType::int8, {5}, {1, 3, 3, -128, 127})));
  EXPECT_TRUE(close(run("QuantizeLinear", 21, {x, one, tensor(DType::int4, {}, {0})})[0],
                    tensor(DType::int4, {5}, {0, 2, 2, -8, 7})));
  EXPECT_TRUE(close(
      run("DequantizeLinear", 13,
          {tensor(DType::uint8, {2, 2}, {0, 1, 2, 3}), floats({2}, {1, 10}), tensor(DType::uint8, {2}, {0, 1})})[0],
      floats({2, 2}, {0, 0, 2, 20})));
  EXPECT_TRUE(close(run("DequantizeLinear", 21, {tensor(DType::int8, {1, 4}, {1}), floats({1, 2}, {2, 3})},
                        {{"block_size", int64_t{2}}})[0],
                    floats({1, 4}, {2, 2, 3, 3})));
  const Tensor half = floats({}, {0.5}), zero = tensor(DType::int8, {}, {0});
  EXPECT_TRUE(
      close(run("QLinearMatMul", 21,
                {tensor(DType::int8, {1, 2}, {-100, 20}), half, zero, tensor(DType::int8, {2, 3}, {9, -9, 1, 0, 0, 1}),
                 half, zero, one, tensor(DType::int8, {}, {2})})[0],
            tensor(DType::int8, {1, 3}, {-128, 127, -18})));
  const auto dynamic = run("DynamicQuantizeLinear", 11, {floats({3}, {0, 1, 255})}, {}, 3);
  EXPECT_TRUE(close(dynamic[0], tensor(DType::uint8, {3}, {0, 1, 255})));
}

TEST(OpsNn, ResizeByScalesAndSizes) {
  const Tensor x = floats({1, 1, 1, 2}, {0, 4}), none;
  const Tensor scales = floats({4}, {1, 1, 1, 2});
  EXPECT_TRUE(close(run("Resize", 13, {x, none, scales})[0], floats({1, 1, 1, 4}, {0, 0, 4, 4})));
  EXPECT_TRUE(close(run("Resize", 13, {x, none, scales}, {{"mode", std::string("linear")}})[0],
                    floats({1, 1, 1, 4}, {0, 1, 3, 4})));
  EXPECT_TRUE(
      close(run("Resize", 13, {x, none, none, Tensor::of(std::vector<int64_t>{1, 1, 1, 3})},
                {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("align_corners")}})[0],
            floats({1, 1, 1, 3}, {0, 2, 4})));
  EXPECT_TRUE(close(run("Resize", 18, {x, none, floats({1}, {2})}, {{"axes", ints({3})}})[0],
                    floats({1, 1, 1, 4}, {0, 0, 4, 4})));
  EXPECT_TRUE(close(run("Upsample", 9, {x, scales})[0], floats({1, 1, 1, 4}, {0, 0, 4, 4})));
  EXPECT_EQ(failure("Resize", 13, {x, none, floats({4}, {1, 1, 1, -2})}), Error::Kind::shape);
  EXPECT_EQ(run("Resize", 18, {counting({4, 8}), none, none, Tensor::of(std::vector<int64_t>{4, 4})},
                {{"keep_aspect_ratio_policy", std::string("not_larger")}})[0]
                .type.shape,
            (Shape{2, 4}));
}

TEST(OpsNn, GruAndLstmOfOneUnit) {
  // All weights zero: the gates are one half, the candidate is zero.
  const Tensor x = floats({2, 1, 1}, {1, 1}), h0 = floats({1, 1, 1}, {8});
  const Tensor none;
  const auto gru = run("GRU", 14, {x, floats({1, 3, 1}, {0}), floats({1, 3, 1}, {0}), none, none, h0}, {}, 2);
  EXPECT_TRUE(close(gru[0], floats({2, 1, 1, 1}, {4, 2})));
  EXPECT_TRUE(close(gru[1], floats({1, 1, 1}, {2})));
  const auto lstm = run("LSTM", 14, {x, floats({1, 4, 1}, {0}), floats({1, 4, 1}, {0}), none, none, h0, h0}, {}, 3);
  EXPECT_TRUE(close(lstm[2], floats({1, 1, 1}, {2})));
  EXPECT_TRUE(close(lstm[1], floats({1, 1, 1}, {0.5 * std::tanh(2.0)})));
  const auto ragged =
      run("RNN", 14, {x, floats({1, 1, 1}, {1}), floats({1, 1, 1}, {0}), none, tensor(DType::int32, {1}, {1})},
          {{"activations", std::vector<std::string>{"Relu"}}}, 2);
  EXPECT_TRUE(close(ragged[0], floats({2, 1, 1, 1}, {1, 0})));
}

TEST(OpsNn, AttentionTakesTheMaskedMean) {
  // Equal scores: each query sees the mean of the values that it may see.
  const Tensor q = floats({1, 1, 2, 1}, {0}), v = floats({1, 1, 2, 1}, {2, 6});
  EXPECT_TRUE(close(run("Attention", 23, {q, q, v})[0], floats({1, 1, 2, 1}, {4})));
  EXPECT_TRUE(close(run("Attention", 23, {q, q, v}, {{"is_causal", int64_t{1}}})[0], floats({1, 1, 2, 1}, {2, 4})));
  EXPECT_TRUE(close(run("Attention", 23, {q, q, v, tensor(DType::boolean, {2, 2}, {0, 1, 0, 0})})[0],
                    floats({1, 1, 2, 1}, {6, 0})));
}

TEST(OpsNn, RandomNumbersRepeatWithASeedAndDifferWithout) {
  const Attrs seeded{{"shape", ints({1000})}, {"seed", 3.0f}};
  const Tensor a = run("RandomNormal", 22, {}, seeded)[0], b = run("RandomNormal", 22, {}, seeded)[0];
  EXPECT_TRUE(close(a, b, 0, 0));
  const Attrs free{{"shape", ints({1000})}};
  EXPECT_FALSE(close(run("RandomUniform", 22, {}, free)[0], run("RandomUniform", 22, {}, free)[0]));
  double mean = 0;
  for (const double value : elements(a)) mean += value / 1000;
  EXPECT_NEAR(mean, 0, 0.2);
}

TEST(OpsNn, SpectraOfKnownSignals) {
  const Tensor wave = floats({1, 4, 1}, {1, 0, -1, 0});
  EXPECT_TRUE(close(run("DFT", 17, {wave})[0], floats({1, 4, 2}, {0, 0, 2, 0, 0, 0, 2, 0})));
  EXPECT_TRUE(close(run("DFT", 17, {wave}, {{"onesided", int64_t{1}}})[0], floats({1, 3, 2}, {0, 0, 2, 0, 0, 0})));
  const Tensor six = floats({1, 6, 1}, {1, 2, 3, 4, 5, 6});
  const Tensor spectrum = run("DFT", 17, {six}, {{"onesided", int64_t{1}}})[0];
  EXPECT_TRUE(
      close(run("DFT", 17, {spectrum}, {{"onesided", int64_t{1}}, {"inverse", int64_t{1}}})[0], six, 1e-5, 1e-5));
}

TEST(OpsNn, EmptyTensorsPass) {
  EXPECT_EQ(run("Conv", 11, {floats({0, 1, 3, 3}, {0}), floats({1, 1, 2, 2}, {1})})[0].type.shape, (Shape{0, 1, 2, 2}));
  EXPECT_TRUE(close(run("MatMul", 13, {floats({2, 0}, {}), floats({0, 3}, {})})[0], floats({2, 3}, {0})));
  EXPECT_EQ(run("Softmax", 13, {floats({2, 0}, {})})[0].type.shape, (Shape{2, 0}));
  EXPECT_EQ(run("LayerNormalization", 17, {floats({0, 4}, {}), floats({4}, {1})})[0].type.shape, (Shape{0, 4}));
}

}  // namespace
}  // namespace tessera::test
