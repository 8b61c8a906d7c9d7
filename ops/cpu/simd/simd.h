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

/// v with zeros from lane n on.
inline V first_lanes(const V& v, int n) {
#if defined(__AVX512F__)
  return V(_mm512_maskz_mov_ps(static_cast<__mmask16>((1u << n) - 1), v));
#else
  float whole[lanes];
  store(whole, v);
  return load_part(whole, n);
#endif
}

/// The sum of all lanes: halves are added until one is left.
inline float across_lanes(const V& v) {
#if defined(__SSE2__)
#if defined(__AVX512F__)
  const __m256 eight =
      _mm256_add_ps(_mm512_castps512_ps256(v), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
#elif defined(__AVX2__)
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
#else
  const __m128 four = v;
#endif
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
#else
  float part[lanes];
  store(part, v);
  return (part[0] + part[2]) + (part[1] + part[3]);
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
