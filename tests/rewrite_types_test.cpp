// Rewrites keep types: what they look for, spelled with constants and operands of every shape that broadcasts, gives
// the same type and numbers before and after. While these tests run, every rewrite is checked.
#include <gtest/gtest.h>

#include "tests/graph_builder.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

// Linked into the one binary of all tests, so for all of them.
const bool checked = (optimizer::check_rewrites(true), true);

using Random = std::mt19937;

int64_t below(Random& random, int64_t end) { return static_cast<int64_t>(random() % static_cast<uint64_t>(end)); }

template <class T>
T any_of(Random& random, std::initializer_list<T> choices) {
  return choices.begin()[below(random, static_cast<int64_t>(choices.size()))];
}

struct Spelling : GraphBuilder {
  Random& random;
  explicit Spelling(Random& engine) : random(engine) {}

  Shape shape(int64_t least_rank, int64_t most_rank) {
    Shape made;
    for (int64_t rank = least_rank + below(random, most_rank - least_rank + 1); rank > 0; --rank)
      made.push_back(any_of<int64_t>(random, {1, 2, 3, 5}));
    return made;
  }
  // One number in up to five axes.
  ValueId number(float value) {
    return constant(test::random_tensor(Shape(static_cast<size_t>(below(random, 6)), 1), 1, value, value));
  }
  // A shape that broadcasts with `other`: any of its axes may be 1 or missing, or lie behind new ones.
  Shape beside(const Shape& other, bool may_grow = true) {
    Shape made = other;
    for (int64_t& extent : made)
      if (below(random, 3) == 0) extent = 1;
    while (!made.empty() && below(random, 3) == 0) made = Shape(List<int64_t>(made.data() + 1, made.size() - 1));
    if (may_grow)
      for (int64_t more = below(random, 3); more > 0; --more) {
        const int64_t extent = any_of<int64_t>(random, {1, 1, 2});
        made.insert(0, made.size() < other.size() ? int64_t{1} : extent);
      }
    return made;
  }
  ValueId weights(const Shape& of) { return constant(test::random_tensor(of, random(), -0.5f, 0.5f)); }
  ValueId pair(Text op, ValueId a, ValueId b) {
    const bool turned = op != "Div" && op != "Sub" && below(random, 2);
    return turned ? node(op, {b, a}) : node(op, {a, b});
  }
  ValueId last_mean(ValueId x) {
    return node("ReduceMean", {x}, {{"axes", std::vector<int64_t>{-1}}, {"keepdims", int64_t{1}}}, 13);
  }
};

ValueId gelu(Spelling& s, ValueId x) {
  const ValueId scaled =
      below(s.random, 2) ? s.pair("Div", x, s.number(1.41421356f)) : s.pair("Mul", x, s.number(0.70710678f));
  const ValueId plus = s.pair("Add", s.node("Erf", {scaled}), s.number(1));
  switch (below(s.random, 3)) {
    case 0: return s.pair("Mul", s.pair("Mul", x, plus), s.number(0.5f));
    case 1: return s.pair("Mul", s.pair("Mul", x, s.number(0.5f)), plus);
    default: return s.pair("Mul", s.pair("Mul", plus, s.number(0.5f)), x);
  }
}

ValueId gate(Spelling& s, ValueId x, const Shape& shape) {
  const ValueId y = s.weights(s.beside(shape)), weight = s.node("Sigmoid", {x});
  const ValueId shifted =
      below(s.random, 2) ? s.pair("Sub", weight, s.number(0.5f)) : s.pair("Add", weight, s.number(-0.5f));
  return s.pair("Mul", s.pair("Add", x, y), shifted);
}

ValueId layer_norm(Spelling& s, ValueId x, const Shape& shape) {
  const ValueId d = s.node("Sub", {x, s.last_mean(x)});
  const ValueId square = below(s.random, 2) ? s.node("Mul", {d, d}) : s.node("Pow", {d, s.number(2)});
  const ValueId root = s.node("Sqrt", {s.pair("Add", s.last_mean(square), s.number(1e-3f))});
  const auto vector = [&] {
    Shape made(static_cast<size_t>(any_of<int64_t>(s.random, {1, 1, 2, 4})), 1);
    made[made.size() - 1] = any_of<int64_t>(s.random, {shape.back(), shape.back(), 1});
    return s.weights(made);
  };
  return s.pair("Add", s.pair("Mul", s.node("Div", {d, root}), vector()), vector());
}

ValueId attention(Spelling& s, std::vector<Shape>& inputs) {
  const int64_t heads = any_of<int64_t>(s.random, {1, 2}), n = any_of<int64_t>(s.random, {4, 5});
  const Shape shape{any_of<int64_t>(s.random, {1, 2}), heads, n, 4}, scores{shape[0], heads, n, n};
  ValueId parts[3];
  for (ValueId& part : parts) {
    part = s.input(cat("part", inputs.size()), {DType::float32, shape});
    inputs.push_back(shape);
  }
  const ValueId turned = s.node("Transpose", {parts[1]}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
  const ValueId query = below(s.random, 2) ? s.pair("Mul", parts[0], s.number(0.5f)) : parts[0];
  ValueId score = s.node("MatMul", {query, turned});
  if (below(s.random, 2)) score = s.pair("Div", score, s.number(2));
  if (below(s.random, 2)) score = s.pair("Add", score, s.weights(s.beside(scores)));
  return s.node("MatMul", {s.node("Softmax", {score}, {{"axis", int64_t{-1}}}, 13), parts[2]});
}

// What may stand behind a product, and joins it.
ValueId tail(Spelling& s, ValueId y, const Shape& shape) {
  switch (below(s.random, 9)) {
    case 0: return s.pair("Mul", y, s.weights(s.beside(shape)));
    case 1: return s.pair("Add", y, s.weights(s.beside(shape)));
    case 2: return s.pair("Sub", y, s.weights(s.beside(shape)));
    case 3: return s.node("PRelu", {y, s.weights(s.beside(shape, false))});
    case 4: return s.node("LeakyRelu", {y}, {{"alpha", 0.2f}});
    case 5: return s.pair("Mul", y, s.number(1));
    case 6: return s.pair("Mul", s.node("Sigmoid", {y}), y);
    case 7: return gelu(s, y);
    default: return gate(s, y, shape);
  }
}

ValueId convolution(Spelling& s, std::vector<Shape>& inputs) {
  const int64_t from = any_of<int64_t>(s.random, {1, 3, 16}), to = any_of<int64_t>(s.random, {1, 4, 16});
  const Shape shape{any_of<int64_t>(s.random, {1, 2}), from, 5, any_of<int64_t>(s.random, {1, 4, 16})};
  const ValueId x = s.input("x", {DType::float32, shape});
  inputs.push_back(shape);
  Shape out{shape[0], to, 5, shape[3]};
  ValueId y = s.node("Conv", {x, s.weights({to, from, 3, 3})}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  if (below(s.random, 3) == 0)
    y = s.node("BatchNormalization",
               {y, s.weights({to}), s.weights({to}), s.weights({to}),
                s.constant(test::random_tensor({to}, s.random(), 0.5f, 2))},
               {}, 15);
  return tail(s, y, out);
}

ValueId product(Spelling& s, std::vector<Shape>& inputs) {
  const int64_t m = any_of<int64_t>(s.random, {1, 3, 4}), n = any_of<int64_t>(s.random, {1, 3, 4});
  const bool gemm = below(s.random, 2);
  Shape shape = gemm ? Shape{} : s.shape(0, 2);
  shape.push_back(m), shape.push_back(6);
  const ValueId x = s.input("x", {DType::float32, shape});
  inputs.push_back(shape);
  Shape out = shape;
  out[out.size() - 1] = n;
  const ValueId y = gemm ? s.node("Gemm", {x, s.weights({6, n}), s.weights(s.beside({m, n}, false))})
                         : s.node("MatMul", {x, s.weights({6, n})});
  return tail(s, y, out);
}

// Products of dequantized numbers; the sums are exact in any order, so the results are the same bits.
ValueId quantized_product(Spelling& s, std::vector<Shape>& inputs) {
  const int64_t m = any_of<int64_t>(s.random, {1, 3, 4}), n = any_of<int64_t>(s.random, {1, 3, 4});
  const Shape shape{m, 6};
  const auto step = [&](ValueId x) {
    const ValueId scale = s.number(0.0625f);
    const ValueId flat = s.node("Reshape", {scale, s.constant(Tensor::make({DType::int64, {0}}))});
    const ValueId zero = s.constant(tensor(DType::int8, {}, {3}));
    return s.node("DequantizeLinear", {s.node("QuantizeLinear", {x, flat, zero}, {}, 13), flat, zero}, {}, 13);
  };
  const ValueId x = step(s.input("x", {DType::float32, shape}));
  inputs.push_back(shape);
  const ValueId w = s.constant(test::random_tensor(DType::int8, {6, n}, s.random(), -100, 100));
  const ValueId half = s.constant(tensor(DType::float32, {}, {0.5})), zero = s.constant(tensor(DType::int8, {}, {0}));
  const ValueId real = s.node("DequantizeLinear", {w, half, zero}, {}, 13);
  const ValueId c = s.constant(test::random_tensor(DType::int8, s.beside({m, n}, false), s.random(), -9, 9));
  const ValueId bias = s.node("DequantizeLinear", {c, half, zero}, {}, 13);
  ValueId y = s.node("Gemm", {x, real, bias});
  if (below(s.random, 2)) y = s.node("Add", {y, s.number(0.25f)});
  return below(s.random, 2) ? step(y) : y;
}

ValueId moves(Spelling& s, std::vector<Shape>& inputs) {
  const Shape shape = s.shape(1, 4);
  ValueId x = s.input("x", {DType::float32, shape});
  inputs.push_back(shape);
  const Shape grown = s.beside(shape);
  x = s.node("Expand", {x, s.constant(List<int64_t>(grown.data(), grown.size()))});
  x = s.pair("Mul", x, s.number(1));
  if (below(s.random, 2)) x = s.node("Unsqueeze", {x, s.constant({0})});
  if (below(s.random, 2)) x = s.node("Reshape", {x, s.constant({-1})});
  if (below(s.random, 2)) x = s.node("Flatten", {x}, {{"axis", int64_t{0}}});
  return s.node("Neg", {x});
}

// One spelling, as written and optimized: once with what is done before types are known, and once without.
void check_spelling(uint32_t seed) {
  Random random(seed);
  Spelling s(random);
  std::vector<Shape> shapes;
  const int64_t kind = below(random, 8);
  if (kind < 3) {
    shapes.push_back(s.shape(kind == 2 ? 1 : 0, 4));
    const ValueId x = s.input("x", {DType::float32, shapes[0]});
    s.output(kind == 0 ? gelu(s, x) : kind == 1 ? gate(s, x, shapes[0]) : layer_norm(s, x, shapes[0]));
  } else {
    s.output(kind == 3   ? attention(s, shapes)
             : kind == 4 ? convolution(s, shapes)
             : kind == 5 ? product(s, shapes)
             : kind == 6 ? quantized_product(s, shapes)
                         : moves(s, shapes));
  }
  std::vector<Tensor> inputs;
  for (const Shape& shape : shapes) inputs.push_back(random_tensor(shape, random(), -2, 2));
  SCOPED_TRACE(cat("seed ", seed));
  try {
    const std::vector<Tensor> plain = run_graph(s.graph, inputs, false);
    EXPECT_TRUE(close(run_graph(s.graph, inputs, true)[0], plain[0], 2e-4, 2e-5));
    const auto engine = cpu_engine(true);
    const Executor unprepared(s.graph, *engine);
    std::vector<Datum> in(inputs.size());
    for (size_t i = 0; i < in.size(); ++i) in[i].tensor = inputs[i];
    EXPECT_TRUE(close(unprepared.run(in, {})[0].tensor, plain[0], 2e-4, 2e-5));
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
}

TEST(RewriteTypes, AnyConstantsThatBroadcast) {
  EXPECT_TRUE(checked);
  const char* wanted = std::getenv("TESSERA_RANDOM_GRAPHS");
  const int count = wanted ? std::atoi(wanted) : 3000;
  for (int seed = 0; seed < count && !HasFailure(); ++seed) check_spelling(static_cast<uint32_t>(seed));
}

TEST(RewriteTypes, AGeluOfAConstantOfMoreAxesKeepsThem) {
  GraphBuilder b;
  const auto number = [&](const Shape& shape, float v) { return b.constant(random_tensor(shape, 1, v, v)); };
  const ValueId x = b.input("x", {DType::float32, {3}});
  const ValueId erf = b.node("Erf", {b.node("Div", {x, number({}, 1.41421356f)})});
  const ValueId plus = b.node("Add", {erf, number({1, 1, 1}, 1)});
  b.output(b.node("Mul", {b.node("Mul", {x, plus}), number({}, 0.5f)}));
  EXPECT_EQ(run_graph(b.graph, {random_tensor({3}, 2)}, true)[0].type.shape, (Shape{1, 1, 3}));
}

// A rewrite that forgets an axis is found.
TEST(RewriteTypes, TheCheckFindsAWrongType) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {3}});
  b.output(b.node("Relu", {b.node("Identity", {x})}));
  for (Value& value : b.graph.values) value.type = {DType::float32, {3}};
  b.graph.values[b.graph.outputs[0]].type.shape = {1, 3};
  EXPECT_THROW(optimizer::specialize(b.graph, [](const Graph&, const Node&) { return true; }), Error);
}

}  // namespace
}  // namespace tessera::test
