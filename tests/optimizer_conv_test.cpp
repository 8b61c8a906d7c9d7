// Rewrites of convolutions: the graph gives the same before and after, and the rewrite happened where it
// is exact and pays, and nowhere else.

#include <gtest/gtest.h>

#include "tests/graph_builder.h"

namespace tessera::test {
namespace {

struct ConvOf {
  int64_t from, to, kernel = 1;
  int64_t pad = 0;
  int64_t stride = 1;
  bool bias = true;
  int64_t groups = 1;
};

ValueId conv(GraphBuilder& b, ValueId x, const ConvOf& c, unsigned seed) {
  const float limit = 1.0f / std::sqrt(static_cast<float>(c.from / c.groups * c.kernel * c.kernel));
  const ValueId w = b.constant(random_tensor({c.to, c.from / c.groups, c.kernel, c.kernel}, seed, -limit, limit));
  const ValueId bias = c.bias ? b.constant(random_tensor({c.to}, seed + 1)) : absent;
  return b.node("Conv", {x, w, bias},
                {{"pads", std::vector<int64_t>{c.pad, c.pad, c.pad, c.pad}},
                 {"strides", std::vector<int64_t>{c.stride, c.stride}},
                 {"group", c.groups}});
}

// The convolutions that are left; the results must agree.
std::vector<Node> left_of(const Graph& graph, const Tensor& input) {
  const auto plain = run_graph(graph, {input}, false);
  const auto fast = run_graph(graph, {input}, true, 2);
  EXPECT_EQ(plain.size(), fast.size());
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_LE(relative_difference(plain[i], fast[i]), 2e-6);
  Graph prepared = graph;
  optimizer::prepare(prepared);
  std::vector<Node> convs;
  for (const Node& node : prepared.nodes)
    if (node.op->name == "Conv") convs.push_back(node);
  return convs;
}

size_t chain(const ConvOf& first, const ConvOf& second) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {2, first.from, 13, 11}});
  b.output(b.node("Relu", {conv(b, conv(b, x, first, 1), second, 3)}));
  return left_of(b.graph, random_tensor({2, first.from, 13, 11}, 5)).size();
}

TEST(OptimizerConv, A1x1BehindAConvolutionJoinsIt) {
  EXPECT_EQ(chain({5, 40, 3, 1}, {40, 7}), 1u);
  EXPECT_EQ(chain({5, 40, 3, 1, 2}, {40, 7}), 1u);  // strided
  EXPECT_EQ(chain({5, 40, 5, 2}, {40, 7, 1, 0, 1, false}), 1u);
  EXPECT_EQ(chain({5, 40}, {40, 7}), 1u);
  EXPECT_EQ(chain({5, 8, 3, 1}, {8, 64}), 2u);              // costs more merged
  EXPECT_EQ(chain({5, 40, 3, 1}, {40, 7, 1, 1}), 2u);       // pads between
  EXPECT_EQ(chain({5, 40, 3, 1}, {40, 7, 1, 0, 2}), 2u);    // leaves pixels out
  EXPECT_EQ(chain({8, 8, 3, 1, 1, true, 8}, {8, 16}), 2u);  // depthwise
}

TEST(OptimizerConv, A1x1BeforeAConvolutionJoinsItWhereBordersAgree) {
  EXPECT_EQ(chain({3, 40}, {40, 20, 3, 0}), 1u);
  EXPECT_EQ(chain({3, 40}, {40, 20, 3, 0, 2}), 1u);
  EXPECT_EQ(chain({3, 40, 1, 0, 1, false}, {40, 20, 3, 1}), 1u);
  EXPECT_EQ(chain({3, 40}, {40, 20, 3, 1}), 2u);  // the bias is not at the border
  EXPECT_EQ(chain({40, 3}, {3, 20, 3, 0}), 2u);   // costs more merged
}

TEST(OptimizerConv, ValuesThatAreNeededElsewhereStay) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 4, 9, 9}});
  const ValueId y = conv(b, x, {4, 40, 3, 1}, 1);
  b.output(y);
  b.output(conv(b, y, {40, 4}, 3));
  EXPECT_EQ(left_of(b.graph, random_tensor({1, 4, 9, 9}, 5)).size(), 2u);
}

size_t sum(const ConvOf& first, const ConvOf& second, bool same_input = true) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {2, first.from, 13, 11}});
  const ValueId other = same_input ? x : b.node("Relu", {x});
  b.output(b.node("Relu", {b.node("Add", {conv(b, x, first, 1), conv(b, other, second, 3)})}));
  return left_of(b.graph, random_tensor({2, first.from, 13, 11}, 5)).size();
}

TEST(OptimizerConv, ParallelConvolutionsThatAreAddedAreOne) {
  EXPECT_EQ(sum({6, 9, 3, 1}, {6, 9}), 1u);
  EXPECT_EQ(sum({6, 9}, {6, 9, 5, 2, 1, false}), 1u);
  EXPECT_EQ(sum({6, 9, 3, 1, 2}, {6, 9, 1, 0, 2}), 1u);
  EXPECT_EQ(sum({6, 9, 3, 1}, {6, 9, 3, 1}), 1u);
  EXPECT_EQ(sum({6, 9, 3, 1}, {6, 9}, false), 2u);
}

TEST(OptimizerConv, BranchesOfATrainedBlockAreOneConvolution) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 16, 20, 20}});
  const ValueId wide = conv(b, conv(b, x, {16, 64, 3, 1}, 1), {64, 16}, 3);
  const ValueId narrow = conv(b, x, {16, 16}, 5);
  b.output(b.node("Relu", {b.node("Add", {b.node("Add", {wide, narrow}), x})}));
  EXPECT_EQ(left_of(b.graph, random_tensor({1, 16, 20, 20}, 5)).size(), 1u);
}

int64_t groups_left(const ConvOf& c) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {2, c.from, 27, 25}});
  b.output(b.node("Relu", {conv(b, x, c, 1)}));
  const auto convs = left_of(b.graph, random_tensor({2, c.from, 27, 25}, 5));
  return convs.empty() ? 0 : AttrReader(convs[0]).integer("group");
}

TEST(OptimizerConv, NarrowGroupsAreWidenedWherePaddingThemPays) {
  EXPECT_EQ(groups_left({32, 32, 3, 1, 1, true, 4}), 1);  // Winograd
  EXPECT_EQ(groups_left({20, 24, 3, 1, 1, true, 2}), 1);
  EXPECT_EQ(groups_left({128, 128, 3, 1, 2, true, 32}), 8);  // blocks of sixteen
  EXPECT_EQ(groups_left({64, 64, 1, 0, 1, true, 8}), 4);
  EXPECT_EQ(groups_left({64, 64, 3, 1, 1, true, 64}), 64);  // depthwise
  EXPECT_EQ(groups_left({64, 64, 3, 1, 1, true, 4}), 4);    // filled
  EXPECT_EQ(groups_left({300, 300, 5, 2, 1, true, 3}), 3);  // large
}

// How many ConvTranspose are left in a plan.
size_t transposed(int64_t outputs, int64_t kernel, std::vector<int64_t> pads, std::vector<int64_t> extra,
                  int64_t stride = 2) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {2, 20, 13, 21}});
  const ValueId w = b.constant(random_tensor({20, outputs, kernel, kernel}, 1, -0.1f, 0.1f));
  const ValueId y = b.node("ConvTranspose", {x, w, b.constant(random_tensor({outputs}, 2))},
                           {{"pads", std::move(pads)},
                            {"output_padding", std::move(extra)},
                            {"strides", std::vector<int64_t>{stride, stride}}});
  b.output(b.node("LeakyRelu", {y}));
  const std::vector<Tensor> in = {random_tensor({2, 20, 13, 21}, 5)};
  EXPECT_LE(relative_difference(run_graph(b.graph, in, false)[0], run_graph(b.graph, in, true, 2)[0]), 2e-6);
  optimizer::prepare(b.graph);
  const auto engine = cpu_engine(true);
  const Executor executor(b.graph, *engine);
  bool whole = false;
  const auto plan = executor.first_plan({&in[0].type, 1}, &whole);
  size_t count = 0;
  for (const Step& step : plan->steps()) count += step.node->op->name == "ConvTranspose";
  return count;
}

TEST(OptimizerConv, ATransposedOneOfFewOutputsIsAShuffledConvolution) {
  EXPECT_EQ(transposed(1, 9, {4, 4, 4, 4}, {1, 1}), 0u);
  EXPECT_EQ(transposed(1, 9, {3, 4, 5, 4}, {1, 1}), 0u);
  EXPECT_EQ(transposed(1, 4, {1, 1, 1, 1}, {0, 0}), 0u);
  EXPECT_EQ(transposed(1, 3, {1, 0, 0, 1}, {0, 0}), 0u);
  EXPECT_EQ(transposed(1, 2, {0, 0, 0, 0}, {0, 0}), 0u);
  EXPECT_EQ(transposed(1, 9, {4, 4, 4, 4}, {0, 0}), 1u);     // a row and a column less
  EXPECT_EQ(transposed(3, 4, {1, 1, 1, 1}, {0, 0}), 1u);     // too many outputs
  EXPECT_EQ(transposed(1, 9, {3, 3, 3, 3}, {0, 0}, 3), 1u);  // too many phases
}

}  // namespace
}  // namespace tessera::test
