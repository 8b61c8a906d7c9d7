// Rows of elements, cut into pieces that threads share.
#pragma once

#include <algorithm>

#include "runtime/base/rounding.h"
#include "runtime/base/threads.h"

namespace tessera::cpu {

/// Calls body(row, first, count) for pieces of `most` elements at most; a task has `per_task` of them, about.
template <class Body>
void for_pieces(int64_t rows, int64_t length, int64_t most, int64_t per_task, Threads& threads, const Body& body) {
  const int64_t piece = std::clamp<int64_t>(length, 1, most), pieces = ceil_div(length, piece);
  threads.parallel(rows * pieces, std::max<int64_t>(1, per_task / piece), [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % pieces * piece;
      body(item / pieces, first, std::min(piece, length - first));
    }
  });
}

}  // namespace tessera::cpu
