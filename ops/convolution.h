// The loop of convolutions, shared by the references of Conv, ConvInteger and QLinearConv.
#pragma once

#include <algorithm>

#include "ops/steps.h"
#include "ops/window.h"

namespace tessera::ops {

/// The outputs [first, second) of an axis for which tap k reads inside the input.
inline std::pair<int64_t, int64_t> inside(const WindowAxis& a, int64_t k) {
  const auto floor_div = [](int64_t p, int64_t q) { return p >= 0 ? p / q : -((-p + q - 1) / q); };
  const int64_t offset = a.pad_begin - k * a.dilation;
  const int64_t first = std::max<int64_t>(0, -floor_div(-offset, a.stride));
  const int64_t last = floor_div(a.in - 1 + offset, a.stride);
  return {first, std::max(first, std::min(a.out, last + 1))};
}

/// Adds to acc[0, width) what input row (d, h) of one channel gives under kernel row `w`.
template <class Acc, class X>
void convolve_row(const WindowAxis& a, const X* row, const X* w, Acc* acc) {
  for (int64_t k = 0; k < a.kernel; ++k) {
    const auto [first, last] = inside(a, k);
    const X* x = row + a.at(0, k);
    const Acc weight = static_cast<Acc>(w[k]);
    if (a.stride == 1) {
      for (int64_t o = first; o < last; ++o) acc[o] += weight * static_cast<Acc>(x[o]);
    } else {
      for (int64_t o = first; o < last; ++o) acc[o] += weight * static_cast<Acc>(x[o * a.stride]);
    }
  }
}

/// Calls emit(channel, index of the row's first output, sums) for each output row.
template <class Acc, class X, class Emit>
void convolve(const ConvGeometry& g, const X* x, const X* w, Emit emit) {
  const Window& win = g.window;
  const auto& [depth, height, width] = win.axis;
  const int64_t in_group = g.in_channels / g.groups, out_group = g.out_channels / g.groups;
  RunVector<Acc> acc(static_cast<size_t>(width.out));
  for (int64_t n = 0; n < g.batch; ++n)
    for (int64_t m = 0; m < g.out_channels; ++m)
      for (int64_t od = 0; od < depth.out; ++od)
        for (const int64_t oh : Steps(height.out)) {
          std::fill(acc.begin(), acc.end(), Acc(0));
          for (int64_t c = 0; c < in_group; ++c) {
            const X* plane = x + (n * g.in_channels + m / out_group * in_group + c) * win.in_elements();
            const X* kernel = w + (m * in_group + c) * win.taps();
            for (int64_t kd = 0; kd < depth.kernel; ++kd) {
              const int64_t d = depth.at(od, kd);
              if (d < 0 || d >= depth.in) continue;
              for (int64_t kh = 0; kh < height.kernel; ++kh) {
                const int64_t h = height.at(oh, kh);
                if (h < 0 || h >= height.in) continue;
                convolve_row(width, plane + (d * height.in + h) * width.in,
                             kernel + (kd * height.kernel + kh) * width.kernel, acc.data());
              }
            }
          }
          emit(m, ((n * g.out_channels + m) * depth.out + od) * height.out * width.out + oh * width.out, acc.data());
        }
}

}  // namespace tessera::ops
