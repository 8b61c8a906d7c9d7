// Shape: a tensor's extents, or (since opset 15) a slice of them.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile shape;
namespace {

Tensor extents(const AttrReader& attrs, const Shape& shape) {
  const auto clamp = [&](int64_t i) {
    const auto rank = static_cast<int64_t>(shape.size());
    return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank);
  };
  const int64_t begin = clamp(attrs.integer("start"));
  const int64_t end = attrs.has("end") ? clamp(attrs.integer("end")) : static_cast<int64_t>(shape.size());
  const auto count = static_cast<size_t>(std::max<int64_t>(end - begin, 0));
  return Tensor::of(List<int64_t>(shape).subspan(static_cast<size_t>(begin), count));
}

void infer_shape(Infer& infer) { infer.set_value(0, extents(infer, infer.shape(0))); }

void reference(const Args& args) { copy_elements(extents(args, args.in[0].shape()).view(), args.out[0]); }

constexpr AttrDef attrs[] = {{.name = "start", .since = 15}, {.name = "end", .since = 15}};
const OpDef defs[] = {
    {"Shape", "", 1, {1, 1}, {1, 1}, "T=all : T -> int64", attrs, infer_shape, reference, reach::source}};

}  // namespace
const OpFile shape{defs};
}  // namespace tessera::ops
