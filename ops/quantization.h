// Scales and zero points: per tensor, per axis or per block, and rounding into quantized types.
#pragma once

#include <algorithm>

#include "ops/indices.h"
#include "ops/numbers.h"

namespace tessera::ops {

/// Which scale belongs to which element of a tensor of shape `x`.
class ScaleMap {
 public:
  ScaleMap(const Shape& x, const Shape& scale, int64_t axis, int64_t block) {
    if (scale.elements() == 1 && !block) return;
    const int at = normalize_axis(axis, x.rank());
    const Around around(x, at);
    extent_ = around.extent;
    inner_ = around.inner;
    if (scale.rank() == 1 && !block) {
      if (scale[0] != extent_) fail(Error::Kind::shape, scale[0], " scales for an axis of ", extent_);
      kind_ = Kind::axis;
      return;
    }
    kind_ = Kind::block;
    Shape wanted = x;
    const auto along = static_cast<size_t>(at);
    if (scale.size() != x.size()) fail(Error::Kind::shape, "blocked scales ", scale, " for a tensor ", x);
    block_ = block ? block : scale[along] ? (extent_ + scale[along] - 1) / scale[along] : 1;
    if (block_ < 1) fail(Error::Kind::model, "attribute \"block_size\" is ", block_);
    blocks_ = wanted[along] = extent_ / block_ + (extent_ % block_ != 0);
    if (!(wanted == scale))
      fail(Error::Kind::shape, "scales ", scale, " for a tensor ", x, " in blocks of ", block_, " along axis ", at);
  }

  int64_t operator()(int64_t i) const {
    switch (kind_) {
      case Kind::tensor: return 0;
      case Kind::axis: return i / inner_ % extent_;
      case Kind::block: break;
    }
    const int64_t row = i / inner_, at = row % extent_ / block_;
    return (row / extent_ * blocks_ + at) * inner_ + i % inner_;
  }

 private:
  enum class Kind { tensor, axis, block };
  Kind kind_ = Kind::tensor;
  int64_t extent_ = 1, inner_ = 1, block_ = 1, blocks_ = 1;
};

inline bool is_quantized_integer(DType type) {
  switch (type) {
    case DType::int8:
    case DType::uint8:
    case DType::int16:
    case DType::uint16:
    case DType::int32:
    case DType::int4:
    case DType::uint4:
    case DType::int2:
    case DType::uint2: return true;
    default: return false;
  }
}

struct IntegerRange {
  double low, high;
};

/// What an integer type of this many bits holds.
inline IntegerRange range_of(DType type) {
  const double span = std::ldexp(1.0, bits_of(type));
  switch (type) {
    case DType::uint8:
    case DType::uint16:
    case DType::uint32:
    case DType::uint4:
    case DType::uint2: return {0, span - 1};
    default: return {-span / 2, span / 2 - 1};
  }
}

/// DynamicQuantizeLinear's zero point of numbers from `low` on; 0 where no number comes of an infinite scale.
inline uint8_t dynamic_zero(float low, float scale) {
  const float zero = std::nearbyint(std::clamp(0 - low / scale, 0.0f, 255.0f));
  return std::isnan(zero) ? uint8_t{0} : static_cast<uint8_t>(zero);
}

/// `value` (already divided by its scale) rounded to even, moved by the zero point and clamped. A NaN becomes the least
/// number, as in ONNX Runtime.
inline double quantized(float value, double zero, IntegerRange range) {
  if (std::isnan(value)) return range.low;
  return std::clamp(static_cast<double>(std::nearbyint(value)) + zero, range.low, range.high);
}

/// Stores `value` into an 8- or 4-bit float; beyond its range it is clamped only with `saturate`.
inline void store_small_float(const View& to, int64_t i, float value, bool saturate) {
  switch (to.type.dtype) {
    case DType::float8e4m3fn: to.as<float8e4m3fn>()[i] = float8e4m3fn(value, saturate); break;
    case DType::float8e4m3fnuz: to.as<float8e4m3fnuz>()[i] = float8e4m3fnuz(value, saturate); break;
    case DType::float8e5m2: to.as<float8e5m2>()[i] = float8e5m2(value, saturate); break;
    case DType::float8e5m2fnuz: to.as<float8e5m2fnuz>()[i] = float8e5m2fnuz(value, saturate); break;
    default: set_element(to, i, static_cast<double>(value));
  }
}

/// Sums of products scaled into output 0: `scale` is the whole factor, `zero` the output's point.
inline void requantize(const View& to, int64_t i, double sum, float scale, double zero, IntegerRange range) {
  const float value = static_cast<float>(sum) * scale;
  if (is_quantized_integer(to.type.dtype))
    set_element(to, i, quantized(value, zero, range));
  else
    store_small_float(to, i, value, true);
}

}  // namespace tessera::ops
