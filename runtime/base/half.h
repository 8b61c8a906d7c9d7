// Scalar types that C++ lacks: 16-, 8- and 4-bit floats. Each stores its bits and converts
// to and from float with rounding to nearest even.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tessera {

/// A small binary float of `E` exponent and `M` mantissa bits, as ONNX defines its kinds.
enum class SmallFloat {
  ieee,  ///< infinities and NaNs as in IEEE 754
  fn,    ///< no infinity; all ones is NaN
  fnuz,  ///< no infinity, no negative zero; that pattern is NaN
  all,   ///< every pattern is a number (float4e2m1)
};

/// `bits` of such a float, as a float.
template <int E, int M, int Bias, SmallFloat Kind>
constexpr float decode_small(uint32_t bits) {
  const uint32_t sign = (bits >> (E + M)) & 1;
  const uint32_t exponent = (bits >> M) & ((1u << E) - 1);
  const uint32_t mantissa = bits & ((1u << M) - 1);
  const uint32_t top = (1u << E) - 1;
  const float quiet = std::numeric_limits<float>::quiet_NaN();
  if constexpr (Kind == SmallFloat::ieee) {
    if (exponent == top) {
      if (mantissa) return quiet;
      return sign ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
    }
  } else if constexpr (Kind == SmallFloat::fn) {
    if (exponent == top && mantissa == (1u << M) - 1) return quiet;
  } else if constexpr (Kind == SmallFloat::fnuz) {
    if (sign && !exponent && !mantissa) return quiet;
  }
  // mantissa * 2^k without libm, so that it stays constexpr: build the float's bits.
  float value = 0;
  if constexpr (E == 8) {
    value = std::bit_cast<float>((bits & ((1u << (E + M)) - 1)) << (23 - M));  // the exponents are float's own
  } else if (exponent == 0) {
    value = static_cast<float>(mantissa) * std::bit_cast<float>(static_cast<uint32_t>(127 + 1 - Bias - M) << 23);
  } else {
    value = std::bit_cast<float>(((exponent + 127 - Bias) << 23) | (mantissa << (23 - M)));
  }
  return sign ? -value : value;
}

/// `value` rounded to the nearest such float (ties to even). Beyond the largest finite
/// number: `saturate` clamps, else infinity (ieee) or NaN (fn, fnuz).
template <int E, int M, int Bias, SmallFloat Kind>
constexpr uint32_t encode_small(float value, bool saturate) {
  const uint32_t raw = std::bit_cast<uint32_t>(value);
  const uint32_t sign = raw >> 31;
  const uint32_t magnitude = raw & 0x7fffffffu;
  const uint32_t top = (1u << E) - 1, ones = (1u << M) - 1;
  const uint32_t signed_zero = Kind == SmallFloat::fnuz ? 0 : sign << (E + M);
  constexpr uint32_t nan_bits = Kind == SmallFloat::ieee   ? ((1u << E) - 1) << M | 1u << (M - 1)
                                : Kind == SmallFloat::fnuz ? 1u << (E + M)
                                                           : (1u << (E + M)) - 1;
  const uint32_t largest = Kind == SmallFloat::ieee ? (top - 1) << M | ones
                           : Kind == SmallFloat::fn ? (top << M | ones) - 1
                                                    : (top << M | ones);
  const uint32_t overflow = Kind == SmallFloat::all || saturate ? largest
                            : Kind == SmallFloat::ieee          ? top << M
                                                                : nan_bits;
  if (magnitude > 0x7f800000u) {
    if (Kind == SmallFloat::all) return 0;
    return Kind == SmallFloat::fnuz ? nan_bits : nan_bits | sign << (E + M);
  }
  const bool nan_on_overflow = Kind == SmallFloat::fnuz && overflow == nan_bits;
  const uint32_t overflowed = nan_on_overflow ? nan_bits : overflow | sign << (E + M);
  if (magnitude == 0x7f800000u) return overflowed;
  const int exponent = std::max(static_cast<int>(magnitude >> 23), 1) - 127 + Bias;
  uint32_t significand = (magnitude & 0x7fffffu) | (magnitude >> 23 ? 0x800000u : 0u);
  int shift = 23 - M;
  if (exponent <= 0) shift += 1 - exponent;
  if (shift > 25) return signed_zero;
  const uint32_t half = 1u << (shift - 1), rest = significand & ((1u << shift) - 1);
  significand >>= shift;
  if (rest > half || (rest == half && (significand & 1))) ++significand;
  uint32_t bits = exponent <= 0 ? significand : (static_cast<uint32_t>(exponent - 1) << M) + significand;
  if (bits > largest) return overflowed;
  return bits ? bits | sign << (E + M) : signed_zero;
}

template <class Bits, int E, int M, int Bias, SmallFloat Kind>
struct Small {
  Bits bits = 0;

  Small() = default;
  constexpr explicit Small(float value, bool saturate = false)
      : bits(static_cast<Bits>(encode_small<E, M, Bias, Kind>(value, saturate))) {}
  constexpr operator float() const { return decode_small<E, M, Bias, Kind>(bits); }
};

using float16 = Small<uint16_t, 5, 10, 15, SmallFloat::ieee>;
using bfloat16 = Small<uint16_t, 8, 7, 127, SmallFloat::ieee>;
using float8e4m3fn = Small<uint8_t, 4, 3, 7, SmallFloat::fn>;
using float8e4m3fnuz = Small<uint8_t, 4, 3, 8, SmallFloat::fnuz>;
using float8e5m2 = Small<uint8_t, 5, 2, 15, SmallFloat::ieee>;
using float8e5m2fnuz = Small<uint8_t, 5, 2, 16, SmallFloat::fnuz>;
/// One element of a packed float4e2m1 tensor, unpacked into the low four bits.
using float4e2m1 = Small<uint8_t, 2, 1, 1, SmallFloat::all>;

/// An exponent alone: 2^(bits-127); 255 is NaN.
struct float8e8m0 {
  uint8_t bits = 0;
  operator float() const {
    return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, int(bits) - 127);
  }
};

}  // namespace tessera
