// The vector type of the level that a unit is compiled for. Units in this folder include this and
// plain structs only: no containers, nothing whose inline code baseline units could link instead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <xsimd/xsimd.hpp>

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

#if defined(__AVX512F__)
using Arch = xsimd::avx512bw;
#elif defined(__AVX2__)
using Arch = xsimd::fma3<xsimd::avx2>;
#elif defined(__aarch64__)
using Arch = xsimd::neon64;
#else
using Arch = xsimd::sse2;
#endif

using V = xsimd::batch<float, Arch>;
constexpr int lanes = static_cast<int>(V::size);

/// a * b + c in one rounding where the level has it (xsimd 8 lacks the AVX-512 form).
inline V fmadd(const V& a, const V& b, const V& c) {
#if defined(__AVX512F__)
  return V(_mm512_fmadd_ps(a, b, c));
#else
  return xsimd::fma(a, b, c);
#endif
}

inline V load(const float* p) { return V::load_unaligned(p); }
inline void store(float* p, const V& v) { v.store_unaligned(p); }

/// The first n < lanes numbers, zeros behind them.
inline V load_part(const float* p, int n) {
#if defined(__AVX512F__)
  return V(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p));
#else
  float whole[lanes] = {};
  for (int i = 0; i < n; ++i) whole[i] = p[i];
  return load(whole);
#endif
}

/// Stores the first n < lanes numbers.
inline void store_part(float* p, const V& v, int n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
#else
  float whole[lanes];
  store(whole, v);
  for (int i = 0; i < n; ++i) p[i] = whole[i];
#endif
}

}  // namespace
}  // namespace tessera::cpu::TESSERA_LEVEL
