// What a Slice says, read in one place for inference, the reference and kernels.
#pragma once

#include <algorithm>
#include <optional>

#include "ops/move.h"

namespace tessera::ops {

/// Elements of an axis: `count` of them, every step-th one from `begin` on.
struct Range {
  int64_t begin = 0, step = 1, count = 0;
};

/// Numpy's rule: bounds count from the end when negative and are cut off at the ends.
inline Range range_of(int64_t extent, int64_t start, int64_t end, int64_t step) {
  if (step == 0) fail(Error::Kind::shape, "a step is 0");
  const auto settle = [&](int64_t bound) {
    if (bound < 0 && (bound += extent) < 0) bound = -1;
    return step > 0 ? std::clamp<int64_t>(bound, 0, extent) : std::clamp<int64_t>(bound, -1, extent - 1);
  };
  const int64_t first = settle(start), last = settle(end);
  const int64_t span = step > 0 ? last - first : first - last;
  // The magnitude as unsigned, so that the smallest step has one; no step reaches beyond 2^62.
  const uint64_t magnitude = step > 0 ? static_cast<uint64_t>(step) : -static_cast<uint64_t>(step);
  if (span <= 0) return {0, 1, 0};
  const auto count = static_cast<int64_t>((static_cast<uint64_t>(span) - 1) / magnitude) + 1;
  return {first, count == 1 ? 1 : step, count};
}

template <class Numbers>
std::vector<Range> ranges_of(const Shape& shape, const Numbers& starts, const Numbers& ends, const Numbers* axes,
                             const Numbers* steps) {
  if (starts.size() != ends.size() || (axes && axes->size() != starts.size()) ||
      (steps && steps->size() != starts.size()) || starts.size() > shape.size())
    fail(Error::Kind::shape, "starts, ends, axes and steps differ in length or exceed the rank");
  std::vector<Range> ranges;
  for (const int64_t extent : shape) ranges.push_back({0, 1, extent});
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto axis = static_cast<size_t>(axes ? normalize_axis((*axes)[i], shape.rank()) : static_cast<int>(i));
    ranges[axis] = range_of(shape[axis], starts[i], ends[i], steps ? (*steps)[i] : 1);
  }
  return ranges;
}

/// The range of each axis of `shape`. `input(i)` is the View of input i, without a type where the node has none; bounds
/// were attributes before opset 10.
template <class Input>
std::vector<Range> slice_ranges(const AttrReader& n, const Shape& shape, Input input) {
  if (n.node().op->since < 10) {
    const auto starts = n.integers("starts"), ends = n.integers("ends"), axes = n.integers("axes");
    const List<int64_t>* none = nullptr;
    return ranges_of(shape, starts, ends, n.has("axes") ? &axes : none, none);
  }
  const auto list = [&](size_t i) {
    const View view = input(i);
    return view.type.dtype == DType::undefined ? std::nullopt : std::optional(as_integers(view));
  };
  const auto starts = list(1), ends = list(2), axes = list(3), steps = list(4);
  return ranges_of(shape, starts.value(), ends.value(), axes ? &*axes : nullptr, steps ? &*steps : nullptr);
}

}  // namespace tessera::ops
