// Products of matrices of float64.
#pragma once

#include "ops/cpu/level.h"

namespace tessera::cpu {

struct WideSimd {
  static constexpr int64_t depth = 256;  ///< of one call: as many rows of b as stay near
  int rows, columns;                     ///< of the largest tile
  /// c[i * ldc + j] = or += (`adds`) sum over k of a[i * lda + k] * b[k * columns + j], for i < rows, j < columns; b is
  /// packed, with as many columns as the largest tile.
  void (*tile)(const double* a, int64_t lda, const double* b, int64_t depth, int rows, int columns, bool adds,
               double* c, int64_t ldc);
};

TESSERA_SIMD_FAMILY(WideSimd, wide)

}  // namespace tessera::cpu
