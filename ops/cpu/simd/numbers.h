// Functions of ops/elementwise.def over integers, and exponentials of float64.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

enum class Element : uint8_t { int32, int64, int8, uint8, float64 };
inline constexpr int element_types = 5;
/// By their names in the table.
enum class NumberFunction : uint8_t { relu, abs, neg, sign, exp, add, sub, mul, div, min, max };
inline constexpr int number_functions = 11;

struct NumbersSimd {
  /// Over groups of 64 bytes of elements; an operand's step is 64, or 0 where one group stands for all. A function of
  /// one number reads x alone. out may be x or y.
  using Groups = void (*)(const std::byte* x, int64_t x_step, const std::byte* y, int64_t y_step, std::byte* out,
                          int64_t groups);
  static constexpr int64_t group = 64;
  /// Null where references are as fast, or nobody asks.
  Groups groups[element_types][number_functions];
};

TESSERA_SIMD_FAMILY(NumbersSimd, numbers)

}  // namespace tessera::cpu
