// Dividing an axis.
#include "tools/upscale/tiling.h"

#include <algorithm>

#include "runtime/base/rounding.h"

namespace tessera::upscale {

int64_t AxisRules::padded(int64_t extent) const {
  const int64_t all = round_up(extent + before() + after(), multiple);
  return fixed ? std::max(all, fixed) : all;
}

int64_t AxisRules::smallest() const { return round_up(2 * std::max({overlap, before(), after()}) + align, multiple); }

std::vector<Span> divide(int64_t extent, int64_t largest, const AxisRules& rules) {
  const int64_t before = rules.before(), whole = rules.padded(extent);
  int64_t overlap = std::max({rules.overlap, before, rules.after()}), align = rules.align;
  int64_t size = whole;
  if (rules.fixed) {
    size = rules.fixed;
    // A small fixed window may not have room for the overlap that the model deserves.
    if (whole > size) {
      overlap = std::max({std::min(overlap, size / 4), before, rules.after()});
      align = rules.multiple;
    }
    if (whole > size && size <= 2 * overlap)
      fail(Error::Kind::unsupported, "the model's window of ", size,
           " pixels is smaller than what it loses at its borders");
  } else if (whole > largest) {
    const int64_t room = std::max(largest / rules.multiple * rules.multiple, rules.smallest());
    const int64_t step = std::max((room - 2 * overlap) / align * align, align);
    const int64_t count = std::max<int64_t>((whole - 2 * overlap + step - 1) / step, 1);
    const int64_t even = round_up((whole - 2 * overlap + count - 1) / count, align) + 2 * overlap;
    size = std::min(round_up(std::min(even, std::max(room, step + 2 * overlap)), rules.multiple), whole);
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
