// Loops and scans of no rounds: what they stack has no rows, and otherwise the type of one round.
#include <gtest/gtest.h>

#include "tests/graph_builder.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

constexpr DType real = DType::float32;

ValueId captured(GraphBuilder& body, ValueId outer) {
  const ValueId inner = body.graph.add_value({"captured", {}, false, Kind::tensor, {}, nullptr});
  body.graph.captures.emplace_back(outer, inner);
  return inner;
}

Tensor flag(bool value) { return tensor(DType::boolean, {}, {value ? 1.0 : 0.0}); }

enum class Body { plain, captures, rows_by_data, unknown };

// One carried value and one stack of its double.
GraphBuilder loop(Body kind, bool declared) {
  GraphBuilder b, body;
  const ValueId rounds = b.input("rounds", {DType::int64, {}}), going = b.input("going", {DType::boolean, {}});
  const ValueId x = b.input("x", {real, {2, 3}});
  body.input("round", {DType::int64, {}});
  const ValueId still = body.input("still", {DType::boolean, {}}), state = body.input("state", {real, {2, 3}});
  body.output(body.node("Identity", {still}));
  body.output(body.node("Tanh", {state}));
  ValueId y = body.node("Add", {state, kind == Body::captures ? captured(body, x) : state});
  if (kind == Body::rows_by_data)
    y = body.node("Compress",
                  {y, body.node("Greater", {body.node("ReduceSum", {y, body.constant({1})}, {{"keepdims", int64_t{0}}}),
                                            body.constant(tensor(real, {}, {0}))})},
                  {{"axis", int64_t{0}}});
  if (kind == Body::unknown)
    y = body.node("SequenceAt", {body.node("SequenceConstruct", {y}), body.constant(Tensor::scalar(0))});
  if (declared) {
    body.graph.values[y].type = {real, {-1, 3}};
    body.graph.values[y].ranked = true;
  }
  body.output(y);
  const auto out = b.nodes("Loop", {rounds, going, x}, 2, {{"body", std::make_shared<Graph>(body.graph)}});
  b.output(out[0]);
  b.output(out[1]);
  return b;
}

TEST(NoRounds, LoopsGiveTheTypeOfOneRound) {
  const Tensor x = random_tensor(real, {2, 3}, 1);
  for (const bool optimize : {false, true})
    for (const Body kind : {Body::plain, Body::captures, Body::rows_by_data, Body::unknown})
      for (const bool declared : {false, true})
        for (const bool by_count : {false, true}) {
          const GraphBuilder b = loop(kind, declared);
          const std::vector<Tensor> in{Tensor::scalar(by_count ? 0 : 3), flag(by_count), x};
          const bool inferred = kind == Body::plain || kind == Body::captures;
          if (!inferred && !declared) {
            try {
              run_graph(b.graph, in, optimize);
              ADD_FAILURE() << "there is no type to give";
            } catch (const Error& error) {
              EXPECT_NE(std::string(error.what()).find("has to declare"), std::string::npos) << error.what();
            }
            continue;
          }
          const auto out = run_graph(b.graph, in, optimize);
          EXPECT_TRUE(close(out[0], x, 0, 0));
          EXPECT_EQ(cat(out[1].type), inferred ? "float32[0,2,3]" : "float32[0,0,3]");
          const auto some = run_graph(b.graph, {Tensor::scalar(2), flag(true), x}, optimize);
          EXPECT_EQ(some[1].type.shape[0], 2);
        }
}

TEST(NoRounds, ScansGiveTheTypeOfOneStep) {
  for (const int64_t axis : {0, 1, -1})
    for (const int64_t length : {0, 4}) {
      GraphBuilder b, body;
      const ValueId state = b.input("state", {real, {5}}), x = b.input("x", {real, {2, length, 5}});
      const ValueId sum = body.input("sum", {real, {5}}), row = body.input("row", {real, {2, 5}});
      body.output(body.node(
          "Add",
          {sum, body.node("ReduceMax", {row}, {{"axes", std::vector<int64_t>{0}}, {"keepdims", int64_t{0}}}, 13)}));
      body.output(body.node("Neg", {row}));
      const auto out = b.nodes("Scan", {state, x}, 2,
                               {{"body", std::make_shared<Graph>(body.graph)},
                                {"num_scan_inputs", int64_t{1}},
                                {"scan_input_axes", std::vector<int64_t>{1}},
                                {"scan_output_axes", std::vector<int64_t>{axis}}});
      b.output(out[0]);
      b.output(out[1]);
      const auto result =
          run_graph(b.graph, {random_tensor(real, {5}, 1), random_tensor(real, {2, length, 5}, 2)}, true);
      EXPECT_EQ(result[1].type.shape, axis == 0   ? (Shape{length, 2, 5})
                                      : axis == 1 ? (Shape{2, length, 5})
                                                  : (Shape{2, 5, length}));
    }
}

TEST(NoRounds, AScanOfNoSequences) {
  for (const int64_t batch : {0, 2}) {
    GraphBuilder b, body;
    const ValueId state = b.input("state", {real, {batch, 5}}), x = b.input("x", {real, {batch, 4, 5}});
    const ValueId sum = body.input("sum", {real, {5}}), row = body.input("row", {real, {5}});
    const ValueId next = body.node("Add", {sum, row});
    body.output(next);
    body.output(body.node("Concat", {next, next}, {{"axis", int64_t{0}}}));
    const auto out = b.nodes("Scan", {absent, state, x}, 2,
                             {{"body", std::make_shared<Graph>(body.graph)}, {"num_scan_inputs", int64_t{1}}}, 8);
    b.output(out[0]);
    b.output(out[1]);
    const auto result =
        run_graph(b.graph, {random_tensor(real, {batch, 5}, 1), random_tensor(real, {batch, 4, 5}, 2)}, false);
    EXPECT_EQ(result[0].type.shape, (Shape{batch, 5}));
    EXPECT_EQ(result[1].type.shape, (Shape{batch, 4, 10}));
  }
}

}  // namespace
}  // namespace tessera::test
