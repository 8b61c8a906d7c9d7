// Strides and the one loop over broadcast, permuted or sliced operands that references share.
#pragma once

#include <array>

#include "runtime/base/run_scope.h"
#include "runtime/graph/op.h"

namespace tessera::ops {

/// Strides of a row-major tensor, in elements.
inline Shape strides_of(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

/// Strides of a row-major operand that is broadcast to `shape`: 0 along the axes where it repeats.
inline Shape broadcast_strides(const Shape& operand, const Shape& shape) {
  Shape strides(shape.size(), 0);
  int64_t step = 1;
  for (size_t i = operand.size(); i-- > 0;) {
    if (operand[i] != 1) strides[shape.size() - operand.size() + i] = step;
    step *= operand[i];
  }
  return strides;
}

/// Visits every index of `shape` in row-major order, one innermost row at a time:
/// row(offsets, steps, count) with the offset of the row's first element and the step along the
/// row for each of the N operands. Axes that can be joined are joined first. Ends by Error::cancelled
/// where the run is to stop.
template <size_t N, class Row>
void walk(const Shape& shape, const std::array<Shape, N>& strides, Row&& row) {
  Shape dims;
  std::array<Shape, N> steps;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return;
    if (shape[i] == 1) continue;
    bool joins = !dims.empty();
    for (size_t k = 0; joins && k < N; ++k) joins = steps[k].back() == strides[k][i] * shape[i];
    if (!joins) dims.push_back(1);
    dims[dims.size() - 1] *= shape[i];
    for (size_t k = 0; k < N; ++k) {
      if (!joins) steps[k].push_back(0);
      steps[k][steps[k].size() - 1] = strides[k][i];
    }
  }
  std::array<int64_t, N> offsets{}, inner{};
  if (dims.empty()) return row(offsets, inner, int64_t{1});
  const size_t last = dims.size() - 1;
  for (size_t k = 0; k < N; ++k) inner[k] = steps[k][last];
  Shape index(last, 0);
  int64_t unasked = 0;
  while (true) {
    row(offsets, inner, dims[last]);
    if ((unasked += dims[last]) >= 1 << 16) {
      check_cancelled();
      unasked = 0;
    }
    size_t axis = last;
    while (axis > 0) {
      --axis;
      for (size_t k = 0; k < N; ++k) offsets[k] += steps[k][axis];
      if (++index[axis] < dims[axis]) break;
      for (size_t k = 0; k < N; ++k) offsets[k] -= steps[k][axis] * dims[axis];
      index[axis] = 0;
      if (axis == 0) return;
    }
    if (last == 0) return;
  }
}

}  // namespace tessera::ops
