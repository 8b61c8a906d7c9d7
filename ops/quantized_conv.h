// Integer operands of convolutions with their zero points taken off, and what becomes of their sums. Sums of 8-bit
// products stay within 32 bits up to 33,000 taps, as in every implementation of these operators.
#pragma once

#include "ops/quantization.h"

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

/// The inputs of QLinearConv, QuantizedConv and QuantizedGemm.
enum QuantizedIn { q_x, q_x_scale, q_x_zero, q_w, q_w_scale, q_w_zero, q_y_scale, q_y_zero, q_bias };

/// Output 0 of these operators, of shape `y`.
inline void set_scaled_sums(Infer& n, const Shape& y, int64_t channels) {
  check_per_channel(n.shape(q_w_scale), channels);
  check_per_channel(n.shape(q_w_zero), channels);
  if (n.has_input(q_bias) && n.shape(q_bias).elements() != channels)
    fail(Error::Kind::shape, "bias ", n.shape(q_bias), " for ", channels, " output channels");
  n.set(0, n.has_input(q_y_zero) ? n.in(q_y_zero).dtype : DType::float32, y);
}

/// Sums of products become quantized numbers or, without y_scale and y_zero_point, the real numbers that they stand
/// for; then the bias may be real numbers too.
class ScaledSums {
 public:
  explicit ScaledSums(const Args& a)
      : y_(a.out[0]),
        range_(range_of(y_.type.dtype)),
        factor_(static_cast<float>(number_or(a, q_x_scale, 1))),
        out_(static_cast<float>(number_or(a, q_y_scale, 1))),
        zero_(number_or(a, q_y_zero, 0)),
        weight_scales_(a.in[q_w_scale]) {
    if (!a.has_in(q_bias)) return;
    if (a.in[q_bias].type.dtype == DType::float32)
      real_bias_ = a.in[q_bias].as<const float>();
    else
      bias_ = Read<int32_t>(a.in[q_bias]);
  }

  void store(int64_t i, int64_t channel, int32_t sum) const {
    const float scale = factor_ * weight_scales_[weight_scales_.size() == 1 ? 0 : channel] / out_;
    const double whole = sum + static_cast<double>(bias_ ? bias_[channel] : 0);
    if (is_float(y_.type.dtype))
      y_.as<float>()[i] = static_cast<float>(whole) * scale + (real_bias_ ? real_bias_[channel] : 0.0f);
    else
      requantize(y_, i, whole, scale, zero_, range_);
  }

 private:
  View y_;
  IntegerRange range_;
  float factor_, out_;
  double zero_;
  Read<float> weight_scales_;
  Read<int32_t> bias_;
  const float* real_bias_ = nullptr;
};

}  // namespace tessera::ops
