// Elementwise functions, alone, with two arguments, in chains; Where.
#include <limits>
#include "ops/elementwise.h"

#include "tests/cases/case.h"
#include "tests/tensors.h"

namespace tessera::test {
extern const CaseFile elementwise_cases;
namespace {

void unary_functions(const Taker& check) {
  struct Unary {
    const char* op;
    double low, high;
    int opset = 22;
  };
  constexpr Unary functions[] = {
      {"Relu", -2, 2},        {"LeakyRelu", -2, 2},
      {"Sigmoid", -20, 20},   {"Tanh", -9, 9},
      {"HardSigmoid", -4, 4}, {"HardSwish", -4, 4},
      {"Elu", -5, 2},         {"Selu", -5, 2},
      {"Softplus", -9, 9},    {"Softsign", -5, 5},
      {"Erf", -4, 4},         {"Exp", -20, 20},
      {"Log", 0.001, 90},     {"Sqrt", 0, 9},
      {"Reciprocal", 0.1, 4}, {"Abs", -2, 2},
      {"Neg", -2, 2},         {"Floor", -5, 5},
      {"Ceil", -5, 5},        {"Round", -5, 5},
      {"Sign", -2, 2},        {"ThresholdedRelu", -3, 3},
      {"Mish", -9, 9},        {"Gelu", -5, 5},
      {"Sin", -9, 9},         {"Cos", -9, 9},
      {"Tan", -1, 1},         {"Asin", -1, 1},
      {"Acos", -1, 1},        {"Atan", -9, 9},
      {"Sinh", -4, 4},        {"Cosh", -4, 4},
      {"Asinh", -9, 9},       {"Acosh", 1, 9},
      {"Atanh", -0.9, 0.9},
  };
  for (const Unary& f : functions) {
    for (const Shape& shape : {Shape{}, Shape{17}, Shape{3, 1031}, Shape{0, 3}})
      check({.op = f.op, .opset = f.opset, .in = {random(shape, f.low, f.high)}});
    for (const Shape& shape : pictures)
      check({.op = f.op, .opset = f.opset, .in = {random(shape, f.low, f.high)}, .least = 2});
  }
}

// Where an exponential leaves the numbers, and where a difference from one is small.
void unary_functions_at_their_ends(const Taker& check) {
  constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const std::string op : {"Exp", "Sigmoid", "Tanh", "Elu", "Softplus"})
    check({.op = op,
           .opset = 22,
           .in = {{floats({22}, {infinity, -infinity, nan,  0,    -0.0, 1e-30, -1e-30, 1e-4, -1e-4, 0.17, 0.36,
                                 -0.36,    0.9,       -0.9, 86.5, -86,  89,    -110,   1e5,  -1e5,  3e38, -3e38})}},
           .relative = 5e-7,
           .absolute = 1e-37});
}

// Many turns, where the rest of a quarter is all that counts, and next to the ends of what is defined.
void trigonometry(const Taker& check) {
  const auto at = [&](const char* op, std::initializer_list<double> x) {
    check({.op = op, .opset = 22, .in = {{floats({static_cast<int64_t>(x.size())}, x)}}, .relative = 1e-5});
  };
  for (const char* op : {"Sin", "Cos", "Tan"})
    at(op, {0, -0.0, 1e-30, 0.7, -0.8, 3.1415927, -1.5707964, 22, 355, -1e3, 98765, 1e6, -3e9, 1e15, 2.5e22, -3e38});
  for (const char* op : {"Asin", "Acos", "Atanh"}) at(op, {0, 1e-20, 0.3, -0.499, 0.501, -0.999, 0.99999, 1.5, -2});
  for (const char* op : {"Atan", "Asinh"}) at(op, {0, -1e-20, 0.4, -0.5, 1, 2.4, -2.5, 1e6, -1e20, 3e38});
  at("Acosh", {1, 1.0001, 1.5, 9, 1e6, 3e38, 0.5});
  for (const char* op : {"Sinh", "Cosh"}) at(op, {0, 1e-20, 0.5, -0.999, 1.001, -20, 80});
}

// Exponentials of float64 have kernels of their own.
void doubles(const Taker& check) {
  constexpr double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  check({.op = "Exp", .in = {random({3, 171}, -700, 700, DType::float64)}, .relative = 1e-15, .absolute = 0});
  check({.op = "Exp",
         .in = {{tensor(DType::float64, {15},
                        {infinity, -infinity, nan, 0, -0.0, 1e-300, -1e-17, 0.35, -0.34, 709.7, 709.8, -708.5, -744,
                         -746, -1e300})}},
         .relative = 1e-15,
         .absolute = 5e-324});
}

void clip_bounds(const Taker& check) {
  for (const Shape& shape : pictures) {
    check({.op = "Clip", .in = {random(shape), number(-0.5f), number(0.75f)}, .least = 2});
    check({.op = "Clip", .in = {random(shape), {}, number(0.75f)}, .least = 2});
    check({.op = "Clip", .opset = 6, .in = {random(shape)}, .attrs = {attr("min", -0.25f)}, .least = 2});
  }
}

void binary_functions(const Taker& check) {
  for (const std::string op : {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "PRelu"}) {
    const bool positive = op == "Pow" || op == "Div";
    const auto made = [&](const Shape& shape) { return random(shape, positive ? 0.25 : -2, 2); };
    const auto both = [&](const Shape& x, const Shape& y, int least = 1) {
      check({.op = op, .in = {made(x), made(y)}, .least = least});
      if (op != "PRelu") check({.op = op, .in = {made(y), made(x)}, .least = least});
    };
    both({33}, {33});
    if (op != "PRelu") both({3, 1, 5}, {3, 4, 5});
    both({2, 3, 4}, {});
    both({2, 3, 700}, {700});
    both({2, 3, 7}, {3, 1});
    both({2, 5, 1}, {1});
    both({0, 5}, {5});
    for (const Shape& shape : pictures) {
      both(shape, shape, 2);
      both(shape, {shape[1], 1, 1}, 2);
      both(shape, {1, shape[1], 1, 1}, 2);
      both(shape, {shape[0], shape[1], 1, 1}, 2);
      both(shape, {1, 1, 1, 1}, 2);
      both(shape, {}, 2);
      both(shape, {shape[3]});
      check({.op = op, .in = {made(shape), fixed(made({1, shape[1], 1, 1}))}, .least = 2});
    }
  }
}

void many_axes(const Taker& check) {
  for (const std::string op : {"Add", "Sub", "Div", "Max", "PRelu"}) {
    const auto made = [&](const Shape& shape) { return random(shape, 0.25, 2); };
    check({.op = op, .in = {made({2, 3, 2, 4, 3, 5}), made({3, 1, 4, 1, 5})}});
    check({.op = op, .in = {made({2, 3, 2, 4, 3, 5}), fixed(made({1, 1, 2, 1, 3, 1}))}});
    if (op != "PRelu") check({.op = op, .in = {made({3, 1, 4, 1, 5}), made({2, 1, 2, 1, 3, 1})}});
  }
  for (const std::string op : {"Add", "Mul"})
    check({.op = op,
           .opset = 6,
           .in = {random({2, 3, 4, 5}), random({3, 4})},
           .attrs = {attr("axis", int64_t{1}), attr("broadcast", int64_t{1})},
           .least = 0});
}

void variadic(const Taker& check) {
  for (const std::string op : {"Sum", "Mean", "Max", "Min"}) {
    check({.op = op, .in = {random({2, 3, 5})}});
    check({.op = op, .in = {random({2, 3, 5}), random({3, 1}), random({5})}});
    check({.op = op, .in = {random({1, 17, 4, 4}), random({1, 17, 4, 4}), random({1, 17, 1, 1})}, .least = 2});
  }
}

void chains(const Taker& check) {
  using namespace elementwise;
  for (const Shape& shape : pictures) {
    const Shape channels{1, shape[1], 1, 1};
    check({.op = "Mul",
           .in = {random(shape), fixed(random(channels))},
           .epilogue = {{Add, 0}, {Sigmoid}, {Sub, 1, true}, {LeakyRelu, -1, false, 0.1f}, {Mul, 2}},
           .operands = {random(shape), fixed(random({shape[1], 1, 1})), random({})},
           .least = 2});
    check({.op = "Relu",
           .in = {random(shape)},
           .epilogue = {{Exp}, {Sub, 0, true}},
           .operands = {random(channels)},
           .least = 2});
  }
  check({.op = "Add",
         .in = {random({5, 1, 9}), random({4, 1})},
         .epilogue = {{Tanh}, {Mul, 0}},
         .operands = {random({4, 9})}});
}

void where(const Taker& check) {
  const auto mask = [](const Shape& shape) { return random(shape, 0, 2, DType::boolean); };
  check({.op = "Where", .in = {mask({3, 50}), random({3, 50}), random({3, 50})}});
  check({.op = "Where", .in = {mask({1, 50}), random({}), random({3, 50})}});
  check({.op = "Where", .in = {mask({3, 1}), random({3, 50}), random({1})}});
  check({.op = "Where",
         .in = {mask({2, 1, 4}), random({}, -9, 9, DType::int32), random({2, 3, 4}, -9, 9, DType::int32)}});
}

// Computed as floats and rounded once.
void halves(const Taker& check) {
  constexpr DType f16 = DType::float16;
  for (const std::string op : {"Relu", "Sigmoid", "Tanh", "Erf", "Exp", "Sqrt", "Neg", "Softplus"})
    for (const Shape& shape : {Shape{}, Shape{17}, Shape{3, 1031}, Shape{0, 3}, Shape{1, 5, 3, 7}})
      check({.op = op, .opset = 13, .in = {random(shape, 0, 4, f16)}, .relative = 1.1e-3});
  for (const std::string op : {"Add", "Sub", "Mul", "Div", "Pow", "Min", "PRelu"})
    for (const Shape& shape : {Shape{1100, 3}, Shape{3}, Shape{1100, 1}, Shape{}})
      check({.op = op, .in = {random({1100, 3}, 0.5, 2, f16), random(shape, 0.5, 2, f16)}, .relative = 1.1e-3});
  check({.op = "Sub", .in = {random({1, 4}, 0.5, 2, f16), random({5, 1}, 0.5, 2, f16)}, .relative = 1.1e-3});
  check({.op = "Mean",
         .opset = 13,
         .in = {random({70, 31}, 0, 4, f16), random({31}, 0, 4, f16), random({70, 31}, 0, 4, f16)},
         .relative = 2e-3,
         .least = 0});
  check({.op = "Clip",
         .opset = 13,
         .in = {random({70, 31}, -4, 4, f16), fixed(random({}, -1, -1, f16)), fixed(random({}, 2, 2, f16))}});
}

constexpr CaseList lists[] = {
    {"ElementwiseHalves", halves},
    {"UnaryFunctions", unary_functions},
    {"UnaryFunctionsAtTheirEnds", unary_functions_at_their_ends},
    {"Trigonometry", trigonometry},
    {"Doubles", doubles},
    {"Clip", clip_bounds},
    {"BinaryFunctions", binary_functions},
    {"ManyAxes", many_axes},
    {"Variadic", variadic},
    {"Chains", chains},
    {"Where", where},
};

}  // namespace
const CaseFile elementwise_cases{lists};
}  // namespace tessera::test
