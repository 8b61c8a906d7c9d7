// Split: cuts a tensor along one axis, at given lengths or into parts as equal as can be.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile split;
namespace {

// Parts of `extent`: the last one is smaller where they cannot be equal.
std::vector<int64_t> equal_parts(int64_t extent, int64_t count) {
  std::vector<int64_t> parts;
  const int64_t size = (extent + count - 1) / count;
  for (int64_t i = 0; i < count; ++i) parts.push_back(std::clamp<int64_t>(extent - i * size, 0, size));
  return parts;
}

void set_parts(Infer& infer, const std::vector<int64_t>& parts) {
  Shape shape = infer.shape(0);
  const auto axis = static_cast<size_t>(infer.axis("axis", infer.rank(0)));
  int64_t sum = 0;
  for (const int64_t part : parts) {
    if (part < 0) fail(Error::Kind::shape, "part ", part, " is not a length");
    sum = checked_sum(sum, part);
  }
  if (sum != shape[axis] || parts.size() != static_cast<size_t>(infer.outputs()))
    fail(Error::Kind::shape, parts.size(), " parts of ", sum, " do not fit axis ", axis, " of ", infer.shape(0));
  for (size_t i = 0; i < parts.size(); ++i) {
    shape[axis] = parts[i];
    infer.set(static_cast<int>(i), shape);
  }
}

void infer_split(Infer& infer) {
  if (infer.has_input(1)) return set_parts(infer, whole_numbers(infer.value(1).view()));
  if (const auto given = infer.integers("split"); !given.empty()) return set_parts(infer, {given.begin(), given.end()});
  const int64_t count = infer.has("num_outputs") ? infer.integer("num_outputs") : infer.outputs();
  if (count < 1 || count > infer.outputs())
    fail(Error::Kind::model, "splits into ", count, " parts, but has ", infer.outputs(), " outputs");
  const auto axis = static_cast<size_t>(infer.axis("axis", infer.rank(0)));
  set_parts(infer, equal_parts(infer.shape(0)[axis], count));
}

std::vector<Part> parts(const Infer& infer) {
  std::vector<Part> parts;
  const int axis = infer.axis("axis", infer.rank(0));
  int64_t begin = 0;
  for (size_t i = 0; i < infer.out.size(); ++i) {
    parts.push_back({0, i, axis, begin});
    begin += infer.out[i].type.shape[static_cast<size_t>(axis)];
  }
  return parts;
}

void reference(const Args& args) {
  const View& in = args.in[0];
  const int axis = normalize_axis(args.integer("axis"), in.shape().rank());
  const Around whole(in.shape(), axis);
  visit_bits(in.type.dtype, [&]<class T>() {
    const T* from = in.as<T>();
    for (const View& part : args.out) {
      const int64_t row = part.shape()[static_cast<size_t>(axis)] * whole.inner;
      for (int64_t i = 0; row && i < whole.outer; ++i)
        std::copy_n(from + i * whole.extent * whole.inner, row, part.as<T>() + i * row);
      from += row;
    }
  });
}

bool follow_split(reach::Step& s) {
  const size_t axis = s.axis();
  for (const Type& type : s.out_types) {
    reach::Field field = s.in[0];
    if (!make_plain(s, field, axis, type.shape[axis])) return false;
    s.out.push_back(field);
  }
  return true;
}

constexpr Text lengths_too = "T=all : T, T -> T...", lengths = "T=all : T, int64 -> T...", plain = "T=all : T -> T...";
constexpr AttrDef attrs[] = {{"axis"}, {.name = "num_outputs", .since = 18}, {.name = "split", .last = 12}};
constexpr OpDef since(int opset, int most_inputs, Text types) {
  return {.name = "Split",
          .since = opset,
          .in = {1, most_inputs},
          .out = {1, many},
          .types = types,
          .attrs = attrs,
          .infer = infer_split,
          .reference = reference,
          .reach = follow_split,
          .parts = parts};
}
constexpr OpDef defs[] = {since(1, 2, lengths_too), since(2, 1, plain), since(13, 2, lengths)};

}  // namespace
const OpFile split{defs};
}  // namespace tessera::ops
