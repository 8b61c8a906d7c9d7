// CPU kernels that compute: elementwise rows and chains, products, reductions, normalizations, pools.
#include <limits>

#include "tests/kernel_case.h"

namespace tessera::test {
namespace {

TEST(CpuKernels, UnaryRows) {
  struct Unary {
    Text op;
    double low, high;
    int opset = 22;
  };
  constexpr Unary rows[] = {
      {"Relu", -2, 2},        {"LeakyRelu", -2, 2},
      {"Sigmoid", -20, 20},   {"Tanh", -9, 9},
      {"HardSigmoid", -4, 4}, {"HardSwish", -4, 4},
      {"Elu", -5, 2},         {"Selu", -5, 2},
      {"Softplus", -9, 9},    {"Softsign", -5, 5},
      {"Erf", -4, 4},         {"Exp", -20, 20},
      {"Log", 0.001, 90},     {"Sqrt", 0, 9},
      {"Reciprocal", 0.1, 4}, {"Abs", -2, 2},
      {"Neg", -2, 2},         {"Floor", -5, 5},
      {"Ceil", -5, 5},        {"Round", -5, 5},
      {"Sign", -2, 2},        {"ThresholdedRelu", -3, 3},
      {"Mish", -9, 9},        {"Gelu", -5, 5},
      {"Sin", -9, 9},         {"Cos", -9, 9},
      {"Tan", -1, 1},         {"Asin", -1, 1},
      {"Acos", -1, 1},        {"Atan", -9, 9},
      {"Sinh", -4, 4},        {"Cosh", -4, 4},
      {"Asinh", -9, 9},       {"Acosh", 1, 9},
      {"Atanh", -0.9, 0.9},
  };
  for (const Unary& row : rows) {
    for (const Shape& shape : {Shape{}, Shape{17}, Shape{3, 1031}, Shape{0, 3}})
      check({.op = row.op, .opset = row.opset, .in = {random(shape, row.low, row.high)}});
    for (const Shape& shape : pictures)
      check({.op = row.op, .opset = row.opset, .in = {random(shape, row.low, row.high)}, .least = 2});
  }
}

// Where an exponential leaves the numbers, and where a difference from one is small.
TEST(CpuKernels, UnaryRowsAtTheirEnds) {
  constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const Text op : {"Exp", "Sigmoid", "Tanh", "Elu", "Softplus"})
    check({.op = op,
           .opset = 22,
           .in = {{floats({22}, {infinity, -infinity, nan,  0,    -0.0, 1e-30, -1e-30, 1e-4, -1e-4, 0.17, 0.36,
                                 -0.36,    0.9,       -0.9, 86.5, -86,  89,    -110,   1e5,  -1e5,  3e38, -3e38})}},
           .relative = 5e-7,
           .absolute = 1e-37});
}

TEST(CpuKernels, Clip) {
  for (const Shape& shape : pictures) {
    check({.op = "Clip", .in = {random(shape), number(-0.5f), number(0.75f)}, .least = 2});
    check({.op = "Clip", .in = {random(shape), {}, number(0.75f)}, .least = 2});
    check({.op = "Clip", .opset = 6, .in = {random(shape)}, .attrs = {attr("min", -0.25f)}, .least = 2});
  }
}

TEST(CpuKernels, BinaryRows) {
  for (const Text op : {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "PRelu"}) {
    const bool positive = op == "Pow" || op == "Div";
    const auto made = [&](const Shape& shape) { return random(shape, positive ? 0.25 : -2, 2); };
    const auto both = [&](const Shape& x, const Shape& y, int least = 1) {
      check({.op = op, .in = {made(x), made(y)}, .least = least});
      if (op != "PRelu") check({.op = op, .in = {made(y), made(x)}, .least = least});
    };
    both({33}, {33});
    if (op != "PRelu") both({3, 1, 5}, {3, 4, 5});
    both({2, 3, 4}, {});
    both({2, 3, 700}, {700});
    both({2, 3, 7}, {3, 1});
    both({2, 5, 1}, {1});
    both({0, 5}, {5});
    for (const Shape& shape : pictures) {
      both(shape, shape, 2);
      both(shape, {shape[1], 1, 1}, 2);
      both(shape, {1, shape[1], 1, 1}, 2);
      both(shape, {shape[0], shape[1], 1, 1}, 2);
      both(shape, {1, 1, 1, 1}, 2);
      both(shape, {}, 2);
      both(shape, {shape[3]});
      check({.op = op, .in = {made(shape), fixed(made({1, shape[1], 1, 1}))}, .least = 2});
    }
  }
}

TEST(CpuKernels, Variadic) {
  for (const Text op : {"Sum", "Mean", "Max", "Min"}) {
    check({.op = op, .in = {random({2, 3, 5})}});
    check({.op = op, .in = {random({2, 3, 5}), random({3, 1}), random({5})}});
    check({.op = op, .in = {random({1, 17, 4, 4}), random({1, 17, 4, 4}), random({1, 17, 1, 1})}, .least = 2});
  }
}

TEST(CpuKernels, Chains) {
  using namespace elementwise;
  for (const Shape& shape : pictures) {
    const Shape channels{1, shape[1], 1, 1};
    check({.op = "Mul",
           .in = {random(shape), fixed(random(channels))},
           .epilogue = {{Add, 0}, {Sigmoid}, {Sub, 1, true}, {LeakyRelu, -1, false, 0.1f}, {Mul, 2}},
           .operands = {random(shape), fixed(random({shape[1], 1, 1})), random({})},
           .least = 2});
    check({.op = "Relu",
           .in = {random(shape)},
           .epilogue = {{Exp}, {Sub, 0, true}},
           .operands = {random(channels)},
           .least = 2});
  }
  check({.op = "Add",
         .in = {random({5, 1, 9}), random({4, 1})},
         .epilogue = {{Tanh}, {Mul, 0}},
         .operands = {random({4, 9})}});
}

TEST(CpuKernels, Where) {
  const auto mask = [](const Shape& shape) { return random(shape, 0, 2, DType::boolean); };
  check({.op = "Where", .in = {mask({3, 50}), random({3, 50}), random({3, 50})}});
  check({.op = "Where", .in = {mask({1, 50}), random({}), random({3, 50})}});
  check({.op = "Where", .in = {mask({3, 1}), random({3, 50}), random({1})}});
  check({.op = "Where",
         .in = {mask({2, 1, 4}), random({}, -9, 9, DType::int32), random({2, 3, 4}, -9, 9, DType::int32)}});
}

TEST(CpuKernels, MatMul) {
  using namespace elementwise;
  const auto product = [](const Shape& a, const Shape& b, bool constant, double tolerance = 1e-4) {
    Input right = random(b);
    right.constant = constant;
    const bool rounds = constant && b.size() >= 2 && b.back() > 1 && b[b.size() - 2] > 0;
    check({.op = "MatMul",
           .in = {random(a), right},
           .relative = 1e-4,
           .absolute = tolerance,
           .least_rounded = rounds ? 1 : 0});
  };
  for (const bool constant : {false, true}) {
    for (const int64_t m : {1, 2, 3, 7, 14, 15, 33})
      for (const int64_t n : {1, 2, 31, 32, 33, 97})
        for (const int64_t k : {0, 1, 5, 64}) product({m, k}, {k, n}, constant);
    product({190, 410}, {410, 805}, constant, 1e-3);
    product({2, 800}, {800, 70}, constant, 1e-3);
    product({5}, {5, 7}, constant);
    product({3, 5}, {5}, constant);
    product({5}, {5}, constant);
    product({2, 3, 4, 5}, {5, 6}, constant);
    product({2, 3, 4, 5}, {2, 3, 5, 6}, constant);
    product({2, 1, 4, 5}, {3, 5, 6}, constant);
    product({4, 5}, {2, 3, 5, 6}, constant);
    product({2, 40, 64}, {2, 64, 40}, constant);
    product({0, 5}, {5, 7}, constant);
    check({.op = "MatMul",
           .in = {random({2, 9, 33}), {random({33, 45}).tensor, constant}},
           .epilogue = {{Add, 0}, {Gelu}, {Mul, 1}, {Sub, 2, true}},
           .operands = {fixed(random({45})), random({2, 9, 45}), random({9, 1})},
           .relative = 1e-4,
           .absolute = 1e-3});
  }
}

TEST(CpuKernels, Gemm) {
  for (const int64_t trans_a : {0, 1})
    for (const int64_t trans_b : {0, 1})
      for (const bool constant : {false, true})
        for (const Shape& size : {Shape{1, 40, 30}, Shape{6, 1, 30}, Shape{20, 70, 30}, Shape{50, 33, 420}}) {
          const int64_t m = size[0], n = size[1], k = size[2];
          const Shape a = trans_a ? Shape{k, m} : Shape{m, k}, b = trans_b ? Shape{n, k} : Shape{k, n};
          for (const Shape& c : {Shape{n}, Shape{m, 1}, Shape{m, n}, Shape{}}) {
            Input right = random(b);
            right.constant = constant;
            check({.op = "Gemm",
                   .in = {random(a), right, random(c)},
                   .attrs = {attr("transA", trans_a), attr("transB", trans_b), attr("alpha", 0.5f), attr("beta", 2.0f)},
                   .epilogue = {{elementwise::Relu}},
                   .relative = 1e-4,
                   .absolute = 1e-4});
          }
          check({.op = "Gemm",
                 .in = {random(a), {random(b).tensor, constant}, random({n})},
                 .attrs = {attr("transA", trans_a), attr("transB", trans_b)},
                 .relative = 1e-4,
                 .absolute = 1e-4,
                 .least_rounded = constant && !trans_a && n > 1 ? 1 : 0});
        }
}

TEST(CpuKernels, Reductions) {
  for (const Text op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare",
                        "ReduceL1", "ReduceL2", "ReduceLogSum"}) {
    const double low = op == "ReduceLogSum" || op == "ReduceProd" ? 0.5 : -2, high = op == "ReduceProd" ? 1.5 : 2;
    const auto reduce = [&](const Shape& shape, std::initializer_list<int64_t> axes, int64_t keep, int least = 1) {
      check({.op = op,
             .in = {random(shape, low, high), integers(axes)},
             .attrs = {attr("keepdims", keep)},
             .relative = 1e-4,
             .absolute = 1e-4,
             .least = least});
    };
    for (const int64_t keep : {0, 1}) {
      reduce({7}, {0}, keep);
      reduce({3, 700}, {-1}, keep);
      reduce({3, 70, 300}, {1}, keep);
      reduce({5, 6, 7}, {0, 1}, keep);
      reduce({2, 3, 4, 5}, {2, 3}, keep, op != "ReduceLogSum" && keep ? 2 : 1);
      reduce({2, 3, 4, 5}, {1, 2}, keep);
    }
    reduce({2, 20, 9, 11}, {2, 3}, 1);
    reduce({2, 5}, {}, 1);
    check({.op = op,
           .opset = 11,
           .in = {random({4, 9}, low, high)},
           .attrs = {attr("axes", list({1}))},
           .relative = 1e-4,
           .absolute = 1e-4});
  }
  for (const Text op : {"GlobalAveragePool", "GlobalMaxPool"})
    for (const Shape& shape : pictures)
      if (shape[0]) check({.op = op, .in = {random(shape)}, .least = 2});
}

TEST(CpuKernels, Softmax) {
  for (const Text op : {"Softmax", "LogSoftmax"}) {
    for (const Shape& shape : {Shape{1}, Shape{5, 3}, Shape{4, 1000}, Shape{2, 3, 33}, Shape{0, 4}})
      check({.op = op, .in = {random(shape, -9, 9)}});
    check({.op = op, .in = {random({3, 40, 70}, -9, 9)}, .attrs = {attr("axis", int64_t{1})}});
    check({.op = op, .in = {random({3, 4, 2}, -9, 9)}, .attrs = {attr("axis", int64_t{0})}});
    check({.op = op, .opset = 11, .in = {random({3, 4, 5}, -9, 9)}});
  }
}

// Queries, keys and values lie side by side as a projection leaves them; the result is [batch, queries, heads, depth].
TEST(CpuKernels, StridedAttention) {
  struct Sizes {
    int64_t batch, heads, positions, depth;
  };
  for (const Sizes& s : {Sizes{1, 1, 4, 1}, Sizes{3, 2, 5, 3}, Sizes{4, 6, 64, 10}, Sizes{2, 3, 49, 30},
                         Sizes{1, 2, 131, 64}, Sizes{1, 1, 600, 17}})
    for (const int biases : {0, 1, 2}) {
      const int64_t batch = s.batch, heads = s.heads, positions = s.positions, depth = s.depth;
      const int64_t row = 3 * heads * depth;
      const auto part = [&](int64_t i) {
        return std::vector<int64_t>{i * heads * depth, positions * row, depth, row, 1};
      };
      const Input qkv = random({batch, positions, row}, -2, 2);
      // The first repeats over the batches; the second has one row of keys for each batch of a period.
      const int64_t square = positions * positions, period = batch % 2 ? 1 : 2;
      std::vector<int64_t> lies{1, 0, square, positions, 1};
      const std::vector<int64_t> second{period, positions, 0, 0, 1};
      Case c{.op = "StridedAttention", .opset = 1, .in = {qkv, qkv, qkv}, .domain = "tessera"};
      c.absolute = 1e-5;  // scores above eight are rounded by 5e-7, and their powers of values of two are summed
      if (biases > 0) c.in.push_back(random({heads, positions, positions}, -2, 2));
      if (biases > 1) c.in.push_back(random({period, 1, 1, positions}, -2, 2));
      if (biases > 1) lies.insert(lies.end(), second.begin(), second.end());
      if (biases == 0) lies.clear();
      c.attrs = {{"sizes", std::vector<int64_t>{batch, heads, positions, positions, depth, depth}},
                 {"q", part(0)},
                 {"k", part(1)},
                 {"v", part(2)},
                 {"y", std::vector<int64_t>{0, positions * heads * depth, depth, heads * depth, 1}},
                 {"biases", lies},
                 {"shape", std::vector<int64_t>{batch, positions, heads, depth}},
                 {"scale", 0.25f}};
      check(c);
      // The result as it is before a transposition that turns its channels outwards.
      c.attrs[3 + 1].second = std::vector<int64_t>{0, positions * heads * depth, positions * depth, 1, positions};
      c.attrs[6].second = std::vector<int64_t>{batch, heads, depth, positions};
      check(c);
    }
}

TEST(CpuKernels, Normalizations) {
  for (const Shape& shape : {Shape{1, 768}, Shape{2, 5, 33}, Shape{7, 3}, Shape{0, 8}}) {
    const Shape row{shape.back()};
    check({.op = "LayerNormalization",
           .in = {random(shape), random(row), random(row)},
           .relative = 1e-4,
           .absolute = 1e-5});
    check({.op = "LayerNormalization",
           .in = {random(shape), random(row)},
           .outputs = 3,
           .relative = 1e-4,
           .absolute = 1e-5});
  }
  check({.op = "LayerNormalization",
         .in = {random({4, 5, 6}), random({5, 6}), random({5, 6})},
         .attrs = {attr("axis", int64_t{1})},
         .relative = 1e-4,
         .absolute = 1e-5});
  for (const Shape& shape : pictures) {
    const Shape c{shape[1]};
    check({.op = "InstanceNormalization",
           .in = {random(shape), random(c), random(c)},
           .relative = 1e-3,
           .absolute = 1e-4,
           .least = 2});
    check({.op = "InstanceNormalization",
           .in = {random(shape), random(c), random(c)},
           .epilogue = {{elementwise::Exp}, {elementwise::Add, 0}},
           .operands = {random(shape)},
           .relative = 1e-3,
           .absolute = 1e-4,
           .least = 2});
    check({.op = "BatchNormalization",
           .in = {random(shape), random(c), random(c), random(c), random(c, 0.1, 2)},
           .epilogue = {{elementwise::Sigmoid}, {elementwise::Sub, 0, true}},
           .operands = {random(shape)},
           .relative = 1e-4,
           .absolute = 1e-5,
           .least = 2});
    check({.op = "BatchNormalization",
           .in = {random(shape), random(c), random(c), random(c), random(c, 0.1, 2)},
           .relative = 1e-4,
           .absolute = 1e-5,
           .least = 2});
  }
  check({.op = "ImageScaler",
         .opset = 7,
         .in = {random({2, 3, 4, 5})},
         .attrs = {attr("scale", 0.5f), attr("bias", std::vector<float>{1, 2, 3})},
         .least = 2});
  check({.op = "BatchNormalization",
         .in = {random({3, 5}), random({5}), random({5}), random({5}), random({5}, 0.1, 2)},
         .absolute = 1e-5});
}

TEST(CpuKernels, Pools) {
  struct Window {
    std::vector<int64_t> kernel, strides, pads, dilations;
    int64_t ceil = 0;
  };
  const Window windows[] = {
      {{2, 2}, {2, 2}, {0, 0, 0, 0}, {1, 1}},    {{3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {{3, 3}, {2, 2}, {1, 0, 1, 1}, {1, 1}, 1}, {{3, 2}, {2, 3}, {0, 1, 2, 0}, {1, 1}},
      {{2, 2}, {1, 1}, {0, 0, 0, 0}, {2, 2}},    {{1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1},
      {{2, 3}, {3, 2}, {1, 2, 1, 3}, {2, 2}},    {{4, 4}, {4, 4}, {0, 0, 0, 0}, {1, 1}},
  };
  for (const Shape& shape : {Shape{1, 16, 9, 11}, Shape{2, 3, 8, 40}, Shape{1, 20, 5, 5}, Shape{1, 2, 5, 2100}})
    for (const Window& w : windows) {
      Attrs attrs{{"kernel_shape", w.kernel}, {"strides", w.strides}, {"pads", w.pads}, {"ceil_mode", w.ceil}};
      if (w.dilations[0] == 1)
        for (const int64_t padded : {0, 1}) {
          Attrs average = attrs;
          average.emplace_back("count_include_pad", padded);
          check({.op = "AveragePool",
                 .opset = 19,
                 .in = {random(shape)},
                 .attrs = average,
                 .absolute = 1e-5,
                 .least = 2});
        }
      attrs.emplace_back("dilations", w.dilations);
      check({.op = "MaxPool", .in = {random(shape)}, .attrs = attrs, .least = 2});
    }
  check({.op = "MaxPool", .in = {random({2, 3, 30})}, .attrs = {attr("kernel_shape", list({3}))}});
}

TEST(CpuKernels, Recurrent) {
  for (const Text op : {"LSTM", "GRU"}) {
    const bool lstm = op == "LSTM";
    const int64_t gates = lstm ? 4 : 3;
    for (const std::string direction : {"forward", "reverse", "bidirectional"})
      for (const int64_t linear : {0, 1})
        for (const auto& [steps, batch, input, hidden] :
             {std::array<int64_t, 4>{5, 1, 7, 9}, {3, 4, 40, 33}, {1, 1, 1, 1}}) {
          const int64_t d = direction == "bidirectional" ? 2 : 1;
          const auto weights = [&](const Shape& shape) { return fixed(random(shape, -0.5, 0.5)); };
          std::vector<Input> in = {random({steps, batch, input}), weights({d, gates * hidden, input}),
                                   weights({d, gates * hidden, hidden})};
          Attrs attrs{{"direction", direction}, {"hidden_size", hidden}};
          if (!lstm) attrs.emplace_back("linear_before_reset", linear);
          const size_t outputs = lstm ? 3 : 2;
          check({.op = op, .in = in, .attrs = attrs, .outputs = outputs, .relative = 1e-4, .absolute = 1e-4});
          in.push_back(random({d, 2 * gates * hidden}));
          in.push_back({});
          in.push_back(random({d, batch, hidden}));
          if (lstm) in.push_back(random({d, batch, hidden}));
          check({.op = op, .in = in, .attrs = attrs, .outputs = outputs, .relative = 1e-4, .absolute = 1e-4});
        }
  }
}

}  // namespace
}  // namespace tessera::test
