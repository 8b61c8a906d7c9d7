#include "ops/cpu/simd/bits.h"

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

// Sixteen bytes as floats, in vectors.
constexpr int parts = 16 / lanes;
struct Sixteen {
  V part[parts];
};

#if defined(__SSE2__)
inline Sixteen floats_of(__m128i bytes) {
#if defined(__AVX512F__)
  return {{V(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)))}};
#elif defined(__AVX2__)
  return {{V(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))),
           V(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))))}};
#else
  const __m128i none = _mm_setzero_si128(), low = _mm_unpacklo_epi8(bytes, none), high = _mm_unpackhi_epi8(bytes, none);
  return {{V(_mm_cvtepi32_ps(_mm_unpacklo_epi16(low, none))), V(_mm_cvtepi32_ps(_mm_unpackhi_epi16(low, none))),
           V(_mm_cvtepi32_ps(_mm_unpacklo_epi16(high, none))), V(_mm_cvtepi32_ps(_mm_unpackhi_epi16(high, none)))}};
#endif
}
inline __m128i bytes_at(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline __m128i low_halves(__m128i bytes) { return _mm_and_si128(bytes, _mm_set1_epi8(15)); }
inline __m128i high_halves(__m128i bytes) { return low_halves(_mm_srli_epi16(bytes, 4)); }
inline Sixteen low_of(const uint8_t* p) { return floats_of(low_halves(bytes_at(p))); }
inline Sixteen high_of(const uint8_t* p) { return floats_of(high_halves(bytes_at(p))); }
inline Sixteen bytes_of(const uint8_t* p) { return floats_of(bytes_at(p)); }
// Sixteen numbers of 4 bits in their order.
inline Sixteen halves_of(const uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return floats_of(_mm_unpacklo_epi8(low_halves(bytes), high_halves(bytes)));
}
#else
template <class F>
inline Sixteen sixteen(const F& number) {
  float all[16];
  for (int i = 0; i < 16; ++i) all[i] = static_cast<float>(number(i));
  Sixteen s;
  for (int v = 0; v < parts; ++v) s.part[v] = load(all + v * lanes);
  return s;
}
inline Sixteen low_of(const uint8_t* p) {
  return sixteen([&](int i) { return p[i] & 15; });
}
inline Sixteen high_of(const uint8_t* p) {
  return sixteen([&](int i) { return p[i] >> 4; });
}
inline Sixteen bytes_of(const uint8_t* p) {
  return sixteen([&](int i) { return p[i]; });
}
inline Sixteen halves_of(const uint8_t* p) {
  return sixteen([&](int i) { return i % 2 ? p[i / 2] >> 4 : p[i / 2] & 15; });
}
#endif

// Sums of number * x within a block, to which the block's scale comes, and of x, to which its zero point comes.
template <int bits, int count>
void dots(const BitsDots& d, float* y) {
  const int64_t bytes = d.block * bits / 8, column = d.blocks * bytes;
  V total[count];
  for (int c = 0; c < count; ++c) total[c] = V(0.0f);
  for (int64_t b = 0; b < d.blocks; ++b) {
    const float* x = d.x + b * d.block;
    const uint8_t* w = d.weights + b * bytes;
    V sum[count], all(0.0f);
    for (int c = 0; c < count; ++c) sum[c] = V(0.0f);
    for (int64_t i = 0; i < d.block; i += 32, x += 32, w += 4 * bits)
      for (int v = 0; v < parts; ++v) {
        const V first = load(x + v * lanes), second = load(x + 16 + v * lanes);
        all = all + (first + second);
#pragma GCC unroll 4
        for (int c = 0; c < count; ++c) {
          const uint8_t* at = w + c * column;
          const Sixteen one = bits == 4 ? low_of(at) : bytes_of(at), two = bits == 4 ? high_of(at) : bytes_of(at + 16);
          sum[c] = fmadd(one.part[v], first, fmadd(two.part[v], second, sum[c]));
        }
      }
    for (int c = 0; c < count; ++c) {
      const int64_t at = c * d.blocks + b;
      total[c] = fmadd(V(d.scales[at]), sum[c] - V(d.zeros[at]) * all, total[c]);
    }
  }
  for (int c = 0; c < count; ++c) y[c] = across_lanes(total[c]);
}

template <int bits>
void widen(const uint8_t* x, float zero, float scale, float* out, int64_t n) {
  const V vzero(zero), vscale(scale);
  for (int64_t i = 0; i < n; i += 16, x += 2 * bits) {
    const Sixteen s = bits == 4 ? halves_of(x) : bytes_of(x);
    for (int v = 0; v < parts; ++v) store(out + i + v * lanes, (s.part[v] - vzero) * vscale);
  }
}

}  // namespace

const BitsSimd bits{
    {dots<4, 1>, dots<4, BitsSimd::columns>}, {dots<8, 1>, dots<8, BitsSimd::columns>}, widen<4>, widen<8>};

}  // namespace tessera::cpu::TESSERA_LEVEL
