// Tiling: the windows of one size that cover an axis of a picture, and what is kept of each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tessera::upscale {

/// One window along an axis, in input pixels; positions may lie outside of the picture, where its
/// edge is continued.
struct Span {
  int64_t start = 0, size = 0;  ///< what the model sees
  int64_t keep = 0, kept = 0;   ///< first pixel and number of pixels whose results are used
};

/// What an axis asks for, from the convention and the reach.
struct AxisRules {
  int64_t scale = 1, lost_before = 0, lost_after = 0;
  int64_t multiple = 1;  ///< window sizes
  int64_t smallest_window = 1;
  int64_t lattice = 1;  ///< positions from the picture's first window on; a multiple of `multiple`
  int64_t align = 1;    ///< positions where there is room; a multiple of `lattice`
  int64_t fixed = 0;    ///< the only window size; 0: any
  int64_t overlap = 0;  ///< pixels between a window's inner border and what is kept of it

  int64_t before() const { return std::max<int64_t>(0, lost_before + scale - 1) / scale; }
  int64_t after() const { return std::max<int64_t>(0, lost_after + scale - 1) / scale; }
  /// The extent to run for the whole axis: with continued edges, a size that windows can cover.
  int64_t padded(int64_t extent) const;
  /// Smallest window that keeps anything between two inner borders.
  int64_t smallest() const;
};

/// Windows of at most `largest` pixels (as few and as small as that allows), one size for all, all of
/// which begin on the lattice and end where the axis does or a whole number of lattices before.
std::vector<Span> divide(int64_t extent, int64_t largest, const AxisRules& rules);

}  // namespace tessera::upscale
