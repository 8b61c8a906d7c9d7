// Every rewrite: the graph gives the same before and after, and the rewrite did happen.

#include <gtest/gtest.h>

#include "tests/graph_builder.h"

namespace tessera::test {
namespace {

// Runs the graph as written and optimized, and counts the steps of the optimized plan.
size_t expect_same(const Graph& graph, const std::vector<Tensor>& inputs, double tolerance = 2e-6) {
  const auto plain = run_graph(graph, inputs, false);
  const auto fast = run_graph(graph, inputs, true, 2);
  EXPECT_EQ(plain.size(), fast.size());
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_LE(relative_difference(plain[i], fast[i]), tolerance);

  Graph prepared = graph;
  optimizer::prepare(prepared);
  const auto engine = cpu_engine(true);
  const Executor executor(prepared, *engine);
  std::vector<Type> types;
  for (const Tensor& tensor : inputs) types.push_back(tensor.type);
  bool whole = false;
  const auto plan = executor.first_plan(types, &whole);
  EXPECT_TRUE(whole);
  size_t steps = 0;
  for (const Step& step : plan->steps()) steps += step.node->op->name != "Reorder";
  return steps;
}

ValueId conv(GraphBuilder& b, ValueId x, int64_t from, int64_t to, unsigned seed, int64_t kernel = 3) {
  const float limit = 1.0f / std::sqrt(static_cast<float>(from * kernel * kernel));
  const ValueId w = b.constant(random_tensor({to, from, kernel, kernel}, seed, -limit, limit));
  const ValueId bias = b.constant(random_tensor({to}, seed + 1));
  const int64_t pad = kernel / 2;
  return b.node("Conv", {x, w, bias}, {{"pads", std::vector<int64_t>{pad, pad, pad, pad}}});
}

TEST(Optimizer, IdentitiesGo) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 4, 5, 6}});
  const ValueId same = b.node("Identity", {x});
  const ValueId y = b.node("Relu", {b.node("Dropout", {same})});
  b.output(b.node("Identity", {y}));
  EXPECT_EQ(expect_same(b.graph, {random_tensor({1, 4, 5, 6}, 1)}), 1u);
}

TEST(Optimizer, AnIdentityBetweenInputAndOutputStays) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {3}});
  b.output(b.node("Identity", {x}));
  expect_same(b.graph, {random_tensor({3}, 1)}, 0);
}

TEST(Optimizer, BatchNormalizationFoldsIntoConv) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {2, 3, 9, 7}});
  const ValueId y = conv(b, x, 3, 8, 1);
  const ValueId n = b.node("BatchNormalization",
                           {y, b.constant(random_tensor({8}, 3)), b.constant(random_tensor({8}, 4)),
                            b.constant(random_tensor({8}, 5)), b.constant(random_tensor({8}, 6, 0.5f, 2))},
                           {{"epsilon", 1e-3f}}, 15);
  b.output(b.node("Relu", {n}));
  EXPECT_EQ(expect_same(b.graph, {random_tensor({2, 3, 9, 7}, 7)}), 1u);
}

TEST(Optimizer, ActivationsJoinTheConvolution) {
  const std::pair<Text, Attrs> activations[] = {
      {"Relu", {}}, {"LeakyRelu", {{"alpha", 0.2f}}}, {"Sigmoid", {}}, {"Tanh", {}}, {"HardSwish", {}}};
  for (const auto& [op, attrs] : activations) {
    GraphBuilder b;
    const ValueId x = b.input("x", {DType::float32, {1, 16, 12, 13}});
    b.output(b.node(op, {conv(b, x, 16, 32, 1)}, attrs));
    EXPECT_EQ(expect_same(b.graph, {random_tensor({1, 16, 12, 13}, 3)}), 1u) << op;
  }
}

TEST(Optimizer, TheAttentionOfSpanJoinsTheConvolution) {
  const auto half = [](GraphBuilder& b, float value) { return b.constant(random_tensor({}, 1, value, value)); };
  for (const bool subtracted : {true, false})
    for (const bool swapped : {true, false})
      for (const bool other : {false, true}) {  // a weight that is not half a unit below stays as it is
        GraphBuilder b;
        const ValueId x = b.input("x", {DType::float32, {1, 16, 12, 13}});
        const ValueId y = conv(b, x, 16, 16, 1);
        const ValueId weight = b.node("Sigmoid", {y}), number = half(b, other ? 0.25f : subtracted ? 0.5f : -0.5f);
        const ValueId shifted = b.node(subtracted ? "Sub" : "Add", {weight, number});
        const ValueId sum = swapped ? b.node("Add", {x, y}) : b.node("Add", {y, x});
        b.output(swapped ? b.node("Mul", {shifted, sum}) : b.node("Mul", {sum, shifted}));
        const size_t steps = expect_same(b.graph, {random_tensor({1, 16, 12, 13}, 3)});
        EXPECT_EQ(steps == 1, !other) << subtracted << swapped;
      }
}

TEST(Optimizer, ThePictureTailOfACompactModelIsOneStep) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, 20, 18}});
  ValueId y = b.node("PRelu", {conv(b, x, 3, 32, 1), b.constant(random_tensor({32, 1, 1}, 9))});
  y = conv(b, y, 32, 12, 5);
  y = b.node("DepthToSpace", {y}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}});
  Tensor scales = Tensor::make({DType::float32, {4}});
  for (int i = 0; i < 4; ++i) scales.as<float>()[i] = i < 2 ? 1.0f : 2.0f;
  const ValueId base = b.node("Resize", {x, absent, b.constant(std::move(scales))},
                              {{"mode", std::string("nearest")},
                               {"coordinate_transformation_mode", std::string("asymmetric")},
                               {"nearest_mode", std::string("floor")}});
  b.output(b.node("Add", {y, base}));
  EXPECT_EQ(expect_same(b.graph, {random_tensor({1, 3, 20, 18}, 3, 0, 1)}, 5e-6), 3u);
}

TEST(Optimizer, ResidualAddJoinsTheLaterConvolution) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 16, 10, 10}});
  const ValueId first = conv(b, x, 16, 16, 1);
  const ValueId second = conv(b, b.node("Relu", {first}), 16, 16, 3);
  b.output(b.node("Add", {first, second}));
  EXPECT_EQ(expect_same(b.graph, {random_tensor({1, 16, 10, 10}, 5)}, 5e-6), 3u);
}

TEST(Optimizer, TransposesAndReshapesCancel) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {2, 3, 4, 5}});
  ValueId y = b.node("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
  y = b.node("Transpose", {y}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  y = b.node("Reshape", {y, b.constant({6, 20})});
  y = b.node("Reshape", {y, b.constant({2, 60})});
  b.output(b.node("Neg", {y}));
  EXPECT_LE(expect_same(b.graph, {random_tensor({2, 3, 4, 5}, 1)}, 0), 2u);
}

TEST(Optimizer, PixelShuffleIsRecognised) {
  for (const bool crd : {true, false}) {
    GraphBuilder b;
    const ValueId x = b.input("x", {DType::float32, {1, 12, 3, 5}});
    ValueId y = crd ? b.node("Reshape", {x, b.constant({1, 3, 2, 2, 3, 5})})
                    : b.node("Reshape", {x, b.constant({1, 2, 2, 3, 3, 5})});
    y = b.node("Transpose", {y},
               {{"perm", crd ? std::vector<int64_t>{0, 1, 4, 2, 5, 3} : std::vector<int64_t>{0, 3, 4, 1, 5, 2}}});
    b.output(b.node("Reshape", {y, b.constant({1, 3, 6, 10})}));
    EXPECT_EQ(expect_same(b.graph, {random_tensor({1, 12, 3, 5}, 1)}, 0), 1u);
  }
}

// The same steps over a picture whose rows were cut anew are no shuffle of it.
TEST(Optimizer, APixelShuffleOfOtherRowsIsNone) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 12, 6, 6}});
  ValueId y = b.node("Reshape", {x, b.constant({1, 3, 2, 2, 6, 6})});
  y = b.node("Transpose", {y}, {{"perm", std::vector<int64_t>{0, 1, 4, 2, 5, 3}}});
  b.output(b.node("Reshape", {y, b.constant({1, 3, 12, 12})}));
  EXPECT_EQ(expect_same(b.graph, {random_tensor({1, 12, 6, 6}, 1)}, 0), 1u);
  GraphBuilder other;
  const ValueId z = other.input("x", {DType::float32, {1, 12, 4, 9}});
  y = other.node("Reshape", {z, other.constant({1, 3, 2, 2, 6, 6})});
  y = other.node("Transpose", {y}, {{"perm", std::vector<int64_t>{0, 1, 4, 2, 5, 3}}});
  y = other.node("Reshape", {y, other.constant({1, 3, 8, 18})});
  other.output(y);
  EXPECT_GT(expect_same(other.graph, {random_tensor({1, 12, 4, 9}, 1)}, 0), 0u);
}

// A slice that gives the shape back, and turns an axis round.
TEST(Optimizer, ASliceThatReversesStays) {
  for (const int64_t step : {1, -1}) {
    GraphBuilder b;
    const ValueId x = b.input("x", {DType::float32, {3, 5}});
    const ValueId y = b.node("Slice", {x, b.constant({step > 0 ? 0 : -1}), b.constant({step > 0 ? 99 : -99}),
                                       b.constant({1}), b.constant({step})});
    b.output(b.node("Neg", {y}));
    EXPECT_EQ(expect_same(b.graph, {random_tensor({3, 5}, 1)}, 0), step > 0 ? 1u : 2u);
  }
}

TEST(Optimizer, WhatIsReadTwiceIsNotFolded) {
  const auto norm = [](GraphBuilder& b, ValueId y) {
    return b.node("BatchNormalization",
                  {y, b.constant(random_tensor({8}, 3)), b.constant(random_tensor({8}, 4)),
                   b.constant(random_tensor({8}, 5)), b.constant(random_tensor({8}, 6, 0.5f, 2))},
                  {}, 15);
  };
  for (const bool before : {false, true}) {
    GraphBuilder b;
    const ValueId y = conv(b, b.input("x", {DType::float32, {1, 3, 9, 7}}), 3, 8, 1);
    if (before) b.output(b.node("Neg", {y}));
    b.output(norm(b, y));
    if (!before) b.output(b.node("Neg", {y}));
    expect_same(b.graph, {random_tensor({1, 3, 9, 7}, 7)});
  }
  GraphBuilder b;
  const ValueId y = conv(b, b.input("x", {DType::float32, {1, 16, 9, 7}}), 16, 16, 1);
  b.output(b.node("Relu", {y}));
  b.output(b.node("Sigmoid", {y}));
  expect_same(b.graph, {random_tensor({1, 16, 9, 7}, 7)});
}

TEST(Optimizer, SpelledOutActivations) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {4, 33}});
  const auto number = [&](float v) {
    Tensor t = Tensor::make({DType::float32, {}});
    *t.as<float>() = v;
    return b.constant(std::move(t));
  };
  const ValueId swish = b.node("Mul", {x, b.node("Sigmoid", {x})});
  const ValueId erf = b.node("Erf", {b.node("Div", {swish, number(1.41421356f)})});
  const ValueId product = b.node("Mul", {swish, b.node("Add", {erf, number(1)})});
  b.output(b.node("Mul", {product, number(0.5f)}));
  EXPECT_LE(expect_same(b.graph, {random_tensor({4, 33}, 2, -4, 4)}, 1e-5), 2u);
}

TEST(Optimizer, SpelledOutLayerNormalization) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {2, 5, 24}});
  const Attrs last{{"axes", std::vector<int64_t>{-1}}, {"keepdims", int64_t{1}}};
  Tensor two = Tensor::make({DType::float32, {}}), epsilon = Tensor::make({DType::float32, {}});
  *two.as<float>() = 2;
  *epsilon.as<float>() = 1e-5f;
  const ValueId d = b.node("Sub", {x, b.node("ReduceMean", {x}, last, 13)});
  const ValueId variance = b.node("ReduceMean", {b.node("Pow", {d, b.constant(std::move(two))})}, last, 13);
  const ValueId root = b.node("Sqrt", {b.node("Add", {variance, b.constant(std::move(epsilon))})});
  const ValueId scaled = b.node("Mul", {b.node("Div", {d, root}), b.constant(random_tensor({24}, 4))});
  b.output(b.node("Add", {scaled, b.constant(random_tensor({24}, 5))}));
  EXPECT_EQ(expect_same(b.graph, {random_tensor({2, 5, 24}, 6)}, 1e-5), 1u);
}

Tensor single(float value) {
  Tensor tensor = Tensor::make({DType::float32, {}});
  *tensor.as<float>() = value;
  return tensor;
}

// Attention within windows as exporters spell it: one projection, cut by Gather, a bias of positions and a mask
// of shifted windows.
TEST(Optimizer, WindowAttention) {
  constexpr int64_t images = 2, windows = 3, heads = 2, positions = 9, depth = 5;
  for (const bool masked : {false, true}) {
    GraphBuilder b;
    const Shape shape{images * windows, positions, 3 * heads * depth};
    const ValueId x = b.input("x", {DType::float32, shape});
    const ValueId parts = b.node("Transpose", {b.node("Reshape", {x, b.constant({-1, positions, 3, heads, depth})})},
                                 {{"perm", std::vector<int64_t>{2, 0, 3, 1, 4}}});
    const auto part = [&](int64_t i) {
      Tensor index = Tensor::make({DType::int64, {}});
      *index.as<int64_t>() = i;
      return b.node("Gather", {parts, b.constant(std::move(index))}, {{"axis", int64_t{0}}});
    };
    const ValueId q = b.node("Mul", {part(0), b.constant(single(0.4f))});
    const ValueId k = b.node("Transpose", {part(1)}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
    ValueId s = b.node("MatMul", {q, k});
    s = b.node("Add", {s, b.constant(random_tensor({1, heads, positions, positions}, 3))});
    if (masked) {
      s = b.node("Reshape", {s, b.constant({-1, windows, heads, positions, positions})});
      s = b.node("Add", {s, b.constant(random_tensor({1, windows, 1, positions, positions}, 4, -9, 0))});
      s = b.node("Reshape", {s, b.constant({-1, heads, positions, positions})});
    }
    const ValueId p = b.node("Softmax", {s}, {{"axis", int64_t{-1}}}, 13);
    const ValueId y = b.node("Transpose", {b.node("MatMul", {p, part(masked ? 2 : -1)})},
                             {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    b.output(b.node("Reshape", {y, b.constant({-1, positions, heads * depth})}));
    EXPECT_LE(expect_same(b.graph, {random_tensor(shape, 6)}, 5e-6), 2u) << masked;
  }
}

// Three projections, a mask of keys that is an input, scores divided.
TEST(Optimizer, SequenceAttention) {
  constexpr int64_t batch = 2, heads = 3, positions = 11, depth = 4;
  for (const bool shared : {false, true}) {
    GraphBuilder b;
    const Shape shape{batch, positions, heads * depth}, ends{batch, 1, 1, positions};
    ValueId in[3];
    for (ValueId& id : in) {
      id = b.input(cat("x", &id - in), {DType::float32, shape});
      id = b.node("Transpose", {b.node("Reshape", {id, b.constant({0, 0, heads, depth})})},
                  {{"perm", std::vector<int64_t>{0, 2, &id == in + 1 ? 3 : 1, &id == in + 1 ? 1 : 3}}});
    }
    const ValueId mask = b.input("mask", {DType::float32, ends});
    const ValueId scores = b.node("Div", {b.node("MatMul", {in[0], in[1]}), b.constant(single(2))});
    const ValueId p = b.node("Softmax", {b.node("Add", {scores, mask})}, {{"axis", int64_t{3}}}, 13);
    b.output(b.node("Transpose", {b.node("MatMul", {p, in[2]})}, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}}));
    if (shared) b.output(p);  // who reads the probabilities gets them
    const size_t steps = expect_same(
        b.graph,
        {random_tensor(shape, 1), random_tensor(shape, 2), random_tensor(shape, 3), random_tensor(ends, 4, -9, 0)},
        5e-6);
    EXPECT_EQ(steps == 1, !shared) << steps;
  }
}

// Values by every second row, and scores that are a result too.
TEST(Optimizer, AttentionOfSlicesAndOfScoresThatAreRead) {
  constexpr int64_t positions = 10, depth = 6;
  for (const bool read : {false, true}) {
    GraphBuilder b;
    const Shape shape{2, positions, depth}, longer{2, 2 * positions, depth};
    const ValueId q = b.input("q", {DType::float32, shape}), k = b.input("k", {DType::float32, shape});
    const ValueId all = b.input("v", {DType::float32, longer});
    const ValueId v = b.node("Slice", {all, b.constant({1}), b.constant({1000}), b.constant({1}), b.constant({2})});
    const ValueId turned = b.node("Transpose", {k}, {{"perm", std::vector<int64_t>{0, 2, 1}}});
    const ValueId scores = b.node("MatMul", {q, turned});
    const ValueId p = b.node("Softmax", {scores}, {{"axis", int64_t{-1}}}, 13);
    b.output(b.node("MatMul", {p, v}));
    if (read) b.output(b.node("Neg", {scores}));
    const size_t steps =
        expect_same(b.graph, {random_tensor(shape, 1), random_tensor(shape, 2), random_tensor(longer, 3)}, 5e-6);
    EXPECT_EQ(steps == 1, !read) << steps;
  }
}

TEST(Optimizer, PadsMoveIntoTheConvolution) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, 8, 8}});
  const ValueId padded = b.node("Pad", {x, b.constant({0, 0, 1, 2, 0, 0, 3, 0})});
  b.output(conv(b, padded, 3, 4, 1));
  EXPECT_EQ(expect_same(b.graph, {random_tensor({1, 3, 8, 8}, 3)}, 5e-6), 1u);
}

// Winograd's tiles are smaller in the first convolution of many channels on every way from the input.
TEST(Optimizer, FirstConvolutionsTakeSmallTiles) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, 48, 48}});
  const ValueId few = b.node("Relu", {conv(b, x, 3, 16, 1)});
  const ValueId first = b.node("Relu", {conv(b, few, 16, 16, 3)});
  const ValueId beside = b.node("Tanh", {conv(b, few, 16, 16, 5)});
  const ValueId second = b.node("Relu", {conv(b, b.node("Mul", {first, beside}), 16, 16, 7)});
  b.output(conv(b, b.node("Sub", {few, second}), 16, 16, 9));
  optimizer::prepare(b.graph);
  const auto engine = cpu_engine(true);
  const Executor executor(b.graph, *engine);
  bool whole = false;
  const Type type{DType::float32, {1, 3, 48, 48}};
  std::vector<std::string> kernels;
  for (const Step& step : executor.first_plan(List<Type>(&type, 1), &whole)->steps())
    if (step.node->op->name == "Conv") kernels.emplace_back(step.offer.name);
  ASSERT_EQ(kernels.size(), 5u);
  for (size_t i = 1; i < 5; ++i)
    EXPECT_EQ(kernels[i].rfind(i < 3 ? "conv winograd 4" : "conv winograd 6", 0), 0u) << kernels[i];
}

TEST(Optimizer, ConstantsFoldAndDeadNodesGo) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {2, 6}});
  const ValueId shape = b.node("Concat", {b.constant({3}), b.constant({4})}, {{"axis", int64_t{0}}});
  b.node("Exp", {x});
  b.output(b.node("Reshape", {x, shape}));
  EXPECT_LE(expect_same(b.graph, {random_tensor({2, 6}, 3)}, 0), 1u);
}

// A dense block: each convolution reads the concatenation of all results so far.
Graph dense_block(int64_t channels) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, channels, 11, 9}});
  std::vector<ValueId> parts{b.node("Relu", {x})};
  for (unsigned i = 0; i < 3; ++i) {
    const ValueId all = parts.size() == 1 ? parts[0] : b.node("Concat", parts, {{"axis", int64_t{1}}});
    const auto width = static_cast<int64_t>(parts.size()) * channels;
    parts.push_back(b.node("LeakyRelu", {conv(b, all, width, channels, 10 + i)}));
  }
  const ValueId all = b.node("Concat", parts, {{"axis", int64_t{1}}});
  b.output(b.node("Add", {conv(b, all, 4 * channels, channels, 20), x}));
  return b.graph;
}

TEST(Optimizer, ADenseBlockConcatenatesWithoutCopies) {
  for (const int64_t channels : {16, 5}) {
    const Graph graph = dense_block(channels);
    expect_same(graph, {random_tensor({1, channels, 11, 9}, 3)}, 1e-5);
  }
  Graph graph = dense_block(16);
  optimizer::prepare(graph);
  const auto engine = cpu_engine(true);
  const Executor executor(graph, *engine);
  bool whole = false;
  const Type type{DType::float32, {1, 16, 11, 9}};
  const auto plan = executor.first_plan(List<Type>(&type, 1), &whole);
  for (const auto& copies : plan->storage().copies) EXPECT_TRUE(copies.empty());
}

}  // namespace
}  // namespace tessera::test
