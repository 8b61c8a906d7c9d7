// The loop over a pool's windows, shared by the references of the pooling operators.
#pragma once

#include "ops/numbers.h"
#include "ops/steps.h"
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
  int64_t count = 1;
  const auto inside = [&](const WindowAxis& a, int64_t o) {
    const int64_t start = a.at(o, 0), room = std::max<int64_t>(0, a.in + a.pad_end - start);
    const int64_t padded = std::min(a.kernel, ceil_div(room, a.dilation));
    count *= padded;
    Rows taps = a.within(start, a.dilation, a.kernel);
    taps.end = std::min(taps.end, padded);
    return taps;
  };
  const Rows planes = inside(depth, od), rows = inside(height, oh), columns = inside(width, ow);
  for (int64_t kd = planes.begin; kd < planes.end; ++kd)
    for (int64_t kh = rows.begin; kh < rows.end; ++kh) {
      const int64_t row = (depth.at(od, kd) * height.in + height.at(oh, kh)) * width.in;
      for (int64_t kw = columns.begin; kw < columns.end; ++kw) tap(row + width.at(ow, kw));
    }
  return count;
}

/// Calls window(output index, od, oh, ow) for each output of one plane.
template <class Body>
void for_windows(const Window& w, Body body) {
  int64_t at = 0;
  for (int64_t od = 0; od < w.axis[0].out; ++od)
    for (const int64_t oh : Steps(w.axis[1].out))
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
    for (const int64_t i : Steps(planes)) y[i] = static_cast<T>(reduce(x.data() + i * size, size));
  });
}

}  // namespace tessera::ops
