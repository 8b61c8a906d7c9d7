// The source of the random operators: seeded by the node, else different in every run.
#pragma once

#include <atomic>
#include <bit>

#include "ops/numbers.h"
#include "ops/steps.h"

namespace tessera::ops {

/// splitmix64.
class Random {
 public:
  explicit Random(const AttrReader& n) {
    static std::atomic<uint64_t> runs{0};
    state_ = n.has("seed") ? std::bit_cast<uint32_t>(n.real("seed")) : (runs.fetch_add(1) + 1) * 0xd1342543de82ef95u;
  }

  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double normal() {
    const double u = 1 - uniform(), v = uniform();
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
  }

 private:
  uint64_t state_;
};

/// The dtype that attribute "dtype" names, or `otherwise` without it.
inline DType named_dtype(const AttrReader& n, DType otherwise) {
  if (!n.has("dtype")) return otherwise;
  const int64_t dtype = n.integer("dtype");
  if (dtype < 1 || dtype >= dtype_count) fail(Error::Kind::type, "data type ", dtype, " is unknown");
  return static_cast<DType>(dtype);
}

inline void infer_random_shape(Infer& n) {
  for (const int64_t dim : n.integers("shape"))
    if (dim < 0) fail(Error::Kind::shape, "a shape with an extent of ", dim);
  const DType dtype = named_dtype(n, DType::float32);
  if (!is_float(dtype)) fail(Error::Kind::type, "random ", name_of(dtype), " numbers");
  n.set(0, dtype, Shape(n.integers("shape")));
}

inline void infer_random_like(Infer& n) {
  const DType dtype = named_dtype(n, n.in(0).dtype);
  if (!is_float(dtype)) fail(Error::Kind::type, "random ", name_of(dtype), " numbers");
  n.set(0, dtype, n.shape(0));
}

inline void fill_normal(const Args& a) {
  Random random(a);
  const double mean = static_cast<double>(a.real("mean")), scale = static_cast<double>(a.real("scale"));
  Write<double> y(a.out[0]);
  for (const int64_t i : Steps(a.out[0].elements())) y[i] = mean + scale * random.normal();
}

inline void fill_uniform(const Args& a) {
  Random random(a);
  const double low = static_cast<double>(a.real("low")), high = static_cast<double>(a.real("high"));
  Write<double> y(a.out[0]);
  for (const int64_t i : Steps(a.out[0].elements())) y[i] = low + (high - low) * random.uniform();
}

inline constexpr AttrDef normal_attrs[] = {
    {"mean", 0}, {"scale", 1}, {"seed"}, {"dtype", 1}, {.name = "shape", .required = true}};
inline constexpr AttrDef normal_like_attrs[] = {{"mean", 0}, {"scale", 1}, {"seed"}, {"dtype"}};
inline constexpr AttrDef uniform_attrs[] = {
    {"low", 0}, {"high", 1}, {"seed"}, {"dtype", 1}, {.name = "shape", .required = true}};
inline constexpr AttrDef uniform_like_attrs[] = {{"low", 0}, {"high", 1}, {"seed"}, {"dtype"}};

}  // namespace tessera::ops
