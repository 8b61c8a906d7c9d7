// Integer operands of convolutions with their zero points taken off. Sums of 8-bit products stay
// within 32 bits up to 33,000 taps, as in every implementation of these operators.
#pragma once

#include "ops/numbers.h"

namespace tessera::ops {

inline void check_per_channel(const Shape& parameter, int64_t channels) {
  const int64_t count = parameter.elements();
  if (count != 1 && count != channels) fail(Error::Kind::shape, parameter, " for ", channels, " output channels");
}

inline std::vector<int32_t> centred_input(const View& x, const View& zero) {
  const Read<int32_t> values(x), zeros(zero);
  std::vector<int32_t> result(static_cast<size_t>(values.size()) + 1);
  const int32_t z = zeros ? zeros[0] : 0;
  for (int64_t i = 0; i < values.size(); ++i) result[static_cast<size_t>(i)] = values[i] - z;
  return result;
}

inline std::vector<int32_t> centred_weights(const View& w, const View& zero) {
  const Read<int32_t> values(w), zeros(zero);
  std::vector<int32_t> result(static_cast<size_t>(values.size()) + 1);
  const int64_t each = w.shape().elements(1, w.shape().size());
  for (int64_t i = 0; i < values.size(); ++i)
    result[static_cast<size_t>(i)] = values[i] - (!zeros ? 0 : zeros[zeros.size() == 1 ? 0 : i / each]);
  return result;
}

}  // namespace tessera::ops
