// Transforms of Winograd's F(4x4, 3x3) on the points 0, +-sqrt(1/2), +-sqrt(2), infinity, and of
// F(6x6, 3x3) on 0, +-1, +-2, +-1/2, infinity; one block of sixteen channels of one tile at a time.
#pragma once

#include "ops/cpu/simd/conv.h"

namespace tessera::cpu {

/// What of a tile lies inside the picture: rows [top, bottom) and columns [left, right).
struct TilePart {
  int64_t top, bottom, left, right;
};

struct WinogradSimd {
  struct Transforms {
    /// A tile's pixels of sixteen channels, rows `row_stride` floats apart, into as many places `plane` apart.
    void (*input)(const float* in, int64_t row_stride, float* out, int64_t plane);
    /// The same where only a part of the tile exists: zeros stand for the rest.
    void (*input_part)(const float* in, int64_t row_stride, const TilePart& part, float* out, int64_t plane);
    /// Places `plane` apart into outputs plus bias, finished: the tile's first `rows` rows, which are `row_stride`
    /// floats apart, of `columns` pixels. `end` points at this tile's operands.
    void (*output)(const float* in, int64_t plane, const float* bias, const ConvEnd& end, float* out,
                   int64_t row_stride, int64_t rows, int64_t columns);
    /// 3x3 weights [9][16] of sixteen outputs into as many places `plane` apart. Places `next` floats behind are
    /// fetched: they are likely to be written later.
    void (*weights)(const float* in, float* out, int64_t plane, int64_t next);
  };
  Transforms of4, of6;  ///< for tiles of 4x4 and of 6x6 outputs

  /// Asks for a run of cache lines, to be in the second-level cache when they are read or written. In
  /// this table because a compiler may drop a direct call whose only effect is on caches.
  void (*fetch)(const float* first, int64_t lines);

  const Transforms& of(int step) const { return step == 4 ? of4 : of6; }
};

TESSERA_SIMD_FAMILY(WinogradSimd, winograd)

}  // namespace tessera::cpu
