// Resize and Upsample: which elements of the input an element of the output is made of.
#pragma once

#include <cmath>

#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {

/// A factor as the fraction that it was before it became a float.
inline bool exact_factor(double factor, reach::Ratio& ratio) {
  for (int64_t den = 1; den <= 64; ++den) {
    const auto num = static_cast<int64_t>(std::llround(factor * static_cast<double>(den)));
    if (num > 0 && std::abs(factor - static_cast<double>(num) / static_cast<double>(den)) < 1e-6 * factor) {
      ratio = reach::Ratio(num, den);
      return true;
    }
  }
  return false;
}

/// The factor that axis `axis` is resized by: scales if they are given, else by the sizes.
inline bool factor_of(const reach::Step& s, size_t axis, reach::Ratio& factor) {
  const Shape &in = s.in_types[0].shape, &out = s.out_types[0].shape;
  std::vector<double> scales;
  for (const Text name : {"height_scale", "width_scale"})
    if (s.has(name)) scales.push_back(static_cast<double>(s.real(name)));
  if (!scales.empty()) scales.insert(scales.begin(), {1, 1});
  if (s.has("scales"))
    for (const float scale : s.reals("scales")) scales.push_back(static_cast<double>(scale));
  // Input 2 since opset 11, input 1 before.
  const size_t input = s.node().op->since >= 11 ? 2 : 1;
  if (s.has_input(input) && s.in_types[input].shape.elements()) {
    if (!s.constants[input]) return false;
    const View view = s.constants[input]->view();
    for (int64_t i = 0; i < view.elements(); ++i) scales.push_back(element_as_double(view, i));
  }
  if (scales.empty()) {
    factor = reach::Ratio(out[axis], in[axis]);
    return true;
  }
  size_t index = axis;
  if (const auto axes = s.integers("axes"); !axes.empty()) {
    index = axes.size();
    for (size_t i = 0; i < axes.size(); ++i)
      if (static_cast<size_t>(normalize_axis(axes[i], in.rank())) == axis) index = i;
    if (index == axes.size()) {
      factor = 1;
      return true;
    }
  }
  return index < scales.size() && exact_factor(scales[index], factor);
}

/// Indices around the coordinate that are read.
inline void taps_of(const reach::Step& s, reach::Ratio factor, reach::Ratio& before, reach::Ratio& after) {
  const Text mode = s.text("mode");
  if (mode == "nearest") {
    before = after = 1;
    return;
  }
  before = after = mode == "cubic" ? 2 : 1;
  if (s.has("antialias") && s.integer("antialias") && factor < reach::Ratio(1)) before = after = after / factor;
}

inline bool follow_resize(reach::Step& s) {
  if (s.on_picture_from(1)) return false;
  reach::Field field = s.in[0];
  const Text rule = s.node().op->since < 11 ? Text("asymmetric") : s.text("coordinate_transformation_mode");
  for (size_t axis = 0; axis < field.axes.size(); ++axis) {
    reach::Ratio factor;
    if (!factor_of(s, axis, factor)) return false;
    const int64_t extent = s.out_types[0].shape[axis];
    if (factor == reach::Ratio(1) && extent == s.in_types[0].shape[axis] && rule != "tf_crop_and_resize") continue;
    if (!settle(field, axis)) return false;
    if (!on_picture(field.axes[axis])) {
      if (!field.axes[axis].empty()) field.axes[axis] = {{reach::none, extent, 0}};
      continue;
    }
    reach::Ratio shift;
    if (rule == "half_pixel" || rule == "pytorch_half_pixel")
      shift = reach::Ratio(1) / (factor * reach::Ratio(2)) - reach::Ratio(1, 2);
    else if (rule == "tf_half_pixel_for_nn")
      shift = reach::Ratio(1) / (factor * reach::Ratio(2));
    else if (rule == "align_corners")
      s.global = true;  // the grid is stretched from corner to corner
    else if (rule != "asymmetric")
      return false;
    reach::Ratio before, after;
    taps_of(s, factor, before, after);
    reach::Digit& digit = field.axes[axis][0];
    field.low[digit.side] = field.low[digit.side] + digit.step * (shift - before);
    field.high[digit.side] = field.high[digit.side] + digit.step * (shift + after);
    digit = {digit.side, extent, digit.step / factor};
  }
  s.out = {field};
  return true;
}

}  // namespace tessera::ops
