// Operators of ai.onnx.ml: small cases by hand.
#include "tests/ops_tensor.h"

namespace tessera::test {
namespace {

using Integers = std::vector<int64_t>;
using Words = std::vector<std::string>;
constexpr Text ml = "ai.onnx.ml";

TEST(OpsMl, PicksAndCuts) {
  expect_op({"ArrayFeatureExtractor", 1, {floats({2, 3}, {1, 2, 3, 4, 5, 6}), ints({2}, {2, 0})}, {}, 1, ml},
            floats({2, 2}, {3, 1, 6, 4}));
  EXPECT_THROW(run_op({"ArrayFeatureExtractor", 1, {floats({1, 3}, {1, 2, 3}), ints({1}, {3})}, {}, 1, ml}), Error);
  expect_op({"Binarizer", 1, {floats({3}, {0.5, 1, 2})}, {{"threshold", 1.0f}}, 1, ml}, floats({3}, {0, 0, 1}));
}

TEST(OpsMl, LabelsBecomeNumbersAndBack) {
  const Attrs names{{"classes_strings", Words{"cat", "dog"}}};
  expect_op({"LabelEncoder", 1, {strings({2}, {"dog", "cow"})}, names, 1, ml}, ints({2}, {1, -1}));
  EXPECT_EQ(words(run_op({"LabelEncoder", 1, {ints({2}, {0, 7})}, names, 1, ml})[0]), (Words{"cat", "_Unused"}));
  expect_op({"LabelEncoder",
             4,
             {ints({2}, {5, 6})},
             {{"keys_int64s", Integers{5}}, {"values_floats", std::vector<float>{1.5f}}, {"default_float", 9.0f}},
             1,
             ml},
            floats({2}, {1.5, 9}));
  expect_op({"LabelEncoder",
             4,
             {floats({2}, {std::nan(""), -0.0})},
             {{"keys_floats", std::vector<float>{std::nanf(""), 0.0f}}, {"values_int64s", Integers{3, 4}}},
             1,
             ml},
            ints({2}, {3, 4}));
  EXPECT_THROW(run_op({"LabelEncoder", 4, {ints({1}, {5})}, {{"keys_int64s", Integers{5}}}, 1, ml}), Error);
}

Attrs one_tree(int64_t loop) {
  // x0 <= 1: leaf 0, else node 1; x1 in {2, 3}: leaf 1, else leaf 0 or, as a circle, node 1 again.
  return {{"n_targets", int64_t{2}},
          {"nodes_featureids", Integers{0, 1}},
          {"nodes_splits", floats({2}, {1, 0})},
          {"nodes_modes", tensor(DType::uint8, {2}, {0, 6})},
          {"membership_values", floats({3}, {2, 3, std::nan("")})},
          {"nodes_truenodeids", Integers{0, 1}},
          {"nodes_trueleafs", Integers{1, 1}},
          {"nodes_falsenodeids", Integers{1, loop}},
          {"nodes_falseleafs", Integers{0, loop ? 0 : 1}},
          {"tree_roots", Integers{0}},
          {"leaf_targetids", Integers{0, 1}},
          {"leaf_weights", floats({2}, {5, 7})}};
}

TEST(OpsMl, TreesVote) {
  const Tensor x = floats({3, 2}, {1, 2, 2, 3, 2, 9});
  expect_op({"TreeEnsemble", 5, {x}, one_tree(0), 1, ml}, floats({3, 2}, {5, 0, 0, 7, 5, 0}));
  EXPECT_THROW(run_op({"TreeEnsemble", 5, {x}, one_tree(1), 1, ml}), Error);
  EXPECT_THROW(run_op({"TreeEnsemble", 5, {x}, one_tree(9), 1, ml}), Error);
  EXPECT_THROW(run_op({"TreeEnsemble", 5, {floats({1, 1}, {2})}, one_tree(0), 1, ml}), Error);
}

// x0 < 2 or missing: leaf 0, else node 1; x1 <= 3: leaf 1, else leaf 0. More rows than walk side by side.
TEST(OpsMl, TreesOfFewKindsOfTests) {
  Attrs attrs = {{"n_targets", int64_t{2}},
                 {"nodes_featureids", Integers{0, 1}},
                 {"nodes_splits", floats({2}, {2, 3})},
                 {"nodes_modes", tensor(DType::uint8, {2}, {1, 0})},
                 {"nodes_missing_value_tracks_true", Integers{1, 0}},
                 {"nodes_truenodeids", Integers{0, 1}},
                 {"nodes_trueleafs", Integers{1, 1}},
                 {"nodes_falsenodeids", Integers{1, 0}},
                 {"nodes_falseleafs", Integers{0, 1}},
                 {"tree_roots", Integers{0}},
                 {"leaf_targetids", Integers{0, 1}},
                 {"leaf_weights", floats({2}, {5, 7})}};
  const double nan = std::nan("");
  const Tensor x = floats({10, 2}, {2, 3, 1.5, 3, nan, 0, 2, nan, 3, 3.5, 2, 3, 2, 3, 2, 3, 1, 1, 5, -1});
  const Tensor votes = floats({10, 2}, {0, 7, 5, 0, 5, 0, 5, 0, 5, 0, 0, 7, 0, 7, 0, 7, 5, 0, 0, 7});
  expect_op({"TreeEnsemble", 5, {x}, attrs, 1, ml}, votes);
}

}  // namespace
}  // namespace tessera::test
