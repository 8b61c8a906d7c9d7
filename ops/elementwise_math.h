// What the expressions of ops/elementwise.def mean for C++ numbers: the functions that they name,
// and Int, an integer that wraps and never traps.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace tessera::elementwise::math {

/// Two's complement arithmetic modulo 2^bits. Division by zero gives 0; min / -1 wraps to min.
template <class I>
struct Int {
  I v = 0;

  Int() = default;
  constexpr explicit Int(I value) : v(value) {}
  template <class Number>
  requires std::is_arithmetic_v<Number>
  constexpr explicit Int(Number value) : v(static_cast<I>(value)) {}

  friend constexpr Int operator+(Int x, Int y) { return wrap(bits(x) + bits(y)); }
  friend constexpr Int operator-(Int x, Int y) { return wrap(bits(x) - bits(y)); }
  friend constexpr Int operator*(Int x, Int y) { return wrap(bits(x) * bits(y)); }
  friend constexpr Int operator-(Int x) { return wrap(-bits(x)); }
  // Without a branch, whose way random signs would not let a processor guess.
  friend constexpr Int abs(Int x) {
    if constexpr (std::is_signed_v<I>) {
      const uint64_t sign = uint64_t{0} - (bits(x) >> 63);
      return wrap((bits(x) ^ sign) - sign);
    } else {
      return x;
    }
  }
  friend constexpr Int operator/(Int x, Int y) {
    if (y.v == 0) return Int(I(0));
    if constexpr (std::is_signed_v<I>)
      if (y.v == -1) return -x;
    return Int(static_cast<I>(x.v / y.v));
  }
  friend constexpr auto operator<=>(Int x, Int y) = default;  // NOLINT(modernize-use-nullptr): its own zero

 private:
  static constexpr uint64_t bits(Int x) { return static_cast<uint64_t>(x.v); }
  static constexpr Int wrap(uint64_t value) { return Int(static_cast<I>(value)); }
};

template <class T>
constexpr T select(bool condition, T yes, T no) {
  return condition ? yes : no;
}
// Of what cannot be compared y, as vectors do: a NaN in an expression's last place comes through.
template <class T>
constexpr T min(T x, T y) {
  return x < y ? x : y;
}
template <class T>
constexpr T max(T x, T y) {
  return x > y ? x : y;
}
template <class T>
constexpr T abs(T x) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fabs(x);
  else
    return x < T(0) ? -x : x;
}
/// -1, 0 or 1; NaN stays.
template <class T>
constexpr T sign(T x) {
  if (x > T(0)) return T(1);
  if (x < T(0)) return T(0) - T(1);
  return x == T(0) ? T(0) : x;
}

/// Truncated towards zero; kept within the range of T, NaN becomes 0.
template <class T>
T truncated(double value) {
  constexpr double low = static_cast<double>(std::numeric_limits<T>::min());
  constexpr double high = static_cast<double>(std::numeric_limits<T>::max());
  if (value != value) return 0;
  if (value <= low) return std::numeric_limits<T>::min();
  return value >= high ? std::numeric_limits<T>::max() : static_cast<T>(value);
}

/// 1 + e^x, rounded once.
template <std::floating_point T>
T one_plus_exp(T x) {
  return static_cast<T>(1 + std::exp(static_cast<double>(x)));
}
/// x tanh(log(1 + e^x)), rounded once.
template <std::floating_point T>
T mish(T x) {
  const auto wide = static_cast<double>(x);
  return static_cast<T>(wide * std::tanh(std::max(wide, 0.0) + std::log1p(std::exp(-std::abs(wide)))));
}

// clang-format off
template <std::floating_point T> T exp(T x) { return std::exp(x); }
template <std::floating_point T> T expm1(T x) { return std::expm1(x); }
template <std::floating_point T> T log(T x) { return std::log(x); }
template <std::floating_point T> T log1p(T x) { return std::log1p(x); }
template <std::floating_point T> T sqrt(T x) { return std::sqrt(x); }
template <std::floating_point T> T tanh(T x) { return static_cast<T>(std::tanh(static_cast<double>(x))); }  // that of float is two units off
template <std::floating_point T> T erf(T x) { return std::erf(x); }
template <std::floating_point T> T floor(T x) { return std::floor(x); }
template <std::floating_point T> T ceil(T x) { return std::ceil(x); }
template <std::floating_point T> T round_even(T x) { return std::nearbyint(x); }
template <std::floating_point T> T pow(T x, T y) { return std::pow(x, y); }
template <std::floating_point T> T sin(T x) { return std::sin(x); }
template <std::floating_point T> T cos(T x) { return std::cos(x); }
template <std::floating_point T> T tan(T x) { return std::tan(x); }
template <std::floating_point T> T asin(T x) { return std::asin(x); }
template <std::floating_point T> T acos(T x) { return std::acos(x); }
template <std::floating_point T> T atan(T x) { return std::atan(x); }
template <std::floating_point T> T sinh(T x) { return std::sinh(x); }
template <std::floating_point T> T cosh(T x) { return std::cosh(x); }
template <std::floating_point T> T asinh(T x) { return std::asinh(x); }
template <std::floating_point T> T acosh(T x) { return std::acosh(x); }
template <std::floating_point T> T atanh(T x) { return std::atanh(x); }
// clang-format on

}  // namespace tessera::elementwise::math
