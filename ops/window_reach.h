// How far windows look: the rules of reach of convolutions and pools.
#pragma once

#include "ops/window.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {

/// An axis of which nothing is known to run along the picture, with another extent.
inline reach::Digits plain_digits(int64_t extent) {
  return extent == 1 ? reach::Digits{} : reach::Digits{{reach::none, extent, 0}};
}

/// The spatial axes of a window that slides: element o sees taps o * stride - pad_begin and on.
inline bool slide(reach::Field& field, const Window& window) {
  for (int i = 0; i < window.rank; ++i) {
    const WindowAxis& a = window.spatial(i);
    const size_t axis = static_cast<size_t>(i) + 2;
    if (a.reach() == 1 && a.stride == 1 && a.in == a.out && !a.pad_begin) continue;
    if (!settle(field, axis)) return false;
    if (!on_picture(field.axes[axis])) {
      field.axes[axis] = plain_digits(a.out);
      continue;
    }
    reach::Digit& digit = field.axes[axis][0];
    field.low[digit.side] = field.low[digit.side] - digit.step * reach::Ratio(a.pad_begin);
    field.high[digit.side] = field.high[digit.side] + digit.step * reach::Ratio(a.reach() - 1 - a.pad_begin);
    digit = {digit.side, a.out, digit.step * reach::Ratio(a.stride)};
  }
  return true;
}

/// A convolution of input 0 with the weights in input `weights`. Channels are summed up, depthwise ones stay apart.
template <size_t weights>
bool follow_convolution(reach::Step& s) {
  const Shape &x = s.in_types[0].shape, &w = s.in_types[weights].shape;
  if (w.size() < 3 || x.size() < 3 || s.on_picture_from(1)) return false;
  const ConvGeometry g = conv_geometry(s, x, w);
  reach::Field field = s.in[0];
  const bool depthwise = g.groups == g.in_channels && g.out_channels == g.in_channels;
  if (!(depthwise || make_plain(s, field, 1, g.out_channels)) || !slide(field, g.window)) return false;
  s.out = {field};
  return true;
}

inline bool follow_pool(reach::Step& s) {
  const auto kernel = s.integers("kernel_shape");
  // Indices of the largest (output 1) are coordinates; nothing follows them.
  if (kernel.empty() || (s.out_types.size() > 1 && s.out_types[1].dtype != DType::undefined)) return false;
  reach::Field field = s.in[0];
  if (!slide(field, resolve_window(s, s.in_types[0].shape, kernel, s.integer("ceil_mode") != 0))) return false;
  s.out = {field};
  return true;
}

/// A pool over all spatial axes.
template <reach::Pooled pooled = reach::Pooled::other>
bool follow_global_pool(reach::Step& s) {
  s.pooled = pooled;
  std::vector<bool> dropped(s.in[0].axes.size(), true);
  dropped[0] = false;
  if (dropped.size() > 1) dropped[1] = false;
  return drop_axes(s, dropped);
}

}  // namespace tessera::ops
