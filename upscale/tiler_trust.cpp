// Trust: what a device gave is looked at before it becomes part of a picture.
#include <algorithm>
#include <cmath>

#include "runtime/base/rounding.h"
#include "upscale/luma.h"
#include "upscale/tiler.h"

namespace tessera::upscale {
namespace {

/// Two levels of 8 bits, and the rounding of a comparison.
constexpr float tolerance = 2.001f / 255;
/// Where all samples of a window are nearly the same, one even color may be right.
constexpr float noise = 4.0f / 255;
/// Input pixels a side that a sample compares.
constexpr int64_t sample_side = 64;
/// Input pixels a side of the squares whose means a result has to keep.
constexpr int64_t square = 16;
/// Means of 21 upscalers on photos are off by at most 13 levels; on patterns of single pixels, by up to 128.
constexpr double least_bound = 24.0 / 255, told_bound = 64.0 / 255;

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

// How far the means of squares are from those of the picture, and where most. Borders may differ by what models make of
// them.
Drift Tiler::drift_of(const Rows& picture, Group group, const Region& window, const Answer& answer) const {
  Drift drift;
  if (gives_colors()) return drift;
  const auto inside = [](int64_t start, int64_t size, int64_t extent, const AxisRules& axis) {
    const int64_t margin = std::max({std::min(axis.overlap, size / 4), axis.before(), axis.after()});
    const int64_t begin = std::max<int64_t>(start + margin, 0), end = std::min(start + size - margin, extent);
    return std::pair(begin, end);
  };
  const auto [left, right] = inside(window.x, window.width, picture.width, rules(true, false));
  const auto [top, bottom] = inside(window.y, window.height, picture.height, rules(false, false));
  const int64_t side = std::min({square, right - left, bottom - top});
  if (side < 4) return drift;
  const bool gray = group == Group::alpha || picture.color_channels() == 1, brightness = !gray && answer.samples < 3;
  const int channels = gray || brightness ? 1 : 3, alpha = picture.channels - 1;
  const int64_t scale = convention_.scale, columns = (right - left) / side;
  std::vector<float> row(static_cast<size_t>(columns * side));
  std::vector<double> before(static_cast<size_t>(columns)), after(before.size());
  for (int64_t y = top; y + side <= bottom; y += side)
    for (int c = 0; c < channels; ++c) {
      std::fill(before.begin(), before.end(), 0.0), std::fill(after.begin(), after.end(), 0.0);
      for (int k = 0; k < (brightness ? 3 : 1); ++k)
        for (int64_t dy = 0; dy < side; ++dy) {
          picture.load(left, y + dy, columns * side, group == Group::alpha ? alpha : c + k, row.data());
          const float* in = row.data();
          for (double& sum : before) {
            float of_square = 0;
            for (int64_t dx = 0; dx < side; ++dx) of_square += *in++;
            sum += static_cast<double>(brightness ? luma_weights[k] * of_square : of_square);
          }
        }
      const int64_t from = (left - window.x) * scale - convention_.lost_before;
      for (int64_t dy = 0; dy < side * scale; ++dy)
        answer.add_means(c, from, (y - window.y) * scale - convention_.lost_before + dy, side * scale, after);
      for (int64_t i = 0; i < columns; ++i) {
        const auto at = static_cast<size_t>(i);
        const double off =
            std::abs(after[at] / static_cast<double>(scale * scale) - before[at]) / static_cast<double>(side * side);
        if (off <= drift.off) continue;
        drift = {off, left + i * side, y};
      }
    }
  return drift;
}

// Sums of `count` samples each, side by side from `x` on.
void Tiler::Answer::add_means(int sample, int64_t x, int64_t y, int64_t count, std::vector<double>& sums) const {
  const auto add = [&](const auto* in, int64_t step, auto most) {
    for (double& sum : sums) {
      auto own = decltype(most){0};
      for (int64_t i = 0; i < count; ++i, in += step) own += std::clamp<decltype(most)>(*in, 0, most);
      sum += static_cast<double>(own) / static_cast<double>(most);
    }
  };
  const int64_t at = (y * width + x) * samples + sample;
  if (!pixels.bytes)
    add(planes.data() + (sample * height + y) * width + x, 1, 1.0f);
  else if (pixels.type.dtype == DType::uint16)
    add(pixels.as<const uint16_t>() + at, samples, int32_t{65535});
  else
    add(pixels.as<const uint8_t>() + at, samples, int32_t{255});
}

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

// The largest difference, in 0..1, from what the judge makes of a part of the window: that around `at`, or the one with
// the most to see. Where a pixel may depend on all of what the model sees, both look at the part alone.
float Tiler::distance(const Hand& hand, const Hand& judge, const Rows& picture, Group group, const Ends& ends,
                      const Region& window, const Answer& answer, const Drift* at) const {
  const bool alone = !reach_.followed || reach_.global || wants_whole() || overlap_of(reach_) < reach_.radius;
  Region part = sample_of(picture, group, window, alone);
  if (at) {
    const auto move = [](int64_t wanted, int64_t start, int64_t room, const AxisRules& axis) {
      return start + std::clamp<int64_t>(wanted - start, 0, room) / axis.lattice * axis.lattice;
    };
    part.x = move(at->x - (part.width - square) / 2, window.x, window.width - part.width, rules(true, !alone));
    part.y = move(at->y - (part.height - square) / 2, window.y, window.height - part.height, rules(false, !alone));
  }
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
                         const Answer& answer, bool sampled, Drift& drift) const {
  const std::string where = cat(" in the window of ", window.width, "x", window.height, " pixels at ",
                                std::max<int64_t>(window.x, 0), ",", std::max<int64_t>(window.y, 0));
  if (ends && !answer.facts.finite) return "gave values that are not numbers" + where;
  const bool gray = group == Group::alpha || picture.color_channels() == 1;
  const int first = group == Group::alpha ? picture.channels - 1 : 0;
  const float range = ends && answer.facts.even ? variety(picture, first, gray ? 1 : 3, window).range : 0;
  const bool even = range > noise;
  drift = drift_of(picture, group, window, answer);
  const double bound = std::max(3 * knowledge_.drift, least_bound);
  if (!hand.is_device()) {
    // The processor computes what the model says. Saturated colors may become even; black is what nothing becomes.
    bool black = ends && answer.facts.even;
    for (int sample = 0; black && sample < answer.samples; ++sample) black = answer.at(sample, 0, 0) == 0;
    if (drift.off <= bound || !(black || range > 4 * noise)) return {};
    return (black ? "gave nothing but black" : "gave one even color") + where;
  }
  const bool strange = drift.off > bound;
  if (!even && !strange && !(sampled && hand.is_rounded())) return {};
  const std::shared_ptr<const Hand> judge = hands_.judge_of(hand);
  if (!judge) return {};
  const float off = distance(hand, *judge, picture, group, ends, window, answer, strange ? &drift : nullptr);
  if (off <= tolerance) return {};
  if (even) return "gave one even color for a part that has many" + where;
  return cat("gave numbers that are off by ", std::lround(off * 255), " of 255 levels", where);
}

void Tiler::note_drift(Report& report) const {
  if (report.drift.off <= std::max(3 * knowledge_.drift, told_bound)) return;
  report.notes.push_back(cat("near ", report.drift.x, ",", report.drift.y,
                             " the model makes something else of the picture: means over ", square,
                             " pixels differ by ", in_levels(report.drift.off), " of 255 levels"));
}

}  // namespace tessera::upscale
