// Functions of ops/elementwise.def over spans of floats.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

/// How a binary function's arguments run along the span.
enum class Along : uint8_t {
  both,    ///< two vectors
  y_one,   ///< y is one number
  x_one,   ///< x is one number
  y_lane,  ///< y is 16 numbers that repeat; n is a multiple of 16
  x_lane,  ///< x is 16 numbers that repeat; n is a multiple of 16
};

struct MapSimd {
  static constexpr int unary_functions = 64, binary_functions = 16, kinds = 5;
  using Unary = void (*)(const float* x, float* out, int64_t n, float a, float b);
  using Binary = void (*)(const float* x, const float* y, float* out, int64_t n);
  Unary unary[unary_functions];            ///< by id; null where the table has no such function
  Binary binary[binary_functions][kinds];  ///< by id - 64 and Along
  /// out += scale * y, along as `both` or (one) a single number.
  void (*add_scaled)(const float* y, bool one, float scale, float* out, int64_t n);
  /// out = c ? x : y, c bytes; a step of 0 stands for one number.
  void (*select)(const uint8_t* c, const float* x, const float* y, const int steps[3], float* out, int64_t n);
};

TESSERA_SIMD_FAMILY(MapSimd, map)

}  // namespace tessera::cpu
