// Graphs of half numbers, widened where that pays, give every output in its own type: as written, and near it.
#include <gtest/gtest.h>

#include "tests/graph_builder.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

struct HalfBuilder : GraphBuilder {
  DType half;
  explicit HalfBuilder(DType type) : half(type) {}

  ValueId weights(const Shape& shape) { return constant(test::random_tensor(half, shape, 5, -0.5, 0.5)); }
  // What makes widening worth while.
  ValueId product(ValueId x) { return node("MatMul", {x, weights({4, 4})}); }
  // A value of a graph around this one.
  ValueId captured(ValueId outer) {
    const ValueId inner = graph.add_value({"captured", {}, false, Kind::tensor, {}, nullptr});
    graph.captures.emplace_back(outer, inner);
    return inner;
  }
  std::shared_ptr<Graph> shared() const { return std::make_shared<Graph>(graph); }
};

std::vector<Datum> run_data(Graph graph, const std::vector<Tensor>& inputs, bool optimize) {
  const auto engine = cpu_engine(optimize);
  if (optimize) optimizer::prepare(graph);
  fold_constants(graph);
  if (optimize) optimizer::prepare(graph);
  const Executor executor(graph, *engine);
  std::vector<Datum> in(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) in[i].tensor = inputs[i];
  return executor.run(std::move(in), {});
}

void expect_near(const Datum& actual, const Datum& expected, DType half) {
  ASSERT_EQ(actual.kind, expected.kind);
  ASSERT_EQ(actual.items.size(), expected.items.size());
  for (size_t i = 0; i < actual.items.size(); ++i) expect_near(actual.items[i], expected.items[i], half);
  if (expected.kind != Kind::tensor) return;
  const double tolerance = half == DType::bfloat16 ? 0.1 : 0.01;
  EXPECT_TRUE(close(actual.tensor, expected.tensor, tolerance, tolerance));
}

void expect_same(const HalfBuilder& b, const std::vector<Tensor>& inputs) {
  const auto plain = run_data(b.graph, inputs, false), fast = run_data(b.graph, inputs, true);
  ASSERT_EQ(plain.size(), fast.size());
  for (size_t i = 0; i < plain.size(); ++i) {
    SCOPED_TRACE(cat("output ", i, " of ", name_of(b.half)));
    expect_near(fast[i], plain[i], b.half);
  }
}

constexpr DType halves[] = {DType::float16, DType::bfloat16};

TEST(HalfTypes, OutputsThatAreConstants) {
  for (const DType half : halves) {
    HalfBuilder b(half);
    const ValueId x = b.input("x", {half, {2, 4}});
    b.output(b.product(x));
    b.output(b.weights({3}));
    b.output(b.node("Mul", {b.weights({3}), b.weights({3})}));
    const ValueId shape = b.node("Shape", {x});
    b.output(b.node("ConstantOfShape", {shape}, {{"value", tensor(half, {1}, {7})}}));
    b.output(x);
    expect_same(b, {random_tensor(half, {2, 4}, 1)});
  }
}

// No declaration says what they are, or a wrong one does.
TEST(HalfTypes, OutputsWithoutADeclaredType) {
  for (const DType half : halves)
    for (const DType declared : {DType::undefined, half, DType::float32}) {
      HalfBuilder b(half);
      const ValueId x = b.input("x", {half, {2, 4}}), y = b.product(x);
      b.output(y);
      b.output(b.node("Cast", {b.node("Relu", {y})}, {{"to", int64_t{1}}}));
      b.graph.values[y].type.dtype = declared;
      expect_same(b, {random_tensor(half, {2, 4}, 1)});
    }
}

TEST(HalfTypes, SequencesAndOptionals) {
  for (const DType half : halves) {
    HalfBuilder b(half);
    const ValueId x = b.input("x", {half, {2, 4}}), y = b.product(x);
    const ValueId list = b.node("SequenceConstruct", {y, b.weights({2}), x});
    b.output(list);
    b.output(b.node("Optional", {y}));
    const ValueId again = b.product(b.node("SequenceAt", {list, b.constant({0})}));
    b.output(again);
    b.output(b.node("SplitToSequence", {again, b.constant({1, 1})}, {{"axis", int64_t{0}}}));
    b.output(b.node("OptionalGetElement", {b.node("Optional", {again})}));
    expect_same(b, {random_tensor(half, {2, 4}, 1)});
  }
}

TEST(HalfTypes, BodiesThatCapture) {
  for (const DType half : halves)
    for (const bool taken : {true, false}) {
      HalfBuilder b(half), then(half), otherwise(half);
      const ValueId x = b.input("x", {half, {2, 4}}), y = b.product(x);
      const ValueId condition = b.input("condition", {DType::boolean, {}});
      then.output(then.product(then.captured(y)));
      otherwise.output(otherwise.captured(y));
      const ValueId chosen =
          b.node("If", {condition}, {{"then_branch", then.shared()}, {"else_branch", otherwise.shared()}});
      b.output(b.node("Add", {b.product(chosen), y}));
      b.output(chosen);
      expect_same(b, {random_tensor(half, {2, 4}, 1), tensor(DType::boolean, {}, {taken ? 1.0 : 0.0})});
    }
}

TEST(HalfTypes, LoopsCarryHalves) {
  for (const DType half : halves) {
    HalfBuilder b(half), body(half);
    const ValueId x = b.input("x", {half, {2, 4}}), y = b.product(x);
    body.input("round", {DType::int64, {}});
    const ValueId going = body.input("going", {DType::boolean, {}});
    const ValueId state = body.input("state", {half, {2, 4}});
    const ValueId next = body.node("Tanh", {body.node("Add", {body.product(state), body.captured(y)})});
    body.output(body.node("Identity", {going}));
    body.output(next);
    body.output(body.product(next));
    const auto out = b.nodes("Loop", {b.constant(Tensor::scalar(3)), absent, y}, 2, {{"body", body.shared()}});
    for (const ValueId id : out) b.output(id);
    b.output(b.product(out[0]));
    expect_same(b, {random_tensor(half, {2, 4}, 1)});
  }
}

// A bit pattern is no number.
TEST(HalfTypes, BitsStayWhatTheyAre) {
  HalfBuilder b(DType::float16);
  const ValueId x = b.input("x", {DType::float16, {2, 4}}), y = b.product(x);
  b.output(b.node("BitCast", {x}, {{"to", static_cast<int64_t>(DType::uint16)}}, 26));
  b.output(y);
  expect_same(b, {random_tensor(DType::float16, {2, 4}, 1)});
}

}  // namespace
}  // namespace tessera::test
