// Operators that move elements: small cases worked out by hand.
#include "tests/ops_tensor.h"

namespace tessera::test {
namespace {

using Integers = std::vector<int64_t>;
const Tensor matrix = floats({2, 3}, {1, 2, 3, 4, 5, 6});

TEST(OpsMove, ReshapeCopiesAndFillsIn) {
  expect_op({"Reshape", 14, {matrix, ints({2}, {0, -1})}}, matrix);
  expect_op({"Reshape", 14, {matrix, ints({3}, {3, -1, 1})}}, floats({3, 2, 1}, {1, 2, 3, 4, 5, 6}));
  expect_op({"Reshape", 1, {matrix}, {{"shape", Integers{6}}}}, floats({6}, {1, 2, 3, 4, 5, 6}));
  expect_op({"Reshape", 14, {floats({0, 4}, {}), ints({2}, {2, 0})}, {{"allowzero", int64_t{1}}}}, floats({2, 0}, {}));
  EXPECT_THROW(run_op({"Reshape", 14, {matrix, ints({1}, {5})}}), Error);
  EXPECT_THROW(run_op({"Reshape", 14, {matrix, ints({2}, {-1, -1})}}), Error);
}

TEST(OpsMove, AxesComeAndGo) {
  const Tensor one = floats({1, 2, 1}, {1, 2});
  expect_op({"Squeeze", 13, {one}}, floats({2}, {1, 2}));
  expect_op({"Squeeze", 13, {one, ints({1}, {-1})}}, floats({1, 2}, {1, 2}));
  expect_op({"Squeeze", 11, {one}, {{"axes", Integers{0}}}}, floats({2, 1}, {1, 2}));
  EXPECT_THROW(run_op({"Squeeze", 13, {one, ints({1}, {1})}}), Error);
  expect_op({"Unsqueeze", 13, {matrix, ints({2}, {0, -1})}}, floats({1, 2, 3, 1}, {1, 2, 3, 4, 5, 6}));
  EXPECT_THROW(run_op({"Unsqueeze", 13, {matrix, ints({2}, {0, 0})}}), Error);
  expect_op({"Flatten", 13, {matrix}, {{"axis", int64_t{0}}}}, floats({1, 6}, {1, 2, 3, 4, 5, 6}));
  expect_op({"Flatten", 13, {matrix}, {{"axis", int64_t{2}}}}, floats({6, 1}, {1, 2, 3, 4, 5, 6}));
}

TEST(OpsMove, ShapesAreValues) {
  expect_op({"Shape", 15, {matrix}}, ints({2}, {2, 3}));
  expect_op({"Shape", 15, {matrix}, {{"start", int64_t{-1}}}}, ints({1}, {3}));
  expect_op({"Shape", 15, {matrix}, {{"start", int64_t{2}}, {"end", int64_t{1}}}}, ints({0}, {}));
  expect_op({"Size", 13, {matrix}}, ints({}, {6}));
}

TEST(OpsMove, TransposePermutes) {
  expect_op({"Transpose", 13, {matrix}}, floats({3, 2}, {1, 4, 2, 5, 3, 6}));
  expect_op({"Transpose", 13, {floats({1, 2, 3}, {1, 2, 3, 4, 5, 6})}, {{"perm", Integers{2, 0, 1}}}},
            floats({3, 1, 2}, {1, 4, 2, 5, 3, 6}));
  expect_op({"Transpose", 21, {tensor(DType::int4, {2, 3}, {1, -2, 3, -4, 5, -6})}},
            tensor(DType::int4, {3, 2}, {1, -4, -2, 5, 3, -6}));
  EXPECT_THROW(run_op({"Transpose", 13, {matrix}, {{"perm", Integers{0, 0}}}}), Error);
}

TEST(OpsMove, RepeatsAndBroadcasts) {
  expect_op({"Expand", 13, {floats({2, 1}, {1, 2}), ints({2}, {1, 3})}}, floats({2, 3}, {1, 1, 1, 2, 2, 2}));
  expect_op({"Tile", 13, {floats({1, 2}, {1, 2}), ints({2}, {2, 2})}}, floats({2, 4}, {1, 2, 1, 2, 1, 2, 1, 2}));
  expect_op({"Tile", 1, {floats({2}, {1, 2}), floats({1}, {2}), floats({1}, {0})}}, floats({4}, {1, 2, 1, 2}));
  expect_op({"Tile", 13, {floats({2}, {1, 2}), ints({1}, {0})}}, floats({0}, {}));
  expect_op({"ConstantOfShape", 9, {ints({2}, {1, 2})}, {{"value", ints({1}, {7})}}}, ints({1, 2}, {7, 7}));
  expect_op({"ConstantOfShape", 9, {ints({0}, {})}}, floats({}, {0}));
}

TEST(OpsMove, ConcatAndSplit) {
  expect_op({"Concat", 13, {matrix, floats({2, 1}, {8, 9})}, {{"axis", int64_t{-1}}}},
            floats({2, 4}, {1, 2, 3, 8, 4, 5, 6, 9}));
  expect_op({"Concat", 13, {strings({1}, {"a"}), strings({1}, {"b"})}, {{"axis", int64_t{0}}}},
            strings({2}, {"a", "b"}));
  EXPECT_THROW(run_op({"Concat", 13, {matrix, floats({1}, {1})}, {{"axis", int64_t{0}}}}), Error);
  const auto uneven = run_op({"Split", 18, {matrix}, {{"axis", int64_t{1}}, {"num_outputs", int64_t{2}}}, 2});
  EXPECT_TRUE(close(uneven[0], floats({2, 2}, {1, 2, 4, 5})));
  EXPECT_TRUE(close(uneven[1], floats({2, 1}, {3, 6})));
  const auto given = run_op({"Split", 13, {matrix, ints({2}, {0, 2})}, {}, 2});
  EXPECT_TRUE(close(given[0], floats({0, 3}, {})));
  EXPECT_TRUE(close(given[1], matrix));
  const auto old = run_op({"Split", 2, {matrix}, {{"split", Integers{1, 2}}, {"axis", int64_t{1}}}, 2});
  EXPECT_TRUE(close(old[1], floats({2, 2}, {2, 3, 5, 6})));
}

TEST(OpsMove, SliceFollowsNumpy) {
  const Tensor line = floats({5}, {0, 1, 2, 3, 4});
  const auto slice = [&](double start, double end, double step) {
    return elements(
        run_op({"Slice", 13, {line, ints({1}, {start}), ints({1}, {end}), ints({1}, {0}), ints({1}, {step})}})[0]);
  };
  EXPECT_EQ(slice(1, 4, 2), (std::vector<double>{1, 3}));
  EXPECT_EQ(slice(-1, -9, -2), (std::vector<double>{4, 2, 0}));
  EXPECT_EQ(slice(3, 3, 1), std::vector<double>{});
  EXPECT_EQ(slice(-9, 9, 1), (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_EQ(slice(0, 5, -1), std::vector<double>{});
  const Tensor low = Tensor::of(Integers{std::numeric_limits<int64_t>::min()});
  EXPECT_EQ(elements(run_op({"Slice", 13, {line, ints({1}, {4}), low, ints({1}, {0}), low}})[0]),
            std::vector<double>{4});
  EXPECT_THROW(slice(0, 5, 0), Error);
  expect_op({"Slice", 1, {matrix}, {{"starts", Integers{1}}, {"ends", Integers{9}}, {"axes", Integers{1}}}},
            floats({2, 2}, {2, 3, 5, 6}));
}

TEST(OpsMove, PadCountsAxesFromTheEndToo) {
  for (const double axis : {1.0, -1.0})
    expect_op({"Pad", 18, {matrix, ints({2}, {1, 2}), {}, ints({1}, {axis})}},
              floats({2, 6}, {0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 0, 0}));
  expect_op({"Pad", 18, {matrix, ints({4}, {1, 0, 0, -2}), {}, ints({2}, {-2, -1})}}, floats({3, 1}, {0, 1, 4}));
}

TEST(OpsMove, GatherKin) {
  expect_op({"Gather", 13, {matrix, ints({2}, {-1, 0})}, {{"axis", int64_t{1}}}}, floats({2, 2}, {3, 1, 6, 4}));
  expect_op({"Gather", 13, {strings({2}, {"a", "b"}), ints({}, {1})}}, strings({}, {"b"}));
  EXPECT_THROW(run_op({"Gather", 13, {matrix, ints({1}, {2})}}), Error);
  expect_op({"GatherElements", 13, {matrix, ints({1, 3}, {1, 0, -1})}}, floats({1, 3}, {4, 2, 6}));
  expect_op({"GatherND", 13, {matrix, ints({2, 2}, {0, 0, 1, -1})}}, floats({2}, {1, 6}));
  expect_op({"GatherND", 13, {matrix, ints({2, 1}, {2, 0})}, {{"batch_dims", int64_t{1}}}}, floats({2}, {3, 4}));
  EXPECT_THROW(run_op({"GatherND", 13, {matrix, ints({1, 2}, {0, 3})}}), Error);
}

TEST(OpsMove, ScatterKin) {
  const Tensor zeros = floats({3}, {0, 0, 0});
  expect_op({"ScatterElements", 18, {zeros, ints({2}, {2, -3}), floats({2}, {5, 6})}}, floats({3}, {6, 0, 5}));
  expect_op(
      {"ScatterElements", 18, {zeros, ints({2}, {1, 1}), floats({2}, {5, 6})}, {{"reduction", std::string("add")}}},
      floats({3}, {0, 11, 0}));
  expect_op({"Scatter", 9, {zeros, ints({1}, {1}), floats({1}, {5})}}, floats({3}, {0, 5, 0}));
  expect_op(
      {"ScatterND", 18, {matrix, ints({1, 1}, {1}), floats({1, 3}, {7, 1, 9})}, {{"reduction", std::string("max")}}},
      floats({2, 3}, {1, 2, 3, 7, 5, 9}));
  EXPECT_THROW(run_op({"ScatterND", 18, {matrix, ints({1, 1}, {2}), floats({1, 3}, {7, 1, 9})}}), Error);
  expect_op({"TensorScatter",
             24,
             {floats({1, 3, 1}, {0, 0, 0}), floats({1, 2, 1}, {1, 2}), ints({1}, {2})},
             {{"mode", std::string("circular")}}},
            floats({1, 3, 1}, {2, 0, 1}));
}

TEST(OpsMove, PadModes) {
  const Tensor line = floats({3}, {1, 2, 3}), pads = ints({2}, {2, 2});
  const auto mode = [](const char* name) { return Attrs{{"mode", std::string(name)}}; };
  expect_op({"Pad", 13, {line, pads, floats({}, {9})}}, floats({7}, {9, 9, 1, 2, 3, 9, 9}));
  expect_op({"Pad", 13, {line, pads}, mode("edge")}, floats({7}, {1, 1, 1, 2, 3, 3, 3}));
  expect_op({"Pad", 13, {line, pads}, mode("reflect")}, floats({7}, {3, 2, 1, 2, 3, 2, 1}));
  expect_op({"Pad", 19, {line, pads}, mode("wrap")}, floats({7}, {2, 3, 1, 2, 3, 1, 2}));
  expect_op({"Pad", 13, {line, ints({2}, {-1, -1})}}, floats({1}, {2}));
  expect_op({"Pad", 18, {matrix, ints({2}, {0, 1}), {}, ints({1}, {0})}}, floats({3, 3}, {1, 2, 3, 4, 5, 6, 0, 0, 0}));
  expect_op({"Pad", 2, {line}, {{"pads", Integers{1, 0}}, {"value", 4.0f}}}, floats({4}, {4, 1, 2, 3}));
  EXPECT_THROW(run_op({"Pad", 13, {line, ints({2}, {-2, -2})}}), Error);
}

TEST(OpsMove, BlocksOfPixels) {
  const Tensor blocks = floats({1, 8, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7});
  const Attrs two{{"blocksize", int64_t{2}}};
  expect_op({"DepthToSpace", 13, {blocks}, two}, floats({1, 2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7}));
  expect_op({"DepthToSpace", 13, {blocks}, {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}}},
            floats({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}));
  expect_op({"SpaceToDepth", 13, {floats({1, 2, 2, 2}, {0, 2, 4, 6, 1, 3, 5, 7})}, two}, blocks);
}

TEST(OpsMove, TrianglesAndDiagonals) {
  const Tensor square = floats({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  expect_op({"Trilu", 14, {square}}, floats({3, 3}, {1, 2, 3, 0, 5, 6, 0, 0, 9}));
  expect_op({"Trilu", 14, {square, ints({}, {-1})}, {{"upper", int64_t{0}}}},
            floats({3, 3}, {0, 0, 0, 4, 0, 0, 7, 8, 0}));
  expect_op({"EyeLike", 9, {matrix}, {{"k", int64_t{1}}, {"dtype", int64_t{7}}}}, ints({2, 3}, {0, 1, 0, 0, 0, 1}));
  expect_op({"ReverseSequence", 10, {floats({3, 2}, {1, 2, 3, 4, 5, 6}), ints({2}, {2, 3})}},
            floats({3, 2}, {3, 6, 1, 4, 5, 2}));
}

TEST(OpsMove, WhereAndOneHot) {
  expect_op({"Where", 16, {bools({2, 1}, {1, 0}), floats({2}, {1, 2}), floats({}, {9})}}, floats({2, 2}, {1, 2, 9, 9}));
  expect_op({"OneHot", 11, {ints({3}, {0, -1, 7}), ints({}, {3}), floats({2}, {0, 1})}},
            floats({3, 3}, {1, 0, 0, 0, 0, 1, 0, 0, 0}));
  expect_op({"OneHot", 11, {ints({2}, {0, 1}), ints({1}, {2}), floats({2}, {2, 5})}, {{"axis", int64_t{0}}}},
            floats({2, 2}, {5, 2, 2, 5}));
}

}  // namespace
}  // namespace tessera::test
