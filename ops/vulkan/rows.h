// The host's side of shaders/common/row.glsl: rows that invocations of a workgroup share.
#pragma once

#include <algorithm>
#include <bit>

#include "ops/vulkan/kernel.h"
#include "runtime/base/rounding.h"

namespace tessera::vulkan {

/// Rows of `extent` elements that lie `stride` apart; rows of as many begin side by side.
struct RowSet {
  int64_t rows = 1, extent = 1, stride = 1;
};

/// Divides `lanes` invocations among rows, and says how many workgroups they are.
inline void set_rows(const RowSet& set, uint32_t lanes, Dispatch& dispatch) {
  constexpr int64_t most_kept = 8;
  const auto extent = static_cast<uint32_t>(set.extent);
  uint32_t together = std::min(lanes, std::bit_ceil(groups_of(extent, 4)));
  // Where elements of a row lie apart, neighbours in memory are those of several rows.
  if (set.stride > 1) together = std::min(together, std::max(1u, lanes / 32));
  dispatch.set("strided", set.stride > 1);
  const int64_t each = ceil_div(extent, together);
  dispatch.set("together", together);
  dispatch.set("kept", each <= most_kept ? static_cast<uint32_t>(each) : 0);
  spread(groups_of(static_cast<uint32_t>(set.rows), lanes / together), dispatch);
}

}  // namespace tessera::vulkan
