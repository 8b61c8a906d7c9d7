// Dividing an axis.
#include "upscale/tiling.h"

#include <algorithm>

#include "runtime/base/base.h"
#include "runtime/base/rounding.h"

namespace tessera::upscale {

int64_t AxisRules::padded(int64_t extent) const {
  const int64_t all = std::max(round_up(extent + before() + after(), multiple), smallest_window);
  if (!fixed) return all;
  return fixed + (all > fixed ? round_up(all - fixed, lattice) : 0);
}

int64_t AxisRules::smallest() const {
  return std::max(round_up(2 * std::max({overlap, before(), after()}) + align, multiple), smallest_window);
}

std::vector<Span> divide(int64_t extent, int64_t largest, const AxisRules& rules) {
  const int64_t before = rules.before(), whole = rules.padded(extent);
  int64_t overlap = std::max({rules.overlap, before, rules.after()}), align = rules.align;
  int64_t size = rules.fixed ? rules.fixed : whole;
  if (rules.fixed && whole > size) {
    // A small fixed window may not have room for the overlap that the model deserves.
    overlap = std::max({std::min(overlap, (size - rules.lattice) / 2), before, rules.after()});
    align = size - 2 * overlap >= rules.lattice ? rules.lattice : rules.multiple;
    if (size - 2 * overlap < align)
      fail(Error::Kind::unsupported, "the model's window of ", size,
           " pixels is smaller than what it loses at its borders");
  } else if (!rules.fixed && whole > largest) {
    // Sizes differ from the whole by steps of `align`, so that the last window begins on one too.
    const auto fitting = [&](int64_t bound) { return bound + ((whole - bound) % align + align) % align; };
    const int64_t smallest = fitting(std::max(2 * overlap + align, rules.smallest_window));
    const auto count = [&](int64_t each) {
      const int64_t step = (each - 2 * overlap) / align * align;
      return ceil_div(std::max<int64_t>(0, whole - each), step);
    };
    size = std::clamp(fitting(largest - align + 1), std::min(smallest, whole), whole);
    while (size - align >= smallest && count(size - align) == count(size)) size -= align;
  }
  std::vector<Span> spans;
  const int64_t end = before + extent;  // in coordinates of the padded axis
  for (int64_t at = before; at < end;) {
    int64_t start = spans.empty() ? 0 : (at - overlap) / align * align;
    const bool last = start + size >= whole;
    if (last) start = whole - size;
    const int64_t stop = last ? end : std::min(end, start + size - overlap);
    spans.push_back({start - before, size, at - before, stop - at});
    at = stop;
  }
  return spans;
}

}  // namespace tessera::upscale
