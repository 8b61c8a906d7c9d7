// How far a graph looks, and where its pixels come from: told by the walk over the graph, of small graphs by hand.
#include "runtime/session/graph_reach.h"

#include "tests/graph_builder.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

using Numbers = std::vector<int64_t>;

GraphReach reach_of(const GraphBuilder& b, const Shape& shape) {
  const Type type{DType::float32, shape};
  return tessera::reach_of(b.graph, {&type, 1}, {});
}

void expect_window(const GraphReach& found, double low_y, double high_y, double low_x, double high_x) {
  ASSERT_TRUE(found.followed) << found.reason;
  EXPECT_FALSE(found.global) << found.reason;
  EXPECT_EQ(found.low[0].real(), low_y);
  EXPECT_EQ(found.high[0].real(), high_y);
  EXPECT_EQ(found.low[1].real(), low_x);
  EXPECT_EQ(found.high[1].real(), high_x);
}

TEST(GraphReach, AConvolutionSeesItsKernel) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  b.output(b.node("Conv", {x, b.constant(random_tensor({4, 3, 5, 3}, 1))}, {{"pads", Numbers{2, 1, 2, 1}}}));
  expect_window(reach_of(b, {1, 3, 40, 50}), -2, 2, -1, 1);
}

// What is cut off at the begin moves all pixels behind it.
TEST(GraphReach, ASliceMovesThePicture) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  const ValueId cut = b.node("Slice", {x, b.constant({4, 7}), b.constant({-2, 1000}), b.constant({2, 3})});
  b.output(b.node("Relu", {cut}));
  expect_window(reach_of(b, {1, 3, 40, 50}), 4, 4, 7, 7);
}

TEST(GraphReach, APadMovesItBack) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  b.output(b.node("Pad", {x, b.constant({0, 0, 3, 2, 0, 0, 1, 1})}));
  expect_window(reach_of(b, {1, 3, 40, 50}), -3, -3, -2, -2);
}

TEST(GraphReach, AStepTakesEverySecondPixel) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  b.output(b.node("Slice", {x, b.constant({1, 0}), b.constant({1000, 1000}), b.constant({2, 3}), b.constant({2, 3})}));
  const GraphReach found = reach_of(b, {1, 3, 40, 51});
  expect_window(found, 1, 1, 0, 0);
  EXPECT_EQ(found.step[0].real(), 2);
  EXPECT_EQ(found.step[1].real(), 3);
}

TEST(GraphReach, WhatRunsTheOtherWayIsGlobal) {
  GraphBuilder b;
  const ValueId x = b.input("x", {DType::float32, {1, 3, -1, -1}});
  b.output(b.node("Slice", {x, b.constant({-1}), b.constant({-1000}), b.constant({3}), b.constant({-1})}));
  EXPECT_TRUE(reach_of(b, {1, 3, 40, 50}).global);
}

}  // namespace
}  // namespace tessera::test
