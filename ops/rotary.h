// What RotaryEmbedding's inputs are and how they lie: for the reference and the kernel.
#pragma once

#include <limits>

#include "runtime/graph/op.h"

namespace tessera::ops {

/// Which inputs are what.
struct RotaryOrder {
  size_t cos, sin, positions;
};
inline constexpr RotaryOrder standard_rotary{1, 2, 3}, contrib_rotary{2, 3, 1};

/// How an input splits into heads, and where they lie.
struct Rotary {
  int64_t batch, sequence, heads, depth, turned;
  int64_t sequence_stride, head_stride;

  Rotary(const AttrReader& n, const Shape& x, int64_t half) {
    if (x.rank() != 3 && x.rank() != 4) fail(Error::Kind::shape, "input ", x, " must have 3 or 4 axes");
    batch = x[0];
    const int64_t named = n.integer("rotary_embedding_dim");
    if (x.rank() == 4) {
      heads = x[1], sequence = x[2], depth = x[3];
      sequence_stride = depth, head_stride = sequence * depth;
    } else {
      sequence = x[1];
      heads = n.integer("num_heads");
      // The contrib operator finds the heads by the width of its tables.
      if (heads < 1 && !named && half > 0 && x[2] % (2 * half) == 0) heads = x[2] / (2 * half);
      if (heads < 1 || x[2] % heads) fail(Error::Kind::shape, "input ", x, " does not split into ", heads, " heads");
      depth = x[2] / heads;
      sequence_stride = x[2], head_stride = depth;
    }
    turned = named ? named : depth;
    if (turned < 0 || turned > depth || turned % 2 || half < turned / 2)
      fail(Error::Kind::shape, "cannot turn ", turned, " of ", depth, " features with tables of ", half);
  }

  /// The row of the tables for position t of a batch; `positions` (may be null) are one for all batches, to count from,
  /// or one each. A position itself may lie outside.
  int64_t row(int64_t b, int64_t t, const int64_t* positions, int64_t count) const {
    if (!positions) return b * sequence + t;
    if (count != 1) return positions[b * sequence + t];
    return positions[0] < 0 || positions[0] > std::numeric_limits<int64_t>::max() - t ? -1 : positions[0] + t;
  }
  /// Tables have a row for each position, or one for each position of each batch.
  static int64_t rows_of(const Shape& tables) { return tables.elements(0, tables.size() - 1); }
};

}  // namespace tessera::ops
