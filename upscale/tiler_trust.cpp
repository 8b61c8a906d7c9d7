// Trust: what a device gave is looked at before it becomes part of a picture.
#include <algorithm>
#include <cmath>

#include "runtime/base/rounding.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

/// Two levels of 8 bits, and the rounding of a comparison.
constexpr float tolerance = 2.001f / 255;
/// Where all samples of a window are nearly the same, one even color may be right.
constexpr float noise = 4.0f / 255;
/// Input pixels a side that a sample compares.
constexpr int64_t sample_side = 64;

/// How much there is to see: the widest range of a channel along some rows, and the changes along them.
struct Variety {
  float range = 0;
  double changes = 0;
};

Variety variety(const Rows& picture, int first, int channels, const Region& region) {
  Variety found;
  const int64_t x = std::clamp<int64_t>(region.x, 0, picture.width - 1);
  const int64_t count = std::clamp<int64_t>(region.x + region.width, x + 1, picture.width) - x;
  const int64_t begin = std::clamp<int64_t>(region.y, 0, picture.height - 1);
  const int64_t end = std::clamp<int64_t>(region.y + region.height, begin + 1, picture.height);
  std::vector<float> row(static_cast<size_t>(count));
  for (int c = first; c < first + channels; ++c) {
    float low = 1, high = 0;
    for (int64_t y = begin; y < end; y += 3) {
      picture.load(x, y, count, c, row.data());
      for (size_t i = 0; i < row.size(); ++i) {
        low = std::min(low, row[i]);
        high = std::max(high, row[i]);
        if (i > 0) found.changes += static_cast<double>(std::abs(row[i] - row[i - 1]));
      }
    }
    found.range = std::max(found.range, high - low);
  }
  return found;
}

}  // namespace

// The part of a window with the most to see, on the lattice of what tiles agree on.
Region Tiler::sample_of(const Rows& picture, Group group, const Region& window, bool whole) const {
  const AxisRules across = rules(true, !whole), down = rules(false, !whole);
  const auto side = [](const AxisRules& axis, int64_t extent) {
    const int64_t wanted = std::max(round_up(sample_side + 2 * axis.overlap, axis.multiple), axis.smallest_window);
    return axis.fixed ? extent : std::min(extent, wanted);
  };
  Region best{window.x, window.y, side(across, window.width), side(down, window.height)};
  const bool gray = group == Group::alpha || picture.color_channels() == 1;
  const int first = group == Group::alpha ? picture.channels - 1 : 0;
  double most = -1;
  for (int64_t i = 0; i <= 4; ++i)
    for (int64_t k = 0; k <= 4; ++k) {
      Region region = best;
      region.x = window.x + (window.width - best.width) * i / 4 / across.lattice * across.lattice;
      region.y = window.y + (window.height - best.height) * k / 4 / down.lattice * down.lattice;
      const double changes = variety(picture, first, gray ? 1 : 3, region).changes;
      if (changes <= most) continue;
      most = changes;
      best = region;
    }
  return best;
}

// The largest difference, in 0..1, from what the judge makes of a part of the window. Where a pixel may depend on all
// of what the model sees, both look at the part alone.
float Tiler::distance(const Hand& hand, const Hand& judge, const Rows& picture, Group group, const Ends& ends,
                      const Region& window, const Answer& answer) const {
  const bool alone = !reach_.followed || reach_.global || !reach_.pools.empty() || overlap_of(reach_) < reach_.radius;
  const Region part = sample_of(picture, group, window, alone);
  const bool all = part == window;
  const auto ignore = [](double) {};
  const Answer right = this->answer(judge, picture, group, ends, part, nullptr, ignore);
  Answer own;
  if (alone && !all) own = this->answer(hand, picture, group, ends, part, nullptr, ignore);
  const Answer& given = alone && !all ? own : answer;
  // Of the part, what lies as far from its borders as the model looks.
  const int64_t scale = convention_.scale;
  const auto margin = [&](bool cut, const AxisRules& axis) {
    return cut && !alone ? std::max({axis.overlap, axis.before(), axis.after()}) * scale : int64_t{0};
  };
  const int64_t left = margin(part.width < window.width, rules(true, !alone));
  const int64_t top = margin(part.height < window.height, rules(false, !alone));
  const int64_t dx = alone ? 0 : (part.x - window.x) * scale, dy = alone ? 0 : (part.y - window.y) * scale;
  float worst = 0;
  for (int64_t y = top; y < right.height - top; ++y)
    for (int64_t x = left; x < right.width - left; ++x)
      for (int s = 0; s < right.samples; ++s)
        worst = std::max(worst, std::abs(right.at(s, x, y) - given.at(s, x + dx, y + dy)));
  return worst;
}

std::string Tiler::doubt(const Hand& hand, const Rows& picture, Group group, const Ends& ends, const Region& window,
                         const Answer& answer, bool sampled) const {
  if (ends && !answer.facts.finite) return "gave values that are not numbers";
  if (!hand.is_device()) return {};
  const bool gray = group == Group::alpha || picture.color_channels() == 1;
  const int first = group == Group::alpha ? picture.channels - 1 : 0;
  const bool even = ends && answer.facts.even && variety(picture, first, gray ? 1 : 3, window).range > noise;
  if (!even && !(sampled && hand.is_rounded())) return {};
  const std::shared_ptr<const Hand> judge = hands_.judge_of(hand);
  if (!judge) return {};
  const float off = distance(hand, *judge, picture, group, ends, window, answer);
  if (off <= tolerance) return {};
  if (even) return "gave one even color for a part that has many";
  return cat("gave numbers that are off by ", std::lround(off * 255), " of 255 levels");
}

}  // namespace tessera::upscale
