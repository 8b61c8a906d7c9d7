// The functions that expressions of ops/elementwise.def use, on the vector type of the level.
// Exact matches on V, so that they win over xsimd's templates and libm's scalars of the same name.
#pragma once

#include <math.h>

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

using Mask = xsimd::batch_bool<float, Arch>;

inline V select(const Mask& c, const V& p, const V& q) { return xsimd::select(c, p, q); }
inline V min(const V& x, const V& y) { return xsimd::min(x, y); }
inline V max(const V& x, const V& y) { return xsimd::max(x, y); }
inline V abs(const V& x) { return xsimd::abs(x); }
inline V sqrt(const V& x) { return xsimd::sqrt(x); }
inline V floor(const V& x) { return xsimd::floor(x); }
inline V ceil(const V& x) { return xsimd::ceil(x); }
inline V round_even(const V& x) { return xsimd::nearbyint(x); }
inline V sign(const V& x) {
  const V zero(0.0f), one(1.0f);
  // x itself where it is neither above nor below zero: keeps NaN.
  return xsimd::select(x > zero, one, xsimd::select(x < zero, -one, x));
}

/// The same bits as numbers of another type; versions of xsimd do not agree on how theirs is called.
template <class To, class From>
inline To same_bits(const From& x) {
  return __builtin_bit_cast(To, x);
}

/// e^x as (1 + part) * 2^power, |x| < 1e5; `part` is exact to the last bits where it is small.
struct Exponential {
  V part, power;
  explicit Exponential(const V& x) : power(xsimd::nearbyint(x * V(1.44269504f))) {
    // Logarithm of 2 in two parts, of which the first has zeros for the digits of `power`.
    const V r = fmadd(power, V(2.12194440e-4f), fmadd(power, V(-0.693359375f), x));
    // Chebyshev's interpolation of (e^r - 1 - r) / r^2: 2e-9 of e^r - 1 at most.
    V p = fmadd(V(1.98909911e-4f), r, V(1.39336498e-3f));
    p = fmadd(p, r, V(8.33331048e-3f));
    p = fmadd(p, r, V(4.16664667e-2f));
    p = fmadd(p, r, V(1.66666672e-1f));
    p = fmadd(p, r, V(0.5f));
    part = fmadd(p * r, r, r);
  }
};

#if defined(__AVX512F__)
inline V power_of_two(const V& whole) { return V(_mm512_scalef_ps(V(1.0f), whole)); }
inline V half_power_of_two(const V& whole) { return V(_mm512_scalef_ps(V(0.5f), whole)); }
inline V exp(const V& x) {
  // Numbers are the second operands, which come through where one is not a number.
  const Exponential e(xsimd::min(V(104.0f), xsimd::max(V(-105.0f), x)));
  return V(_mm512_scalef_ps(e.part + V(1.0f), e.power));
}
/// e^x of what is not above zero.
inline V exp_below(const V& x) {
  const Exponential e(xsimd::max(V(-105.0f), x));
  return V(_mm512_scalef_ps(e.part + V(1.0f), e.power));
}
#else
/// The exponents of whole numbers, as bits of a float.
inline auto exponent(const V& whole) { return xsimd::batch_cast<int32_t>(whole) << 23; }
inline V power_of_two(const V& whole) { return same_bits<V>(exponent(whole + V(127.0f))); }
inline V half_power_of_two(const V& whole) { return same_bits<V>(exponent(whole + V(126.0f))); }
/// e^x of what is not above zero.
inline V exp_below(const V& x) {
  const Exponential e(x);
  const auto exponents = exponent(e.power);
  // Within this bound every result is a normal number, so that its exponent is a sum. What is no number is not below.
  const V y = same_bits<V>(same_bits<std::decay_t<decltype(exponents)> >(e.part + V(1.0f)) + exponents);
  return select(x < V(-87.33f), V(0.0f), y);
}
inline V exp(const V& x) { return select(x > V(88.7228317f), V(__builtin_inff()), exp_below(x)); }
#endif
/// 1 + e^x, in which e^x is not rounded first: halves of both, so that none is infinite before their sum is, and of the
/// power of two as much at first as a sum with one takes exactly.
inline V one_plus_exp(const V& x) {
  // Numbers are the second operands, which come through where one is not a number.
  const Exponential e(xsimd::min(V(89.0f), xsimd::max(V(-85.0f), x)));
  const V scale = half_power_of_two(e.power), first = xsimd::min(scale, V(4194304.0f));
  const V sum = fmadd(scale, e.part, V(0.5f) + first) + (scale - first);
  return sum + sum;
}
#if defined(__AVX512F__)
/// With h = (e^2x - 1) / 2, h / (1 + h): a small h less h^2 / (1 + h), and 1 less 1 / (1 + h).
inline V tanh(const V& x) {
  const V size = abs(x), half(0.5f), one(1.0f);
  const Exponential e(xsimd::min(V(20.0f), size + size));
  const V scale = half_power_of_two(e.power), h = fmadd(scale, e.part, scale - half);
  const V most = select(size > half, one, h), value = fmadd(-most, most / (one + h), most);
  return xsimd::bitwise_or(value, xsimd::bitwise_and(x, V(-0.0f)));
}
#else
inline V tanh(const V& x) { return xsimd::tanh(x); }
#endif
/// x tanh(log(1 + e^x)), whose tanh is a number and a far smaller rest. With e = e^x and h = e + e^2 / 2 it is
/// h / (1 + h) = e + e^2 / 2 - h^2 / (1 + h) for small e; for positive x, with e = e^-x, 1 - 2 e^2 / (1 + 2 e + 2 e^2);
/// between -1 and 0 a polynomial, fitted within 4e-9.
inline V mish(const V& x) {
  // Numbers are the second operands, which come through where one is not a number.
  const Exponential exponential(xsimd::max(V(-87.0f), -abs(x)));
  const V scale = power_of_two(exponential.power), e = fmadd(scale, exponential.part, scale);
  const V lost = fmadd(scale, exponential.part, scale - e);
  const V squared = e * e, h = fmadd(V(0.5f), squared, e), one(1.0f);
  const Mask small = x < V(-1.0f), near = x < V(0.0f) && x >= V(-1.0f);
  const V sum = one + select(small, h, fmadd(V(2.0f), squared, e + e));
  V rest = select(small, fmadd(V(0.5f), squared, lost), V(0.0f)) - select(small, h * h, squared + squared) / sum;
  const V y = x + V(0.5f);
  V p(-2.43247218e-4f);
  for (const float c : {3.12149763e-4f, 2.34167777e-3f, 1.47909106e-3f, -1.29051722e-2f, -2.98100957e-2f, 4.3936463e-2f,
                        3.03953744e-1f, 4.41487551e-1f})
    p = fmadd(p, y, V(c));
  rest = select(near, V(0.0f), rest);
  const V value = fmadd(x, select(near, p, select(small, e, one)), xsimd::min(V(3e38f), x) * rest);
  return select(x < V(-87.0f), x * exp_below(x), value);
}
/// e^x - 1, which keeps its digits near zero. Of x up to 88: elementwise.def asks for that of negative numbers.
inline V expm1(const V& x) {
  const Exponential e(xsimd::max(V(-20.0f), x));
  const V scale = power_of_two(e.power);
  return fmadd(scale, e.part, scale - V(1.0f));
}
inline V with_sign_of(const V& x, const V& positive) { return select(x < V(0.0f), -positive, positive); }
inline V log(const V& x) { return xsimd::log(x); }
inline V log1p(const V& x) { return xsimd::log1p(x); }
/// Seven units off at most, which sums with one do not show: a quotient of polynomials in x^2, fitted to erf(x) / x
/// within 2e-8 relative error up to 3.92, from where on the result rounds to one.
inline V erf(const V& x) {
  // Numbers are the second operands, which come through where one is not a number.
  const V y = xsimd::min(V(3.925f), xsimd::max(V(-3.925f), x)), z = y * y;
  V p(2.066492470e-6f), q(3.827005275e-5f);
  for (const float c : {2.850590682e-4f, 3.738219151e-3f, 5.266769230e-2f, 1.896639168e-1f, 1.128379107f})
    p = fmadd(p, z, V(c));
  for (const float c : {1.157344785e-3f, 1.491402462e-2f, 1.138177514e-1f, 5.014180541e-1f, 1.0f})
    q = fmadd(q, z, V(c));
  return xsimd::min(V(1.0f), xsimd::max(V(-1.0f), y * p / q));
}
/// The same within two units, in nearly twice the time. Up to 0.9 a polynomial, fitted to erf(x) / x - 1 in x^2 within
/// 2e-8; beyond, what is left to one is an exponential of a polynomial that is fitted to its logarithm. From 3.95 on
/// the result rounds to one.
inline V near_erf(const V& x) {
  // Numbers are the second operands, which come through where one is not a number.
  const V a = xsimd::min(V(3.95f), abs(x)), z = a * a;
  V p(-6.09035953e-4f), q(1.26141123e-3f);
  for (const float c : {5.01196506e-3f, -2.67789122e-2f, 1.12821408e-1f, -3.76125246e-1f, 1.28379151e-1f})
    p = fmadd(p, z, V(c));
  for (const float c : {-1.56527739e-2f, 9.1323413e-2f, 6.50452852e-1f, 1.1203984f, 1.82208815e-3f})
    q = fmadd(q, a, V(c));
  const V size = select(a > V(0.9f), V(1.0f) - exp_below(-q), fmadd(p, a, a));
  return xsimd::bitwise_or(size, xsimd::bitwise_and(x, V(-0.0f)));
}

/// Lane by lane through libm: functions that are rare in models, and whose xsimd forms carry shared
/// inline code that must not be compiled at this level.
template <class F>
inline V each(const V& x, F f) {
  float value[lanes];
  store(value, x);
  for (int i = 0; i < lanes; ++i) value[i] = f(value[i]);
  return load(value);
}
/// What is left of an angle after whole quarters of a turn, by a quarter of two in four parts, of which the first three
/// times a number of quarters are exact; its sine and cosine.
struct Quarter {
  V quadrant, sine, cosine;
  explicit Quarter(const V& x) {
    const V n = xsimd::nearbyint(x * V(0.636619772f));
    quadrant = n - V(4.0f) * xsimd::floor(n * V(0.25f));
    V r = fmadd(n, V(-1.5703125f), x);
    r = fmadd(n, V(-4.8375129699707031e-4f), r);
    r = fmadd(n, V(-7.549533620476723e-8f), r);
    r = fmadd(n, V(-2.5633440682570896e-12f), r);
    const V z = r * r;
    V p = fmadd(V(-1.9515295891e-4f), z, V(8.3321608736e-3f));
    p = fmadd(p, z, V(-1.6666654611e-1f));
    sine = fmadd(p * z, r, r);
    V q = fmadd(V(2.443315711809948e-5f), z, V(-1.388731625493765e-3f));
    q = fmadd(q, z, V(4.166664568298827e-2f));
    cosine = fmadd(q * z, z, fmadd(z, V(-0.5f), V(1.0f)));
  }
  /// Quadrants 1 and 3, where sine and cosine change places.
  Mask odd() const { return quadrant == V(1.0f) || quadrant == V(3.0f); }
};
/// Beyond, the parts of a quarter are too few.
inline bool few_turns(const V& x) { return xsimd::all(abs(x) < V(1000.0f)); }
inline V sin(const V& x) {
  if (!few_turns(x)) return each(x, ::sinf);
  const Quarter a(x);
  const V value = select(a.odd(), a.cosine, a.sine);
  return select(a.quadrant >= V(2.0f), -value, value);
}
inline V cos(const V& x) {
  if (!few_turns(x)) return each(x, ::cosf);
  const Quarter a(x);
  const V value = select(a.odd(), a.sine, a.cosine);
  return select(a.quadrant == V(1.0f) || a.quadrant == V(2.0f), -value, value);
}
inline V tan(const V& x) { return each(x, ::tanf); }
/// The arc sine of |x| up to a half, beyond it that of sqrt((1 - |x|) / 2): half of what is left to a quarter of a
/// turn.
inline V arc(const V& x, Mask* beyond) {
  const V a = abs(x);
  *beyond = a > V(0.5f);
  const V z = select(*beyond, V(0.5f) * (V(1.0f) - a), a * a);
  const V r = select(*beyond, sqrt(z), a);
  V p = fmadd(V(4.2163199048e-2f), z, V(2.4181311049e-2f));
  for (const float c : {4.5470025998e-2f, 7.4953002686e-2f, 1.6666752422e-1f}) p = fmadd(p, z, V(c));
  return fmadd(p * z, r, r);
}
inline V asin(const V& x) {
  Mask beyond;
  const V part = arc(x, &beyond);
  // A quarter of a turn in two parts.
  return with_sign_of(x, select(beyond, fmadd(part, V(-2.0f), V(1.57079637f)) - V(4.37113883e-8f), part));
}
inline V acos(const V& x) {
  Mask beyond;
  const V part = arc(x, &beyond), twice = part + part;
  return select(beyond, select(x < V(0.0f), V(3.14159265359f) - twice, twice),
                V(1.57079632679f) - with_sign_of(x, part));
}
inline V atan(const V& x) {
  const V a = abs(x);
  const Mask large = a > V(2.414213562f), middle = a > V(0.45f);
  const V r = select(large, V(-1.0f) / a, select(middle, (a - V(1.0f)) / (a + V(1.0f)), a));
  const V start = select(large, V(1.57079632679f), select(middle, V(0.785398163397f), V(0.0f)));
  const V z = r * r;
  // Fitted to (atan(r) - r) / r^3 in r^2, up to 0.45.
  V p = fmadd(V(-5.68038605e-2f), z, V(1.04309475e-1f));
  for (const float c : {-1.42207873e-1f, 1.99972368e-1f, -3.33332947e-1f}) p = fmadd(p, z, V(c));
  const V rest = select(large, V(-4.37113883e-8f), select(middle, V(-2.18556941e-8f), V(0.0f)));  // of the start
  return with_sign_of(x, start + (r + fmadd(p * z, r, rest)));
}
inline V sinh(const V& x) { return each(x, ::sinhf); }
inline V cosh(const V& x) { return each(x, ::coshf); }
inline V asinh(const V& x) { return each(x, ::asinhf); }
inline V acosh(const V& x) { return each(x, ::acoshf); }
inline V atanh(const V& x) { return each(x, ::atanhf); }

#if defined(__AVX2__)
using Doubles = xsimd::batch<double, Arch>;
using Longs = xsimd::batch<uint64_t, Arch>;

/// The logarithm to base two, within 2e-13 of itself, of a positive number.
inline Doubles log2_of(const Doubles& x) {
  // x = m * 2^k, m between sqrt(1/2) and sqrt(2); of an infinite x another number.
  const Longs bits = same_bits<Longs>(x);
  const Longs biased = (bits + Longs(uint64_t{0x00095f619980c433})) >> 52;
  const Doubles m = same_bits<Doubles>(bits - (biased << 52) + Longs(uint64_t{1023} << 52));
  // Bits of a whole number behind those of 2^52.
  const Doubles k = same_bits<Doubles>(biased | Longs(uint64_t{0x433} << 52)) - Doubles(4503599627370496.0 + 1023);
  // log(m) = 2 artanh((m - 1) / (m + 1)).
  const Doubles s = (m - Doubles(1.0)) / (m + Doubles(1.0)), z = s * s;
  Doubles p(1.0 / 17);
  for (const double c : {1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0}) p = p * z + Doubles(c);
  return p * s * Doubles(2.8853900817779268) + k;
}

/// 2^t, within 3e-10 of itself, for t in [-200, 200]; of what is no number, none.
inline Doubles power_of_two(const Doubles& t) {
  constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52: adding it leaves the whole number in the last bits
  const Doubles shifted = t + Doubles(magic);
  const Doubles r = (t - (shifted - Doubles(magic))) * Doubles(0.69314718055994531);
  Doubles p(1.0 / 40320);
  for (const double c : {1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0}) p = p * r + Doubles(c);
  return same_bits<Doubles>(same_bits<Longs>(p) + (same_bits<Longs>(shifted) << 52));
}

/// x^y as 2^(y log2 |x|) in float64, so that one rounding is left.
inline V any_power(const V& x, const V& y) {
  const V infinite(__builtin_inff()), size = abs(x);
  float base[lanes], exponents[lanes], power[lanes];
  store(base, size);
  store(exponents, y);
  constexpr int half = static_cast<int>(Doubles::size);
  for (int i = 0; i < lanes; i += half) {
    double a[half], b[half];
    for (int j = 0; j < half; ++j)
      a[j] = static_cast<double>(base[i + j]), b[j] = static_cast<double>(exponents[i + j]);
    const Doubles number = Doubles::load_unaligned(a), none(0.0), most(static_cast<double>(__builtin_inff()));
    // Of zero and of infinity by their limits; what is no number stays none.
    Doubles logarithm = xsimd::select(number < most, log2_of(number), number);
    logarithm = xsimd::select(number == none, -most, logarithm);
    const Doubles t = Doubles::load_unaligned(b) * logarithm;
    // Numbers are the second operands, which come through where one is not a number.
    const Doubles value = power_of_two(xsimd::min(Doubles(200.0), xsimd::max(Doubles(-200.0), t)));
    value.store_unaligned(a);
    for (int j = 0; j < half; ++j) power[i + j] = static_cast<float>(a[j]);
  }
  V result = select(size == V(1.0f) || y == V(0.0f), V(1.0f), load(power));
  // A negative base has powers by whole numbers alone; odd ones keep its sign, also that of zero.
  const V halved = y * V(0.5f);
  const Mask odd = y == floor(y) && halved != floor(halved);
  result = select(odd, xsimd::bitwise_or(result, xsimd::bitwise_and(x, V(-0.0f))), result);
  const V nothing(__builtin_nanf(""));
  return select(x < V(0.0f) && size < infinite && !(y == floor(y)), nothing, result);
}
#else
// Vectors of two float64 are slower than libm.
inline V any_power(const V& x, const V& y) {
  float base[lanes], exponents[lanes];
  store(base, x);
  store(exponents, y);
  for (int i = 0; i < lanes; ++i) base[i] = ::powf(base[i], exponents[i]);
  return load(base);
}
#endif
/// Squares and cubes, which models use, are products.
inline V pow(const V& x, const V& y) {
  if (xsimd::all(y == V(2.0f))) return x * x;
  if (xsimd::all(y == V(3.0f))) return x * x * x;
  return any_power(x, y);
}

}  // namespace
}  // namespace tessera::cpu::TESSERA_LEVEL
