// Control flow, sequences and optionals, with subgraphs played by a function.
#include <functional>

#include "runtime/graph/op.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

using Body = std::function<std::vector<Datum>(Text, std::vector<Datum>)>;

Datum datum(Tensor tensor) {
  Datum made;
  made.tensor = std::move(tensor);
  return made;
}
Datum number(double value) { return datum(floats({}, {value})); }
Datum whole(int64_t value) { return datum(Tensor::scalar(value)); }
Datum flag(bool value) { return datum(tensor(DType::boolean, {}, {value ? 1.0 : 0.0})); }
double value_of(const Datum& d) { return element_as_double(d.tensor.view(), 0); }

Datum sequence(std::vector<Datum> items) {
  Datum made;
  made.kind = Kind::sequence;
  made.items = std::move(items);
  return made;
}

class PlayedFrame final : public Frame {
 public:
  PlayedFrame(const Node& node, Body body) : Frame(node), body_(std::move(body)) {}
  std::vector<Datum> run(Text name, std::vector<Datum> inputs) override { return body_(name, std::move(inputs)); }
  void check_cancelled() const override {}

 private:
  Body body_;
};

std::vector<Datum> run(Text op, std::vector<Datum> in, size_t outputs, Attrs attrs = {}, Body body = {}, int opset = 18,
                       Text domain = "") {
  Node node;
  node.op = find_op(domain, op, opset);
  if (!node.op || !node.op->execute) throw std::runtime_error("no operator " + std::string(op));
  node.attrs = std::make_shared<const Attrs>(std::move(attrs));
  PlayedFrame frame(node, std::move(body));
  frame.in = std::move(in);
  frame.out.resize(outputs);
  node.op->execute(frame);
  return std::move(frame.out);
}

TEST(OpsNnContainers, IfTakesOneBranch) {
  const Body body = [](Text name, std::vector<Datum>) -> std::vector<Datum> {
    return {number(name == "then_branch" ? 1 : 2)};
  };
  EXPECT_EQ(value_of(run("If", {flag(true)}, 1, {}, body)[0]), 1);
  EXPECT_EQ(value_of(run("If", {flag(false)}, 1, {}, body)[0]), 2);
}

TEST(OpsNnContainers, LoopCarriesStacksAndStops) {
  // The state doubles; the loop ends itself behind 4, or at the trip count.
  const Body body = [](Text, std::vector<Datum> in) -> std::vector<Datum> {
    const double doubled = 2 * value_of(in[2]);
    return {flag(doubled < 4), number(doubled), in[0]};
  };
  const auto stopped = run("Loop", {Datum{}, flag(true), number(1)}, 2, {}, body);
  EXPECT_EQ(value_of(stopped[0]), 4);
  EXPECT_TRUE(close(stopped[1].tensor, Tensor::of(std::vector<int64_t>{0, 1})));
  EXPECT_EQ(value_of(run("Loop", {whole(1), Datum{}, number(1)}, 2, {}, body)[0]), 2);
}

TEST(OpsNnContainers, ScanReadsSlicesForwardsAndBackwards) {
  const Body sum = [](Text, std::vector<Datum> in) -> std::vector<Datum> {
    const Datum total = number(value_of(in[0]) + value_of(in[1]));
    return {total, total};
  };
  const Datum xs = datum(floats({3}, {1, 2, 4}));
  const auto forwards = run("Scan", {number(0), xs}, 2, {{"num_scan_inputs", int64_t{1}}}, sum);
  EXPECT_EQ(value_of(forwards[0]), 7);
  EXPECT_TRUE(close(forwards[1].tensor, floats({3}, {1, 3, 7})));
  const auto backwards =
      run("Scan", {number(0), xs}, 2,
          {{"num_scan_inputs", int64_t{1}}, {"scan_input_directions", std::vector<int64_t>{1}}}, sum);
  EXPECT_TRUE(close(backwards[1].tensor, floats({3}, {4, 6, 7})));
}

TEST(OpsNnContainers, SequencesGrowShrinkAndJoin) {
  const Datum a = datum(floats({2}, {1, 2})), b = datum(floats({1}, {3}));
  const Datum both = run("SequenceConstruct", {a, b}, 1)[0];
  EXPECT_EQ(value_of(run("SequenceLength", {both}, 1)[0]), 2);
  EXPECT_TRUE(close(run("SequenceAt", {both, whole(-1)}, 1)[0].tensor, b.tensor));
  EXPECT_THROW(run("SequenceAt", {both, whole(2)}, 1), Error);
  EXPECT_TRUE(close(run("ConcatFromSequence", {both}, 1, {{"axis", int64_t{0}}})[0].tensor, floats({3}, {1, 2, 3})));
  const Datum more = run("SequenceInsert", {both, b, whole(0)}, 1)[0];
  EXPECT_TRUE(close(more.items[0].tensor, b.tensor));
  EXPECT_EQ(run("SequenceErase", {more}, 1)[0].items.size(), 2u);
  const Datum parts = run("SplitToSequence", {datum(floats({5}, {1, 2, 3, 4, 5})), whole(2)}, 1)[0];
  EXPECT_EQ(parts.items.size(), 3u);
  EXPECT_TRUE(close(parts.items[2].tensor, floats({1}, {5})));
  EXPECT_EQ(run("SequenceEmpty", {}, 1, {{"dtype", int64_t{7}}})[0].element, DType::int64);
}

TEST(OpsNnContainers, SequenceMapAndOptionals) {
  const Body half = [](Text, std::vector<Datum> in) -> std::vector<Datum> {
    return {number(value_of(in[0]) / value_of(in[1]))};
  };
  auto body = std::make_shared<Graph>();
  body->outputs = {body->add_value({"y", {DType::float32, {}}, true, Kind::tensor, {}, nullptr})};
  const auto mapped = run("SequenceMap", {sequence({number(2), number(6)}), number(2)}, 1, {{"body", body}}, half);
  EXPECT_EQ(value_of(mapped[0].items.at(1)), 3);
  const Datum some = run("Optional", {number(5)}, 1)[0], none = run("Optional", {}, 1)[0];
  EXPECT_EQ(value_of(run("OptionalHasElement", {some}, 1)[0]), 1);
  EXPECT_EQ(value_of(run("OptionalHasElement", {none}, 1)[0]), 0);
  EXPECT_EQ(value_of(run("OptionalGetElement", {some}, 1)[0]), 5);
  EXPECT_THROW(run("OptionalGetElement", {none}, 1), Error);
}

TEST(OpsNnContainers, ZipMapNamesColumns) {
  const auto out = run("ZipMap", {datum(floats({1, 2}, {0.25, 0.75}))}, 1,
                       {{"classlabels_strings", std::vector<std::string>{"cat", "dog"}}}, {}, 1, "ai.onnx.ml");
  ASSERT_EQ(out[0].items.size(), 1u);
  EXPECT_EQ(out[0].items[0].keys.as<String>()[1], "dog");
  EXPECT_EQ(value_of(out[0].items[0].items[1]), 0.75);
}

Datum map_of(std::vector<int64_t> keys, std::vector<Datum> values) {
  Datum map;
  map.kind = Kind::map;
  map.keys = Tensor::of(keys);
  map.items = std::move(values);
  return map;
}

TEST(OpsNnContainers, CastMapWritesARowInTheOrderOfKeys) {
  const Datum map = map_of({7, 2}, {number(0.5), number(3)});
  EXPECT_TRUE(close(run("CastMap", {map}, 1, {}, {}, 1, "ai.onnx.ml")[0].tensor, floats({1, 2}, {3, 0.5})));
  const Attrs sparse = {
      {"map_form", std::string("SPARSE")}, {"max_map", int64_t{4}}, {"cast_to", std::string("TO_INT64")}};
  EXPECT_TRUE(close(run("CastMap", {map_of({3, 1}, {number(5), number(6)})}, 1, sparse, {}, 1, "ai.onnx.ml")[0].tensor,
                    tensor(DType::int64, {1, 4}, {0, 6, 0, 5})));
  EXPECT_THROW(run("CastMap", {map}, 1, sparse, {}, 1, "ai.onnx.ml"), Error);
}

TEST(OpsNnContainers, DictVectorizerWritesTheValuesOfItsWords) {
  const Datum map = map_of({7, 2}, {number(0.5), number(3)});
  const Attrs words = {{"int64_vocabulary", std::vector<int64_t>{2, 5, 7}}};
  EXPECT_TRUE(
      close(run("DictVectorizer", {map}, 1, words, {}, 1, "ai.onnx.ml")[0].tensor, floats({1, 3}, {3, 0, 0.5})));
  EXPECT_THROW(run("DictVectorizer", {map}, 1, {}, {}, 1, "ai.onnx.ml"), Error);
}

TEST(OpsNnContainers, BoxesThatOverlapABetterOneGo) {
  const Datum boxes = datum(floats({1, 3, 4}, {0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 10, 1, 11}));
  const Datum scores = datum(floats({1, 1, 3}, {0.5, 0.9, 0.7}));
  const auto out = run("NonMaxSuppression", {boxes, scores, whole(3), number(0.5)}, 1);
  EXPECT_TRUE(close(out[0].tensor, tensor(DType::int64, {2, 3}, {0, 0, 1, 0, 0, 2})));
}

}  // namespace
}  // namespace tessera::test
