// Spans of numbers from one type to another, and to and from 8-bit quantized integers.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

/// The number types that spans are converted between.
enum class Number : uint8_t { float32, float16, float64, int32, int64, uint8, int8, boolean };
inline constexpr int numbers = 8;

/// Two quantized operands, and what their sum or product becomes: scales over the result's, and all zero points.
struct BytePair {
  bool product, is_signed;
  float scales[2];  ///< of a product the first alone
  int32_t zeros[2], zero;
  int steps[2];  ///< 1, or 0: the same 64 bytes for all
};

struct ConvertSimd {
  using Convert = void (*)(const void* from, void* to, int64_t n);
  Convert convert[numbers][numbers];  ///< [from][to]; null where there is no fast way
  /// out = clamp(round_even(x / scale) + zero) as uint8 or int8.
  void (*quantize)(const float* x, float scale, float zero, bool is_signed, void* out, int64_t n);
  /// out = (x - zero) * scale of uint8, int8 or int32.
  void (*dequantize[3])(const void* x, int32_t zero, float scale, float* out, int64_t n);
  /// Sums or products of bytes, 64 at a time, up to those among which one lies so near to a half that its rounding is
  /// in doubt. Returns how many were done. Null where the level has no fast way.
  int64_t (*pair_bytes)(const BytePair& pair, const void* x, const void* y, void* out, int64_t n);
};

TESSERA_SIMD_FAMILY(ConvertSimd, convert)

}  // namespace tessera::cpu
