// Seams: how much two neighbouring windows differ where they meet, measured while they are computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "upscale/resample.h"

namespace tessera::upscale {

/// Fed with windows in any order, from any thread. A window's pixels just behind what is kept of it are its
/// neighbour's first ones.
class Seams {
 public:
  /// A sample of a window's result as it is stored, in 0..1.
  using Sample = std::function<float(int sample, int64_t x, int64_t y)>;
  /// `at`: a window's whole result. `kept`: what is kept of it, in its own pixels.
  void add(size_t column, size_t row, const Sample& at, int samples, int64_t width, int64_t height, const Region& kept);
  /// The largest difference so far.
  float largest() const { return largest_; }

 private:
  /// What one of two neighbours has where they meet waits for the other's, by the column and the row of the second.
  using Lines = std::map<std::pair<size_t, size_t>, std::vector<float>>;
  void meet(Lines& lines, size_t column, size_t row, std::vector<float> line);

  std::mutex mutex_;
  Lines beside_, below_;
  float largest_ = 0;
};

}  // namespace tessera::upscale
