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
inline V exp(const V& x) {
  // Numbers are the second operands, which come through where one is not a number.
  const Exponential e(xsimd::min(V(104.0f), xsimd::max(V(-105.0f), x)));
  return V(_mm512_scalef_ps(e.part + V(1.0f), e.power));
}
inline V tanh(const V& x) {
  const Exponential e(xsimd::min(V(20.0f), xsimd::max(V(-20.0f), x + x)));
  // (e^2x - 1) / (e^2x + 1), of which e^2x - 1 keeps its digits near zero.
  const V scale(_mm512_scalef_ps(V(1.0f), e.power));
  const V above = fmadd(scale, e.part, scale - V(1.0f));
  return above / (above + V(2.0f));
}
#else
inline V exp(const V& x) { return xsimd::exp(x); }
inline V tanh(const V& x) { return xsimd::tanh(x); }
#endif
inline V log(const V& x) { return xsimd::log(x); }
inline V log1p(const V& x) { return xsimd::log1p(x); }
/// A quotient of polynomials in x^2, fitted to erf(x) / x within 2e-8 relative error up to 3.92, from where on
/// the result rounds to one.
inline V erf(const V& x) {
  const V z = x * x;
  V p(2.066492470e-6f), q(3.827005275e-5f);
  for (const float c : {2.850590682e-4f, 3.738219151e-3f, 5.266769230e-2f, 1.896639168e-1f, 1.128379107f})
    p = fmadd(p, z, V(c));
  for (const float c : {1.157344785e-3f, 1.491402462e-2f, 1.138177514e-1f, 5.014180541e-1f, 1.0f})
    q = fmadd(q, z, V(c));
  return select(abs(x) > V(3.92f), sign(x), x * p / q);
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
inline V sin(const V& x) { return each(x, ::sinf); }
inline V cos(const V& x) { return each(x, ::cosf); }
inline V tan(const V& x) { return each(x, ::tanf); }
inline V asin(const V& x) { return each(x, ::asinf); }
inline V acos(const V& x) { return each(x, ::acosf); }
inline V atan(const V& x) { return each(x, ::atanf); }
inline V sinh(const V& x) { return each(x, ::sinhf); }
inline V cosh(const V& x) { return each(x, ::coshf); }
inline V asinh(const V& x) { return each(x, ::asinhf); }
inline V acosh(const V& x) { return each(x, ::acoshf); }
inline V atanh(const V& x) { return each(x, ::atanhf); }

/// Exact where models use it (squares, cubes); lane by lane elsewhere, since exp(y log x) would
/// lose digits.
inline V pow(const V& x, const V& y) {
  if (xsimd::all(y == V(2.0f))) return x * x;
  if (xsimd::all(y == V(3.0f))) return x * x * x;
  float base[lanes], exponent[lanes];
  store(base, x);
  store(exponent, y);
  for (int i = 0; i < lanes; ++i) base[i] = ::powf(base[i], exponent[i]);
  return load(base);
}

}  // namespace
}  // namespace tessera::cpu::TESSERA_LEVEL
