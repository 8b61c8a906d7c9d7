// The loop over a pool's windows, shared by the references of the pooling operators.
#pragma once

#include "ops/numbers.h"
#include "ops/window.h"

namespace tessera::ops {

inline Window pool_window(const AttrReader& n, const Shape& x) {
  const auto kernel = n.integers("kernel_shape");
  if (kernel.empty()) fail(Error::Kind::model, "attribute \"kernel_shape\" is missing");
  return resolve_window(n, x, kernel, n.integer("ceil_mode") != 0);
}

inline void infer_pool(Infer& n) {
  const Shape& x = n.shape(0);
  if (x.rank() < 3) fail(Error::Kind::shape, "input ", x, " has no spatial axis");
  const Shape y = pool_window(n, x).output(x[0], x[1]);
  n.set(0, y);
  if (n.wants(1)) n.set(1, y);
}

/// Calls tap(offset in the plane) for each tap of the window at output (od, oh, ow) that reads
/// inside the input. Returns how many taps lie inside the padded input.
template <class Tap>
int64_t for_taps(const Window& w, int64_t od, int64_t oh, int64_t ow, Tap tap) {
  const auto& [depth, height, width] = w.axis;
  const auto padded = [](const WindowAxis& a, int64_t i) { return i >= -a.pad_begin && i < a.in + a.pad_end; };
  int64_t count = 0;
  for (int64_t kd = 0; kd < depth.kernel; ++kd) {
    const int64_t d = depth.at(od, kd);
    if (!padded(depth, d)) continue;
    for (int64_t kh = 0; kh < height.kernel; ++kh) {
      const int64_t h = height.at(oh, kh);
      if (!padded(height, h)) continue;
      const bool row = d >= 0 && d < depth.in && h >= 0 && h < height.in;
      for (int64_t kw = 0; kw < width.kernel; ++kw) {
        const int64_t i = width.at(ow, kw);
        if (!padded(width, i)) continue;
        ++count;
        if (row && i >= 0 && i < width.in) tap((d * height.in + h) * width.in + i);
      }
    }
  }
  return count;
}

/// Calls window(output index, od, oh, ow) for each output of one plane.
template <class Body>
void for_windows(const Window& w, Body body) {
  int64_t at = 0;
  for (int64_t od = 0; od < w.axis[0].out; ++od)
    for (int64_t oh = 0; oh < w.axis[1].out; ++oh)
      for (int64_t ow = 0; ow < w.axis[2].out; ++ow) body(at++, od, oh, ow);
}

/// [N, C, 1, 1, ...]
inline void infer_global_pool(Infer& n) {
  Shape y = n.shape(0);
  if (y.rank() < 3) fail(Error::Kind::shape, "input ", y, " has no spatial axis");
  for (size_t i = 2; i < y.size(); ++i) y[i] = 1;
  n.set(0, y);
}

/// out[plane] = reduce(first element, count) over the spatial axes of each channel.
template <class Reduce>
void global_pool(const Args& a, Reduce reduce) {
  const int64_t planes = a.out[0].elements();
  const int64_t size = a.in[0].shape().elements(2, a.in[0].shape().size());
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t i = 0; i < planes; ++i) y[i] = static_cast<T>(reduce(x.data() + i * size, size));
  });
}

}  // namespace tessera::ops
