// TensorScatter: writes an update into a cache [batch, ..., sequence, ...] at each batch's own place.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile tensor_scatter;
namespace {

void infer_tensor_scatter(Infer& infer) {
  const Shape &cache = infer.shape(0), &update = infer.shape(1);
  const auto axis = static_cast<size_t>(infer.axis("axis", infer.rank(0)));
  if (axis == 0) fail(Error::Kind::shape, "the axis is the batch's");
  bool fits = cache.size() == update.size();
  for (size_t i = 0; fits && i < cache.size(); ++i) fits = i == axis ? update[i] <= cache[i] : update[i] == cache[i];
  if (!fits) fail(Error::Kind::shape, "update ", update, " does not fit cache ", cache);
  if (infer.has_input(2) && infer.shape(2) != Shape{cache[0]})
    fail(Error::Kind::shape, "write indices are ", infer.shape(2), ", but must be ", Shape{cache[0]});
  infer.set(0, cache);
}

void reference(const Args& args) {
  const View &update = args.in[1], &out = args.out[0];
  copy_elements(args.in[0], out);
  const int axis = normalize_axis(args.integer("axis"), out.shape().rank());
  const Around to(out.shape(), axis), from(update.shape(), axis);
  const bool circular = args.text("mode") == "circular";
  const int64_t batch = out.shape()[0], per_batch = batch ? std::max<int64_t>(1, to.outer / batch) : 1;
  visit_bits(out.type.dtype, [&]<class T>() {
    for (int64_t o = 0; o < from.outer; ++o) {
      const int64_t start = args.has_in(2) ? args.in[2].as<int64_t>()[o / per_batch] : 0;
      if (from.extent && (start < 0 || (!circular && start > to.extent - from.extent)))
        fail(Error::Kind::shape, "write index ", start, " is outside the cache's ", to.extent);
      for (int64_t i = 0; i < from.extent; ++i) {
        const int64_t place = (start % to.extent + i) % to.extent;
        std::copy_n(update.as<T>() + (o * from.extent + i) * from.inner, from.inner,
                    out.as<T>() + (o * to.extent + place) * to.inner);
      }
    }
  });
}

constexpr AttrDef attrs[] = {{"axis", -2}, {"mode", 0, "linear"}};
const OpDef defs[] = {{"TensorScatter",
                       "",
                       24,
                       {2, 3},
                       {1, 1},
                       "T=all : T, T, int64 -> T",
                       attrs,
                       infer_tensor_scatter,
                       reference,
                       reach::not_followed}};

}  // namespace
const OpFile tensor_scatter{defs};
}  // namespace tessera::ops
