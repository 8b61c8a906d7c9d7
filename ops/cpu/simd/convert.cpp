#include "ops/cpu/simd/convert.h"

#include <string.h>

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

struct Half {
  uint16_t bits;
};
struct Boolean {
  uint8_t byte;
};

template <class T>
T read(const void* p, int64_t i) {
  T value;
  memcpy(&value, static_cast<const char*>(p) + i * static_cast<int64_t>(sizeof(T)), sizeof value);
  return value;
}
template <class T>
void write(void* p, int64_t i, T value) {
  memcpy(static_cast<char*>(p) + i * static_cast<int64_t>(sizeof(T)), &value, sizeof value);
}

template <class From, class To>
To number(From x) {
  return static_cast<To>(x);
}
// Through 32 bits, as float to a byte has no instruction of its own.
template <>
inline uint8_t number<float, uint8_t>(float x) {
  return static_cast<uint8_t>(static_cast<int32_t>(x));
}
template <>
inline int8_t number<float, int8_t>(float x) {
  return static_cast<int8_t>(static_cast<int32_t>(x));
}

template <class From, class To>
void convert_span(const void* from, void* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) write<To>(to, i, number<From, To>(read<From>(from, i)));
}

template <class From>
void to_boolean(const void* from, void* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) write<uint8_t>(to, i, read<From>(from, i) != From(0) ? 1 : 0);
}

template <class To>
void from_boolean(const void* from, void* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) write<To>(to, i, read<uint8_t>(from, i) ? To(1) : To(0));
}

[[maybe_unused]] float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, rest = half & 0x7fff;
  uint32_t bits = (rest << 13) + (112u << 23);
  float value;
  if (rest >= 0x7c00) {
    bits += 112u << 23;
    if (rest > 0x7c00) bits |= 1u << 22;
  } else if (rest < 0x0400) {  // below the normal range: exact in float
    value = static_cast<float>(rest) * 5.9604644775390625e-8f;
    memcpy(&bits, &value, 4);
  }
  bits |= sign;
  memcpy(&value, &bits, 4);
  return value;
}

[[maybe_unused]] uint16_t float_to_half(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) {  // below the normal range: let the adder round to its last place
    float small, magic = 0.5f;
    memcpy(&small, &magnitude, 4);
    small += magic;
    uint32_t shifted;
    memcpy(&shifted, &small, 4);
    return static_cast<uint16_t>(sign | (shifted - 0x3f000000));
  }
  const uint32_t rounded = magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | rounded >> 13);
}

void half_to_float_span(const void* from, void* to, int64_t n) {
  int64_t i = 0;
#if defined(__AVX2__)
  const auto* p = static_cast<const uint16_t*>(from);
  auto* q = static_cast<float*>(to);
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(q + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i))));
#endif
  for (; i < n; ++i) write<float>(to, i, half_to_float(read<uint16_t>(from, i)));
}

void float_to_half_span(const void* from, void* to, int64_t n) {
  int64_t i = 0;
#if defined(__AVX2__)
  const auto* p = static_cast<const float*>(from);
  auto* q = static_cast<uint16_t*>(to);
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(p + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; ++i) write<uint16_t>(to, i, float_to_half(read<float>(from, i)));
}

// Divisions of half as many numbers are more than twice as fast where vectors have 512 bits.
inline V divided(const V& x, float by) {
#if defined(__AVX512F__)
  const __m256 low = _mm512_castps512_ps256(x), high = _mm512_extractf32x8_ps(x, 1), scale = _mm256_set1_ps(by);
  return V(_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_div_ps(low, scale)), _mm256_div_ps(high, scale), 1));
#else
  return x / V(by);
#endif
}

#if defined(__AVX512F__)
// Adding 1.5 * 2^23 leaves a whole number in the last bits.
constexpr float magic = 12582912.0f;
constexpr int32_t magic_bits = 0x4b400000;

// The 64 numbers of four vectors, clamped to a byte's range.
inline void store_64(const __m512i (&whole)[4], bool is_signed, uint8_t* to) {
  const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  const __m512i low = _mm512_packs_epi32(whole[0], whole[1]), high = _mm512_packs_epi32(whole[2], whole[3]);
  const __m512i bytes = is_signed ? _mm512_packs_epi16(low, high) : _mm512_packus_epi16(low, high);
  _mm512_storeu_si512(to, _mm512_permutexvar_epi32(order, bytes));
}

// 64 numbers at a time, as far as there are so many: by products with the reciprocal, and those among which one is in
// doubt by `rounded`. Returns how many were done.
template <class Rounded>
int64_t quantize_usual(const float* x, float inverse, const V& limit, int32_t zero, bool is_signed, uint8_t* to,
                       int64_t n, const Rounded& rounded) {
  constexpr float far = 1024;
  const __m512i base = _mm512_set1_epi32(magic_bits - zero);
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    __m512i whole[4];
    V worst(0.0f);
    for (int k = 0; k < 4; ++k) {
      const __m512 product = load(x + i + k * lanes) * V(inverse);
      const V near(_mm512_min_ps(_mm512_max_ps(product, V(-far)), V(far)));  // of NaN the least
      const V sum = near + V(magic);
      worst = V(_mm512_max_ps(worst, xsimd::abs(near - (sum - V(magic)))));
      whole[k] = _mm512_sub_epi32(_mm512_castps_si512(sum), base);
    }
    if (xsimd::any(worst > limit))
      for (int k = 0; k < 4; ++k) whole[k] = rounded(load(x + i + k * lanes));
    store_64(whole, is_signed, to + i);
  }
  return i;
}

template <bool product, bool is_signed>
int64_t pair_bytes(const BytePair& p, const uint8_t* x, const uint8_t* y, uint8_t* to, int64_t n) {
  const auto numbers = [](const uint8_t* bytes) {
    const __m128i sixteen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    return V(_mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(sixteen) : _mm512_cvtepu8_epi32(sixteen)));
  };
  const float zeros[2] = {static_cast<float>(p.zeros[0]), static_cast<float>(p.zeros[1])};
  const V scale[2] = {V(p.scales[0]), V(p.scales[1])}, zero[2] = {V(zeros[0]), V(zeros[1])};
  const V shift(-(zeros[0] * p.scales[0] + zeros[1] * p.scales[1]));
  // Roundings here and where the result is defined are 2^-24 each: of all that is added, or of a product that matters.
  const float most = product ? 600.0f : 255 * (p.scales[0] + p.scales[1]);
  const V limit(0.5f - 7e-7f * most);
  const __m512i base = _mm512_set1_epi32(magic_bits - p.zero);
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    __m512i whole[4];
    V worst(0.0f);
    for (int k = 0; k < 4; ++k) {
      const V a = numbers(x + i * p.steps[0] + k * lanes), b = numbers(y + i * p.steps[1] + k * lanes);
      const V near = product ? (a - zero[0]) * (b - zero[1]) * scale[0] : fmadd(a, scale[0], fmadd(b, scale[1], shift));
      const V sum = near + V(magic);
      worst = V(_mm512_max_ps(worst, xsimd::abs(near - (sum - V(magic)))));
      whole[k] = _mm512_sub_epi32(_mm512_castps_si512(sum), base);
    }
    if (xsimd::any(worst > limit)) break;
    store_64(whole, is_signed, to + i);
  }
  return i;
}

int64_t any_pair_bytes(const BytePair& p, const void* x, const void* y, void* out, int64_t n) {
  const auto *a = static_cast<const uint8_t*>(x), *b = static_cast<const uint8_t*>(y);
  auto* to = static_cast<uint8_t*>(out);
  if (p.product) return p.is_signed ? pair_bytes<true, true>(p, a, b, to, n) : pair_bytes<true, false>(p, a, b, to, n);
  return p.is_signed ? pair_bytes<false, true>(p, a, b, to, n) : pair_bytes<false, false>(p, a, b, to, n);
}
#endif

void quantize(const float* x, float scale, float zero, bool is_signed, void* out, int64_t n) {
  const float low = is_signed ? -128.0f : 0.0f, high = is_signed ? 127.0f : 255.0f;
  const V vzero(zero), vlow(low), vhigh(high);
  auto* to = static_cast<uint8_t*>(out);
  // A product by the reciprocal is off by less than `doubt` where it matters, between -1024 and 1024: it rounds as the
  // quotient does, unless it lies that near to a half.
  constexpr float doubt = 2.5e-4f;
  const float inverse = 1 / scale, size = inverse < 0 ? -inverse : inverse;
  const bool is_usual = size > 1e-37f && size < 1e38f;
  const V vinverse(inverse), limit(0.5f - doubt);
  const auto rounded = [&](const V& value) {
    const V near = value * vinverse;
    V whole = xsimd::nearbyint(near);
    if (!is_usual || xsimd::any(xsimd::abs(near - whole) > limit)) whole = xsimd::nearbyint(divided(value, scale));
    const V q = whole + vzero;
    return xsimd::to_int(xsimd::select(q > vlow, xsimd::select(q < vhigh, q, vhigh), vlow));
  };
  int64_t i = 0;
#if defined(__AVX512F__)
  if (is_usual) i = quantize_usual(x, inverse, limit, static_cast<int32_t>(zero), is_signed, to, n, rounded);
  for (; i + lanes <= n; i += lanes)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm512_cvtepi32_epi8(rounded(load(x + i))));
#elif defined(__SSE2__)
  const auto four = [&](int64_t at) {  // lanes numbers: their low 16 bits, then their bytes
    alignas(32) int32_t whole[lanes];
    rounded(load(x + at)).store_unaligned(whole);
    __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(whole));
    words = _mm_packs_epi32(words,
                            lanes == 8 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(whole + lanes - 4)) : words);
    return is_signed ? _mm_packs_epi16(words, words) : _mm_packus_epi16(words, words);
  };
  for (; i + lanes <= n; i += lanes) {
    const __m128i bytes = four(i);
    memcpy(to + i, &bytes, lanes);
  }
#endif
  for (; i < n; i += lanes) {
    const int64_t count = n - i < lanes ? n - i : lanes;
    float part[lanes];
    int32_t whole[lanes];
    for (int64_t j = 0; j < lanes; ++j) part[j] = j < count ? x[i + j] : 0.0f;
    rounded(load(part)).store_unaligned(whole);
    for (int64_t j = 0; j < count; ++j) to[i + j] = static_cast<uint8_t>(whole[j]);
  }
}

template <class T>
void dequantize(const void* x, int32_t zero, float scale, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(static_cast<int32_t>(read<T>(x, i)) - zero) * scale;
}

constexpr int at(Number n) { return static_cast<int>(n); }

constexpr ConvertSimd table() {
  ConvertSimd t{};
#define TESSERA_BOTH(a, A, b, B)                                \
  t.convert[at(Number::a)][at(Number::b)] = convert_span<A, B>; \
  t.convert[at(Number::b)][at(Number::a)] = convert_span<B, A>;
  TESSERA_BOTH(float32, float, float64, double)
  TESSERA_BOTH(float32, float, int32, int32_t)
  TESSERA_BOTH(float32, float, int64, int64_t)
  TESSERA_BOTH(float32, float, uint8, uint8_t)
  TESSERA_BOTH(float32, float, int8, int8_t)
  TESSERA_BOTH(int32, int32_t, int64, int64_t)
  TESSERA_BOTH(int32, int32_t, uint8, uint8_t)
  TESSERA_BOTH(int32, int32_t, int8, int8_t)
  TESSERA_BOTH(int64, int64_t, uint8, uint8_t)
#undef TESSERA_BOTH
#define TESSERA_BOOLEAN(a, A)                                    \
  t.convert[at(Number::a)][at(Number::boolean)] = to_boolean<A>; \
  t.convert[at(Number::boolean)][at(Number::a)] = from_boolean<A>;
  TESSERA_BOOLEAN(float32, float)
  TESSERA_BOOLEAN(int32, int32_t)
  TESSERA_BOOLEAN(int64, int64_t)
  TESSERA_BOOLEAN(uint8, uint8_t)
#undef TESSERA_BOOLEAN
  t.convert[at(Number::float32)][at(Number::float16)] = float_to_half_span;
  t.convert[at(Number::float16)][at(Number::float32)] = half_to_float_span;
  t.quantize = quantize;
  t.dequantize[0] = dequantize<uint8_t>;
  t.dequantize[1] = dequantize<int8_t>;
  t.dequantize[2] = dequantize<int32_t>;
#if defined(__AVX512F__)
  t.pair_bytes = any_pair_bytes;
#endif
  return t;
}

}  // namespace

const ConvertSimd convert = table();

}  // namespace tessera::cpu::TESSERA_LEVEL
