// Seams: how much two neighbouring windows differ where they meet, measured while they are computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "tools/upscale/resample.h"

namespace tessera::upscale {

/// Fed with windows row by row, each row from left to right. A window's pixels just behind what is kept
/// of it are its neighbour's first ones.
class Seams {
 public:
  explicit Seams(size_t columns) : below_(columns) {}

  /// A sample of a window's result as it is stored, in 0..1.
  using Sample = std::function<float(int sample, int64_t x, int64_t y)>;
  /// `at`: a window's whole result. `kept`: what is kept of it, in its own pixels.
  void add(size_t column, const Sample& at, int samples, int64_t width, int64_t height, const Region& kept);
  /// The largest difference so far.
  float largest() const { return largest_; }

 private:
  std::vector<float> beside_;              // the column behind the last window's kept ones
  std::vector<std::vector<float>> below_;  // the row under the kept ones of each window of the last row
  float largest_ = 0;
};

}  // namespace tessera::upscale
