#include "tools/upscale/seams.h"

#include <algorithm>
#include <cmath>

namespace tessera::upscale {
namespace {

/// The pixels of a row or column that `stride` leads along; empty where the window ends before it.
std::vector<float> line(const float* planes, int64_t channels, int64_t plane, int64_t from, int64_t stride,
                        int64_t count) {
  std::vector<float> samples;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < count; ++i)
      samples.push_back(std::clamp(planes[c * plane + from + i * stride], 0.0f, 1.0f));
  return samples;
}

float difference(const std::vector<float>& a, const std::vector<float>& b) {
  float worst = 0;
  if (a.size() == b.size())
    for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

}  // namespace

void Seams::add(size_t column, const float* planes, int64_t channels, int64_t width, int64_t height,
                const Region& kept) {
  const int64_t plane = width * height, first = kept.y * width + kept.x;
  const auto across = [&](int64_t from) { return line(planes, channels, plane, from, 1, kept.width); };
  const auto down = [&](int64_t from) { return line(planes, channels, plane, from, width, kept.height); };
  if (column > 0) largest_ = std::max(largest_, difference(beside_, down(first)));
  largest_ = std::max(largest_, difference(below_[column], across(first)));
  beside_ = kept.x + kept.width < width ? down(first + kept.width) : std::vector<float>{};
  below_[column] = kept.y + kept.height < height ? across(first + kept.height * width) : std::vector<float>{};
}

}  // namespace tessera::upscale
