#include "upscale/seams.h"

#include <algorithm>
#include <cmath>

namespace tessera::upscale {
namespace {

/// The samples along a row or a column.
std::vector<float> line(const Seams::Sample& at, int samples, int64_t x, int64_t y, int64_t dx, int64_t dy,
                        int64_t count) {
  std::vector<float> found;
  for (int sample = 0; sample < samples; ++sample)
    for (int64_t i = 0; i < count; ++i) found.push_back(at(sample, x + i * dx, y + i * dy));
  return found;
}

float difference(const std::vector<float>& a, const std::vector<float>& b) {
  float worst = 0;
  if (a.size() == b.size())
    for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

}  // namespace

void Seams::meet(Lines& lines, size_t column, size_t row, std::vector<float> line) {
  const auto waiting = lines.find({column, row});
  if (waiting == lines.end()) {
    lines.emplace(std::pair(column, row), std::move(line));
    return;
  }
  largest_ = std::max(largest_, difference(waiting->second, line));
  lines.erase(waiting);
}

void Seams::add(size_t column, size_t row, const Sample& at, int samples, int64_t width, int64_t height,
                const Region& kept) {
  const int64_t right = kept.x + kept.width, bottom = kept.y + kept.height;
  const auto across = [&](int64_t y) { return line(at, samples, kept.x, y, 1, 0, kept.width); };
  const auto down = [&](int64_t x) { return line(at, samples, x, kept.y, 0, 1, kept.height); };
  const std::lock_guard lock(mutex_);
  if (column > 0) meet(beside_, column, row, down(kept.x));
  if (row > 0) meet(below_, column, row, across(kept.y));
  if (right < width) meet(beside_, column + 1, row, down(right));
  if (bottom < height) meet(below_, column, row + 1, across(bottom));
}

}  // namespace tessera::upscale
