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

inline V exp(const V& x) { return xsimd::exp(x); }
inline V log(const V& x) { return xsimd::log(x); }
inline V log1p(const V& x) { return xsimd::log1p(x); }
inline V tanh(const V& x) { return xsimd::tanh(x); }
inline V erf(const V& x) { return xsimd::erf(x); }

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
