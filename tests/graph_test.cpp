// runtime/base and runtime/graph: numbers, shapes, dtype signatures, threads.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "runtime/graph/op.h"
#include "runtime/graph/types.h"

namespace tessera {
namespace {

TEST(Half, EveryPatternSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float16 half;
    half.bits = static_cast<uint16_t>(bits);
    const float value = half;
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(float16(value))));
      continue;
    }
    EXPECT_EQ(float16(value).bits, bits) << value;
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float16(1.0f + 0x1p-11f).bits, 0x3c00);      // a tie: to even
  EXPECT_EQ(float16(1.0f + 3 * 0x1p-11f).bits, 0x3c02);  // a tie: to even
  EXPECT_EQ(float16(1.0f + 0x1.1p-11f).bits, 0x3c01);    // above the tie
  EXPECT_EQ(float16(65504.0f).bits, 0x7bff);
  EXPECT_EQ(float16(65520.0f).bits, 0x7c00);        // overflows to infinity
  EXPECT_EQ(float16(65520.0f, true).bits, 0x7bff);  // or saturates
  EXPECT_EQ(float16(0x1p-24f).bits, 1);             // the smallest subnormal
  EXPECT_EQ(float16(0x1p-26f).bits, 0);
  EXPECT_EQ(bfloat16(1.0f + 0x1p-8f).bits, 0x3f80);
  EXPECT_EQ(bfloat16(-3.0e38f).bits, 0xff62);
}

// Subnormal numbers too: bfloat16 has those of float.
TEST(Half, EveryBfloat16IsTheUpperHalfOfAFloat) {
  for (uint32_t bits = 0; bits < 1u << 16; ++bits) {
    bfloat16 half;
    half.bits = static_cast<uint16_t>(bits);
    const auto value = static_cast<float>(half);
    if (std::isnan(value)) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(value), bits << 16);
    ASSERT_EQ(bfloat16(value).bits, bits);
  }
  EXPECT_EQ(bfloat16(std::bit_cast<float>(0x00018000u)).bits, 2);  // a tie: to even
  EXPECT_EQ(bfloat16(std::bit_cast<float>(0x007fffffu)).bits, 0x80);
}

TEST(Float8, KnownValues) {
  EXPECT_EQ(float8e4m3fn(448.0f).bits, 0x7e);
  EXPECT_TRUE(std::isnan(static_cast<float>(float8e4m3fn(1000.0f))));
  EXPECT_EQ(float8e4m3fn(1000.0f, true).bits, 0x7e);
  EXPECT_EQ(float8e4m3fnuz(240.0f).bits, 0x7f);
  EXPECT_EQ(float8e4m3fnuz(-0.0f).bits, 0);
  EXPECT_EQ(float8e5m2(57344.0f).bits, 0x7b);
  EXPECT_EQ(float8e5m2(1e6f).bits, 0x7c);
  EXPECT_EQ(float4e2m1(5.0f).bits, 6);  // a tie between 4 and 6: to even mantissa
  EXPECT_EQ(static_cast<float>(float4e2m1(100.0f)), 6.0f);
}

TEST(Shape, GrowsPastItsInlineRoom) {
  Shape shape;
  for (int64_t i = 0; i < 12; ++i) shape.push_back(i + 1);
  EXPECT_EQ(shape.size(), 12u);
  EXPECT_EQ(shape[11], 12);
  shape.insert(0, 7);
  EXPECT_EQ(shape[0], 7);
  EXPECT_EQ(shape[12], 12);
  const Shape copy = shape;
  EXPECT_EQ(copy, shape);
  EXPECT_EQ(cat(Shape{1, -1, 3}), "[1,?,3]");
}

TEST(Shape, RefusesToOverflow) {
  EXPECT_THROW((Shape{int64_t{1} << 40, int64_t{1} << 40}).elements(), Error);
  EXPECT_EQ((Shape{0, int64_t{1} << 40}).elements(), 0);
  EXPECT_THROW((Type{DType::float64, {int64_t{1} << 61}}).bytes(), Error);
}

TEST(Tensor, PackedElements) {
  const Tensor tensor = Tensor::make({DType::int4, {5}});
  for (int i = 0; i < 5; ++i) set_element(tensor.view(), i, i - 3);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(element_as_double(tensor.view(), i), i - 3);
  EXPECT_EQ(tensor.type.bytes(), 3);
}

TEST(Tensor, NumbersBeyondATypeBecomeItsEnds) {
  const auto stored = [](DType type, double value) {
    const Tensor tensor = Tensor::make({type, {1}});
    set_element(tensor.view(), 0, value);
    return tensor;
  };
  for (const double value : {0x1p63, 1e300, static_cast<double>(INFINITY)}) {
    EXPECT_EQ(*stored(DType::int64, value).as<int64_t>(), INT64_MAX) << value;
    EXPECT_EQ(*stored(DType::int64, -value).as<int64_t>(), INT64_MIN) << value;
  }
  EXPECT_EQ(*stored(DType::uint64, 0x1p64).as<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(*stored(DType::int32, 0x1p31).as<int32_t>(), INT32_MAX);
  EXPECT_EQ(*stored(DType::int32, NAN).as<int32_t>(), 0);
  EXPECT_EQ(*stored(DType::uint8, -1).as<uint8_t>(), 0);
}

TEST(Broadcast, Shapes) {
  EXPECT_EQ(broadcast({3, 1, 5}, {4, 1}), (Shape{3, 4, 5}));
  EXPECT_EQ(broadcast({}, {2}), Shape{2});
  EXPECT_EQ(broadcast({0}, {1}), Shape{0});
  EXPECT_THROW(broadcast({2}, {3}), Error);
}

std::vector<DType> checked(Text types, std::vector<DType> in, size_t outputs) {
  std::vector<Type> full;
  for (const DType dtype : in) full.push_back({dtype, {1}});
  std::vector<DType> out(outputs);
  check_types(types, full, in, out);
  return out;
}

TEST(Types, BindsVariablesAndRepeatsTheLastWord) {
  using enum DType;
  EXPECT_EQ(checked("T=float : T, T... -> T", {float32, float32, float32}, 1), std::vector{float32});
  EXPECT_EQ(checked("T=numeric; I=int32|int64 : T, I -> T, int64", {uint8, int32}, 2), (std::vector{uint8, int64}));
  EXPECT_EQ(checked("T=all : T -> boolean", {string}, 1), std::vector{boolean});
  EXPECT_THROW(checked("T=float : T, T -> T", {float32, float64}, 1), Error);
  EXPECT_THROW(checked("T=float : T -> T", {int32}, 1), Error);
  try {
    checked("T=numeric : T, T -> T", {float32, int32}, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("input 1 is int32[1], but must be float32"));
  }
}

TEST(Registry, NamesAndVersionsAreConsistent) {
  std::set<std::tuple<Text, Text, int>> seen;
  for (const OpDef* op : all_ops()) {
    EXPECT_TRUE(seen.insert({op->domain, op->name, op->since}).second) << op->name << " " << op->since;
    EXPECT_TRUE(op->execute || op->infer || !op->formula.empty()) << op->name;
    EXPECT_TRUE(!op->infer || op->reference || op->view || op->execute) << op->name;
  }
  EXPECT_GT(seen.size(), 50u);
}

}  // namespace
}  // namespace tessera
