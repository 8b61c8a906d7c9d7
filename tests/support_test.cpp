// The helpers of support.h themselves.
#include "tests/support.h"

namespace tessera::test {
namespace {

TEST(Support, CloseComparesTypeShapeAndValue) {
  const Tensor a = floats({2}, {1, 2});
  EXPECT_TRUE(close(a, floats({2}, {1, 2.000001})));
  EXPECT_FALSE(close(a, floats({2}, {1, 2.1})));
  EXPECT_FALSE(close(a, floats({1, 2}, {1, 2})));
  EXPECT_FALSE(close(a, tensor(DType::float64, {2}, {1, 2})));
}

TEST(Support, RandomTensorsRepeat) {
  const Tensor a = random_tensor(DType::float32, {64}, 7);
  EXPECT_EQ(elements(a), elements(random_tensor(DType::float32, {64}, 7)));
  EXPECT_NE(elements(a), elements(random_tensor(DType::float32, {64}, 8)));
}

}  // namespace
}  // namespace tessera::test
