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

/// For `count` products that give m rows and n columns each: tall tiles, unless they would compute many rows in vain,
/// and small ones where there are few.
inline Tiles choose_tiles(int64_t m, int64_t n, int64_t count) {
  struct Choice {
    Tiles tiles;
    double pace;  // rows in the time of one: every element that is read serves as many
  };
  constexpr Choice choices[] = {{{64, 128, 8, 8}, 1},   {{32, 128, 4, 8}, 0.85}, {{24, 128, 3, 8}, 0.75},
                                {{16, 128, 4, 4}, 0.6}, {{12, 128, 3, 4}, 0.5},  {{8, 128, 2, 4}, 0.4},
                                {{4, 128, 1, 4}, 0.25}};
  constexpr Tiles small{32, 32, 4, 4};
  const auto cost = [&](const Choice& choice) {
    return static_cast<double>(round_up(m, choice.tiles.m)) / choice.pace;
  };
  const Tiles best = std::min_element(std::begin(choices), std::end(choices), [&](const Choice& a, const Choice& b) {
                       return cost(a) < cost(b);
                     })->tiles;
  const int64_t workgroups = ceil_div(m, best.m) * ceil_div(n, best.n) * count;
  return m > 16 && workgroups < enough_workgroups ? small : best;
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
