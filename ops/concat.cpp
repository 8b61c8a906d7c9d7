// Concat: joins tensors along one axis.
#include <algorithm>
#include <numeric>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile concat;
namespace {

void infer_concat(Infer& infer) {
  Shape shape = infer.shape(0);
  const auto axis = static_cast<size_t>(infer.axis("axis", infer.rank(0)));
  for (int i = 1; i < infer.inputs(); ++i) {
    const Shape& part = infer.shape(i);
    bool fits = part.size() == shape.size();
    for (size_t k = 0; fits && k < shape.size(); ++k) fits = k == axis || part[k] == shape[k];
    if (!fits)
      fail(Error::Kind::shape, "input ", i, " is ", part, ", which does not join ", infer.shape(0), " along axis ",
           axis);
    shape[axis] += part[axis];
  }
  infer.set(0, shape);
}

std::vector<Part> parts(const Infer& infer) {
  std::vector<Part> parts;
  const int axis = infer.axis("axis", infer.rank(0));
  int64_t begin = 0;
  for (int i = 0; i < infer.inputs(); ++i) {
    parts.push_back({static_cast<size_t>(i), 0, axis, begin});
    begin += infer.shape(i)[static_cast<size_t>(axis)];
  }
  return parts;
}

void reference(const Args& args) {
  const View& out = args.out[0];
  const int axis = normalize_axis(args.integer("axis"), out.shape().rank());
  const Around whole(out.shape(), axis);
  visit_bits(out.type.dtype, [&]<class T>() {
    T* to = out.as<T>();
    for (const View& in : args.in) {
      const int64_t row = Around(in.shape(), axis).extent * whole.inner;
      for (int64_t i = 0; row && i < whole.outer; ++i)
        std::copy_n(in.as<T>() + i * row, row, to + i * whole.extent * whole.inner);
      to += row;
    }
  });
}

bool follow_concat(reach::Step& s) {
  std::vector<size_t> which(s.in.size());
  std::iota(which.begin(), which.end(), size_t{0});
  return join(s, which);
}

constexpr AttrDef old_attrs[] = {{"axis", 1}};
constexpr AttrDef attrs[] = {{.name = "axis", .required = true}};
const OpDef defs[] = {
    {.name = "Concat",
     .in = {1, many},
     .types = "T=all : T... -> T",
     .attrs = old_attrs,
     .infer = infer_concat,
     .reference = reference,
     .reach = follow_concat,
     .parts = parts},
    {.name = "Concat",
     .since = 4,
     .in = {1, many},
     .types = "T=all : T... -> T",
     .attrs = attrs,
     .infer = infer_concat,
     .reference = reference,
     .reach = follow_concat,
     .parts = parts},
};

}  // namespace
const OpFile concat{defs};
}  // namespace tessera::ops
