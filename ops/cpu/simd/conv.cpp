// Inner loops of convolutions: register tiles over pixels and output channels.
#include "ops/cpu/simd/conv.h"

#include <utility>

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

constexpr int per_block = 16 / lanes;  // vectors per block of sixteen channels

// Accumulators must stay in registers: 32 of them with AVX-512 and on aarch64, else 16.
#if defined(__AVX512F__)
constexpr int widest = 14, most_blocks = 2;
#elif defined(__AVX2__)
constexpr int widest = 6, most_blocks = 1;
#elif defined(__aarch64__)
constexpr int widest = 6, most_blocks = 1;
#else
constexpr int widest = 3, most_blocks = 1;
#endif

// One input channel of one tap: `x` at the first pixel, `w` at the tile's weights.
template <int P, int N, int Step>
inline __attribute__((always_inline)) void add_channel(V (&sum)[P][N], const float* x, const float* w) {
  V weights[N];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) weights[j] = load(w + j * lanes);
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) {
    const V value(x[p * Step]);
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sum[p][j] = fmadd(value, weights[j], sum[p][j]);
  }
}

template <int P, int B, bool Blocked>
void tile(const ConvTile& t) {
  constexpr int N = B * per_block;
  V sum[P][N];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) {
    const V start = t.bias ? load(t.bias + j * lanes) : V(0.0f);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) sum[p][j] = start;
  }
  const int64_t block_stride = t.block_stride;
  for (int i = 0; i < t.tap_count; ++i) {
    const float* x = t.taps[i].in + t.at;
    const float* w = t.taps[i].weights;
    if constexpr (Blocked) {
      for (int b = t.blocks; b > 0; --b, x += block_stride) {
        const int channels = b == 1 ? t.last : 16;
        for (int c = 0; c < channels; ++c, w += B * 16) add_channel<P, N, 16>(sum, x + c, w);
      }
    } else {
      for (int b = t.blocks; b > 0; --b, x += block_stride, w += B * 16) add_channel<P, N, 1>(sum, x, w);
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) {
    float* out = t.out + p * t.out_pixel;
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) store(out + (j / per_block) * t.out_block + (j % per_block) * lanes, sum[p][j]);
  }
}

template <int P>
void depthwise_run(const ConvTile& t, int64_t at, float* out) {
#pragma GCC unroll 4
  for (int j = 0; j < per_block; ++j) {
    V sum[P];
    const V start = t.bias ? load(t.bias + j * lanes) : V(0.0f);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sum[p] = start;
    for (int i = 0; i < t.tap_count; ++i) {
      const float* x = t.taps[i].in + at + j * lanes;
      const V w = load(t.taps[i].weights + j * lanes);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sum[p] = fmadd(load(x + p * 16), w, sum[p]);
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) store(out + p * t.out_pixel + j * lanes, sum[p]);
  }
}

void depthwise(const ConvTile& t, int64_t pixels) {
  int64_t p = 0;
  for (; p + 8 <= pixels; p += 8) depthwise_run<8>(t, t.at + p * 16, t.out + p * t.out_pixel);
  for (; p < pixels; ++p) depthwise_run<1>(t, t.at + p * 16, t.out + p * t.out_pixel);
}

inline float sum_lanes(const V& v) {
#if XSIMD_VERSION_MAJOR >= 9
  return xsimd::reduce_add(v);
#else
  return xsimd::hadd(v);
#endif
}

// P pixels times O outputs; every sum holds `lanes` partial sums over input channels.
template <int P, int O>
void few_run(const ConvTile& t, int64_t at, float* out) {
  V sum[P][O];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int o = 0; o < O; ++o) sum[p][o] = V(0.0f);
  const int64_t width = int64_t{16} * t.blocks;
  for (int i = 0; i < t.tap_count; ++i) {
    const float* x = t.taps[i].in + at;
    const float* w = t.taps[i].weights;
    for (int b = 0; b < t.blocks; ++b, x += t.block_stride, w += 16)
      for (int j = 0; j < 16; j += lanes) {
        V weights[O];
#pragma GCC unroll 4
        for (int o = 0; o < O; ++o) weights[o] = load(w + o * width + j);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) {
          const V value = load(x + p * 16 + j);
#pragma GCC unroll 4
          for (int o = 0; o < O; ++o) sum[p][o] = fmadd(value, weights[o], sum[p][o]);
        }
      }
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int o = 0; o < O; ++o)
      out[p * t.out_pixel + o * t.out_block] = sum_lanes(sum[p][o]) + (t.bias ? t.bias[o] : 0.0f);
}

template <int O>
void few_pixels(const ConvTile& t, int64_t pixels) {
  constexpr int P = widest >= 14 ? (O <= 3 ? 8 : 6) : widest >= 6 && O <= 2 ? 4 : 3;
  int64_t p = 0;
  for (; p + P <= pixels; p += P) few_run<P, O>(t, t.at + p * 16, t.out + p * t.out_pixel);
  for (; p < pixels; ++p) few_run<1, O>(t, t.at + p * 16, t.out + p * t.out_pixel);
}

void few(const ConvTile& t, int64_t pixels, int outputs) {
  switch (outputs) {
    case 1: return few_pixels<1>(t, pixels);
    case 2: return few_pixels<2>(t, pixels);
    case 3: return few_pixels<3>(t, pixels);
    default: return few_pixels<4>(t, pixels);
  }
}

template <int B, int... P>
constexpr void fill(ConvSimd& table, std::integer_sequence<int, P...>) {
  ((table.blocked[B - 1][P + 1] = tile<P + 1, B, true>, table.planar[B - 1][P + 1] = tile<P + 1, B, false>), ...);
}

constexpr ConvSimd make_table() {
  ConvSimd table{};
  table.pixels = widest;
  table.blocks = most_blocks;
  fill<1>(table, std::make_integer_sequence<int, widest>{});
  if constexpr (most_blocks == 2) fill<2>(table, std::make_integer_sequence<int, widest>{});
  table.depthwise = depthwise;
  table.few = few;
  return table;
}

}  // namespace

const ConvSimd conv = make_table();

}  // namespace tessera::cpu::TESSERA_LEVEL
