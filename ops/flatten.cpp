// Flatten: two axes, the extents before `axis` multiplied and those from it on.
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile flatten;
namespace {

void infer_flatten(Infer& infer) {
  const Shape& shape = infer.shape(0);
  const int64_t axis = infer.integer("axis"), rank = infer.rank(0);
  // `axis` may be the rank itself: everything is before it.
  const auto split = static_cast<size_t>(axis == rank ? rank : rank == 0 ? 0 : normalize_axis(axis, infer.rank(0)));
  infer.set(0, {shape.elements(0, split), shape.elements(split, shape.size())});
}

constexpr AttrDef attrs[] = {{"axis", 1}};
const OpDef defs[] = {{.name = "Flatten",
                       .in = {1, 1},
                       .types = "T=all : T -> T",
                       .attrs = attrs,
                       .infer = infer_flatten,
                       .reference = copy_input,
                       .reach = reach::view,
                       .view = true}};

}  // namespace
const OpFile flatten{defs};
}  // namespace tessera::ops
