// Depth first: stretches of steps that run together, band of rows by band, so that what one step writes
// is still in near caches when the next one reads it.
#pragma once

#include "runtime/plan/assign.h"

namespace tessera {

/// Consecutive nodes, each reading the result of the one before it. Their results but the last are blocked
/// pictures of one size, and share bytes: each begins some rows above the one before it and overwrites rows that
/// nobody needs any more. So do the blocks of channels of each, which begin only `plane_rows` behind one another.
struct Wave {
  static constexpr size_t most_steps = 8;
  struct Band {
    size_t node;
    Rows rows;
  };
  size_t first = 0, count = 0;
  std::vector<Band> bands;  ///< in the order of their execution
  /// Per node: of its result, in the bytes that they share; 0 for the last two.
  std::vector<int64_t> row_offsets;
  int64_t plane_rows = 0;
  bool in_place = false;  ///< the last result may lie where the first node's input 0 does
};

/// Stretches that are worth it: of kernels that can work by rows, over values too large for near caches. `row_step`:
/// a multiple of what any of them needs.
std::vector<Wave> find_waves(const Graph& graph, const std::vector<Choice>& choices, int64_t row_step);

/// How a node works by rows: see Offer::row_step and Offer::row_reach.
struct RowNeeds {
  int step = 1, reach = 1;
};

/// The order in which these nodes fill pictures of `height` rows, in bands of about `rows`; `node` counts
/// from 0.
std::vector<Wave::Band> wave_bands(List<RowNeeds> nodes, int64_t height, int64_t rows);

}  // namespace tessera
