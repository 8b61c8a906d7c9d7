// Where elements lie: strides, broadcast offsets, and a tensor seen as [outer, axis, inner].
#pragma once

#include "runtime/graph/op.h"

namespace tessera::ops {

/// Row-major strides, in elements.
inline std::vector<int64_t> strides_of(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// Strides with which a tensor of shape `from` is read when it is broadcast to `to`; fails if it
/// cannot be.
inline std::vector<int64_t> broadcast_strides(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) fail(Error::Kind::shape, "shape ", from, " does not broadcast to ", to);
  const std::vector<int64_t> own = strides_of(from);
  std::vector<int64_t> strides(to.size(), 0);
  const size_t skip = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] != 1 && from[i] != to[i + skip])
      fail(Error::Kind::shape, "shape ", from, " does not broadcast to ", to);
    if (from[i] != 1) strides[i + skip] = own[i];
  }
  return strides;
}

/// Calls body(element number, offset under `strides`) over all elements of `shape`, in order.
template <class Body>
void for_each_offset(const Shape& shape, const std::vector<int64_t>& strides, Body body) {
  const int64_t count = shape.elements();
  if (!count) return;
  const int rank = shape.rank();
  std::vector<int64_t> index(shape.size(), 0);
  int64_t offset = 0;
  for (int64_t i = 0;; ++i) {
    body(i, offset);
    if (i + 1 == count) return;
    for (int d = rank - 1; d >= 0; --d) {
      const auto at = static_cast<size_t>(d);
      offset += strides[at];
      if (++index[at] < shape[at]) break;
      offset -= strides[at] * shape[at];
      index[at] = 0;
    }
  }
}

/// The offset, in a tensor of shape `from`, of each element of its broadcast to `to`.
inline std::vector<int64_t> broadcast_offsets(const Shape& from, const Shape& to) {
  std::vector<int64_t> offsets(static_cast<size_t>(to.elements()));
  for_each_offset(to, broadcast_strides(from, to), [&](int64_t i, int64_t o) { offsets[static_cast<size_t>(i)] = o; });
  return offsets;
}

/// A tensor around one axis.
struct Split3 {
  int64_t outer, axis, inner;
  Split3(const Shape& shape, int at)
      : outer(shape.elements(0, static_cast<size_t>(at))), axis(shape[static_cast<size_t>(at)]),
        inner(shape.elements(static_cast<size_t>(at) + 1, shape.size())) {}
};

}  // namespace tessera::ops
