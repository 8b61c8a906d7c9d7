// Elementwise operators with operands of several types: comparisons, logic, arithmetic of integers, OneHot.
#include <limits>

#include "tests/cases/case.h"
#include "tests/tensors.h"

namespace tessera::test {
extern const CaseFile mixed_cases;
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();

void comparisons(const Taker& check) {
  for (const std::string op : {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"}) {
    for (const DType dtype : {DType::float32, DType::int32, DType::int64, DType::uint8}) {
      const auto made = [&](const Shape& shape) { return random(shape, dtype == DType::uint8 ? 0 : -3, 4, dtype); };
      check({.op = op, .in = {made({3, 31}), made({3, 31})}, .least = 0});
      check({.op = op, .in = {made({5, 1, 3, 7}), made({4, 1, 7})}, .least = 0});
      check({.op = op, .in = {made({2, 20000}), made({2, 1})}, .least = 0});
      check({.op = op, .in = {made({2, 1}), made({2, 40})}, .least = 0});
      check({.op = op, .in = {made({}), fixed(made({2, 3, 2, 2, 3, 3}))}, .least = 0});
    }
    check({.op = op, .in = {{floats({2, 40, 1}, std::vector<double>(80, nan))}, random({40, 3}, -1, 1)}, .least = 0});
  }
  check({.op = "Less",
         .opset = 1,
         .in = {random({2, 3, 4, 5}), random({3, 4})},
         .attrs = {attr("axis", int64_t{1}), attr("broadcast", int64_t{1})},
         .least = 0});
}

void logic(const Taker& check) {
  const auto mask = [](const Shape& shape) { return random(shape, 0, 2, DType::boolean); };
  for (const std::string op : {"And", "Or", "Xor"}) {
    check({.op = op, .in = {mask({3, 37}), mask({3, 37})}, .least = 0});
    check({.op = op, .in = {mask({5, 3, 1}), mask({7})}, .least = 0});
  }
  check({.op = "Not", .in = {mask({101})}, .least = 0});
  for (const std::string op : {"BitwiseAnd", "BitwiseOr", "BitwiseXor"})
    check({.op = op, .in = {random({9, 11}, -99, 99, DType::int32), random({11}, -99, 99, DType::int32)}, .least = 0});
  for (const DType dtype : {DType::float32, DType::float16}) {
    const auto made = [&] {
      return Input{tensor(dtype, {2, 5}, {1, infinity, -infinity, nan, 0, -0.0, 6e4, 6e-8, -1, 5})};
    };
    for (const std::string op : {"IsNaN", "IsInf"}) check({.op = op, .opset = 10, .in = {made()}});
    for (const int64_t positive : {0, 1})
      for (const int64_t negative : {0, 1})
        check({.op = "IsInf",
               .opset = 10,
               .in = {made()},
               .attrs = {attr("detect_positive", positive), attr("detect_negative", negative)}});
  }
}

void integers_alone(const Taker& check) {
  for (const DType dtype : {DType::int32, DType::int64, DType::int8, DType::uint16}) {
    const double low = dtype == DType::uint16 ? 0 : -99;
    const auto made = [&](const Shape& shape) { return random(shape, low, 99, dtype); };
    const int wide = dtype == DType::int32 || dtype == DType::int64, some = wide || dtype == DType::int8;
    for (const std::string op : {"Add", "Sub", "Mul", "Min", "Max"}) {
      const int least = op == "Min" || op == "Max" ? some : wide;
      check({.op = op, .in = {made({3, 37}), made({3, 1})}, .least = least});
      check({.op = op, .in = {made({}), made({2, 3, 130})}, .least = least});
      check({.op = op, .in = {made({5, 1}), made({4, 1, 3})}, .least = least});
    }
    check({.op = "Max", .in = {made({77}), made({1}), made({3, 77})}, .least = some});
    if (low < 0)
      for (const std::string op : {"Neg", "Abs", "Relu", "Sign"})
        for (const Shape& shape : {Shape{91}, Shape{}, Shape{64}, Shape{2, 0}})
          check({.op = op, .in = {made(shape)}, .least = some});
  }
  for (const DType dtype : {DType::int32, DType::int64, DType::int8, DType::uint8}) {
    const auto bound = [&](double value) { return Input{tensor(dtype, {}, {value})}; };
    const Input x = random({3, 70}, dtype == DType::uint8 ? 0 : -99, 99, dtype);
    check({.op = "Clip", .opset = 12, .in = {x, bound(5), bound(60)}});
    check({.op = "Clip", .opset = 12, .in = {x, bound(60), bound(5)}});
    check({.op = "Clip", .opset = 12, .in = {x, {}, bound(60)}});
    check({.op = "Clip", .opset = 12, .in = {x}});
  }
  check({.op = "Div",
         .in = {{tensor(DType::int32, {8}, {-2147483648.0, 2147483647, 7, -7, 7, -7, -2147483648.0, 2147483646})},
                {tensor(DType::int32, {8}, {-1, 0, 2, 2, -2, -2, 2147483647, 2147483647})}}});
  check({.op = "Div", .in = {random({3, 70}, -9999, 9999, DType::int32), random({70}, -9, 9, DType::int32)}});
  check({.op = "Neg", .in = {{tensor(DType::int8, {3}, {-128, 127, 0})}}});
  check({.op = "Abs", .in = {{tensor(DType::int32, {2}, {-2147483648.0, 2147483647})}}});
  constexpr double most = 9007199254740992;
  for (const std::string op : {"Add", "Sub", "Mul", "Max"})
    check({.op = op,
           .in = {random({99}, -most, most, DType::int64), random({99}, -most, most, DType::int64)},
           .least = 1});
  // What lies outside the type, and NaN, may become anything.
  for (const DType to : {DType::int64, DType::int32, DType::uint8, DType::int8})
    check({.op = "Cast",
           .in = {{floats({7}, {0.9, 0.25, 0, 1, 127.75, 126, 3.5})}},
           .attrs = {attr("to", static_cast<int64_t>(to))},
           .least = 0});
  check({.op = "Cast",
         .in = {{floats({6}, {4e9, -4e9, -0.9, 2147483648.0, 3e15, -3e15})}},
         .attrs = {attr("to", static_cast<int64_t>(DType::int64))},
         .least = 0});
  check({.op = "CastLike", .opset = 15, .in = {random({99}), random({2}, 0, 9, DType::int32)}, .least = 0});
}

void one_hot(const Taker& check) {
  for (const int64_t axis : {-1, 0, 1})
    for (const DType dtype : {DType::int32, DType::int64, DType::float32})
      check({.op = "OneHot",
             .in = {random({3, 29}, -9, 9, dtype), integer(7), fixed(random({2}))},
             .attrs = {attr("axis", axis)},
             .least = 0});
}

constexpr CaseList lists[] = {
    {"Comparisons", comparisons},
    {"Logic", logic},
    {"Integers", integers_alone},
    {"OneHot", one_hot},
};

}  // namespace
const CaseFile mixed_cases{lists};
}  // namespace tessera::test
