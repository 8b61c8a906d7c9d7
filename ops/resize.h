// Resize and Upsample: what a node says, read in one place for inference, references, kernels and reach.
#pragma once

#include <cmath>

#include "ops/interpolation.h"
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {

template <class E>
struct Named {
  Text name;
  E value;
};

template <class E, size_t N>
E choose(const Named<E> (&choices)[N], Text attribute, Text text) {
  for (const Named<E>& choice : choices)
    if (choice.name == text) return choice.value;
  fail(Error::Kind::model, "attribute \"", attribute, "\" is \"", text, "\"");
}

inline constexpr Named<Coordinates> coordinates_named[] = {
    {"half_pixel", Coordinates::half_pixel},
    {"half_pixel_symmetric", Coordinates::half_pixel_symmetric},
    {"pytorch_half_pixel", Coordinates::pytorch_half_pixel},
    {"align_corners", Coordinates::align_corners},
    {"asymmetric", Coordinates::asymmetric},
    {"tf_half_pixel_for_nn", Coordinates::tf_half_pixel},
    {"tf_crop_and_resize", Coordinates::crop},
};

inline constexpr Named<Nearest> nearest_named[] = {
    {"round_prefer_floor", Nearest::prefer_floor},
    {"round_prefer_ceil", Nearest::prefer_ceil},
    {"floor", Nearest::floor},
    {"ceil", Nearest::ceil},
};

/// Upsample's last definition is of opset 9, Resize's first of opset 10: these know neither coordinates nor roundings.
inline ResampleRule resize_rule(const AttrReader& n) {
  ResampleRule rule;
  const int since = n.node().op->since;
  rule.mode = interpolation_named(n.text("mode"));
  if (since < 11) {
    rule.coordinates = Coordinates::asymmetric;
    rule.nearest = since < 10 ? Nearest::floor : Nearest::simple;
    return rule;
  }
  const Text coordinates = n.text("coordinate_transformation_mode");
  rule.coordinates = choose(coordinates_named, "coordinate_transformation_mode", coordinates);
  rule.nearest = choose(nearest_named, "nearest_mode", n.text("nearest_mode"));
  rule.cubic_a = static_cast<double>(n.real("cubic_coeff_a"));
  rule.exclude_outside = n.integer("exclude_outside") != 0;
  rule.antialias = n.integer("antialias") != 0 && rule.mode != Interpolation::nearest;
  rule.extrapolation = static_cast<double>(n.real("extrapolation_value"));
  return rule;
}

/// A node of Resize or Upsample over an input of shape `x`. Nothing here takes memory from the heap.
class Resizing : public AttrReader {
 public:
  /// `input(i)` is the View of input i, without data where the node has none or it is empty; only what counts is asked
  /// for.
  template <class Input>
  Resizing(const AttrReader& n, const Shape& x, Input input)
      : AttrReader(n), rule(resize_rule(n)), x_(x), axes_(normalized_axes(n.integers("axes"), x.rank())) {
    if (!has("axes"))
      for (int i = 0; i < x.rank(); ++i) axes_.push_back(i);
    const int since = n.node().op->since;
    if (since >= 9) scales_ = input(since < 11 ? size_t{1} : size_t{2});
    if (since >= 11 && !scales_) sizes_ = input(size_t{3});
    if (rule.coordinates == Coordinates::crop) roi_ = input(size_t{1});
    by_size_ = !scales_ && since >= 11;
    check();
  }

  /// How axis `d` is resampled.
  ResampleAxis axis(size_t d) const {
    ResampleAxis a{x_[d], x_[d]};
    const auto named = std::find(axes_.begin(), axes_.end(), static_cast<int64_t>(d));
    if (named == axes_.end()) return a;
    const int64_t k = named - axes_.begin();
    const bool crop = rule.coordinates == Coordinates::crop;
    if (crop) a.begin = roi(k), a.end = roi(k + static_cast<int64_t>(axes_.size()));
    if (by_size_) {
      a.out = static_cast<int64_t>(size(k));
      a.scale = static_cast<float>(a.out) / static_cast<float>(a.in);
      keep_aspect(a);
    } else {
      a.scale = scale(k);
      const double factor = static_cast<double>(a.scale);
      a.resized = factor * static_cast<double>(a.in);
      a.out = scaled_extent(a.in, crop ? factor * static_cast<double>(a.end - a.begin) : factor);
    }
    if (!a.in && a.out) fail(Error::Kind::shape, "cannot make ", a.out, " elements of none");
    return a;
  }

  Shape output() const {
    Shape y;
    for (size_t d = 0; d < x_.size(); ++d) y.push_back(axis(d).out);
    return y;
  }

  ResampleRule rule;

 private:
  void check() const {
    const int64_t count = by_size_ ? (sizes_ ? sizes_.elements() : 0) : scale_count();
    if (count != static_cast<int64_t>(axes_.size()))
      fail(Error::Kind::shape, count, by_size_ ? " sizes for " : " scales for ", axes_.size(), " axes");
    const int64_t corners = roi_ ? roi_.elements() : 0;
    if (rule.coordinates == Coordinates::crop && corners != 2 * count)
      fail(Error::Kind::shape, "a region of ", corners, " numbers for ", count, " axes");
    for (int64_t k = 0; by_size_ && k < count; ++k)
      if (!(size(k) >= 0 && size(k) < 1e15)) fail(Error::Kind::shape, "a size of ", size(k));
  }

  int64_t scale_count() const {
    if (scales_) return scales_.elements();
    return has("height_scale") ? 4 : static_cast<int64_t>(reals("scales").size());
  }
  float scale(int64_t k) const {
    if (scales_) return static_cast<float>(element_as_double(scales_, k));
    if (!has("height_scale")) return reals("scales")[static_cast<size_t>(k)];
    return k < 2 ? 1 : real(k == 2 ? "height_scale" : "width_scale");
  }
  double size(int64_t k) const { return element_as_double(sizes_, k); }
  float roi(int64_t k) const { return static_cast<float>(element_as_double(roi_, k)); }

  // Sizes, where keep_aspect_ratio_policy makes one scale of them.
  void keep_aspect(ResampleAxis& a) const {
    const Text policy = text("keep_aspect_ratio_policy");
    if (policy == "stretch") return;
    const bool larger = policy == "not_smaller";
    if (!larger && policy != "not_larger")
      fail(Error::Kind::model, "attribute \"keep_aspect_ratio_policy\" is \"", policy, "\"");
    double scale = larger ? 0 : std::numeric_limits<double>::infinity();
    for (size_t k = 0; k < axes_.size(); ++k) {
      const double each = size(static_cast<int64_t>(k)) / static_cast<double>(x_[static_cast<size_t>(axes_[k])]);
      scale = larger ? std::max(scale, each) : std::min(scale, each);
    }
    a.scale = static_cast<float>(scale);
    a.resized = scale * static_cast<double>(a.in);
    a.out = scaled_extent(1, std::floor(scale * static_cast<double>(a.in) + 0.5));
  }

  Shape x_, axes_;
  View roi_, scales_, sizes_;
  bool by_size_ = false;
};

inline Resizing resizing_of(const Args& a) {
  return Resizing(a, a.in[0].shape(), [&](size_t i) {
    return i < a.node().op_inputs() && a.has_in(i) && a.in[i].elements() ? a.in[i] : View{};
  });
}

inline void infer_resize(Infer& n) {
  const Resizing resizing(n, n.shape(0), [&](size_t i) {
    const int input = static_cast<int>(i);
    return n.has_input(input) && n.shape(input).elements() ? n.value(input).view() : View{};
  });
  n.set(0, resizing.output());
}

inline void resize_reference(const Args& a) {
  const Resizing resizing = resizing_of(a);
  std::vector<ResampleAxis> axes;
  for (size_t d = 0; d < a.in[0].shape().size(); ++d) axes.push_back(resizing.axis(d));
  resample(a, resizing.rule, axes);
}

/// The factor of an axis as the fraction that it was before it became a float: scales if they are given, else extents.
inline bool exact_factor(const ResampleAxis& a, reach::Ratio& ratio) {
  if (a.resized == 0) return ratio = reach::Ratio(a.out, a.in), true;
  const auto factor = static_cast<double>(a.scale);
  for (int64_t den = 1; den <= 64; ++den) {
    const auto num = static_cast<int64_t>(std::llround(factor * static_cast<double>(den)));
    if (num > 0 && std::abs(factor - static_cast<double>(num) / static_cast<double>(den)) < 1e-6 * factor)
      return ratio = reach::Ratio(num, den), true;
  }
  return false;
}

/// The first and the last coordinate that an axis reads.
inline bool ends_of(Coordinates coordinates, const ResampleAxis& a, reach::Ratio& first, reach::Ratio& last) {
  using reach::Ratio;
  const Ratio step(a.in, a.out);
  switch (coordinates) {
    case Coordinates::half_pixel:
    case Coordinates::pytorch_half_pixel: first = step * Ratio(1, 2) - Ratio(1, 2); break;
    case Coordinates::align_corners: return first = 0, last = a.in - 1, true;
    case Coordinates::asymmetric: first = 0; break;
    default: return false;
  }
  last = first + step * Ratio(a.out - 1);
  return true;
}

/// A grid that does not end where the picture does is stretched over it all the same: its elements lie elsewhere for
/// each size. False where the axis only keeps to its own step.
inline bool follow_stretch(const ResampleRule& rule, const ResampleAxis& a, int64_t whole, reach::Ratio taps,
                           reach::Digit& digit, reach::Field& field) {
  using reach::Ratio;
  const bool corners = rule.coordinates == Coordinates::align_corners;
  const Ratio even = digit.step * Ratio(a.in, a.out), over(whole, a.out);
  const Ratio step = a.resized == 0 && over.den == 1 ? over : even;
  Ratio first, last;
  if ((!corners && step == even) || !ends_of(rule.coordinates, a, first, last)) return false;
  // By how much an element lies before its place in the picture, in whole pixels: sizes differ a little.
  const double at_first = (digit.step * first).real();
  const double at_last = (digit.step * last - step * Ratio(a.out - 1)).real();
  const auto low = static_cast<int64_t>(std::floor(std::min(at_first, at_last)));
  const auto high = static_cast<int64_t>(std::ceil(std::max(at_first, at_last)));
  field.low[digit.side] = field.low[digit.side] + Ratio(low) - digit.step * taps;
  field.high[digit.side] = field.high[digit.side] + Ratio(high) + digit.step * taps;
  digit = {digit.side, a.out, step};
  return true;
}

inline bool follow_resize(reach::Step& s) {
  using reach::Ratio;
  if (s.on_picture_from(1)) return false;
  bool known = true;
  const Resizing resizing(s, s.in_types[0].shape, [&](size_t i) {
    if (!s.has_input(i) || !s.in_types[i].shape.elements()) return View{};
    known = known && s.constants[i];
    return s.constants[i] ? s.constants[i]->view() : View{};
  });
  reach::Field field = s.in[0];
  bool stretched = false;
  for (size_t axis = 0; known && axis < field.axes.size(); ++axis) {
    const ResampleAxis a = resizing.axis(axis);
    const bool corners = resizing.rule.coordinates == Coordinates::align_corners;
    if (a.identity(resizing.rule)) continue;
    Ratio factor;
    if (!exact_factor(a, factor) || !settle(field, axis)) return false;
    if (!on_picture(field.axes[axis])) {
      if (!field.axes[axis].empty()) field.axes[axis] = {{reach::none, a.out, 0}};
      continue;
    }
    reach::Digit& digit = field.axes[axis][0];
    Ratio taps = resizing.rule.mode == Interpolation::cubic ? 2 : 1;  // on either side of the coordinate
    if (resizing.rule.antialias && factor < Ratio(1)) taps = taps / factor;
    if (follow_stretch(resizing.rule, a, s.whole[digit.side], taps, digit, field)) {
      stretched = true;
      continue;
    }
    if (corners) return false;
    Ratio shift;
    switch (resizing.rule.coordinates) {
      case Coordinates::half_pixel:
      case Coordinates::pytorch_half_pixel: shift = Ratio(1) / (factor * Ratio(2)) - Ratio(1, 2); break;
      case Coordinates::tf_half_pixel: shift = Ratio(1) / (factor * Ratio(2)); break;
      case Coordinates::asymmetric: break;
      default: return false;
    }
    field.low[digit.side] = field.low[digit.side] + digit.step * (shift - taps);
    field.high[digit.side] = field.high[digit.side] + digit.step * (shift + taps);
    digit = {digit.side, a.out, digit.step / factor};
  }
  for (size_t axis = 0; stretched && axis < field.axes.size(); ++axis) {
    if (!on_picture(field.axes[axis])) continue;
    const ResampleAxis a = resizing.axis(axis);
    const Taps taps = resample_taps(resizing.rule, a);
    s.stretched[field.axes[axis][0].side] = {
        a.in, taps.count, {taps.index.begin(), taps.index.end()}, {taps.weight.begin(), taps.weight.end()}};
  }
  s.out = {field};
  return known;
}

}  // namespace tessera::ops
