// Squeeze: drops axes of extent 1; all of them if none are named.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile squeeze;
namespace {

void set_squeezed(Infer& infer, List<int64_t> wanted, bool all) {
  const Shape& from = infer.shape(0);
  const Shape axes = normalized_axes(wanted, infer.rank(0));
  Shape shape;
  for (size_t i = 0; i < from.size(); ++i) {
    const bool named = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    if (named && from[i] != 1) fail(Error::Kind::shape, "cannot squeeze axis ", i, " of ", from);
    if (!(named || (all && from[i] == 1))) shape.push_back(from[i]);
  }
  infer.set(0, shape);
}

void infer_attribute(Infer& infer) { set_squeezed(infer, infer.integers("axes"), !infer.has("axes")); }

void infer_input(Infer& infer) {
  if (!infer.has_input(1)) return set_squeezed(infer, {}, true);
  set_squeezed(infer, infer.integers_of(1), false);
}

constexpr AttrDef attrs[] = {{"axes"}};
const OpDef defs[] = {
    {.name = "Squeeze",
     .in = {1, 1},
     .types = "T=all : T -> T",
     .attrs = attrs,
     .infer = infer_attribute,
     .reference = copy_input,
     .reach = reach::view,
     .view = true},
    {.name = "Squeeze",
     .since = 13,
     .in = {1, 2},
     .types = "T=all : T, int64 -> T",
     .infer = infer_input,
     .reference = copy_input,
     .reach = reach::view,
     .view = true},
};

}  // namespace
const OpFile squeeze{defs};
}  // namespace tessera::ops
