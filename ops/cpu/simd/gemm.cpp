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

template <int rows, int vectors>
void store_tile(V (&sum)[rows][vectors], float* c, int64_t ldc, int columns, bool accumulate) {
  for (int i = 0; i < rows; ++i)
    for (int v = 0; v < vectors; ++v) {
      float* to = c + i * ldc + v * lanes;
      const int here = columns - v * lanes;
      if (here >= lanes) {
        store(to, accumulate ? load(to) + sum[i][v] : sum[i][v]);
        continue;
      }
      if (here > 0) store_part(to, accumulate ? load_part(to, here) + sum[i][v] : sum[i][v], here);
    }
}

template <int rows, int vectors>
void multiply(int64_t depth, const float* a, const float* b, int64_t b_stride, float* c, int64_t ldc, int columns,
              bool accumulate) {
  constexpr int sums = depth_sums(rows);
  for (int i = 0; i < rows; ++i)
    for (int v = 0; v < vectors; ++v) __builtin_prefetch(c + i * ldc + v * lanes, 1);
  V sum[sums][rows][vectors];
  for (int s = 0; s < sums; ++s)
    for (int i = 0; i < rows; ++i)
      for (int v = 0; v < vectors; ++v) sum[s][i][v] = V(0.0f);
  int64_t k = 0;
  for (; k + sums <= depth; k += sums) {
#pragma GCC unroll 4
    for (int s = 0; s < sums; ++s) {
      V right[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) right[v] = load(b + s * b_stride + v * lanes);
#pragma GCC unroll 14
      for (int i = 0; i < rows; ++i) {
        const V left(a[s * rows + i]);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) sum[s][i][v] = fmadd(left, right[v], sum[s][i][v]);
      }
    }
    a += sums * rows;
    b += sums * b_stride;
  }
  for (; k < depth; ++k, a += rows, b += b_stride)
    for (int v = 0; v < vectors; ++v)
      for (int i = 0; i < rows; ++i) sum[0][i][v] = fmadd(V(a[i]), load(b + v * lanes), sum[0][i][v]);
  for (int s = 1; s < sums; ++s)
    for (int i = 0; i < rows; ++i)
      for (int v = 0; v < vectors; ++v) sum[0][i][v] = sum[0][i][v] + sum[s][i][v];
  store_tile<rows, vectors>(sum[0], c, ldc, columns, accumulate);
}

using Multiply = void (*)(int64_t, const float*, const float*, int64_t, float*, int64_t, int, bool);

template <int vectors>
constexpr Multiply by_rows[] = {
    nullptr,
    multiply<1, vectors>,
    multiply<2, vectors>,
    multiply<3, vectors>,
    multiply<4, vectors>,
#if defined(__AVX2__)
    multiply<5, vectors>,
    multiply<6, vectors>,
#endif
#if defined(__AVX512F__)
    multiply<7, vectors>,
    multiply<8, vectors>,
    multiply<9, vectors>,
    multiply<10, vectors>,
    multiply<11, vectors>,
    multiply<12, vectors>,
    multiply<13, vectors>,
    multiply<14, vectors>,
#endif
};

// The last columns of a matrix may need one vector only.
void tile(int rows, int64_t depth, const float* a, const float* b, int64_t b_stride, float* c, int64_t ldc, int columns,
          bool accumulate) {
  const Multiply multiply_rows = columns <= lanes ? by_rows<1>[rows] : by_rows<tile_vectors>[rows];
  multiply_rows(depth, a, b, b_stride, c, ldc, columns, accumulate);
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

// out[k * out_stride + i] = scale * a[i * row_stride + k] for `rows` rows of contiguous depth.
void transpose(const float* a, int64_t row_stride, int rows, int64_t depth, float scale, float* out,
               int64_t out_stride) {
  const int64_t whole = depth / 4 * 4;
  int i = 0;
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

void pack_b(const float* b, int64_t depth_stride, int64_t column_stride, int64_t depth, int columns, float* out) {
  const bool whole = columns == tile_columns;
  if (column_stride == 1 && whole) {
    for (int64_t k = 0; k < depth; ++k)
      for (int v = 0; v < tile_vectors; ++v)
        store(out + k * tile_columns + v * lanes, load(b + k * depth_stride + v * lanes));
    return;
  }
  if (depth_stride == 1)
    transpose(b, column_stride, columns, depth, 1.0f, out, tile_columns);
  else
    for (int64_t k = 0; k < depth; ++k)
      for (int j = 0; j < columns; ++j) out[k * tile_columns + j] = b[k * depth_stride + j * column_stride];
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
  float parts[lanes];
  store(parts, (sum0 + sum1) + (sum2 + sum3));
  float total = 0;
  for (int l = 0; l < lanes; ++l) total += parts[l];
  for (; i < n; ++i) total += x[i] * y[i];
  return total;
}

}  // namespace

const GemmSimd gemm{tile_rows, tile_columns, pack_a, pack_b, tile, dot};

}  // namespace tessera::cpu::TESSERA_LEVEL
