// Casts, and quantization alone.
#include <limits>

#include "tests/cases/case.h"
#include "tests/tensors.h"

namespace tessera::test {
extern const CaseFile convert_cases;
namespace {

void casts(const Taker& check) {
  const DType types[] = {DType::float32, DType::float16, DType::float64, DType::int32,
                         DType::int64,   DType::uint8,   DType::int8,    DType::boolean};
  for (const DType from : types)
    for (const DType to : types)
      for (const int64_t n : {0, 1, 8, 1003}) {
        const bool is_unsigned = to == DType::uint8 || from == DType::uint8;
        const Input x =
            random({n}, from == DType::boolean || is_unsigned ? 0 : -99, from == DType::boolean ? 2 : 99, from);
        check({.op = "Cast", .in = {x}, .attrs = {attr("to", static_cast<int64_t>(to))}, .least = 0});
      }
  // Every half, and floats around what a half can hold.
  Tensor halves = Tensor::make({DType::float16, {65536}});
  for (int i = 0; i < 65536; ++i) halves.as<uint16_t>()[i] = static_cast<uint16_t>(i);
  check({.op = "Cast", .in = {{halves}}, .attrs = {attr("to", int64_t{1})}, .relative = 0, .absolute = 0});
  for (const double scale : {1e-8, 1e-6, 1e-4, 1.0, 7e4})
    check({.op = "Cast",
           .in = {random({999}, -scale, scale)},
           .attrs = {attr("to", int64_t{10})},
           .relative = 0,
           .absolute = 0});
}

void quantization(const Taker& check) {
  for (const DType dtype : {DType::uint8, DType::int8}) {
    const Input zero = random({}, 0, 99, dtype), zeros = random({5}, 0, 99, dtype);
    check({.op = "QuantizeLinear", .in = {random({3, 500}, -9, 9), number(0.037f), zero}, .absolute = 0});
    // Halves, and what is next to one, among numbers beyond all bytes.
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::vector<double> halves{infinity, -infinity, 1e30, -1e30, 3e38, -3e38, 1e-40, -0.0};
    for (int i = -300; i < 300; ++i) halves.push_back(0.05 * i);
    for (const float scale : {0.1f, 0.025f, -0.1f, 1e-39f, 2e38f})
      check({.op = "QuantizeLinear",
             .in = {{floats({static_cast<int64_t>(halves.size())}, halves)}, number(scale), zero},
             .relative = 0,
             .absolute = 0});
    check({.op = "QuantizeLinear", .in = {random({3, 5, 40}, -9, 9), random({5}, 0.01, 0.1), zeros}, .absolute = 0});
    check({.op = "QuantizeLinear",
           .in = {random({3, 4, 5}, -9, 9), random({5}, 0.01, 0.1), zeros},
           .attrs = {attr("axis", int64_t{-1})},
           .absolute = 0});
    check({.op = "DequantizeLinear", .in = {random({3, 500}, 0, 99, dtype), number(0.037f), zero}});
    check({.op = "DequantizeLinear", .in = {random({3, 5, 4}, 0, 99, dtype), random({5}), zeros}});
  }
  check({.op = "DequantizeLinear", .in = {random({7}, -999, 999, DType::int32), number(0.5f)}});
}

void dynamic_quantization(const Taker& check) {
  for (const Shape& shape : {Shape{7}, Shape{3, 1031}, Shape{70, 1000}})
    for (const double low : {-2.0, 0.5, -9.0})
      check({.op = "DynamicQuantizeLinear", .in = {random(shape, low, low + 4)}, .outputs = 3});
  check({.op = "DynamicQuantizeLinear", .in = {random({5}, 0, 0)}, .outputs = 3});
}

constexpr CaseList lists[] = {
    {"DynamicQuantization", dynamic_quantization},
    {"Casts", casts},
    {"Quantization", quantization},
};

}  // namespace
const CaseFile convert_cases{lists};
}  // namespace tessera::test
