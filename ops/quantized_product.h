// Integer matrix operands with their zero points taken off, for MatMulInteger and QLinearMatMul.
#pragma once

#include "ops/matrix.h"

namespace tessera::ops {

/// A scalar or one value per row (`rows`) or column of the last two axes; or of the shape that
/// numpy would broadcast.
inline int64_t operand_index(const Shape& x, const Shape& parameter, int64_t i, bool rows) {
  const int64_t count = parameter.elements();
  if (count == 1) return 0;
  const int64_t columns = x.back(), row = i / columns;
  if (!rows) return parameter.rank() > 1 ? row / x[x.size() - 2] * columns % count + i % columns : i % columns % count;
  return row % count;
}

inline void check_operand(const Shape& x, const Shape& parameter, bool rows) {
  const int64_t count = parameter.elements();
  if (count == 1) return;
  const int64_t lines = rows ? (x.rank() > 1 ? x[x.size() - 2] : 1) : x.back();
  if (!count || (count != lines && (!lines || count % lines || count > x.elements())))
    fail(Error::Kind::shape, "zero point or scale ", parameter, " for a matrix ", x);
}

template <class T>
RunVector<T> centred(const View& x, const View& zero, bool rows) {
  const Read<T> values(x), zeros(zero);
  RunVector<T> result(static_cast<size_t>(values.size()) + 1);
  for (int64_t i = 0; i < values.size(); ++i)
    result[static_cast<size_t>(i)] = values[i] - (zeros ? zeros[operand_index(x.shape(), zero.shape(), i, rows)] : 0);
  return result;
}

}  // namespace tessera::ops
