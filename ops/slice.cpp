// Slice: every step-th element of a range along each axis. Bounds were attributes before opset 10.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile slice;
namespace {

struct Range {
  int64_t begin = 0, step = 1, count = 0;
};

// Numpy's rule: bounds count from the end when negative and are cut off at the ends.
Range range_of(int64_t extent, int64_t start, int64_t end, int64_t step) {
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

std::vector<Range> attribute_ranges(const AttrReader& attrs, const Shape& shape) {
  const auto starts = attrs.integers("starts"), ends = attrs.integers("ends"), axes = attrs.integers("axes");
  const List<int64_t>* none = nullptr;
  return ranges_of(shape, starts, ends, attrs.has("axes") ? &axes : none, none);
}

void set_shape(Infer& infer, const std::vector<Range>& ranges) {
  Shape shape;
  for (const Range& range : ranges) shape.push_back(range.count);
  infer.set(0, shape);
}

// A plain cut of one axis is a part of the input.
std::vector<Part> part_of(const Shape& shape, const std::vector<Range>& ranges) {
  std::vector<Part> parts;
  for (size_t axis = 0; axis < ranges.size(); ++axis) {
    if (ranges[axis].step != 1) return {};
    if (ranges[axis].count != shape[axis]) parts.push_back({0, 0, static_cast<int>(axis), ranges[axis].begin});
  }
  return parts.size() == 1 ? parts : std::vector<Part>{};
}

void infer_attributes(Infer& infer) { set_shape(infer, attribute_ranges(infer, infer.shape(0))); }

std::vector<Range> input_ranges(const Infer& infer) {
  const auto list = [&](int i) { return infer.has_input(i) ? infer.integers_of(i) : std::vector<int64_t>{}; };
  const auto starts = list(1), ends = list(2), axes = list(3), steps = list(4);
  return ranges_of(infer.shape(0), starts, ends, infer.has_input(3) ? &axes : nullptr,
                   infer.has_input(4) ? &steps : nullptr);
}

void infer_inputs(Infer& infer) { set_shape(infer, input_ranges(infer)); }

std::vector<Part> parts_by_attributes(const Infer& infer) {
  return part_of(infer.shape(0), attribute_ranges(infer, infer.shape(0)));
}

std::vector<Part> parts_by_inputs(const Infer& infer) { return part_of(infer.shape(0), input_ranges(infer)); }

void copy_ranges(const Args& args, const std::vector<Range>& ranges) {
  Shape strides = strides_of(args.in[0].shape());
  int64_t base = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    base += ranges[i].begin * strides[i];
    strides[i] *= ranges[i].step;
  }
  copy_strided(args.in[0], base, strides, args.out[0]);
}

void run_attributes(const Args& args) { copy_ranges(args, attribute_ranges(args, args.in[0].shape())); }

void run_inputs(const Args& args) {
  const auto list = [&](size_t i) { return args.has_in(i) ? as_integers(args.in[i]) : std::vector<int64_t>{}; };
  const auto starts = list(1), ends = list(2), axes = list(3), steps = list(4);
  copy_ranges(args, ranges_of(args.in[0].shape(), starts, ends, args.has_in(3) ? &axes : nullptr,
                              args.has_in(4) ? &steps : nullptr));
}

bool follow_slice(reach::Step& s) {
  std::vector<int64_t> starts, axes, steps;
  if (!s.integers_of(1, "starts", starts) || !s.integers_of(3, "axes", axes) || !s.integers_of(4, "", steps))
    return false;
  reach::Field field = s.in[0];
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto axis = static_cast<size_t>(axes.empty() ? static_cast<int>(i) : normalize_axis(axes[i], s.rank(0)));
    const int64_t extent = s.in_types[0].shape[axis], start = starts[i] < 0 ? starts[i] + extent : starts[i];
    if (!cut(s, field, axis, std::clamp<int64_t>(start, 0, extent), steps.empty() ? 1 : steps[i])) return false;
  }
  s.out = {field};
  return true;
}

constexpr Text bounds = "T=all; I=int32|int64 : T, I, I, I, I -> T";
constexpr AttrDef attrs[] = {{"axes"}, {"ends"}, {"starts"}};
const OpDef defs[] = {
    {.name = "Slice",
     .in = {1, 1},
     .types = "T=all : T -> T",
     .attrs = attrs,
     .infer = infer_attributes,
     .reference = run_attributes,
     .reach = follow_slice,
     .parts = parts_by_attributes},
    {.name = "Slice",
     .since = 10,
     .in = {3, 5},
     .types = bounds,
     .infer = infer_inputs,
     .reference = run_inputs,
     .reach = follow_slice,
     .parts = parts_by_inputs},
};

}  // namespace
const OpFile slice{defs};
}  // namespace tessera::ops
