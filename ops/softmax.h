// What Softmax, LogSoftmax and Hardmax share: the vectors that they work on. Before opset 13 the
// tensor is flattened to a matrix at `axis`; since then the axis itself is meant.
#pragma once

#include <algorithm>

#include "ops/indices.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {

inline constexpr AttrDef softmax_attrs_1[] = {{"axis", 1}};
inline constexpr AttrDef softmax_attrs_13[] = {{"axis", -1}};

inline void infer_softmax(Infer& n) {
  const int rank = n.rank(0);
  if (rank || n.integer("axis") > 0) n.axis("axis", std::max(rank, 1));
  infer_same(n);
}

// axis == rank is allowed where the tensor is flattened.
inline void infer_softmax_flat(Infer& n) {
  if (n.integer("axis") != n.rank(0)) n.axis("axis", std::max(n.rank(0), 1));
  infer_same(n);
}

/// Calls vector(x, y, count, stride) for each vector.
template <class Vector>
void for_softmax_vectors(const Args& a, bool flat, Vector vector) {
  const Shape& shape = a.in[0].shape();
  Around s(shape.empty() ? Shape{1} : shape, 0);
  const int64_t axis = a.integer("axis"), rank = shape.rank();
  if (flat) {
    const auto at = static_cast<size_t>(axis == rank ? rank : rank ? normalize_axis(axis, static_cast<int>(rank)) : 0);
    s.outer = shape.elements(0, at);
    s.extent = shape.elements(at, shape.size());
    s.inner = 1;
  } else if (rank) {
    s = Around(shape, normalize_axis(axis, static_cast<int>(rank)));
  }
  if (!s.extent) return;
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t o = 0; o < s.outer; ++o)
      for (const int64_t i : Steps(s.inner)) {
        const int64_t at = o * s.extent * s.inner + i;
        vector(x.data() + at, y.data() + at, s.extent, s.inner);
      }
  });
}

/// The largest element, and the sum of exp(x - largest).
template <class T>
std::pair<double, double> exponential_sum(const T* x, int64_t count, int64_t stride) {
  double largest = static_cast<double>(x[0]), sum = 0;
  for (int64_t i = 1; i < count; ++i) largest = std::max(largest, static_cast<double>(x[i * stride]));
  if (largest == -std::numeric_limits<double>::infinity()) largest = 0;
  for (int64_t i = 0; i < count; ++i) sum += std::exp(static_cast<double>(x[i * stride]) - largest);
  return {largest, sum};
}

inline bool follow_softmax(reach::Step& s) {
  const size_t axis = s.axis();
  return mix_axes(s, axis, s.node().op->since < 13 ? s.in[0].axes.size() : axis + 1);
}

}  // namespace tessera::ops
