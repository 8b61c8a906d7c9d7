// Copies between two strided index spaces: the one mechanism under Transpose, Slice, Split, Concat,
// Expand, Tile, DepthToSpace and their kin. Moves bits, for every element size.
#pragma once

#include "runtime/base/threads.h"
#include "runtime/graph/op.h"

namespace tessera::cpu {

class StridedCopy {
 public:
  static constexpr int max_rank = 16;

  /// `bytes` per element: 1, 2, 4, 8 or 16.
  explicit StridedCopy(int bytes) : bytes_(bytes) {}

  /// Adds an axis inside those added before; strides in elements, that of the target positive.
  void axis(int64_t extent, int64_t from_stride, int64_t to_stride);

  /// Copies every index. Allocates nothing.
  void run(const std::byte* from, std::byte* to, Threads& threads);

 private:
  struct Axis {
    int64_t extent, from, to;
  };
  void simplify();
  void read_in_order();
  void run_rows(const std::byte* from, std::byte* to, Threads& threads) const;
  void run_transposed(const std::byte* from, std::byte* to, int other, Threads& threads) const;

  int bytes_;
  int rank_ = 0;
  bool empty_ = false;
  Axis axes_[max_rank];
};

/// Bytes of an element that StridedCopy can move, or 0 (strings and packed types).
int movable_bytes(DType type);

}  // namespace tessera::cpu
