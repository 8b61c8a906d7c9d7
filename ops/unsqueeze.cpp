// Unsqueeze: inserts axes of extent 1, at positions counted in the result.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile unsqueeze;
namespace {

void set_unsqueezed(Infer& infer, List<int64_t> wanted) {
  const Shape& from = infer.shape(0);
  const int rank = infer.rank(0) + static_cast<int>(wanted.size());
  const Shape axes = normalized_axes(wanted, rank);
  Shape shape;
  size_t next = 0;
  for (int i = 0; i < rank; ++i)
    shape.push_back(std::find(axes.begin(), axes.end(), i) != axes.end() ? 1 : from[next++]);
  infer.set(0, shape);
}

void infer_attribute(Infer& infer) { set_unsqueezed(infer, infer.integers("axes")); }
void infer_input(Infer& infer) { set_unsqueezed(infer, infer.integers_of(1)); }

constexpr AttrDef attrs[] = {{.name = "axes", .required = true}};
const OpDef defs[] = {
    {.name = "Unsqueeze",
     .in = {1, 1},
     .types = "T=all : T -> T",
     .attrs = attrs,
     .infer = infer_attribute,
     .reference = copy_input,
     .reach = reach::view,
     .view = true},
    {.name = "Unsqueeze",
     .since = 13,
     .in = {2, 2},
     .types = "T=all : T, int64 -> T",
     .infer = infer_input,
     .reference = copy_input,
     .reach = reach::view,
     .view = true},
};

}  // namespace
const OpFile unsqueeze{defs};
}  // namespace tessera::ops
