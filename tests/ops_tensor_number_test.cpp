// Elementwise operators, comparisons, casts, reductions and searches: small cases by hand.
#include <limits>

#include "ops/elementwise.h"
#include "tests/ops_tensor.h"

namespace tessera::test {
namespace {

using Integers = std::vector<int64_t>;
constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
const Tensor matrix = floats({2, 3}, {1, 2, 3, 4, 5, 6});

TEST(OpsNumber, UnaryRows) {
  const Tensor x = floats({3}, {-2, 0, 3});
  expect_op({"Relu", 14, {x}}, floats({3}, {0, 0, 3}));
  expect_op({"LeakyRelu", 6, {x}}, floats({3}, {-0.02, 0, 3}));
  expect_op({"Sigmoid", 13, {floats({2}, {0, 100})}}, floats({2}, {0.5, 1}));
  expect_op({"Round", 11, {floats({4}, {0.5, 1.5, -2.5, 2.4})}}, floats({4}, {0, 2, -2, 2}));
  expect_op({"Elu", 6, {x}, {{"alpha", 2.0f}}}, floats({3}, {2 * (std::exp(-2.0) - 1), 0, 3}));
  expect_op({"Celu", 12, {x}, {{"alpha", 2.0f}}}, floats({3}, {2 * (std::exp(-1.0) - 1), 0, 3}));
  expect_op({"HardSigmoid", 6, {x}}, floats({3}, {0.1, 0.5, 1}));
  expect_op({"ThresholdedRelu", 10, {x}}, floats({3}, {0, 0, 3}));
  expect_op({"Shrink", 9, {x}, {{"bias", 1.5f}, {"lambd", 1.5f}}}, floats({3}, {-0.5, 0, 1.5}));
  expect_op({"Gelu", 20, {floats({2}, {1, -1})}}, floats({2}, {0.8413447, -0.1586553}));
  expect_op({"Gelu", 20, {floats({1}, {1})}, {{"approximate", std::string("tanh")}}}, floats({1}, {0.841192}));
  expect_op({"Swish", 24, {floats({1}, {1})}, {{"alpha", 2.0f}}}, floats({1}, {0.880797}));
  expect_op({"Affine", 1, {x}, {{"alpha", 2.0f}, {"beta", 1.0f}}}, floats({3}, {-3, 1, 7}));
  expect_op({"Sign", 13, {floats({4}, {-2, 0, 3, nan})}}, floats({4}, {-1, 0, 1, nan}));
  expect_op({"Neg", 13, {tensor(DType::int8, {2}, {-128, 5})}}, tensor(DType::int8, {2}, {-128, -5}));
  expect_op({"Exp", 13, {tensor(DType::float16, {1}, {1})}}, tensor(DType::float16, {1}, {2.71828}));
}

TEST(OpsNumber, ClipTakesAttributesOrInputs) {
  const Tensor x = floats({3}, {-2, 0, 3});
  expect_op({"Clip", 6, {x}, {{"max", 1.0f}}}, floats({3}, {-2, 0, 1}));
  expect_op({"Clip", 13, {x, floats({}, {-1})}}, floats({3}, {-1, 0, 3}));
  expect_op({"Clip", 13, {x, {}, floats({}, {2})}}, floats({3}, {-2, 0, 2}));
  expect_op({"Clip", 13, {x, floats({}, {2}), floats({}, {1})}}, floats({3}, {1, 1, 1}));
  expect_op({"Clip", 13, {ints({2}, {-5, 5}), ints({}, {-1}), ints({}, {1})}}, ints({2}, {-1, 1}));
}

TEST(OpsNumber, BinaryRowsBroadcast) {
  expect_op({"Add", 14, {floats({2, 1}, {1, 2}), floats({2}, {10, 20})}}, floats({2, 2}, {11, 21, 12, 22}));
  expect_op({"Sub", 14, {floats({}, {1}), floats({2}, {10, 20})}}, floats({2}, {-9, -19}));
  expect_op({"Mul", 1, {matrix, floats({2}, {1, 2})}, {{"broadcast", int64_t{1}}, {"axis", int64_t{0}}}},
            floats({2, 3}, {1, 2, 3, 8, 10, 12}));
  expect_op({"Div", 14, {ints({3}, {7, -7, 7}), ints({3}, {2, 2, 0})}}, ints({3}, {3, -3, 0}));
  const Tensor low = tensor(DType::int32, {1}, {-2147483648.0});
  expect_op({"Div", 14, {low, tensor(DType::int32, {1}, {-1})}}, low);
  expect_op({"Add", 14, {tensor(DType::uint8, {1}, {255}), tensor(DType::uint8, {1}, {2})}},
            tensor(DType::uint8, {1}, {1}));
  expect_op({"PRelu", 16, {floats({1, 2, 2}, {-1, 1, -1, 1}), floats({2, 1}, {2, 3})}},
            floats({1, 2, 2}, {-2, 1, -3, 1}));
  expect_op({"PRelu", 6, {floats({1, 2, 2}, {-1, 1, -1, 1}), floats({2}, {2, 3})}}, floats({1, 2, 2}, {-2, 1, -3, 1}));
  EXPECT_THROW(run_op({"Add", 14, {matrix, floats({2}, {1, 2})}}), Error);
  EXPECT_THROW(run_op({"Add", 14, {matrix, ints({1}, {1})}}), Error);
}

TEST(OpsNumber, PowMixesTypes) {
  expect_op({"Pow", 15, {floats({2}, {2, 9}), floats({2}, {3, 0.5})}}, floats({2}, {8, 3}));
  expect_op({"Pow", 15, {floats({2}, {2, 3}), ints({}, {2})}}, floats({2}, {4, 9}));
  expect_op({"Pow", 15, {ints({4}, {2, -1, 3, -1}), ints({4}, {10, -3, -1, -2})}}, ints({4}, {1024, -1, 0, 1}));
  expect_op({"Pow", 15, {ints({2}, {4, 9}), floats({}, {0.5})}}, ints({2}, {2, 3}));
}

TEST(OpsNumber, AnyNumberOfInputs) {
  const Tensor x = floats({2}, {1, 4}), y = floats({1}, {2}), z = floats({2, 1}, {0, 3});
  expect_op({"Max", 13, {x, y, z}}, floats({2, 2}, {2, 4, 3, 4}));
  expect_op({"Min", 13, {x, y}}, floats({2}, {1, 2}));
  expect_op({"Sum", 13, {x, y, x}}, floats({2}, {4, 10}));
  expect_op({"Mean", 13, {x, y}}, floats({2}, {1.5, 3}));
  expect_op({"Max", 13, {floats({2}, {nan, 1}), floats({2}, {1, nan})}}, floats({2}, {nan, nan}));
}

TEST(OpsNumber, RowsMayWorkInPlace) {
  const Tensor x = matrix.clone();
  elementwise::apply_binary(elementwise::Sub, x.view(), floats({3}, {1, 1, 1}).view(), x.view());
  elementwise::apply_unary(elementwise::Affine, 2, 1, x.view(), x.view());
  EXPECT_TRUE(close(x, floats({2, 3}, {1, 3, 5, 7, 9, 11})));
}

TEST(OpsNumber, CompareAndLogic) {
  expect_op({"Less", 13, {matrix, floats({3}, {2, 2, 9})}}, bools({2, 3}, {1, 0, 1, 0, 0, 1}));
  expect_op({"GreaterOrEqual", 16, {ints({2}, {1, 2}), ints({}, {2})}}, bools({2}, {0, 1}));
  expect_op({"Equal", 19, {strings({2}, {"a", "b"}), strings({1}, {"b"})}}, bools({2}, {0, 1}));
  expect_op({"Equal", 1, {matrix, floats({2}, {1, 4})}, {{"axis", int64_t{0}}}}, bools({2, 3}, {1, 0, 0, 1, 0, 0}));
  expect_op({"Xor", 7, {bools({2}, {0, 1}), bools({}, {1})}}, bools({2}, {1, 0}));
  expect_op({"Not", 1, {bools({2}, {0, 1})}}, bools({2}, {1, 0}));
  expect_op({"BitShift",
             11,
             {tensor(DType::uint8, {2}, {129, 1}), tensor(DType::uint8, {2}, {1, 8})},
             {{"direction", std::string("LEFT")}}},
            tensor(DType::uint8, {2}, {2, 0}));
  expect_op({"BitwiseNot", 18, {tensor(DType::int8, {2}, {0, 5})}}, tensor(DType::int8, {2}, {-1, -6}));
  expect_op({"IsInf", 10, {floats({3}, {inf, -inf, nan})}, {{"detect_negative", int64_t{0}}}}, bools({3}, {1, 0, 0}));
  expect_op({"IsNaN", 13, {floats({2}, {inf, nan})}}, bools({2}, {0, 1}));
}

TEST(OpsNumber, ModNeverTraps) {
  const Tensor low = tensor(DType::int32, {1}, {-2147483648.0});
  expect_op({"Mod", 13, {ints({4}, {-7, 7, -7, 7}), ints({4}, {3, -3, -3, 0})}}, ints({4}, {2, -2, -1, 0}));
  expect_op({"Mod", 13, {low, tensor(DType::int32, {1}, {-1})}}, tensor(DType::int32, {1}, {0}));
  expect_op({"Mod", 13, {ints({1}, {-7}), ints({1}, {3})}, {{"fmod", int64_t{1}}}}, ints({1}, {-1}));
  expect_op({"Mod", 13, {floats({1}, {-4.3}), floats({1}, {2.1})}, {{"fmod", int64_t{1}}}}, floats({1}, {-0.1}));
  EXPECT_THROW(run_op({"Mod", 13, {floats({1}, {1}), floats({1}, {1})}}), Error);
}

Tensor cast(const Tensor& x, DType to, Attrs attrs = {}) {
  attrs.emplace_back("to", static_cast<int64_t>(to));
  return run_op({"Cast", 25, {x}, attrs})[0];
}

TEST(OpsNumber, CastBetweenKinds) {
  EXPECT_EQ(elements(cast(floats({4}, {-1.7, 1.7, 1e30, nan}), DType::int32)),
            (std::vector<double>{-1, 1, 2147483647, 0}));
  EXPECT_EQ(elements(cast(ints({2}, {257, -1}), DType::uint8)), (std::vector<double>{1, 255}));
  EXPECT_EQ(elements(cast(floats({3}, {0, 0.5, nan}), DType::boolean)), (std::vector<double>{0, 1, 1}));
  EXPECT_EQ(elements(cast(floats({2}, {65520, 1e-8}), DType::float16)), (std::vector<double>{inf, 0}));
  // Between two 16-bit floats lies a double that a float would round the wrong way.
  EXPECT_EQ(elements(cast(tensor(DType::float64, {1}, {1 + 0x1p-11 + 0x1p-40}), DType::float16))[0], 1 + 0x1p-10);
  EXPECT_EQ(elements(cast(floats({2}, {1000, -1000}), DType::float8e4m3fn)), (std::vector<double>{448, -448}));
  EXPECT_TRUE(std::isnan(elements(cast(floats({1}, {1000}), DType::float8e4m3fn, {{"saturate", int64_t{0}}}))[0]));
  EXPECT_EQ(elements(cast(ints({3}, {-1, 7, 9}), DType::int4)), (std::vector<double>{-1, 7, -7}));
  EXPECT_EQ(elements(cast(floats({3}, {3, 4, 0.4}), DType::float8e8m0)), (std::vector<double>{4, 4, 0.5}));
  EXPECT_EQ(elements(cast(floats({1}, {3}), DType::float8e8m0, {{"round_mode", std::string("down")}})),
            std::vector<double>{2});
  EXPECT_EQ(elements(run_op({"CastLike", 19, {floats({1}, {2.9}), ints({}, {0})}})[0]), std::vector<double>{2});
  EXPECT_EQ(elements(run_op({"Cast", 1, {floats({1}, {2.9})}, {{"to", std::string("INT64")}}})[0]),
            std::vector<double>{2});
}

TEST(OpsNumber, CastStrings) {
  EXPECT_EQ(words(cast(floats({3}, {0.1, -inf, nan}), DType::string)),
            (std::vector<std::string>{"0.1", "-INF", "NaN"}));
  EXPECT_EQ(words(cast(ints({1}, {-5}), DType::string)), std::vector<std::string>{"-5"});
  EXPECT_EQ(elements(cast(strings({4}, {" 1.5", "-INF", "1e3", "+2"}), DType::float32)),
            (std::vector<double>{1.5, -inf, 1000, 2}));
  const Tensor large = cast(strings({1}, {"9223372036854775807"}), DType::int64);
  EXPECT_EQ(*large.as<int64_t>(), std::numeric_limits<int64_t>::max());
  EXPECT_THROW(cast(strings({1}, {"one"}), DType::float32), Error);
}

TEST(OpsNumber, BitCastKeepsBits) {
  const auto bits = run_op({"BitCast", 26, {floats({1}, {1})}, {{"to", int64_t{6}}}});
  EXPECT_EQ(elements(bits[0])[0], 0x3f800000);
  EXPECT_THROW(run_op({"BitCast", 26, {floats({1}, {1})}, {{"to", int64_t{7}}}}), Error);
}

TEST(OpsNumber, Reductions) {
  const Attrs flat{{"keepdims", int64_t{0}}};
  expect_op({"ReduceSum", 13, {matrix, ints({1}, {1})}}, floats({2, 1}, {6, 15}));
  expect_op({"ReduceSum", 13, {matrix, ints({1}, {0})}, flat}, floats({3}, {5, 7, 9}));
  expect_op({"ReduceSum", 13, {matrix}, flat}, floats({}, {21}));
  expect_op({"ReduceSum", 13, {matrix}, {{"noop_with_empty_axes", int64_t{1}}}}, matrix);
  expect_op({"ReduceMean", 11, {matrix}, {{"axes", Integers{-1}}}}, floats({2, 1}, {2, 5}));
  expect_op({"ReduceMax", 18, {tensor(DType::uint64, {2}, {3, 9})}, flat}, tensor(DType::uint64, {}, {9}));
  expect_op({"ReduceMin", 20, {bools({2}, {1, 0})}, flat}, bools({}, {0}));
  expect_op({"ReduceProd", 18, {ints({3}, {2, 3, 4})}, flat}, ints({}, {24}));
  expect_op({"ReduceL1", 18, {floats({2}, {-3, 4})}, flat}, floats({}, {7}));
  expect_op({"ReduceL2", 18, {floats({2}, {-3, 4})}, flat}, floats({}, {5}));
  expect_op({"ReduceSumSquare", 18, {floats({2}, {-3, 4})}, flat}, floats({}, {25}));
  expect_op({"ReduceLogSum", 18, {floats({2}, {1, 2})}, flat}, floats({}, {std::log(3.0)}));
  expect_op({"ReduceLogSumExp", 18, {floats({2}, {1000, 1000})}, flat}, floats({}, {1000 + std::log(2.0)}));
  expect_op({"ReduceMax", 18, {floats({0, 2}, {}), ints({1}, {0})}, flat}, floats({2}, {-inf, -inf}));
  expect_op({"ReduceProd", 18, {floats({0, 2}, {}), ints({1}, {0})}, flat}, floats({2}, {1, 1}));
  expect_op({"ReduceMean", 18, {tensor(DType::float16, {2, 2}, {1, 2, 3, 4}), ints({1}, {0})}, flat},
            tensor(DType::float16, {2}, {2, 3}));
}

TEST(OpsNumber, PlacesAndOrder) {
  const Tensor x = floats({2, 3}, {3, 9, 9, 7, 1, 1});
  expect_op({"ArgMax", 13, {x}, {{"axis", int64_t{1}}}}, ints({2, 1}, {1, 0}));
  expect_op({"ArgMax", 13, {x}, {{"axis", int64_t{1}}, {"select_last_index", int64_t{1}}}}, ints({2, 1}, {2, 0}));
  expect_op({"ArgMin", 13, {x}, {{"keepdims", int64_t{0}}}}, ints({3}, {0, 1, 1}));
  const auto top = run_op({"TopK", 11, {x, ints({1}, {2})}, {}, 2});
  EXPECT_TRUE(close(top[0], floats({2, 2}, {9, 9, 7, 1})));
  EXPECT_TRUE(close(top[1], ints({2, 2}, {1, 2, 0, 1})));
  const auto least = run_op({"TopK", 11, {x, ints({1}, {1})}, {{"axis", int64_t{0}}, {"largest", int64_t{0}}}, 2});
  EXPECT_TRUE(close(least[1], ints({1, 3}, {0, 1, 1})));
  EXPECT_THROW(run_op({"TopK", 11, {x, ints({1}, {4})}, {}, 2}), Error);
}

TEST(OpsNumber, RunningTotals) {
  const Tensor x = floats({3}, {1, 2, 3}), axis = ints({}, {0});
  expect_op({"CumSum", 14, {x, axis}}, floats({3}, {1, 3, 6}));
  expect_op({"CumSum", 14, {x, axis}, {{"exclusive", int64_t{1}}, {"reverse", int64_t{1}}}}, floats({3}, {5, 3, 0}));
  expect_op({"CumProd", 26, {x, axis}}, floats({3}, {1, 2, 6}));
  expect_op({"Range", 11, {floats({}, {1}), floats({}, {2}), floats({}, {0.4})}}, floats({3}, {1, 1.4, 1.8}));
  expect_op({"Range", 11, {ints({}, {3}), ints({}, {-1}), ints({}, {-2})}}, ints({2}, {3, 1}));
  EXPECT_THROW(run_op({"Range", 11, {ints({}, {0}), ints({}, {1}), ints({}, {0})}}), Error);
}

TEST(OpsNumber, FoundByValue) {
  for (const auto run : {run_op, execute_op}) {
    EXPECT_TRUE(close(run({"NonZero", 13, {floats({2, 2}, {0, 1, 2, 0})}})[0], ints({2, 2}, {0, 1, 1, 0})));
    EXPECT_TRUE(
        close(run({"Compress", 11, {matrix, bools({2}, {0, 1})}, {{"axis", int64_t{1}}}})[0], floats({2, 1}, {2, 5})));
    const auto unique = run({"Unique", 11, {floats({4}, {2, 1, 1, 3})}, {{"sorted", int64_t{0}}}, 4});
    EXPECT_TRUE(close(unique[0], floats({3}, {2, 1, 3})));
    EXPECT_TRUE(close(unique[1], ints({3}, {0, 1, 3})));
    EXPECT_TRUE(close(unique[2], ints({4}, {0, 1, 1, 2})));
    EXPECT_TRUE(close(unique[3], ints({3}, {1, 2, 1})));
    EXPECT_TRUE(close(run({"Unique", 11, {floats({2, 2}, {3, 4, 1, 2})}, {{"axis", int64_t{0}}}})[0],
                      floats({2, 2}, {1, 2, 3, 4})));
  }
}

TEST(OpsNumber, ShapeUnknownUntilTheValueIs) {
  const Node node = node_of({"NonZero", 13, {matrix}});
  const Type type = matrix.type;
  const Tensor* unknown = nullptr;
  Infer problem(node, {&type, 1}, {&unknown, 1});
  EXPECT_THROW(infer(problem), NeedsValue);
}

TEST(OpsNumber, DropoutPassesUnlessTraining) {
  const auto kept = run_op({"Dropout", 13, {matrix}, {}, 2});
  EXPECT_TRUE(close(kept[0], matrix));
  EXPECT_TRUE(close(kept[1], bools({2, 3}, {1})));
  const auto dropped =
      run_op({"Dropout", 13, {floats({100}, {1}), floats({}, {0.5}), bools({}, {1})}, {{"seed", int64_t{0}}}, 2});
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(dropped[0].as<float>()[i], dropped[1].as<bool>()[i] ? 2 : 0);
}

// A tensor without rows may name any number of classes: nothing is made for them.
TEST(OpsNumber, NoRowsOfManyClasses) {
  const Tensor none = Tensor::make({DType::float32, {0, int64_t{1} << 54}});
  expect_op({"Multinomial", 7, {none}, {{"sample_size", int64_t{3}}}}, tensor(DType::int32, {0, 3}));
}

}  // namespace
}  // namespace tessera::test
