// What walks over a graph say, for sizes that show what depends on the size.
#include "upscale/reach.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tessera::upscale {
namespace {

/// Of positions in pixels.
constexpr double rounding = 1e-6;

/// Where grids are stretched, whole pixels may lie on either side of a rounding.
bool same(const Look& a, const Look& b) {
  const double most = a.stretches.empty() ? 0 : 2 * static_cast<double>(a.stretches.size());
  const auto near = [&](double x, double y) { return std::abs(x - y) <= most; };
  return a.followed == b.followed && a.global == b.global && a.pools.size() == b.pools.size() &&
         a.stretches.size() == b.stretches.size() && std::equal(a.low, a.low + 2, b.low, near) &&
         std::equal(a.high, a.high + 2, b.high, near);
}

}  // namespace

Reach follow(const Upsampler& model, const Convention& convention) {
  Reach reach;
  const double step = 1 / static_cast<double>(convention.scale);
  const auto walk = [&](int64_t width, int64_t height) {
    std::optional<Look> look = model.look(convention, width, height);
    if (!look) look.emplace().followed = false;
    for (const double own : look->step) {
      if (!look->followed || std::abs(own - step) < rounding) continue;
      look->followed = false;
      look->reason = "its result";
    }
    return *look;
  };
  // A size with many factors first, then others: one pixel more, and a lattice more.
  const int64_t unit = convention.multiple, round = (192 + unit - 1) / unit * unit;
  const int64_t width = convention.fixed_width ? convention.fixed_width : round;
  const int64_t height = convention.fixed_height ? convention.fixed_height : round;
  Look first;
  try {
    first = walk(width, height);
  } catch (const Error& error) {
    if (!tells_of_model(error)) throw;
    first.followed = false;
    first.reason = "a shape";
  }
  reach.followed = first.followed;
  // What a model of one size stretches, it stretches over each window.
  const bool fixed = convention.fixed_width || convention.fixed_height;
  reach.global = first.global || (fixed && !first.stretches.empty());
  reach.reason = first.reason;
  if (!reach.global) {
    reach.pools = first.pools;
    for (const Stretch& stretch : first.stretches) reach.stretches.push_back(stretch.out);
  }
  if (!reach.followed) return reach;
  reach.lattice = std::lcm(std::lcm(first.lattice[0], first.lattice[1]), unit);
  double radius = 0;
  const double lost = static_cast<double>(convention.lost_before) * step, last = 1 - step;
  for (const int side : {0, 1}) radius = std::max({radius, lost - first.low[side], first.high[side] - lost + last});
  reach.radius = static_cast<int64_t>(std::ceil(radius - rounding));
  // Grids end up to a step before the picture does, each size another one.
  for (const Stretch& stretch : first.stretches)
    reach.radius += static_cast<int64_t>(std::ceil(std::max(stretch.in_step[0], stretch.in_step[1])));
  if (convention.fixed_width && convention.fixed_height) return reach;
  // What depends on the size is no neighbourhood; sizes of whole lattices may agree where others do not.
  const auto at = [&](int64_t more) {
    return walk(convention.fixed_width ? width : width + more, convention.fixed_height ? height : height + more);
  };
  const auto agree = [&](const Look& a, const Look& b) {
    if (reach.reason.empty()) reach.reason = !a.followed ? a.reason : b.reason;
    return a.followed && same(a, b);
  };
  try {
    if (!agree(at(reach.lattice), first))
      reach.followed = false;
    else if (reach.lattice > unit && !agree(at(unit), at(unit + reach.lattice)))
      reach.multiple = reach.lattice;
  } catch (const Error& error) {
    if (!tells_of_model(error)) throw;
    reach.followed = false;
  }
  if (reach.followed && !reach.global && reach.pools.empty() && reach.stretches.empty()) reach.reason.clear();
  return reach;
}

}  // namespace tessera::upscale
