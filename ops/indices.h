// Broadcast offsets for references that address elements one by one.
#pragma once

#include "ops/move.h"

namespace tessera::ops {

/// Fails if a tensor of shape `from` cannot be broadcast to `to`.
inline void check_broadcast(const Shape& from, const Shape& to) {
  bool fits = from.size() <= to.size();
  for (size_t i = 0; fits && i < from.size(); ++i) {
    const int64_t extent = to[i + to.size() - from.size()];
    fits = from[i] == 1 || from[i] == extent;
  }
  if (!fits) fail(Error::Kind::shape, "shape ", from, " does not broadcast to ", to);
}

/// Calls body(element number, offset under `strides`) over all elements of `shape`, in order.
template <class Body>
void for_each_offset(const Shape& shape, const Shape& strides, Body body) {
  int64_t next = 0;
  walk(shape, std::array{strides}, [&](const auto& at, const auto& step, int64_t count) {
    for (int64_t i = 0; i < count; ++i) body(next++, at[0] + i * step[0]);
  });
}

/// The offset, in a tensor of shape `from`, of each element of its broadcast to `to`.
inline std::vector<int64_t> broadcast_offsets(const Shape& from, const Shape& to) {
  check_broadcast(from, to);
  std::vector<int64_t> offsets(static_cast<size_t>(to.elements()));
  for_each_offset(to, broadcast_strides(from, to), [&](int64_t i, int64_t o) { offsets[static_cast<size_t>(i)] = o; });
  return offsets;
}

}  // namespace tessera::ops
