// Reshape: the same elements under another shape; 0 copies an extent, -1 is what is left.
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile reshape;
namespace {

void set_shape(Infer& infer, List<int64_t> wanted, bool zero_copies) {
  const Shape& from = infer.shape(0);
  Shape shape{wanted};
  size_t open = shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && zero_copies) {
      if (i >= from.size()) fail(Error::Kind::shape, "shape ", shape, " copies axis ", i, " of ", from);
      shape[i] = from[i];
    } else if (shape[i] == -1) {
      if (open != shape.size()) fail(Error::Kind::shape, "more than one extent is -1");
      open = i;
    } else if (shape[i] < 0) {
      fail(Error::Kind::shape, "extent ", shape[i], " is negative");
    }
  }
  if (open != shape.size()) {
    shape[open] = 1;
    const int64_t others = shape.elements();
    if (others == 0 || from.elements() % others != 0)
      fail(Error::Kind::shape, "cannot reshape ", from, " to ", Shape{wanted});
    shape[open] = from.elements() / others;
  }
  if (shape.elements() != from.elements()) fail(Error::Kind::shape, "cannot reshape ", from, " to ", Shape{wanted});
  infer.set(0, shape);
}

void infer_attribute(Infer& infer) { set_shape(infer, infer.integers("shape"), true); }

void infer_input(Infer& infer) { set_shape(infer, infer.integers_of(1), infer.integer("allowzero") == 0); }

constexpr AttrDef old_attrs[] = {{"shape"}}, attrs[] = {{.name = "allowzero", .since = 14}};
const OpDef defs[] = {
    {.name = "Reshape",
     .in = {1, 1},
     .types = "T=all : T -> T",
     .attrs = old_attrs,
     .infer = infer_attribute,
     .reference = copy_input,
     .reach = reach::view,
     .view = true},
    {.name = "Reshape",
     .since = 5,
     .in = {2, 2},
     .types = "T=all : T, int64 -> T",
     .attrs = attrs,
     .infer = infer_input,
     .reference = copy_input,
     .reach = reach::view,
     .view = true},
};

}  // namespace
const OpFile reshape{defs};
}  // namespace tessera::ops
