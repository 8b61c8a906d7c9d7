#include "ops/cpu/simd/wide.h"

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

#if defined(__AVX512F__)
constexpr int width = 8, most_rows = 8, vectors = 3;
#elif defined(__AVX2__)
constexpr int width = 4, most_rows = 4, vectors = 3;
#else
constexpr int width = 2, most_rows = 4, vectors = 2;
#endif
constexpr int most_columns = width * vectors;
typedef double D __attribute__((vector_size(width * 8)));

inline D at(const double* p) {
  D v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <int rows>
void multiply(const double* a, int64_t lda, const double* b, int64_t depth, int columns, bool adds, double* c,
              int64_t ldc) {
  D sum[rows][vectors];
  for (int i = 0; i < rows; ++i)
    for (int v = 0; v < vectors; ++v) sum[i][v] = D{};
  for (int64_t k = 0; k < depth; ++k, b += most_columns) {
    D right[vectors];
    for (int v = 0; v < vectors; ++v) right[v] = at(b + v * width);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const double left = a[i * lda + k];
      for (int v = 0; v < vectors; ++v) sum[i][v] += left * right[v];
    }
  }
  for (int i = 0; i < rows; ++i) {
    double* to = c + i * ldc;
    double own[most_columns];
    double* result = columns == most_columns ? to : own;
    for (int v = 0; v < vectors; ++v) {
      const D all = adds && columns == most_columns ? sum[i][v] + at(to + v * width) : sum[i][v];
      __builtin_memcpy(result + v * width, &all, sizeof all);
    }
    if (columns < most_columns)
      for (int j = 0; j < columns; ++j) to[j] = adds ? to[j] + own[j] : own[j];
  }
}

void tile(const double* a, int64_t lda, const double* b, int64_t depth, int rows, int columns, bool adds, double* c,
          int64_t ldc) {
  switch (rows) {
#if defined(__AVX512F__)
    case 8: return multiply<8>(a, lda, b, depth, columns, adds, c, ldc);
    case 7: return multiply<7>(a, lda, b, depth, columns, adds, c, ldc);
    case 6: return multiply<6>(a, lda, b, depth, columns, adds, c, ldc);
    case 5: return multiply<5>(a, lda, b, depth, columns, adds, c, ldc);
#endif
    case 4: return multiply<4>(a, lda, b, depth, columns, adds, c, ldc);
    case 3: return multiply<3>(a, lda, b, depth, columns, adds, c, ldc);
    case 2: return multiply<2>(a, lda, b, depth, columns, adds, c, ldc);
    default: return multiply<1>(a, lda, b, depth, columns, adds, c, ldc);
  }
}

}  // namespace

const WideSimd wide{most_rows, most_columns, tile};

}  // namespace tessera::cpu::TESSERA_LEVEL
