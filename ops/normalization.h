// Moments, and the normalization of rows that LayerNormalization and RMSNormalization share.
#pragma once

#include "ops/indices.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {

struct Moments {
  double mean = 0, variance = 0;
};

/// Mean and (biased) variance of `count` elements.
template <class T>
Moments moments(const T* x, int64_t count) {
  Moments m;
  if (!count) return m;
  for (int64_t i = 0; i < count; ++i) m.mean += static_cast<double>(x[i]);
  m.mean /= static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) {
    const double d = static_cast<double>(x[i]) - m.mean;
    m.variance += d * d;
  }
  m.variance /= static_cast<double>(count);
  return m;
}

/// Normalizes each row of `x`, flattened to a matrix at `axis`, and scales by input `scale` and
/// `bias` (either may be absent). Without `centred` only the root mean square counts. Means and
/// inverse deviations go to the outputs of those numbers where wanted.
struct RowNorm {
  bool centred = true;
  double epsilon = 1e-5;
  int axis = 0;
  size_t scale = 1, bias = 2;
  size_t mean_out = 1, inverse_out = 2;
};

// Scale and bias are read cyclically where they are whole rows, as they nearly always are.
class RowOperand {
 public:
  RowOperand(const Args& a, size_t input, const Shape& x, int64_t row) {
    if (!a.has_in(input) || input >= a.node().op_inputs()) return;
    values_ = Read<double>(a.in[input]);
    if (values_.size() == row && a.in[input].shape().rank() <= x.rank() - 1)
      period_ = row;
    else if (values_.size() == 1)
      period_ = 1;
    else
      offsets_ = broadcast_offsets(a.in[input].shape(), x);
  }
  explicit operator bool() const { return static_cast<bool>(values_); }
  double at(int64_t i) const { return values_[offsets_.empty() ? i % period_ : offsets_[static_cast<size_t>(i)]]; }

 private:
  Read<double> values_;
  int64_t period_ = 1;
  std::vector<int64_t> offsets_;
};

inline void normalize_rows(const Args& a, const RowNorm& norm) {
  const Shape& shape = a.in[0].shape();
  const int64_t rows = shape.elements(0, static_cast<size_t>(norm.axis));
  const int64_t row = shape.elements(static_cast<size_t>(norm.axis), shape.size());
  const RowOperand scale(a, norm.scale, shape, row), bias(a, norm.bias, shape, row);
  const auto statistic = [&](size_t out, int64_t i, double value) {
    if (out < a.out.size() && a.out[out]) set_element(a.out[out], i, value);
  };
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (const int64_t r : Steps(rows)) {
      Moments m = moments(x.data() + r * row, row);
      if (!norm.centred) {
        m.variance += m.mean * m.mean;
        m.mean = 0;
      }
      const double inverse = 1 / std::sqrt(m.variance + norm.epsilon);
      for (int64_t i = r * row; i < (r + 1) * row; ++i) {
        double value = (static_cast<double>(x[i]) - m.mean) * inverse;
        if (scale) value *= scale.at(i);
        if (bias) value += bias.at(i);
        y[i] = static_cast<T>(value);
      }
      statistic(norm.mean_out, r, m.mean);
      statistic(norm.inverse_out, r, inverse);
    }
  });
}

/// The shape of per-row statistics: extents before `axis`, then ones.
inline Shape row_statistics(const Shape& x, int axis) {
  Shape shape = x;
  for (size_t i = static_cast<size_t>(axis); i < shape.size(); ++i) shape[i] = 1;
  return shape;
}

/// Checks that input `i`, where present, broadcasts to the first input.
inline void check_broadcasts(Infer& n, int i) {
  if (n.has_input(i) && i < static_cast<int>(n.node().op_inputs())) check_broadcast(n.shape(i), n.shape(0));
}

inline DType statistics_type(const AttrReader& n) {
  return n.integer("stash_type") == 16 ? DType::bfloat16 : DType::float32;
}

/// y = (x - mean) / deviation * scale + bias for each channel of [N, C, ...], with both operands per
/// channel: Groups of channels share their moments.
inline void normalize_groups(const Args& a, int64_t groups, double epsilon, bool operands_per_group) {
  const Shape& shape = a.in[0].shape();
  const int64_t channels = shape[1], plane = shape.elements(2, shape.size());
  if (groups == 0) return;  // there are no channels
  const int64_t each = channels / groups;
  const Read<double> scale(a.in[1]), bias(a.in[2]);
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (const int64_t g : Steps(shape[0] * groups)) {
      const Moments m = moments(x.data() + g * each * plane, each * plane);
      const double inverse = 1 / std::sqrt(m.variance + epsilon);
      for (int64_t c = 0; c < each; ++c) {
        const int64_t channel = g % groups * each + c;
        const int64_t operand = operands_per_group ? g % groups : channel;
        const double s = scale[operand] * inverse, b = bias[operand] - m.mean * s;
        const int64_t at = (g * each + c) * plane;
        for (int64_t i = at; i < at + plane; ++i) y[i] = static_cast<T>(static_cast<double>(x[i]) * s + b);
      }
    }
  });
}

inline bool follow_layer_normalization(reach::Step& s) {
  return !s.on_picture_from(1) && mix_axes(s, s.axis(), s.in[0].axes.size());
}

}  // namespace tessera::ops
