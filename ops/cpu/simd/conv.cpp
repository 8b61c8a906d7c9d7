// Inner loops of convolutions: register tiles over pixels and output channels.
#include "ops/cpu/simd/conv.h"

#include <utility>

#include "ops/cpu/simd/conv_tile.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

// Accumulators must stay in registers: 32 of them with AVX-512 and on aarch64, else 16.
// The widest tiles of one, two and three blocks.
#if defined(__AVX512F__)
constexpr int widest = 14, widest_two = 14, widest_three = 9;
#elif defined(__AVX2__)
constexpr int widest = 6, widest_two = 0, widest_three = 0;
#elif defined(__aarch64__)
constexpr int widest = 6, widest_two = 0, widest_three = 0;
#else
constexpr int widest = 3, widest_two = 0, widest_three = 0;
#endif

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

// Where a row's taps are: what all its pixels share.
struct DepthwiseRow {
  const float* in;  // the first row of taps that lies inside the picture
  int64_t row_stride;
  const float* weights;  // of that row
  int64_t rows;
};

// P pixels, of which the kernel's columns [first, last) lie inside; `x` is the input column of kernel
// column 0 of the first pixel. S is the stride, or 0 if it is not a constant.
template <int P, int S>
inline __attribute__((always_inline)) void depthwise_pixels(const DepthwisePlane& t, const DepthwiseRow& row, int64_t x,
                                                            int64_t first, int64_t last, float* out, int64_t offset) {
  const int64_t step = (S ? S : t.x.stride) * 16, tap = t.x.dilation * 16;
#pragma GCC unroll 4
  for (int j = 0; j < per_block; ++j) {
    V sum[P][1];
    const V start = load(t.bias + j * lanes);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sum[p][0] = start;
    const float* in = row.in + x * 16 + j * lanes;
    const float* w = row.weights + j * lanes;
    for (int64_t ky = 0; ky < row.rows; ++ky, in += row.row_stride, w += t.x.kernel * 16)
      for (int64_t kx = first; kx < last; ++kx) {
        const V weight = load(w + kx * 16);
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) sum[p][0] = fmadd(load(in + kx * tap + p * step), weight, sum[p][0]);
      }
    ConvEnd end = t.end;
    if (end.add) end.add += offset + j * lanes;
    if (end.slopes) end.slopes += j * lanes;
    finish<P, 1>(sum, end, 16);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) store(out + offset + p * 16 + j * lanes, sum[p][0]);
  }
}

template <int P, int S>
void depthwise_inner(const DepthwisePlane& t, const DepthwiseRow& row, int64_t x, int64_t offset) {
  depthwise_pixels<P, S>(t, row, x, 0, t.x.kernel, t.out, offset);
}

template <int S>
void depthwise_plane(const DepthwisePlane& t, int64_t begin, int64_t end) {
  using Inner = void (*)(const DepthwisePlane&, const DepthwiseRow&, int64_t, int64_t);
  constexpr Inner inner[9] = {nullptr,
                              depthwise_inner<1, S>,
                              depthwise_inner<2, S>,
                              depthwise_inner<3, S>,
                              depthwise_inner<4, S>,
                              depthwise_inner<5, S>,
                              depthwise_inner<6, S>,
                              depthwise_inner<7, S>,
                              depthwise_inner<8, S>};
  const DepthwiseAxis &h = t.y, &w = t.x;
  const int64_t stride = S ? S : w.stride, reach = (w.kernel - 1) * w.dilation;
  // Pixels [left, right) have all their columns inside the picture.
  const auto first_at = [](int64_t start, int64_t dilation) {
    return start < 0 ? (dilation - 1 - start) / dilation : 0;
  };
  const auto last_at = [](int64_t start, const DepthwiseAxis& a) {
    const int64_t room = a.in - start;
    const int64_t taps = room <= 0 ? 0 : (room + a.dilation - 1) / a.dilation;
    return taps < a.kernel ? taps : a.kernel;
  };
  int64_t left = w.pad <= 0 ? 0 : (w.pad + stride - 1) / stride;
  int64_t right = w.in - 1 - reach + w.pad < 0 ? 0 : (w.in - 1 - reach + w.pad) / stride + 1;
  if (right > w.out) right = w.out;
  if (left > right) left = right = w.out;
  const int64_t tiles = (right - left + 7) / 8;
  for (int64_t y = begin; y < end; ++y) {
    const int64_t top = y * h.stride - h.pad;
    const int64_t first = first_at(top, h.dilation), last = last_at(top, h);
    const DepthwiseRow row{t.in + (top + first * h.dilation) * w.in * 16, h.dilation * w.in * 16,
                           t.weights + first * w.kernel * 16, last > first ? last - first : 0};
    const int64_t line = y * w.out * 16;
    const auto border = [&](int64_t x) {
      const int64_t start = x * stride - w.pad;
      depthwise_pixels<1, S>(t, row, start, first_at(start, w.dilation), last_at(start, w), t.out, line + x * 16);
    };
    for (int64_t x = 0; x < left; ++x) border(x);
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t from = left + (right - left) * i / tiles, to = left + (right - left) * (i + 1) / tiles;
      inner[to - from](t, row, from * stride - w.pad, line + from * 16);
    }
    for (int64_t x = right; x < w.out; ++x) border(x);
  }
}

void depthwise_rows(const DepthwisePlane& t, int64_t begin, int64_t end) {
  if (t.x.stride == 1)
    depthwise_plane<1>(t, begin, end);
  else if (t.x.stride == 2)
    depthwise_plane<2>(t, begin, end);
  else
    depthwise_plane<0>(t, begin, end);
}

#if defined(__AVX512F__)
inline __m512 add_pairs(const __m512& x, const __m512& y) {
  return _mm512_add_ps(_mm512_unpacklo_ps(x, y), _mm512_unpackhi_ps(x, y));
}
inline __m512 add_quads(const V* from) {
  const __m512d x = _mm512_castps_pd(add_pairs(from[0], from[1])), y = _mm512_castps_pd(add_pairs(from[2], from[3]));
  return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
}
inline __m512 add_quarters(const __m512& x, const __m512& y) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
}
#endif

// The sums of the lanes of each of sixteen vectors, of which the first `count` are wanted.
inline void sums_across(const V* from, [[maybe_unused]] int count, float* to) {
#if defined(__AVX512F__)
  // Added while they are transposed, in the same order for each.
  store(to, V(add_quarters(add_quarters(add_quads(from), add_quads(from + 4)),
                           add_quarters(add_quads(from + 8), add_quads(from + 12)))));
#else
  for (int i = 0; i < count; ++i) to[i] = across_lanes(from[i]);
#endif
}

// P pixels times O outputs; every sum holds `lanes` partial sums over input channels.
template <int P, int O>
void few_run(const ConvTile& t, int64_t at, float* out) {
  constexpr int N = (P * O + 15) / 16 * 16;
  V sum[N];
#pragma GCC unroll 32
  for (int i = 0; i < N; ++i) sum[i] = V(0.0f);
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
          for (int o = 0; o < O; ++o) sum[o * P + p] = fmadd(value, weights[o], sum[o * P + p]);
        }
      }
  }
  float sums[N];
#pragma GCC unroll 2
  for (int i = 0; i < P * O; i += 16) sums_across(sum + i, P * O - i < 16 ? P * O - i : 16, sums + i);
  for (int o = 0; o < O; ++o) {
    const float start = t.bias ? t.bias[o] : 0.0f;
    for (int p = 0; p < P; ++p) out[p * t.out_pixel + o * t.out_block] = sums[o * P + p] + start;
  }
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
  table.pixels[B] = static_cast<int>(sizeof...(P));
  ((table.blocked[B][P + 1] = tile<Floats, P + 1, B, true>, table.planar[B][P + 1] = tile<Floats, P + 1, B, false>),
   ...);
}

constexpr ConvSimd make_table() {
  ConvSimd table{};
  fill<1>(table, std::make_integer_sequence<int, widest>{});
  fill<2>(table, std::make_integer_sequence<int, widest_two>{});
  fill<3>(table, std::make_integer_sequence<int, widest_three>{});
  table.depthwise = depthwise;
  table.depthwise_rows = depthwise_rows;
  table.few = few;
  return table;
}

}  // namespace

const ConvSimd conv = make_table();

}  // namespace tessera::cpu::TESSERA_LEVEL
