// The register tile of convolutions: a run of output pixels times blocks of output channels, held in
// registers while all taps and all input channels are added.
#pragma once

#include "ops/cpu/simd/conv.h"
#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

constexpr int per_block = 16 / lanes;  // vectors per block of sixteen channels

struct Floats {
  static constexpr bool counts_columns = false;
  static V add(const V& sum, const V& x, const V& w) { return fmadd(x, w, sum); }
};

// One input channel (or pair of them) of one tap: `x` at the first pixel, `w` at the tile's weights.
template <class Form, int P, int N, int Step>
inline __attribute__((always_inline)) void add_channel(V (&sum)[P][N], const float* x, const float* w) {
  V weights[N];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) weights[j] = load(w + j * lanes);
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) {
    const V value(x[p * Step]);
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) sum[p][j] = Form::add(sum[p][j], value, weights[j]);
  }
}

// What a ConvEnd does to a sum.
inline V clamped(const V& x, const V& low, const V& high) {
  return xsimd::select(high < x, high, xsimd::select(x < low, low, x));
}
inline V sloped(const V& x, const V& slope) { return xsimd::select(x < V(0.0f), x * slope, x); }

// Sums of P pixels times N vectors of channels, finished.
template <int P, int N>
inline __attribute__((always_inline)) void finish(V (&sum)[P][N], const ConvEnd& end, int64_t pixel) {
  const auto at = [&](int p, int j) { return p * pixel + (j / per_block) * end.add_block + (j % per_block) * lanes; };
  if (end.add) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) sum[p][j] = sum[p][j] + load(end.add + at(p, j));
  }
  if (end.kind == ConvEnd::Kind::clamp) {
    const V low(end.low), high(end.high);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j) {
        sum[p][j] = clamped(sum[p][j], low, high);
      }
  } else if (end.kind != ConvEnd::Kind::none) {
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      const V slope = end.kind == ConvEnd::Kind::slopes ? load(end.slopes + j * lanes) : V(end.low);
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p) sum[p][j] = sloped(sum[p][j], slope);
    }
  }
}

// The first `columns` sums of each pixel, added to what is there if the end says so: rows of a product.
template <int P, int N>
inline __attribute__((always_inline)) void store_columns(V (&sum)[P][N], const ConvTile& t) {
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      const int here = t.columns - j * lanes, n = here < lanes ? here : lanes;
      const int64_t at = p * t.out_pixel + (j / per_block) * t.out_block + (j % per_block) * lanes;
      if (n <= 0) continue;
      const V value = t.end.add ? sum[p][j] + load_part(t.end.add + at, n) : sum[p][j];
      store_part(t.out + at, value, n);
    }
}

// The next weights and what is added to the outputs come from far while sums are made.
inline void fetch(const float* p) { __builtin_prefetch(p, 0, 3); }

template <class Form, int P, int B, bool Blocked>
void tile(const ConvTile& t) {
  constexpr int N = B * per_block;
  if (t.end.add) {
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 3
      for (int b = 0; b < B; ++b) fetch(t.end.add + p * t.out_pixel + b * t.end.add_block);
  }
  V sum[P][N];
#pragma GCC unroll 8
  for (int j = 0; j < N; ++j) {
    const V start = t.bias ? load(t.bias + j * lanes) : V(0.0f);
#pragma GCC unroll 16
    for (int p = 0; p < P; ++p) sum[p][j] = start;
  }
  const int64_t block_stride = t.block_stride, fetch_step = t.fetch_step, fetch_jump = t.fetch_jump;
  const float* next = t.fetch;
  for (int i = 0; i < t.tap_count; ++i) {
    const float* x = t.taps[i].in + t.at;
    const float* w = t.taps[i].weights;
    if constexpr (Blocked) {
      for (int b = t.blocks; b > 0; --b, x += block_stride, next += fetch_jump) {
        const int channels = b == 1 ? t.last : 16;
        for (int c = 0; c < channels; ++c, w += B * 16, next += fetch_step) {
          fetch(next);
          add_channel<Form, P, N, 16>(sum, x + c, w);
        }
      }
    } else {
      for (int b = t.blocks; b > 0; --b, x += block_stride, w += B * 16) add_channel<Form, P, N, 1>(sum, x, w);
    }
  }
  if constexpr (Form::counts_columns)
    if (t.columns) return store_columns<P, N>(sum, t);
  finish<P, N>(sum, t.end, t.out_pixel);
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p) {
    float* out = t.out + p * t.out_pixel;
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) store(out + (j / per_block) * t.out_block + (j % per_block) * lanes, sum[p][j]);
  }
}

}  // namespace
}  // namespace tessera::cpu::TESSERA_LEVEL
