// Cosine windows: HannWindow, HammingWindow and BlackmanWindow differ in their coefficients.
#pragma once

#include "ops/numbers.h"

namespace tessera::ops {

inline void infer_window(Infer& n) {
  const Shape& shape = n.shape(0);
  if (shape.elements() != 1) fail(Error::Kind::shape, "the window's size is ", shape);
  const int64_t size = n.integer_of(0), dtype = n.integer("output_datatype");
  if (size < 0 || size > int64_t{1} << 40) fail(Error::Kind::shape, "a window of ", size);
  if (dtype < 1 || dtype >= dtype_count) fail(Error::Kind::type, "data type ", dtype, " is unknown");
  n.set(0, static_cast<DType>(dtype), {size});
}

/// a - b cos(2 pi i / N) + c cos(4 pi i / N), with N the size, or one less if not periodic.
inline void store_window(const Args& args, double a, double b, double c) {
  const int64_t size = args.out[0].elements();
  const double period = static_cast<double>(args.integer("periodic") ? size : size - 1);
  constexpr double turn = 6.283185307179586476925286766559;
  for (int64_t i = 0; i < size; ++i) {
    const double x = period > 0 ? turn * static_cast<double>(i) / period : 0;
    set_element(args.out[0], i, a - b * std::cos(x) + c * std::cos(2 * x));
  }
}

inline constexpr AttrDef window_attrs[] = {{"output_datatype", 1}, {"periodic", 1}};

}  // namespace tessera::ops
