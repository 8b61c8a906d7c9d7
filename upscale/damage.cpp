#include "upscale/damage.h"

#include <cmath>
#include <numbers>

#include "upscale/luma.h"

namespace tessera::upscale {
namespace {

constexpr int64_t side = 16;      // of the squares that may be calm
constexpr size_t least = 16;      // squares that tell something
constexpr int64_t changes = 400;  // so many, for each place in a block

}  // namespace

void Damage::add(const Picture& band) {
  const int64_t width = band.width, height = band.height;
  std::vector<float> luma(static_cast<size_t>(width * height));
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      luma[static_cast<size_t>(y * width + x)] = static_cast<float>(luma_of(band.row(y) + 3 * x));
  const auto at = [&](int64_t y, int64_t x) { return luma[static_cast<size_t>(y * width + x)]; };

  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 1; x < width; ++x) {
      across_.sums[x % block] += static_cast<double>(std::abs(at(y, x) - at(y, x - 1)));
      ++across_.counts[x % block];
    }
  for (int64_t y = 1; y < height; ++y) {
    const int64_t place = (rows_ + y) % block;
    for (int64_t x = 0; x < width; ++x) down_.sums[place] += static_cast<double>(std::abs(at(y, x) - at(y - 1, x)));
    down_.counts[place] += width;
  }

  // What is flat or slopes evenly has no response.
  const auto response = [&](int64_t y, int64_t x) {
    return std::abs(at(y - 1, x - 1) + at(y - 1, x + 1) + at(y + 1, x - 1) + at(y + 1, x + 1) -
                    2 * (at(y - 1, x) + at(y + 1, x) + at(y, x - 1) + at(y, x + 1)) + 4 * at(y, x));
  };
  for (int64_t top = 1; top + side < height; top += side)
    for (int64_t left = 1; left + side < width; left += side) {
      float sum = 0;
      for (int64_t y = top; y < top + side; ++y)
        for (int64_t x = left; x < left + side; ++x) sum += response(y, x);
      places_.push_back(sum / (side * side));
    }
  rows_ += height;
}

double Damage::noise() const {
  if (places_.size() < least) return 0;
  std::vector<float> places = places_;
  const size_t calm = places.size() / 10 + 1;
  std::nth_element(places.begin(), places.begin() + static_cast<long>(calm), places.end());
  double sum = 0;
  for (size_t i = 0; i < calm; ++i) sum += static_cast<double>(places[i]);
  return std::sqrt(std::numbers::pi / 2) / 6 * sum / static_cast<double>(calm);
}

double Damage::blocks() const { return std::min(across_.stands_out(), down_.stands_out()); }

double Damage::Changes::stands_out() const {
  double means[block];
  for (int i = 0; i < block; ++i) {
    if (counts[i] < changes) return 0;
    means[i] = sums[i] / static_cast<double>(counts[i]);
  }
  std::sort(std::begin(means), std::end(means));
  const double above = means[block - 1] - means[block - 2], spread = means[block - 2] - means[0];
  return above > spread ? above : 0;
}

}  // namespace tessera::upscale
