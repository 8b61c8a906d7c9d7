// The host's side of shaders/common/tile_fma.glsl: how a workgroup divides a product of matrices.
#pragma once

#include <algorithm>

#include "ops/vulkan/kernel.h"
#include "runtime/base/rounding.h"

namespace tessera::vulkan {

constexpr uint32_t tile_k = 16;             ///< terms of the sums at a time
constexpr int64_t most_groups = 65535;      ///< along one axis of a dispatch
constexpr int64_t enough_workgroups = 128;  ///< to keep a device busy

/// Kept within 128 invocations and 16 KiB of shared memory, which every device has.
struct Tiles {
  uint32_t m, n, each_m, each_n;
  uint32_t invocations() const { return m / each_m * (n / each_n); }
};

/// For `count` products that give m rows and n columns each, sums of so many terms: tall tiles, unless they would
/// compute many rows in vain, and small ones where there are few.
inline Tiles choose_tiles(int64_t m, int64_t n, int64_t count, int64_t terms, const Recorder& recorder) {
  static constexpr Tiles all[] = {{64, 128, 8, 8}, {32, 128, 4, 8}, {24, 128, 3, 8}, {16, 128, 4, 4},
                                  {12, 128, 3, 4}, {8, 128, 2, 4},  {4, 128, 1, 4},  {32, 32, 4, 4}};
  // Rows in the time of one: every element that is read serves as many. The last is for few workgroups.
  constexpr double pace[] = {1, 0.85, 0.75, 0.6, 0.5, 0.4, 0.25};
  if (const Tiles* tuned = recorder.tuned(List<Tiles>(all), {m, n, count, terms})) return *tuned;
  size_t best = 0;
  const auto cost = [&](size_t i) { return static_cast<double>(round_up(m, all[i].m)) / pace[i]; };
  for (size_t i = 1; i < std::size(pace); ++i)
    if (cost(i) < cost(best)) best = i;
  const int64_t workgroups = ceil_div(m, all[best].m) * ceil_div(n, all[best].n) * count;
  return m > 16 && workgroups < enough_workgroups ? all[std::size(pace)] : all[best];
}

inline void set_tiles(const Tiles& tiles, Dispatch& dispatch) {
  dispatch.set("local_size", tiles.invocations());
  dispatch.set("tile_m", tiles.m);
  dispatch.set("tile_n", tiles.n);
  dispatch.set("tile_k", tile_k);
  dispatch.set("each_m", tiles.each_m);
  dispatch.set("each_n", tiles.each_n);
}

}  // namespace tessera::vulkan
