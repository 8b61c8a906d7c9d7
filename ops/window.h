// Sliding windows of convolutions and pools: strides, dilations, pads and output extents, resolved
// once from a node's attributes for references and kernels alike.
#pragma once

#include <algorithm>

#include "runtime/base/rounding.h"
#include "runtime/graph/op.h"

namespace tessera::ops {

/// One spatial axis. `pad_begin` and `pad_end` are what auto_pad came to.
struct WindowAxis {
  int64_t in = 1, out = 1;
  int64_t kernel = 1, stride = 1, dilation = 1;
  int64_t pad_begin = 0, pad_end = 0;

  int64_t reach() const { return (kernel - 1) * dilation + 1; }
  /// Where tap `k` of output `o` reads; outside [0, in) it lies in the padding.
  int64_t at(int64_t o, int64_t k) const { return o * stride - pad_begin + k * dilation; }
  /// Which of `count` inputs start, start + step, ... there are: the others lie in the padding.
  Rows within(int64_t start, int64_t step, int64_t count) const {
    const int64_t begin = std::clamp<int64_t>(ceil_div(std::max<int64_t>(0, -start), step), 0, count);
    return {begin, std::clamp<int64_t>(start < in ? ceil_div(in - start, step) : 0, begin, count)};
  }
};

/// The last `rank` of three axes (depth, height, width) slide; the others are of extent one, so that
/// three nested loops serve every rank.
struct Window {
  static constexpr int max_rank = 3;
  int rank = 0;
  WindowAxis axis[max_rank];

  WindowAxis& spatial(int i) { return axis[max_rank - rank + i]; }
  const WindowAxis& spatial(int i) const { return axis[max_rank - rank + i]; }
  int64_t in_elements() const { return axis[0].in * axis[1].in * axis[2].in; }
  int64_t out_elements() const { return axis[0].out * axis[1].out * axis[2].out; }
  int64_t taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }

  /// [batch, channels, spatial outputs...]
  Shape output(int64_t batch, int64_t channels) const {
    Shape shape{batch, channels};
    for (int i = 0; i < rank; ++i) shape.push_back(spatial(i).out);
    return shape;
  }
};

namespace window {

// Beyond this no extent, stride or pad is meant seriously, and sums of a few products of them
// still fit into 64 bits.
inline constexpr int64_t limit = int64_t{1} << 30;

inline int64_t bounded(int64_t value, int64_t least, Text what) {
  if (value < least || value > limit) fail(Error::Kind::shape, what, " of ", value, " is out of range");
  return value;
}

inline int64_t at(List<int64_t> values, int i, int rank, int64_t otherwise, Text name) {
  if (values.empty()) return otherwise;
  if (static_cast<int>(values.size()) != rank)
    fail(Error::Kind::shape, "attribute \"", name, "\" has ", values.size(), " values, but the input has ", rank,
         " spatial axes");
  return values[static_cast<size_t>(i)];
}

enum class Auto { none, valid, upper, lower };

inline Auto auto_pad(const AttrReader& n) {
  if (!n.has("auto_pad")) return Auto::none;
  const Text text = n.text("auto_pad");
  if (text.empty() || text == "NOTSET") return Auto::none;
  if (text == "VALID") return Auto::valid;
  if (text == "SAME_UPPER") return Auto::upper;
  if (text == "SAME_LOWER") return Auto::lower;
  fail(Error::Kind::model, "attribute \"auto_pad\" is \"", text, "\"");
}

inline void split_pad(WindowAxis& a, int64_t total, bool more_at_end) {
  a.pad_begin = more_at_end ? total / 2 : total - total / 2;
  a.pad_end = total - a.pad_begin;
}

// Everything that does not depend on the direction: kernel, strides, dilations, explicit pads.
inline Window read(const AttrReader& n, const Shape& in, List<int64_t> kernel) {
  Window w;
  w.rank = in.rank() - 2;
  if (w.rank < 1) fail(Error::Kind::shape, "input ", in, " has no spatial axis");
  if (w.rank > Window::max_rank) fail(Error::Kind::unsupported, "windows over ", w.rank, " axes");
  if (static_cast<int>(kernel.size()) != w.rank)
    fail(Error::Kind::shape, "a window of ", kernel.size(), " axes over an input ", in);
  const auto strides = n.integers("strides"), dilations = n.integers("dilations"), pads = n.integers("pads");
  const bool explicit_pads = auto_pad(n) == Auto::none;
  int64_t taps = 1;
  for (int i = 0; i < w.rank; ++i) {
    WindowAxis& a = w.spatial(i);
    a.in = bounded(in[static_cast<size_t>(i) + 2], 0, "an extent");
    a.kernel = bounded(kernel[static_cast<size_t>(i)], 1, "a kernel extent");
    taps = bounded(taps * a.kernel, 1, "a kernel's size");
    a.stride = bounded(at(strides, i, w.rank, 1, "strides"), 1, "a stride");
    a.dilation = bounded(at(dilations, i, w.rank, 1, "dilations"), 1, "a dilation");
    if (explicit_pads) {
      a.pad_begin = bounded(at(pads, i, 2 * w.rank, 0, "pads"), -limit, "a pad");
      a.pad_end = bounded(at(pads, i + w.rank, 2 * w.rank, 0, "pads"), -limit, "a pad");
    }
  }
  return w;
}

}  // namespace window

/// The window of a convolution or pool over `in` = [N, C, spatial...]. Negative pads crop.
inline Window resolve_window(const AttrReader& n, const Shape& in, List<int64_t> kernel, bool ceil_mode = false) {
  Window w = window::read(n, in, kernel);
  const window::Auto mode = window::auto_pad(n);
  for (int i = 0; i < w.rank; ++i) {
    WindowAxis& a = w.spatial(i);
    if (mode == window::Auto::upper || mode == window::Auto::lower) {
      a.out = (a.in + a.stride - 1) / a.stride;
      const int64_t total = std::max<int64_t>(0, (a.out - 1) * a.stride + a.reach() - a.in);
      window::split_pad(a, total, mode == window::Auto::upper);
      continue;
    }
    const int64_t room = a.in + a.pad_begin + a.pad_end - a.reach();
    if (room < 0)
      fail(Error::Kind::shape, "a window of ", a.reach(), " does not fit into ", a.in, " + ", a.pad_begin, " + ",
           a.pad_end, " of axis ", i + 2);
    a.out = (ceil_mode ? room + a.stride - 1 : room) / a.stride + 1;
    // A window that starts behind the input and its first pad covers nothing.
    if (ceil_mode && (a.out - 1) * a.stride >= a.in + a.pad_begin) --a.out;
  }
  return w;
}

/// The window of a transposed convolution: `in` is its input, and `at(i, k)` with i an index of the
/// *input* says where tap k of that input adds to the *output*.
inline Window resolve_transposed_window(const AttrReader& n, const Shape& in, List<int64_t> kernel) {
  Window w = window::read(n, in, kernel);
  const window::Auto mode = window::auto_pad(n);
  const auto more = n.integers("output_padding");
  auto wanted = n.integers("output_shape");
  // Some exporters write batch and channels as well.
  if (static_cast<int>(wanted.size()) == w.rank + 2) wanted = wanted.subspan(2);
  for (int i = 0; i < w.rank; ++i) {
    WindowAxis& a = w.spatial(i);
    const int64_t extra = window::bounded(window::at(more, i, w.rank, 0, "output_padding"), 0, "an output padding");
    const int64_t whole = (a.in - 1) * a.stride + a.reach() + extra;
    const bool same = mode == window::Auto::upper || mode == window::Auto::lower;
    if (same || !wanted.empty()) {
      a.out = window::at(wanted, i, w.rank, a.in * a.stride, "output_shape");
      window::bounded(a.out, 0, "an output extent");
      window::split_pad(a, std::max<int64_t>(0, whole - a.out), mode == window::Auto::upper);
    } else {
      a.out = whole - a.pad_begin - a.pad_end;
    }
    if (a.out < 0) fail(Error::Kind::shape, "pads leave nothing of axis ", i + 2);
  }
  return w;
}

/// What Conv, ConvTranspose and their integer kin have in common.
struct ConvGeometry {
  Window window;
  int64_t batch = 0, groups = 1;
  int64_t in_channels = 0, out_channels = 0;  ///< of the whole tensors, not per group
};

/// Of Conv over x = [N, C, ...] with weights w = [M, C / groups, kernel...].
inline ConvGeometry conv_geometry(const AttrReader& n, const Shape& x, const Shape& w) {
  if (x.rank() < 3 || w.rank() != x.rank())
    fail(Error::Kind::shape, "input ", x, " and weights ", w, " do not fit a convolution");
  const auto given = n.integers("kernel_shape");
  const List<int64_t> kernel = List<int64_t>(w).subspan(2);
  if (!given.empty() && !std::equal(given.begin(), given.end(), kernel.begin(), kernel.end()))
    fail(Error::Kind::shape, "kernel_shape ", Shape(given), " is not that of the weights ", w);
  ConvGeometry g;
  g.groups = n.has("group") ? window::bounded(n.integer("group"), 1, "a group count") : 1;
  g.batch = x[0];
  g.in_channels = x[1];
  g.out_channels = w[0];
  if (checked_product(w[1], g.groups) != g.in_channels)
    fail(Error::Kind::shape, "input has ", g.in_channels, " channels, but the weights ", w, " with ", g.groups,
         " groups take ", w[1], " each");
  if (g.out_channels % g.groups)
    fail(Error::Kind::shape, g.out_channels, " output channels do not split into ", g.groups, " groups");
  g.window = resolve_window(n, x, kernel);
  return g;
}

/// Of ConvTranspose over x = [N, C, ...] with weights w = [C, M / groups, kernel...].
inline ConvGeometry transposed_geometry(const AttrReader& n, const Shape& x, const Shape& w) {
  if (x.rank() < 3 || w.rank() != x.rank())
    fail(Error::Kind::shape, "input ", x, " and weights ", w, " do not fit a convolution");
  ConvGeometry g;
  g.groups = n.has("group") ? window::bounded(n.integer("group"), 1, "a group count") : 1;
  g.batch = x[0];
  g.in_channels = x[1];
  if (w[0] != g.in_channels)
    fail(Error::Kind::shape, "input has ", g.in_channels, " channels, but the weights take ", w[0]);
  if (g.in_channels % g.groups)
    fail(Error::Kind::shape, g.in_channels, " input channels do not split into ", g.groups, " groups");
  g.out_channels = checked_product(w[1], g.groups);
  g.window = resolve_transposed_window(n, x, List<int64_t>(w).subspan(2));
  return g;
}

}  // namespace tessera::ops
