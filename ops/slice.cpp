// Slice: every step-th element of a range along each axis. Bounds were attributes before opset 10.
#include "ops/slice.h"

#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile slice;
namespace {

// A plain cut of one axis is a part of the input.
std::vector<Part> part_of(const Shape& shape, const std::vector<Range>& ranges) {
  std::vector<Part> parts;
  for (size_t axis = 0; axis < ranges.size(); ++axis) {
    if (ranges[axis].step != 1) return {};
    if (ranges[axis].count != shape[axis]) parts.push_back({0, 0, static_cast<int>(axis), ranges[axis].begin});
  }
  return parts.size() == 1 ? parts : std::vector<Part>{};
}

std::vector<Range> known_ranges(const Infer& infer) {
  return slice_ranges(infer, infer.shape(0), [&](size_t i) {
    const int input = static_cast<int>(i);
    return infer.has_input(input) ? infer.value(input).view() : View{};
  });
}

void infer_slice(Infer& infer) {
  Shape shape;
  for (const Range& range : known_ranges(infer)) shape.push_back(range.count);
  infer.set(0, shape);
}

std::vector<Part> parts(const Infer& infer) { return part_of(infer.shape(0), known_ranges(infer)); }

void reference(const Args& args) {
  const auto ranges =
      slice_ranges(args, args.in[0].shape(), [&](size_t i) { return i < args.in.size() ? args.in[i] : View{}; });
  Shape strides = strides_of(args.in[0].shape());
  int64_t base = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    base += ranges[i].begin * strides[i];
    strides[i] *= ranges[i].step;
  }
  copy_strided(args.in[0], base, strides, args.out[0]);
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
constexpr AttrDef attrs[] = {{"axes"}, {"ends", 0, {}, true}, {"starts", 0, {}, true}};
const OpDef defs[] = {
    {.name = "Slice",
     .in = {1, 1},
     .types = "T=all : T -> T",
     .attrs = attrs,
     .infer = infer_slice,
     .reference = reference,
     .reach = follow_slice,
     .parts = parts},
    {.name = "Slice",
     .since = 10,
     .in = {3, 5},
     .types = bounds,
     .infer = infer_slice,
     .reference = reference,
     .reach = follow_slice,
     .parts = parts},
};

}  // namespace
const OpFile slice{defs};
}  // namespace tessera::ops
