// Compress: the slices of an axis, or the elements, for which a condition holds.
#include <algorithm>

#include "ops/data_dependent.h"
#include "ops/elements.h"
#include "ops/move.h"

namespace tessera::ops {
extern const OpFile compress;
namespace {

std::vector<Tensor> chosen(const AttrReader& attrs, List<View> in) {
  const View &data = in[0], &condition = in[1];
  const bool flat = !attrs.has("axis");
  const int axis = flat ? 0 : normalize_axis(attrs.integer("axis"), data.shape().rank());
  Shape shape = flat ? Shape{data.elements()} : data.shape();
  const Around around(shape, axis);
  RunVector<int64_t> kept;
  for (const int64_t i : Elements(std::min(condition.elements(), around.extent)))
    if (condition.as<bool>()[i]) kept.push_back(i);
  shape[static_cast<size_t>(axis)] = static_cast<int64_t>(kept.size());
  Tensor out = Tensor::make({data.type.dtype, shape});
  visit_bits(data.type.dtype, [&]<class T>() {
    T* to = out.as<T>();
    for (const int64_t o : Steps(around.outer))
      for (const int64_t i : kept) {
        std::copy_n(data.as<T>() + (o * around.extent + i) * around.inner, around.inner, to);
        to += around.inner;
      }
  });
  return {out};
}

constexpr AttrDef attrs[] = {{"axis"}};
const OpDef defs[] = {by_value<chosen>("Compress", 9, {2, 2}, {1, 1}, "T=all : T, boolean -> T", attrs)};

}  // namespace
const OpFile compress{defs};
}  // namespace tessera::ops
