#include "ops/cpu/simd/quantized.h"

#include <string.h>

#include <utility>

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

// --- Sums of products --------------------------------------------------------------------------

// Vectors of 32-bit sums. `madd` adds the products of neighbouring 16-bit numbers.
#if defined(__AVX512BW__)
using Sums = __m512i;
constexpr int sum_lanes = 16, widest = 14, most_blocks = 2;
inline Sums load_sums(const void* p) { return _mm512_loadu_si512(p); }
inline void store_sums(void* p, Sums v) { _mm512_storeu_si512(p, v); }
inline Sums repeat(int32_t v) { return _mm512_set1_epi32(v); }
inline Sums madd(Sums sum, Sums x, Sums w) { return _mm512_add_epi32(sum, _mm512_madd_epi16(x, w)); }
#elif defined(__AVX2__)
using Sums = __m256i;
constexpr int sum_lanes = 8, widest = 5, most_blocks = 1;
inline Sums load_sums(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store_sums(void* p, Sums v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
inline Sums repeat(int32_t v) { return _mm256_set1_epi32(v); }
inline Sums madd(Sums sum, Sums x, Sums w) { return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w)); }
#elif defined(__SSE2__)
using Sums = __m128i;
constexpr int sum_lanes = 4, widest = 2, most_blocks = 1;
inline Sums load_sums(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline void store_sums(void* p, Sums v) { _mm_storeu_si128(static_cast<__m128i*>(p), v); }
inline Sums repeat(int32_t v) { return _mm_set1_epi32(v); }
inline Sums madd(Sums sum, Sums x, Sums w) { return _mm_add_epi32(sum, _mm_madd_epi16(x, w)); }
#else
struct Sums {
  int32_t v[4];
};
constexpr int sum_lanes = 4, widest = 4, most_blocks = 1;
inline Sums load_sums(const void* p) {
  Sums v;
  memcpy(&v, p, sizeof v);
  return v;
}
inline void store_sums(void* p, const Sums& v) { memcpy(p, &v, sizeof v); }
inline Sums repeat(int32_t v) { return {{v, v, v, v}}; }
inline Sums madd(Sums sum, const Sums& x, const Sums& w) {
  int16_t a[8], b[8];
  memcpy(a, &x, sizeof a);
  memcpy(b, &w, sizeof b);
  for (int i = 0; i < 4; ++i) sum.v[i] += a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
  return sum;
}
#endif

constexpr int per_block = 16 / sum_lanes;
static_assert(sum_lanes == lanes || lanes == 4);

inline int32_t read32(const std::byte* p) {
  int32_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

// Groups of two channels, as 16-bit numbers.
struct Pairs {
  static constexpr int pixel = 32, groups = 8;
  static Sums add(Sums sum, Sums x, Sums w) { return madd(sum, x, w); }
};
#if defined(__AVX512VNNI__)
// Groups of four channels: unsigned bytes times signed ones.
struct Quads {
  static constexpr int pixel = 16, groups = 4;
  static Sums add(Sums sum, Sums x, Sums w) { return _mm512_dpbusd_epi32(sum, x, w); }
};
#endif

// One group of input channels of one tap.
template <class Form, int P, int R, int N>
inline __attribute__((always_inline)) void add_group(Sums (&sum)[R * P][N], const std::byte* x, int64_t second,
                                                     const std::byte* w) {
  Sums weights[N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) weights[j] = load_sums(w + j * sum_lanes * 4);
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r) {
    const std::byte* row = r ? x + second : x;
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) {
      const Sums value = repeat(read32(row + p * Form::pixel));
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) sum[r * P + p][j] = Form::add(sum[r * P + p][j], value, weights[j]);
    }
  }
}

template <class Form, int P, int R, int B>
void tile(const QuantTile& t) {
  constexpr int N = B * per_block;
  Sums sum[R * P][N];
#pragma GCC unroll 4
  for (int j = 0; j < N; ++j) {
    const Sums start = load_sums(t.bias + j * sum_lanes);
#pragma GCC unroll 16
    for (int p = 0; p < R * P; ++p) sum[p][j] = start;
  }
  const int64_t second = t.second;
  const std::byte* ahead = t.ahead;
  for (int i = 0; i < t.tap_count; ++i) {
    const std::byte* x = t.taps[i].in + t.at;
    const std::byte* w = t.taps[i].weights;
    for (int b = t.blocks; b > 1; --b, x += t.block_stride) {
      for (int line = 0; line < B; ++line) __builtin_prefetch(ahead + line * 64, 0, 2);
      ahead += t.ahead_step;
#pragma GCC unroll 1
      for (int g = 0; g < Form::groups; ++g, w += B * 64) add_group<Form, P, R, N>(sum, x + g * 4, second, w);
    }
#pragma GCC unroll 1
    for (int g = 0; g < t.last; ++g, w += B * 64) add_group<Form, P, R, N>(sum, x + g * 4, second, w);
  }
#pragma GCC unroll 16
  for (int p = 0; p < R * P; ++p)
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j)
      store_sums(t.out + p * 16 + (j / per_block) * t.out_block + (j % per_block) * sum_lanes, sum[p][j]);
}

template <class Form, int R, int B, int... P>
constexpr void fill(QuantSimd::Tiles& tiles, std::integer_sequence<int, P...>) {
  ((tiles[R - 1][B - 1][P + 1] = tile<Form, P + 1, R, B>), ...);
}

template <class Form>
constexpr void fill_all(QuantSimd::Tiles& tiles) {
  fill<Form, 1, 1>(tiles, std::make_integer_sequence<int, widest>{});
  fill<Form, 2, 1>(tiles, std::make_integer_sequence<int, widest / 2>{});
  if constexpr (most_blocks == 2) {
    fill<Form, 1, 2>(tiles, std::make_integer_sequence<int, widest>{});
    fill<Form, 2, 2>(tiles, std::make_integer_sequence<int, widest / 2>{});
  }
}

// --- Depthwise -----------------------------------------------------------------------------------

#if defined(__AVX512VNNI__)
// Four pixels of sixteen channels become sixteen channels of four pixels.
inline __m512i turn(const std::byte* p) {
  const __m512i dwords = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  const __m512i bytes = _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
  return _mm512_shuffle_epi8(_mm512_permutexvar_epi32(dwords, _mm512_loadu_si512(p)), bytes);
}

template <int P>
inline void depthwise_run(const QuantTile& t, int64_t at, int64_t step, int32_t* out) {
  __m512i sum[P];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) sum[p] = load_sums(t.bias);
  for (int i = 0; i < t.tap_count; ++i) {
    const std::byte* x = t.taps[i].in + at;
    const __m512i w = load_sums(t.taps[i].weights);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sum[p] = _mm512_dpbusd_epi32(sum[p], turn(x + p * step), w);
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p) store_sums(out + p * 16, sum[p]);
}

void depthwise_quads(const QuantTile& t, int64_t pixels, int64_t step) {
  int64_t p = 0;
  for (; p + 8 <= pixels; p += 8) depthwise_run<8>(t, t.at + p * step, step, t.out + p * 16);
  for (; p < pixels; ++p) depthwise_run<1>(t, t.at + p * step, step, t.out + p * 16);
}
#endif

// Numbers of 16 and of 32 bits, as many as the level has 32-bit lanes.
typedef int16_t Narrow __attribute__((vector_size(sum_lanes * 2)));
typedef int32_t Wide __attribute__((vector_size(sum_lanes * 4)));

// A channel and the same channel of the next pixel, side by side; neither is negative.
inline __attribute__((always_inline)) Sums neighbours(const std::byte* p) {
  Narrow here, next;
  memcpy(&here, p, sizeof here);
  memcpy(&next, p + 32, sizeof next);
  const Wide pair = __builtin_convertvector(here, Wide) | (__builtin_convertvector(next, Wide) << 16);
  Sums result;
  memcpy(&result, &pair, sizeof result);
  return result;
}

template <int P>
inline void depthwise_pairs_run(const QuantTile& t, int64_t at, int64_t step, int32_t* out) {
  Sums sum[P][per_block];
  for (int p = 0; p < P; ++p)
    for (int j = 0; j < per_block; ++j) sum[p][j] = load_sums(t.bias + j * sum_lanes);
  for (int i = 0; i < t.tap_count; ++i) {
    const std::byte* x = t.taps[i].in + at;
    for (int j = 0; j < per_block; ++j) {
      const Sums w = load_sums(t.taps[i].weights + j * sum_lanes * 4);
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) sum[p][j] = madd(sum[p][j], neighbours(x + p * step + j * sum_lanes * 2), w);
    }
  }
  for (int p = 0; p < P; ++p)
    for (int j = 0; j < per_block; ++j) store_sums(out + p * 16 + j * sum_lanes, sum[p][j]);
}

void depthwise_pairs(const QuantTile& t, int64_t pixels, int64_t step) {
  constexpr int P = sum_lanes == 4 ? 2 : 4;
  int64_t p = 0;
  for (; p + P <= pixels; p += P) depthwise_pairs_run<P>(t, t.at + p * step, step, t.out + p * 16);
  for (; p < pixels; ++p) depthwise_pairs_run<1>(t, t.at + p * step, step, t.out + p * 16);
}

template <bool widen>
inline void put(std::byte* to, int64_t i, uint8_t value) {
  if constexpr (widen) {
    const auto wide = static_cast<int16_t>(value);
    memcpy(to + i * 2, &wide, 2);
  } else {
    to[i] = static_cast<std::byte>(value);
  }
}

template <bool widen>
inline void copy_bytes(const std::byte* from, int64_t n, uint8_t flip, std::byte* to) {
  for (int64_t i = 0; i < n; ++i) put<widen>(to, i, static_cast<uint8_t>(from[i]) ^ flip);
}

template <bool widen>
void copy_pixels(const std::byte* from, int64_t step, int channels, int64_t pixels, uint8_t flip, std::byte* to,
                 int64_t to_step) {
  constexpr int pixel = widen ? 32 : 16;
  if (step == 16 && channels == 16 && to_step == pixel) return copy_bytes<widen>(from, pixels * 16, flip, to);
  if (channels == 16)
    for (int64_t p = 0; p < pixels; ++p) copy_bytes<widen>(from + p * step, 16, flip, to + p * to_step);
  else
    for (int64_t p = 0; p < pixels; ++p) copy_bytes<widen>(from + p * step, channels, flip, to + p * to_step);
}

void copy(const std::byte* from, int64_t step, int channels, int64_t pixels, uint8_t flip, bool widen, std::byte* to,
          int64_t to_step) {
  widen ? copy_pixels<true>(from, step, channels, pixels, flip, to, to_step)
        : copy_pixels<false>(from, step, channels, pixels, flip, to, to_step);
}

template <bool widen, int C>
void gather_pixels(const std::byte* from, int64_t step, int64_t plane, int64_t pixels, uint8_t flip, std::byte* to,
                   int64_t to_step) {
  for (int64_t p = 0; p < pixels; ++p) {
    std::byte channels[C * (widen ? 2 : 1)];
    for (int c = 0; c < C; ++c) put<widen>(channels, c, static_cast<uint8_t>(from[p * step + c * plane]) ^ flip);
    memcpy(to + p * to_step, channels, sizeof channels);
  }
}

template <bool widen>
void gather_form(const std::byte* from, int64_t step, int64_t plane, int channels, int64_t pixels, uint8_t flip,
                 std::byte* to, int64_t to_step) {
  constexpr int size = widen ? 2 : 1;
  int c = 0;
  for (; c + 3 <= channels; c += 3)
    gather_pixels<widen, 3>(from + c * plane, step, plane, pixels, flip, to + c * size, to_step);
  for (; c < channels; ++c)
    gather_pixels<widen, 1>(from + c * plane, step, plane, pixels, flip, to + c * size, to_step);
}

void gather(const std::byte* from, int64_t step, int64_t plane, int channels, int64_t pixels, uint8_t flip, bool widen,
            std::byte* to, int64_t to_step) {
  (widen ? gather_form<true> : gather_form<false>)(from, step, plane, channels, pixels, flip, to, to_step);
}

// --- From sums to results ------------------------------------------------------------------------

constexpr int vectors = 16 / lanes;  // of floats, per pixel

inline void load_pixel(const int32_t* p, V (&v)[vectors]) {
#if defined(__AVX512F__)
  v[0] = V(_mm512_cvtepi32_ps(_mm512_loadu_si512(p)));
#else
  using I = xsimd::batch<int32_t, Arch>;
  for (int j = 0; j < vectors; ++j) v[j] = xsimd::to_float(I::load_unaligned(p + j * lanes));
#endif
}

// Bytes less their zero point.
template <bool is_signed>
inline void load_bytes(const std::byte* p, int32_t zero, V (&v)[vectors]) {
#if defined(__AVX512F__)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m512i wide = is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
  v[0] = V(_mm512_cvtepi32_ps(_mm512_sub_epi32(wide, _mm512_set1_epi32(zero))));
#else
  float values[16];
  for (int i = 0; i < 16; ++i)
    values[i] = static_cast<float>((is_signed ? static_cast<int32_t>(static_cast<int8_t>(p[i]))
                                              : static_cast<int32_t>(static_cast<uint8_t>(p[i]))) -
                                   zero);
  for (int j = 0; j < vectors; ++j) v[j] = load(values + j * lanes);
#endif
}

inline V clamp(const V& x, float low, float high) { return xsimd::min(xsimd::max(x, V(low)), V(high)); }

inline V round_even(const V& x) {
#if defined(__AVX512F__)
  return V(_mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT));
#else
  return xsimd::nearbyint(x);
#endif
}

// Whole numbers less the zero point, as bytes.
inline void store_bytes(const V (&v)[vectors], int32_t zero, bool is_signed, std::byte* out) {
  const float low = static_cast<float>((is_signed ? -128 : 0) - zero);
#if defined(__AVX512F__)
  // What is too large for 32 bits becomes their highest bit alone: more than 255, without a sign.
  const __m512i whole = _mm512_cvtps_epi32(_mm512_max_ps(v[0], _mm512_set1_ps(low)));
  const __m512i shifted = _mm512_add_epi32(whole, _mm512_set1_epi32(is_signed ? zero + 128 : zero));
  const __m128i flip = _mm_set1_epi8(is_signed ? -128 : 0);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_xor_si128(_mm512_cvtusepi32_epi8(shifted), flip));
#else
  int32_t whole[16];
  for (int j = 0; j < vectors; ++j)
    xsimd::to_int(round_even(clamp(v[j], low, low + 255.0f))).store_unaligned(whole + j * lanes);
  for (int i = 0; i < 16; ++i) out[i] = static_cast<std::byte>(whole[i] + zero);
#endif
}

#if defined(__AVX512F__)
// The same for four pixels together. What is too low for 32 bits stays low; what is too high is cut before.
inline void store_bytes4(const V& a, const V& b, const V& c, const V& d, int32_t zero, bool is_signed, std::byte* out) {
  const __m512 high = _mm512_set1_ps(static_cast<float>((is_signed ? 127 : 255) - zero));
  const auto whole = [high](const V& v) { return _mm512_cvtps_epi32(_mm512_min_ps(v, high)); };
  const __m512i shift = _mm512_set1_epi16(static_cast<int16_t>(is_signed ? zero + 128 : zero));
  const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(whole(a), whole(b)), shift);
  const __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(whole(c), whole(d)), shift);
  const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
  const __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(ab, cd));
  const __m512i flip = _mm512_set1_epi8(is_signed ? -128 : 0);
  _mm512_storeu_si512(out, _mm512_xor_si512(bytes, flip));
}
#endif

template <int G, bool is_signed>
inline __attribute__((always_inline)) void add_operand(const std::byte* operand, const QuantStep& step,
                                                       V (&v)[G][vectors]) {
  const auto zero = static_cast<int32_t>(step.b);
  const bool unit = step.a == 1.0f;
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) {
    V y[vectors];
    load_bytes<is_signed>(operand + g * 16, zero, y);
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) v[g][j] = v[g][j] + (unit ? y[j] : y[j] * V(step.a));
  }
}

// One step for G pixels: the choice of the step is made once for all of them.
template <int G>
inline __attribute__((always_inline)) void apply(const QuantStep& step, const QuantSpan& span, int64_t pixel,
                                                 V (&v)[G][vectors]) {
  const float* from = step.lanes ? step.lanes + span.channel : nullptr;
  const auto each = [&](auto f) {
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g)
#pragma GCC unroll 4
      for (int j = 0; j < vectors; ++j) v[g][j] = f(v[g][j], j);
  };
  const auto lane = [from](int j) { return load(from + j * lanes); };
  switch (step.op) {
    case QuantOp::scale: each([&](const V& x, int j) { return x * lane(j); }); break;
    case QuantOp::shift: each([&](const V& x, int j) { return x + lane(j); }); break;
    case QuantOp::multiply: each([&](const V& x, int) { return x * V(step.a); }); break;
    case QuantOp::add: each([&](const V& x, int) { return x + V(step.a); }); break;
    case QuantOp::round: each([&](const V& x, int) { return round_even(clamp(x, step.a, step.b)); }); break;
    case QuantOp::slope: each([&](const V& x, int j) { return xsimd::select(x < V(0.0f), x * lane(j), x); }); break;
    case QuantOp::clip: each([&](const V& x, int) { return clamp(x, step.a, step.b); }); break;
    case QuantOp::plus: {
      const std::byte* operand = step.operand + span.offset + pixel * 16;
      step.is_signed ? add_operand<G, true>(operand, step, v) : add_operand<G, false>(operand, step, v);
      break;
    }
  }
}

struct FloatStore {
  float* out;
  template <int G>
  void put(const V (&v)[G][vectors], int64_t at) const {
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g)
#pragma GCC unroll 4
      for (int j = 0; j < vectors; ++j) store(out + at + g * 16 + j * lanes, v[g][j]);
  }
};

struct ByteStore {
  std::byte* out;
  int32_t zero;
  bool is_signed;
  template <int G>
  void put(const V (&v)[G][vectors], int64_t at) const {
    int g = 0;
#if defined(__AVX512F__)
    if constexpr (G % 4 == 0)
#pragma GCC unroll 4
      for (; g < G; g += 4)
        store_bytes4(v[g][0], v[g + 1][0], v[g + 2][0], v[g + 3][0], zero, is_signed, out + at + g * 16);
#endif
#pragma GCC unroll 8
    for (; g < G; ++g) store_bytes(v[g], zero, is_signed, out + at + g * 16);
  }
};

template <int G, class Store>
inline __attribute__((always_inline)) void finish_pixels(const int32_t* sums, const QuantSpan& span, int64_t pixel,
                                                         const Store& store) {
  V v[G][vectors];
#pragma GCC unroll 8
  for (int g = 0; g < G; ++g) load_pixel(sums + (pixel + g) * 16, v[g]);
  for (int i = 0; i < span.count; ++i) apply<G>(span.steps[i], span, pixel, v);
  store.template put<G>(v, pixel * 16);
}

template <class Store>
inline __attribute__((always_inline)) void finish(const int32_t* sums, const QuantSpan& span, const Store& store) {
  constexpr int G = 8 / vectors;
  int64_t p = 0;
  for (; p + G <= span.pixels; p += G) finish_pixels<G>(sums, span, p, store);
  for (; p < span.pixels; ++p) finish_pixels<1>(sums, span, p, store);
}

void to_floats(const int32_t* sums, const QuantSpan& span, float* out) { finish(sums, span, FloatStore{out}); }

void to_bytes(const int32_t* sums, const QuantSpan& span, int32_t zero, bool is_signed, std::byte* out) {
  finish(sums, span, ByteStore{out, zero, is_signed});
}

constexpr QuantSimd make_table() {
  QuantSimd table{};
  table.pixels = widest;
  table.blocks = most_blocks;
  fill_all<Pairs>(table.pairs);
  table.depthwise_pairs = depthwise_pairs;
#if defined(__AVX512VNNI__)
  table.has_quads = true;
  fill_all<Quads>(table.quads);
  table.depthwise_quads = depthwise_quads;
#endif
  table.copy = copy;
  table.gather = gather;
  table.to_floats = to_floats;
  table.to_bytes = to_bytes;
  return table;
}

}  // namespace

const QuantSimd quantized = make_table();

}  // namespace tessera::cpu::TESSERA_LEVEL
