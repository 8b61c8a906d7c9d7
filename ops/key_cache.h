// What attention operators with a cache of keys and values share: how numbers lie in it, and what becomes of a head's
// features before they go there.
#pragma once

#include <algorithm>

#include "ops/numbers.h"

namespace tessera::ops {

/// Numbers of a cache: as they are, as signed integers or small floats of a byte, or two in a byte, 8 more than they
/// are.
enum class Quanta { none, bytes, halves };

/// As attributes of the names "k_quant_type" and "v_quant_type" say, of so many bits.
inline Quanta quanta_of(const AttrReader& n, int64_t bits) {
  if (!n.has("k_quant_type") && !n.has("v_quant_type")) return Quanta::none;
  const Text keys = n.text("k_quant_type"), values = n.text("v_quant_type");
  if (keys != values) fail(Error::Kind::unsupported, "keys quantized \"", keys, "\" and values \"", values, '"');
  if (keys.empty() || keys == "NONE") return Quanta::none;
  if ((keys != "PER_TENSOR" && keys != "PER_CHANNEL") || (bits != 4 && bits != 8))
    fail(Error::Kind::model, "a cache quantized \"", keys, "\" in ", bits, " bits");
  return bits == 4 ? Quanta::halves : Quanta::bytes;
}

/// How many scales such a cache wants of keys, and of values.
inline int64_t scales_of(const AttrReader& n, int64_t heads, int64_t depth) {
  return n.text("k_quant_type") == "PER_CHANNEL" ? checked_product(heads, depth) : 1;
}

/// Turns one head's features in place.
inline void turn(double* x, int64_t half, const double* cos, const double* sin, bool interleaved) {
  for (int64_t i = 0; i < half; ++i) {
    double &u = x[interleaved ? 2 * i : i], &v = x[interleaved ? 2 * i + 1 : i + half];
    const double turned = u * cos[i] - v * sin[i];
    v = v * cos[i] + u * sin[i];
    u = turned;
  }
}

inline void normalize(double* x, int64_t depth, const double* scale, double epsilon) {
  double sum = 0;
  for (int64_t d = 0; d < depth; ++d) sum += x[d] * x[d];
  const double inverse = 1 / std::sqrt(sum / static_cast<double>(depth) + epsilon);
  for (int64_t d = 0; d < depth; ++d) x[d] *= inverse * scale[d];
}

/// A cache of keys or values, read and written by its rows of one head.
class Cache {
 public:
  /// `stored`: the cache, of whose type what is read and written is. `scales` are not looked at where numbers are as
  /// they are.
  Cache(int64_t depth, Quanta quanta, const View& stored, const View& scales)
      : depth_(depth),
        quanta_(quanta),
        small_floats_(stored.type.dtype == DType::float8e4m3fn),
        scales_(quanta == Quanta::none ? View{} : scales) {}

  void read(const View& from, int64_t row, int64_t head, double* to) const {
    for (int64_t d = 0; d < depth_; ++d)
      to[d] = quantum(from, row, d) * (scales_ ? static_cast<double>(scale(head, d)) : 1);
  }
  /// What becomes of new numbers when they are stored.
  void round(int64_t head, double* x) const {
    for (int64_t d = 0; scales_ && d < depth_; ++d) {
      double q = static_cast<double>(static_cast<float>(x[d]) * (1 / scale(head, d)));
      if (small_floats_) {
        uint8_t byte;
        const View one{{DType::float8e4m3fn, {}}, reinterpret_cast<std::byte*>(&byte)};
        set_element(one, 0, std::clamp(q, -448.0, 448.0));
        q = element_as_double(one, 0);
      } else {
        const double most = quanta_ == Quanta::halves ? 7 : 127;
        q = std::max(-most - 1, std::min(most, std::nearbyint(q)));
      }
      x[d] = q * static_cast<double>(scale(head, d));
    }
  }
  void write(const double* x, int64_t row, int64_t head, const View& to) const {
    for (int64_t d = 0; d < depth_; ++d) {
      double q = scales_ ? x[d] / static_cast<double>(scale(head, d)) : x[d];
      if (scales_ && !small_floats_) q = std::isnan(q) ? 0 : std::nearbyint(q);
      if (quanta_ != Quanta::halves) {
        set_element(signed_view(to), row * depth_ + d, q);
        continue;
      }
      const int half = static_cast<int>(q) + 8;
      uint8_t& byte = to.as<uint8_t>()[row * ((depth_ + 1) / 2) + d / 2];
      byte = static_cast<uint8_t>(d % 2 ? (byte & 15) | half << 4 : 0x80 | half);
    }
  }

 private:
  float scale(int64_t head, int64_t d) const {
    const float found = scales_[scales_.size() == 1 ? 0 : head * depth_ + d];
    return found != 0 ? found : 1;
  }
  View signed_view(View view) const {
    if (quanta_ == Quanta::bytes && view.type.dtype == DType::uint8) view.type.dtype = DType::int8;
    return view;
  }
  double quantum(const View& from, int64_t row, int64_t d) const {
    if (quanta_ != Quanta::halves) return element_as_double(signed_view(from), row * depth_ + d);
    return (from.as<const uint8_t>()[row * ((depth_ + 1) / 2) + d / 2] >> (4 * (d % 2)) & 15) - 8;
  }

  int64_t depth_;
  Quanta quanta_;
  bool small_floats_;
  Read<float> scales_;
};

}  // namespace tessera::ops
