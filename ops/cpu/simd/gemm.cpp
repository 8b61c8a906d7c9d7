// The register tile of the matrix product, and the packing that feeds it.
#include "ops/cpu/simd/gemm.h"

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

#if defined(__AVX512F__)
constexpr int tile_rows = 14, tile_vectors = 2;
#elif defined(__AVX2__)
constexpr int tile_rows = 6, tile_vectors = 2;
#else
constexpr int tile_rows = 4, tile_vectors = 2;
#endif
constexpr int tile_columns = tile_vectors * lanes;

// Few rows leave few independent sums: then the depth is split into interleaved sums.
constexpr int depth_sums(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }

// How the left matrix lies: depths or rows next to each other.
enum class Left { by_rows, by_depths };

// Element (i, k) of the left matrix, without a register for every row: bases five rows apart, and
// multiples of the stride that an address can hold.
template <Left left, int rows>
struct LeftRows {
  static constexpr int bases = left == Left::by_rows ? (rows + 4) / 5 : 1;
  const char* base[bases];
  int64_t step, step3;

  explicit LeftRows(const GemmTile& t) : step(4 * (left == Left::by_rows ? t.a_row : t.a_depth)), step3(3 * step) {
    for (int i = 0; i < bases; ++i) base[i] = reinterpret_cast<const char*>(t.a) + 5 * i * step;
  }
  V at(int i, int k) const {
    if constexpr (left == Left::by_depths)
      return V(*reinterpret_cast<const float*>(base[0] + (k == 3 ? step3 : k * step) + 4 * i));
    else
      return V(*reinterpret_cast<const float*>(base[i / 5] + (i % 5 == 3 ? step3 : i % 5 * step) + 4 * k));
  }
  void advance(int k) {
    for (const char*& p : base) p += left == Left::by_rows ? 4 * k : k * step;
  }
};

// Calls body(i, v) for every vector of a tile, all written out: sums stay in registers.
template <int rows, int vectors, class Body>
[[gnu::always_inline]] inline void each_vector(const Body& body) {
#pragma GCC unroll 14
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) body(i, v);
  }
}

template <int rows, int vectors>
[[gnu::always_inline]] inline void start_tile(V (&sum)[rows][vectors], const GemmTile& t) {
  const auto from = [&](int i, int v) { return t.start + i * t.start_row + v * lanes; };
  if (!t.start)
    each_vector<rows, vectors>([&](int i, int v) { sum[i][v] = V(0.0f); });
  else if (t.columns == vectors * lanes)
    each_vector<rows, vectors>([&](int i, int v) { sum[i][v] = load(from(i, v)); });
  else
    each_vector<rows, vectors>([&](int i, int v) {
      const int here = t.columns - v * lanes;
      sum[i][v] = here >= lanes ? load(from(i, v)) : here > 0 ? load_part(from(i, v), here) : V(0.0f);
    });
}

template <int rows, int vectors>
[[gnu::always_inline]] inline void store_tile(const V (&sum)[rows][vectors], const GemmTile& t) {
  const auto to = [&](int i, int v) { return t.c + i * t.ldc + v * lanes; };
  if (t.columns == vectors * lanes)
    return each_vector<rows, vectors>([&](int i, int v) { store(to(i, v), sum[i][v]); });
  each_vector<rows, vectors>([&](int i, int v) {
    const int here = t.columns - v * lanes;
    if (here >= lanes)
      store(to(i, v), sum[i][v]);
    else if (here > 0)
      store_part(to(i, v), sum[i][v], here);
  });
}

template <Left left, int rows, int vectors>
void multiply(const GemmTile& t) {
  constexpr int sums = depth_sums(rows);
  for (int i = 0; i < rows; ++i)
    for (int v = 0; v < vectors; ++v) __builtin_prefetch(t.c + i * t.ldc + v * lanes, 1);
  V sum[sums][rows][vectors];
  start_tile<rows, vectors>(sum[0], t);
  for (int s = 1; s < sums; ++s)
    for (int i = 0; i < rows; ++i)
      for (int v = 0; v < vectors; ++v) sum[s][i][v] = V(0.0f);
  LeftRows<left, rows> a(t);
  const float* b = t.b;
  const char* fetch = t.fetch ? t.fetch : reinterpret_cast<const char*>(t.b);
  int64_t k = 0;
  for (; k + sums <= t.depth; k += sums) {
#pragma GCC unroll 4
    for (int s = 0; s < sums; ++s) {
      V right[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) right[v] = load(b + v * lanes);
#pragma GCC unroll 14
      for (int i = 0; i < rows; ++i) {
        const V one = a.at(i, s);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) sum[s][i][v] = fmadd(one, right[v], sum[s][i][v]);
      }
      b += t.b_stride;
    }
    a.advance(sums);
    __builtin_prefetch(fetch, 0, 2);
    fetch += t.fetch_step;
  }
  for (; k < t.depth; ++k, a.advance(1), b += t.b_stride)
    for (int v = 0; v < vectors; ++v)
      for (int i = 0; i < rows; ++i) sum[0][i][v] = fmadd(a.at(i, 0), load(b + v * lanes), sum[0][i][v]);
  for (int s = 1; s < sums; ++s)
    for (int i = 0; i < rows; ++i)
      for (int v = 0; v < vectors; ++v) sum[0][i][v] = sum[0][i][v] + sum[s][i][v];
  store_tile<rows, vectors>(sum[0], t);
}

using Multiply = void (*)(const GemmTile&);

template <Left left, int vectors>
constexpr Multiply by_rows[] = {
    nullptr,
    multiply<left, 1, vectors>,
    multiply<left, 2, vectors>,
    multiply<left, 3, vectors>,
    multiply<left, 4, vectors>,
#if defined(__AVX2__)
    multiply<left, 5, vectors>,
    multiply<left, 6, vectors>,
#endif
#if defined(__AVX512F__)
    multiply<left, 7, vectors>,
    multiply<left, 8, vectors>,
    multiply<left, 9, vectors>,
    multiply<left, 10, vectors>,
    multiply<left, 11, vectors>,
    multiply<left, 12, vectors>,
    multiply<left, 13, vectors>,
    multiply<left, 14, vectors>,
#endif
};

// The last columns of a matrix may need one vector only.
void tile(const GemmTile& t) {
  if (t.a_depth == 1)
    (t.columns <= lanes ? by_rows<Left::by_rows, 1> : by_rows<Left::by_rows, tile_vectors>)[t.rows](t);
  else
    (t.columns <= lanes ? by_rows<Left::by_depths, 1> : by_rows<Left::by_depths, tile_vectors>)[t.rows](t);
}

// Four rows of `a` by four depths, transposed.
inline void transpose4(const float* a, int64_t row_stride, float scale, float* out, int64_t out_stride) {
#if defined(__SSE2__)
  const __m128 alpha = _mm_set1_ps(scale);
  __m128 r0 = _mm_mul_ps(_mm_loadu_ps(a), alpha);
  __m128 r1 = _mm_mul_ps(_mm_loadu_ps(a + row_stride), alpha);
  __m128 r2 = _mm_mul_ps(_mm_loadu_ps(a + 2 * row_stride), alpha);
  __m128 r3 = _mm_mul_ps(_mm_loadu_ps(a + 3 * row_stride), alpha);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(out, r0);
  _mm_storeu_ps(out + out_stride, r1);
  _mm_storeu_ps(out + 2 * out_stride, r2);
  _mm_storeu_ps(out + 3 * out_stride, r3);
#else
  for (int k = 0; k < 4; ++k)
    for (int i = 0; i < 4; ++i) out[k * out_stride + i] = scale * a[i * row_stride + k];
#endif
}

#if defined(__AVX512F__)
// The same of sixteen rows: each vector holds four depths of four rows that are four apart.
inline void transpose16(const float* a, int64_t row_stride, const V& alpha, float* out, int64_t out_stride) {
  const auto rows = [&](int first) {
    const float* p = a + first * row_stride;
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(p));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 4 * row_stride), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 8 * row_stride), 2);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 12 * row_stride), 3);
    return _mm512_mul_ps(alpha, v);
  };
  const __m512 r0 = rows(0), r1 = rows(1), r2 = rows(2), r3 = rows(3);
  const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r0, r1)),
                low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r2, r3));
  const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r0, r1)),
                high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r2, r3));
  store(out, V(_mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23))));
  store(out + out_stride, V(_mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23))));
  store(out + 2 * out_stride, V(_mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23))));
  store(out + 3 * out_stride, V(_mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23))));
}
#endif

// out[k * out_stride + i] = scale * a[i * row_stride + k] for `rows` rows of contiguous depth.
void transpose(const float* a, int64_t row_stride, int rows, int64_t depth, float scale, float* out,
               int64_t out_stride) {
  const int64_t whole = depth / 4 * 4;
  int i = 0;
#if defined(__AVX512F__)
  for (const V alpha(scale); i + 16 <= rows; i += 16)
    for (int64_t k = 0; k < whole; k += 4)
      transpose16(a + i * row_stride + k, row_stride, alpha, out + k * out_stride + i, out_stride);
#endif
  for (; i + 4 <= rows; i += 4)
    for (int64_t k = 0; k < whole; k += 4)
      transpose4(a + i * row_stride + k, row_stride, scale, out + k * out_stride + i, out_stride);
  for (; i < rows; ++i)
    for (int64_t k = 0; k < whole; ++k) out[k * out_stride + i] = scale * a[i * row_stride + k];
  for (int64_t k = whole; k < depth; ++k)
    for (int r = 0; r < rows; ++r) out[k * out_stride + r] = scale * a[r * row_stride + k];
}

void pack_a(const float* a, int64_t row_stride, int64_t depth_stride, int rows, int64_t depth, float alpha,
            float* out) {
  if (depth_stride == 1) return transpose(a, row_stride, rows, depth, alpha, out, rows);
  for (int64_t k = 0; k < depth; ++k)
    for (int i = 0; i < rows; ++i) out[k * rows + i] = alpha * a[i * row_stride + k * depth_stride];
}

void pack_b(const float* b, int64_t depth_stride, int64_t column_stride, int64_t depth, int columns, float alpha,
            float* out) {
  const bool whole = columns == tile_columns;
  if (column_stride == 1 && whole) {
    const V by(alpha);
    for (int64_t k = 0; k < depth; ++k)
      for (int v = 0; v < tile_vectors; ++v)
        store(out + k * tile_columns + v * lanes, by * load(b + k * depth_stride + v * lanes));
    return;
  }
  if (depth_stride == 1)
    transpose(b, column_stride, columns, depth, alpha, out, tile_columns);
  else
    for (int64_t k = 0; k < depth; ++k)
      for (int j = 0; j < columns; ++j) out[k * tile_columns + j] = alpha * b[k * depth_stride + j * column_stride];
  if (!whole)
    for (int64_t k = 0; k < depth; ++k)
      for (int j = columns; j < tile_columns; ++j) out[k * tile_columns + j] = 0.0f;
}

float dot(const float* x, const float* y, int64_t n) {
  V sum0(0.0f), sum1(0.0f), sum2(0.0f), sum3(0.0f);
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    sum0 = fmadd(load(x + i), load(y + i), sum0);
    sum1 = fmadd(load(x + i + lanes), load(y + i + lanes), sum1);
    sum2 = fmadd(load(x + i + 2 * lanes), load(y + i + 2 * lanes), sum2);
    sum3 = fmadd(load(x + i + 3 * lanes), load(y + i + 3 * lanes), sum3);
  }
  for (; i + lanes <= n; i += lanes) sum0 = fmadd(load(x + i), load(y + i), sum0);
  float total = across_lanes((sum0 + sum1) + (sum2 + sum3));
  for (; i < n; ++i) total += x[i] * y[i];
  return total;
}

}  // namespace

const GemmSimd gemm{tile_rows, tile_columns, pack_a, pack_b, tile, dot};

}  // namespace tessera::cpu::TESSERA_LEVEL
