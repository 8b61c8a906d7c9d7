// Operators that are spelled out give what their references do, and leave no step to a reference.
#include <gtest/gtest.h>

#include "tests/graph_builder.h"
#include "tests/tensors.h"

namespace tessera::test {
namespace {

struct Given {
  Tensor tensor;
  bool constant = false;
};

// The step names of the optimized plan; results are compared on the way.
std::vector<std::string> steps_of(const GraphBuilder& b, const std::vector<Tensor>& inputs, double tolerance) {
  const auto plain = run_graph(b.graph, inputs, false), fast = run_graph(b.graph, inputs, true, 2);
  EXPECT_EQ(plain.size(), fast.size());
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_LE(relative_difference(plain[i], fast[i]), tolerance) << i;
  Graph prepared = b.graph;
  optimizer::prepare(prepared);
  const auto engine = cpu_engine(true);
  const Executor executor(prepared, *engine);
  std::vector<Type> types;
  for (const Tensor& input : inputs) types.push_back(input.type);
  bool whole = false;
  std::vector<std::string> steps;
  const auto plan = executor.first_plan(types, &whole);
  for (const Step& step : plan->steps())
    if (!step.done) steps.push_back(std::string(step.node->op->name));
  return steps;
}

std::vector<std::string> spelled(Text op, Text domain, int opset, const std::vector<Given>& in, const Attrs& attrs,
                                 size_t outputs = 1, double tolerance = 5e-6) {
  SCOPED_TRACE(op);
  GraphBuilder b;
  std::vector<ValueId> ids;
  std::vector<Tensor> inputs;
  for (const Given& given : in) {
    if (!given.tensor.bytes) {
      ids.push_back(absent);
    } else if (given.constant) {
      ids.push_back(b.constant(given.tensor));
    } else {
      ids.push_back(b.input(cat("x", ids.size()), given.tensor.type));
      inputs.push_back(given.tensor);
    }
  }
  for (const ValueId id : b.nodes(op, ids, outputs, attrs, opset, domain)) b.output(id);
  const std::vector<std::string> steps = steps_of(b, inputs, tolerance);
  const bool is_pool = op == "MaxPool" || op == "AveragePool";
  EXPECT_EQ(std::count(steps.begin(), steps.end(), std::string(op)), is_pool                        ? 2
                                                                     : op == "Conv" || op == "Gelu" ? 1
                                                                                                    : 0);
  return steps;
}

Given varies(const Shape& shape, unsigned seed = 1) { return {random_tensor(shape, seed)}; }
Given fixed(const Shape& shape, unsigned seed = 2) { return {random_tensor(shape, seed), true}; }
Given bytes(DType type, const Shape& shape, bool constant, double low, double high, unsigned seed) {
  return {random_tensor(type, shape, seed, low, high), constant};
}
bool has(const std::vector<std::string>& steps, const std::string& op) {
  return std::find(steps.begin(), steps.end(), op) != steps.end();
}
constexpr Text ms = "com.microsoft";

TEST(SpellOut, CurvesWithABias) {
  for (const Text op : {"FastGelu", "BiasGelu"}) spelled(op, ms, 1, {varies({2, 3, 20}), fixed({20})}, {});
  spelled("FastGelu", ms, 1, {varies({7, 20})}, {});
  spelled("QuickGelu", ms, 1, {varies({7, 20})}, {{"alpha", 1.3f}});
  spelled("Gelu", ms, 1, {varies({7, 20})}, {});
}

TEST(SpellOut, NormalizationsOfSums) {
  const Given x = varies({2, 5, 24}), y = varies({2, 5, 24}, 3);
  spelled("SkipLayerNormalization", ms, 1, {x, y, fixed({24}), fixed({24}, 4), fixed({24}, 5)}, {});
  spelled("SkipSimplifiedLayerNormalization", ms, 1, {x, y, fixed({24}), fixed({24}, 4)}, {{"epsilon", 1e-5f}});
  // Rows of nothing have statistics.
  const Given none = varies({2, 3, 0});
  spelled("SkipSimplifiedLayerNormalization", ms, 1, {none, none, fixed({0})}, {}, 3);
}

TEST(SpellOut, AttentionOfTheStandard) {
  const auto all = [](const Shape& q, const Shape& kv, Attrs attrs, const std::vector<Given>& more = {}) {
    std::vector<Given> in{varies(q), varies(kv, 2), varies(kv, 3)};
    in.insert(in.end(), more.begin(), more.end());
    return spelled("Attention", "", 23, in, attrs);
  };
  EXPECT_TRUE(has(all({2, 3, 10, 8}, {2, 3, 13, 8}, {}), "StridedAttention"));
  EXPECT_TRUE(has(all({2, 3, 10, 8}, {2, 3, 10, 8}, {{"is_causal", int64_t{1}}}), "StridedAttention"));
  EXPECT_TRUE(has(all({2, 10, 24}, {2, 13, 24}, {{"q_num_heads", int64_t{3}}, {"kv_num_heads", int64_t{3}}}),
                  "StridedAttention"));
  EXPECT_TRUE(has(all({2, 6, 10, 8}, {2, 3, 13, 8}, {{"scale", 0.3f}}), "StridedAttention"));
  all({2, 6, 1, 8}, {2, 3, 13, 8}, {});
  EXPECT_TRUE(has(all({2, 3, 10, 8}, {2, 3, 13, 8}, {}, {varies({10, 13}, 9)}), "StridedAttention"));
  // A query that sees no key has zeros.
  Tensor mask = Tensor::make({DType::boolean, {10, 13}});
  for (int64_t i = 0; i < 130; ++i) mask.as<bool>()[i] = i >= 13 && i % 3;
  EXPECT_TRUE(has(all({2, 3, 10, 8}, {2, 3, 13, 8}, {}, {{mask}}), "StridedAttention"));
}

TEST(SpellOut, AttentionWithAPast) {
  const std::vector<Given> in{varies({1, 2, 5, 8}),    varies({1, 2, 5, 8}, 2), varies({1, 2, 5, 8}, 3), {},
                              varies({1, 2, 7, 8}, 4), varies({1, 2, 7, 8}, 5)};
  spelled("Attention", "", 23, in, {{"is_causal", int64_t{1}}}, 3);
}

TEST(SpellOut, MultiHeadAttention) {
  const Attrs heads{{"num_heads", int64_t{3}}};
  const Given x = varies({2, 10, 24}), y = varies({2, 13, 24}, 2), z = varies({2, 13, 24}, 3);
  EXPECT_TRUE(has(spelled("MultiHeadAttention", ms, 1, {x, y, z}, heads), "StridedAttention"));
  spelled("MultiHeadAttention", ms, 1, {x, y, z, fixed({72})}, heads, 3);
  spelled("MultiHeadAttention", ms, 1, {varies({2, 10, 3, 3, 8}), {}, {}, fixed({72})}, heads);
  const auto mask = bytes(DType::int32, {2, 13}, false, 0, 2, 5);
  spelled("MultiHeadAttention", ms, 1, {x, y, z, {}, mask, varies({1, 3, 10, 13}, 8)}, heads);
  Tensor lengths = Tensor::make({DType::int32, {2}});
  lengths.as<int32_t>()[0] = 5, lengths.as<int32_t>()[1] = 13;
  spelled("MultiHeadAttention", ms, 1, {x, y, z, {}, {lengths}}, heads);
  for (const Given& keys : {x, y})  // of which more are hidden where there are more than queries
    spelled("MultiHeadAttention", ms, 1, {x, keys, keys}, {{"num_heads", int64_t{3}}, {"unidirectional", int64_t{1}}});
}

// Where the CPU has no kernel: a cap, a bias, no caches among the results.
TEST(SpellOut, GroupQueryAttention) {
  const auto whole = [](DType type, const Shape& shape, const std::vector<double>& values) {
    return Given{tensor(type, shape, values)};
  };
  Attrs attrs{{"num_heads", int64_t{4}}, {"kv_num_heads", int64_t{2}}, {"softcap", 3.0f}};
  const Given total{tensor(DType::int32, {}, {9}), true};
  const Given cache = varies({2, 2, 9, 8}, 4), more = varies({2, 2, 9, 8}, 5);
  for (const int64_t queries : {1, 3}) {
    const Given lengths =
        whole(DType::int32, {2}, queries == 1 ? std::vector<double>{8, 4} : std::vector<double>{7, 3});
    const std::vector<Given> in{varies({2, queries, 32}),
                                varies({2, queries, 16}, 2),
                                varies({2, queries, 16}, 3),
                                cache,
                                more,
                                lengths,
                                total};
    spelled("GroupQueryAttention", ms, 1, in, attrs, 3);
    std::vector<Given> turned = in;
    turned.insert(turned.end(), {varies({9, 3}, 6), varies({9, 3}, 7), {}, varies({1, 4, queries, 9}, 8)});
    Attrs with = attrs;
    with.emplace_back("do_rotary", int64_t{1}), with.emplace_back("local_window_size", int64_t{4});
    spelled("GroupQueryAttention", ms, 1, turned, with, 3);
  }
  const Given first = whole(DType::int32, {2}, {8, 5});
  spelled("GroupQueryAttention", ms, 1, {varies({2, 9, 64}), {}, {}, {}, {}, first, total}, attrs, 3);
}

// Of a row of which one number is none, what is multiplied by it is none: hidden keys are no exception.
TEST(SpellOut, AttentionSpreadsWhatIsNoNumber) {
  const auto spoilt = [](Given given, int64_t at) {
    given.tensor.as<float>()[at] = std::numeric_limits<float>::quiet_NaN();
    return given;
  };
  Tensor mask = tensor(DType::int32, {1, 6}, {1, 1, 1, 1, 1, 0});
  for (const int64_t queries : {1, 6})
    for (const size_t operand : {1, 2}) {
      std::vector<Given> in{varies({1, queries, 8}), varies({1, 6, 8}, 2), varies({1, 6, 8}, 3), {}, {mask}};
      in[operand] = spoilt(in[operand], 5 * 8 + 1);
      GraphBuilder b;
      std::vector<ValueId> ids;
      std::vector<Tensor> inputs;
      for (const Given& given : in) {
        ids.push_back(given.tensor.bytes ? b.input(cat("x", ids.size()), given.tensor.type) : absent);
        if (given.tensor.bytes) inputs.push_back(given.tensor);
      }
      b.output(b.node("MultiHeadAttention", ids, {{"num_heads", int64_t{2}}}, 1, ms));
      for (const bool optimize : {false, true}) {
        const Tensor y = run_graph(b.graph, inputs, optimize)[0];
        for (int64_t i = 0; i < y.type.shape.elements(); ++i) {
          const bool spreads = operand == 1 ? i % 8 < 4 : i % 8 == 1;  // a head's scores, or a column of values
          EXPECT_EQ(std::isnan(y.as<float>()[i]), spreads) << queries << ' ' << operand << ' ' << optimize << ' ' << i;
        }
      }
    }
}

TEST(SpellOut, FourierTransforms) {
  const auto number = [](int64_t value) { return Given{tensor(DType::int64, {}, {static_cast<double>(value)}), true}; };
  const auto flags = [](int64_t inverse, int64_t onesided) {
    return Attrs{{"inverse", inverse}, {"onesided", onesided}};
  };
  EXPECT_TRUE(has(spelled("DFT", "", 20, {varies({2, 20, 1})}, flags(0, 1)), "MatMul"));
  spelled("DFT", "", 20, {varies({2, 21, 2})}, flags(1, 0));
  spelled("DFT", "", 20, {varies({3, 12, 5, 2}), {}, number(1)}, flags(0, 0));
  spelled("DFT", "", 20, {varies({2, 12, 1}), number(20)}, flags(0, 1));
  spelled("DFT", "", 20, {varies({2, 12, 2}), number(7)}, flags(0, 0));
  spelled("DFT", "", 20, {varies({2, 11, 2})}, flags(1, 1));
  spelled("DFT", "", 17, {varies({2, 16, 3, 1})}, {{"axis", int64_t{1}}});
  const Given every{tensor(DType::int64, {}, {5}), true};
  EXPECT_TRUE(has(spelled("STFT", "", 17, {varies({2, 100, 1}), every, varies({16}, 2)}, {}), "MatMul"));
  spelled("STFT", "", 17, {varies({2, 100, 2}), every, {}, {tensor(DType::int64, {}, {16}), true}},
          {{"onesided", int64_t{0}}});
}

TEST(SpellOut, RowsOfQuantizedTables) {
  const Attrs attrs{{"bits", int64_t{4}}, {"block_size", int64_t{16}}, {"gather_axis", int64_t{0}}};
  const Given rows{tensor(DType::int64, {2, 2}, {0, 5, 2, -1})};
  const Given table = bytes(DType::uint8, {9, 24}, true, 0, 255, 2), scales = fixed({9, 3}, 3);
  spelled("GatherBlockQuantized", ms, 1, {table, rows, scales}, attrs);
  spelled("GatherBlockQuantized", ms, 1, {table, rows, scales, bytes(DType::uint8, {9, 2}, true, 0, 255, 4)}, attrs);
}

// As the loader writes down com.microsoft's Attention.
TEST(SpellOut, AttentionWithItsProjection) {
  for (const bool masked : {false, true}) {
    GraphBuilder b;
    const Tensor x = random_tensor({2, 10, 16}, 1), mask = random_tensor(DType::int32, {2, 10}, 5, 0, 2);
    const ValueId in = b.input("x", x.type), seen = b.input("mask", mask.type);
    const ValueId product = b.node("MatMul", {in, b.constant(random_tensor({16, 72}, 2))}, {}, 13);
    const ValueId all = b.node("Add", {product, b.constant(random_tensor({72}, 3))}, {}, 14);
    std::vector<ValueId> parts = b.nodes("Split", {all}, 3, {{"axis", int64_t{-1}}, {"num_outputs", int64_t{3}}}, 18);
    if (masked) parts.insert(parts.end(), {absent, seen});
    b.output(b.node("MultiHeadAttention", parts, {{"num_heads", int64_t{3}}}, 1, ms));
    EXPECT_TRUE(has(steps_of(b, {x, mask}, 5e-6), "StridedAttention"));
  }
}

TEST(SpellOut, Einsum) {
  const auto einsum = [](const std::string& equation, const Shape& x, const Shape& y) {
    return spelled("Einsum", "", 12, {varies(x), varies(y, 2)}, {{"equation", equation}});
  };
  einsum("ij,jk->ik", {5, 7}, {7, 9});
  einsum("bhid, bhjd -> bhij", {2, 3, 5, 7}, {2, 3, 6, 7});
  einsum("bthd,bshd->bhts", {2, 5, 3, 7}, {2, 6, 3, 7});
  einsum("nchw,kc->nkhw", {2, 3, 4, 5}, {6, 3});
  einsum("bij,bij->b", {3, 4, 5}, {3, 4, 5});
  einsum("i,j->ij", {4}, {5});
  einsum("ij,ij->", {4, 5}, {4, 5});
  einsum("abc,cd->dab", {2, 3, 4}, {4, 5});
}

TEST(SpellOut, ConvolutionsOfThreeAxes) {
  const auto conv = [](const Shape& x, const Shape& w, Attrs attrs) {
    return spelled("Conv", "", 11, {varies(x), fixed(w), fixed({w[0]}, 3)}, attrs);
  };
  conv({2, 4, 5, 6, 7}, {8, 4, 3, 3, 3}, {{"pads", std::vector<int64_t>{1, 1, 1, 1, 1, 1}}});
  conv({1, 4, 9, 8, 7}, {6, 2, 2, 3, 1},
       {{"group", int64_t{2}},
        {"strides", std::vector<int64_t>{2, 1, 2}},
        {"dilations", std::vector<int64_t>{3, 2, 1}},
        {"pads", std::vector<int64_t>{1, 0, 0, 2, 1, 0}}});
  conv({1, 3, 4, 5, 6}, {5, 3, 1, 1, 1}, {});
}

TEST(SpellOut, PoolsOfThreeAxes) {
  using Integers = std::vector<int64_t>;
  for (const Text op : {"MaxPool", "AveragePool"}) {
    spelled(op, "", 19, {varies({2, 3, 6, 7, 8})},
            {{"kernel_shape", Integers{2, 2, 2}}, {"strides", Integers{2, 2, 2}}});
    spelled(op, "", 19, {varies({1, 2, 9, 8, 7})},
            {{"kernel_shape", Integers{3, 2, 3}},
             {"strides", Integers{2, 1, 3}},
             {"dilations", Integers{2, 3, 1}},
             {"pads", Integers{2, 0, 1, 1, 1, 2}},
             {"ceil_mode", int64_t{1}}});
    spelled(op, "", 19, {varies({1, 2, 5, 6, 7})},
            {{"kernel_shape", Integers{3, 3, 2}}, {"auto_pad", std::string("SAME_UPPER")}});
  }
  spelled(
      "AveragePool", "", 19, {varies({1, 2, 5, 6, 7})},
      {{"kernel_shape", Integers{3, 3, 2}}, {"pads", Integers{1, 1, 1, 1, 1, 0}}, {"count_include_pad", int64_t{1}}});
}

TEST(SpellOut, ConvolutionsOfIntegers) {
  const Attrs padded{{"pads", std::vector<int64_t>{1, 2, 0, 1}}, {"strides", std::vector<int64_t>{1, 2}}};
  for (const DType x : {DType::uint8, DType::int8})
    for (const DType w : {DType::uint8, DType::int8}) {
      const double x_low = x == DType::int8 ? -128 : 0, w_low = w == DType::int8 ? -128 : 0;
      const Given a = bytes(x, {2, 18, 9, 11}, false, x_low, x_low + 255, 1),
                  b = bytes(w, {21, 18, 3, 3}, true, w_low, w_low + 255, 2);
      const auto zero = [&](bool known) { return bytes(x, {}, known, x_low + 9, x_low + 9, 3); };
      EXPECT_TRUE(has(spelled("ConvInteger", "", 10, {a, b}, padded, 1, 0), "QuantizedConv"));
      spelled("ConvInteger", "", 10, {a, b, zero(true), bytes(w, {}, true, w_low + 130, w_low + 130, 4)}, padded, 1, 0);
      spelled("ConvInteger", "", 10, {a, b, zero(false), bytes(w, {21}, true, w_low, w_low + 255, 4)}, padded, 1, 0);
      spelled("ConvInteger", "", 10, {a, b, zero(false)}, {}, 1, 0);
    }
}

TEST(SpellOut, ProductsOfIntegers) {
  for (const DType x : {DType::uint8, DType::int8})
    for (const DType w : {DType::uint8, DType::int8}) {
      const double x_low = x == DType::int8 ? -128 : 0, w_low = w == DType::int8 ? -128 : 0;
      const Given a = bytes(x, {2, 5, 70}, false, x_low, x_low + 255, 1),
                  b = bytes(w, {70, 37}, true, w_low, w_low + 255, 2);
      EXPECT_TRUE(has(spelled("MatMulInteger", "", 10, {a, b}, {}, 1, 0), "QuantizedGemm"));
      spelled("MatMulInteger", "", 10,
              {a, b, bytes(x, {}, false, x_low + 9, x_low + 9, 3), bytes(w, {}, true, w_low + 130, w_low + 130, 4)}, {},
              1, 0);
      spelled("MatMulInteger", "", 10,
              {a, b, bytes(x, {}, true, x_low + 9, x_low + 9, 3), bytes(w, {37}, true, w_low, w_low + 255, 4)}, {}, 1,
              0);
    }
}

}  // namespace
}  // namespace tessera::test
