// Tiles of bfloat16 products: by AMX, else by the AVX-512 instruction for pairs.
#include "ops/cpu/simd/bf16.h"

#include <immintrin.h>

#include <utility>

#include "ops/cpu/simd/amx.h"
#include "ops/cpu/simd/conv_tile.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

template <bool residue>
inline __m512 rounded(const V& x) {
  if constexpr (!residue) return x;
  const auto bits = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x));
  return _mm512_sub_ps(x, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)));
}

template <bool residue>
void round_all(const float* low, const float* high, int64_t step, int64_t pixels, int channels, float* out) {
  const int upper = channels > 16 ? channels - 16 : 0;
  const auto first = static_cast<__mmask16>(channels < 16 ? (1u << channels) - 1 : 0xffffu);
  const auto second = static_cast<__mmask16>((1u << upper) - 1);
  for (int64_t i = 0; i < pixels; ++i, low += step, out += 16) {
    const V x(_mm512_maskz_loadu_ps(first, low));
    V y(0.0f);
    if (upper) y = V(_mm512_maskz_loadu_ps(second, high)), high += step;
    const auto cells = _mm512_cvtne2ps_pbh(rounded<residue>(y), rounded<residue>(x));
    _mm512_storeu_si512(out, reinterpret_cast<__m512i>(cells));
  }
}

void round(const float* low, const float* high, int64_t step, int64_t pixels, int channels, bool residue, float* out) {
  (residue ? round_all<true> : round_all<false>)(low, high, step, pixels, channels, out);
}

#if defined(__AMX_BF16__) || defined(__AMXBF16__)

constexpr int widest = 2 * tile_rows, grain = tile_rows;

// R times sixteen pixels, B blocks: sums[block][pixel][16].
template <int R, int B>
void add_tiles(const ConvTile& t, float* sums) {
  constexpr int64_t pixel = 64, row = B * 64;
  _tile_zero(0);
  if constexpr (B == 2) _tile_zero(1);
  if constexpr (R == 2) _tile_zero(2);
  if constexpr (R == 2 && B == 2) _tile_zero(3);
  for (int i = 0; i < t.tap_count; ++i) {
    const float* x = t.taps[i].in + t.at;
    const float* w = t.taps[i].weights;
    for (int b = 0; b < t.blocks; ++b, x += t.block_stride, w += B * 256) {
      _tile_loadd(4, x, pixel);
      _tile_loadd(6, w, row);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (R == 2) {
        _tile_loadd(5, x + 256, pixel);
        _tile_dpbf16ps(2, 5, 6);
      }
      if constexpr (B == 2) {
        _tile_loadd(7, w + 16, row);
        _tile_dpbf16ps(1, 4, 7);
        if constexpr (R == 2) _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  _tile_stored(0, sums, pixel);
  if constexpr (B == 2) _tile_stored(1, sums + widest * 16, pixel);
  if constexpr (R == 2) _tile_stored(2, sums + 256, pixel);
  if constexpr (R == 2 && B == 2) _tile_stored(3, sums + widest * 16 + 256, pixel);
}

template <int B>
void store_pixels(const ConvTile& t, const float* sums, int pixels) {
  V bias[B];
  for (int b = 0; b < B; ++b) bias[b] = t.bias ? load(t.bias + b * 16) : V(0.0f);
  ConvTile row = t;
  for (int p = 0; p < pixels; ++p, sums += 16) {
    V sum[1][B];
    for (int b = 0; b < B; ++b) sum[0][b] = load(sums + b * widest * 16) + bias[b];
    if (row.columns) {
      store_columns<1, B>(sum, row);
    } else {
      finish<1, B>(sum, row.end, t.out_pixel);
      for (int b = 0; b < B; ++b) store(row.out + b * t.out_block, sum[0][b]);
    }
    row.out += t.out_pixel;
    if (row.end.add) row.end.add += t.out_pixel;
  }
}

void tile_of(const ConvTile& t, int blocks, int pixels) {
  alignas(64) float sums[2 * widest * 16];
  if (blocks == 2) {
    (pixels > grain ? add_tiles<2, 2> : add_tiles<1, 2>)(t, sums);
    store_pixels<2>(t, sums, pixels);
  } else {
    (pixels > grain ? add_tiles<2, 1> : add_tiles<1, 1>)(t, sums);
    store_pixels<1>(t, sums, pixels);
  }
}

#else

constexpr int widest = ConvSimd::max_pixels, grain = 1;

struct Pairs {
  static constexpr bool counts_columns = true;
  static V add(const V& sum, const V& x, const V& w) {
    return V(_mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x.data), reinterpret_cast<__m512bh>(w.data)));
  }
};

using Tile = void (*)(const ConvTile&);

struct Tiles {
  Tile by_size[Bf16Simd::max_blocks + 1][widest + 1] = {};

  template <int B, int... P>
  constexpr void fill(std::integer_sequence<int, P...>) {
    ((by_size[B][P + 1] = tile<Pairs, P + 1, B, true>), ...);
  }
  constexpr Tiles() {
    fill<1>(std::make_integer_sequence<int, widest>{});
    fill<2>(std::make_integer_sequence<int, widest>{});
  }
};

constexpr Tiles tiles;

void begin_tiles() {}
void end_tiles() {}
void tile_of(const ConvTile& t, int blocks, int pixels) { tiles.by_size[blocks][pixels](t); }

#endif

}  // namespace

const Bf16Simd bf16{{0, widest, widest}, grain, tile_of, round, begin_tiles, end_tiles};

}  // namespace tessera::cpu::TESSERA_LEVEL
