// Work of operators that multiply: OpDef::work of families.
#pragma once

#include "runtime/graph/op.h"

namespace tessera::ops {

/// Each element of `result` is a sum of `each` products.
inline double sums(const Type& result, int64_t each) {
  return 2 * static_cast<double>(result.shape.elements()) * static_cast<double>(each);
}

/// Each output element is a product of a patch of the picture with one filter of input `weights`.
template <size_t weights>
double filter_work(const AttrReader&, List<Type> in, List<Type> out) {
  const Shape& w = in[weights].shape;
  return sums(out[0], w.elements(1, w.size()));
}

/// Each output element is a product of a vector along the last axis of input 0.
inline double line_work(const AttrReader&, List<Type> in, List<Type> out) {
  const Shape& a = in[0].shape;
  return a.empty() ? 0 : sums(out[0], a.back());
}

}  // namespace tessera::ops
