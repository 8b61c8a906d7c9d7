// Resize: every mode and coordinate rule of the standard, by scales or by sizes.
#include <algorithm>

#include "ops/interpolation.h"
#include "ops/resize.h"

namespace tessera::ops {
namespace {

template <class E>
struct Choice {
  Text name;
  E value;
};

template <class E, size_t N>
E choose(const Choice<E> (&choices)[N], Text attribute, Text text) {
  for (const Choice<E>& choice : choices)
    if (choice.name == text) return choice.value;
  fail(Error::Kind::model, "attribute \"", attribute, "\" is \"", text, "\"");
}

constexpr Choice<Coordinates> coordinates[] = {
    {"half_pixel", Coordinates::half_pixel},
    {"half_pixel_symmetric", Coordinates::half_pixel_symmetric},
    {"pytorch_half_pixel", Coordinates::pytorch_half_pixel},
    {"align_corners", Coordinates::align_corners},
    {"asymmetric", Coordinates::asymmetric},
    {"tf_half_pixel_for_nn", Coordinates::tf_half_pixel},
    {"tf_crop_and_resize", Coordinates::crop},
};

constexpr Choice<Nearest> nearest_modes[] = {
    {"round_prefer_floor", Nearest::prefer_floor},
    {"round_prefer_ceil", Nearest::prefer_ceil},
    {"floor", Nearest::floor},
    {"ceil", Nearest::ceil},
};

ResampleRule rule_of(const AttrReader& n) {
  ResampleRule rule;
  rule.mode = interpolation_named(n.text("mode"));
  rule.coordinates = choose(coordinates, "coordinate_transformation_mode", n.text("coordinate_transformation_mode"));
  rule.nearest = choose(nearest_modes, "nearest_mode", n.text("nearest_mode"));
  rule.cubic_a = static_cast<double>(n.real("cubic_coeff_a"));
  rule.exclude_outside = n.integer("exclude_outside") != 0;
  rule.antialias = n.integer("antialias") != 0 && rule.mode != Interpolation::nearest;
  rule.extrapolation = static_cast<double>(n.real("extrapolation_value"));
  return rule;
}

ResampleRule rule_of_10(const AttrReader& n) {
  ResampleRule rule;
  rule.mode = interpolation_named(n.text("mode"));
  rule.coordinates = Coordinates::asymmetric;
  rule.nearest = Nearest::simple;
  return rule;
}

std::vector<double> numbers(const View& view) {
  std::vector<double> values;
  if (view)
    for (int64_t i = 0; i < view.elements(); ++i) values.push_back(element_as_double(view, i));
  return values;
}

struct Wish {
  std::vector<double> roi, scales, sizes;
};

// sizes, where keep_aspect_ratio_policy makes one scale of them.
void keep_aspect(const AttrReader& n, const Shape& axes, std::vector<ResampleAxis>& all, const Wish& wish) {
  const Text policy = n.text("keep_aspect_ratio_policy");
  if (policy == "stretch") return;
  const bool larger = policy == "not_smaller";
  if (!larger && policy != "not_larger")
    fail(Error::Kind::model, "attribute \"keep_aspect_ratio_policy\" is \"", policy, "\"");
  double scale = larger ? 0 : std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < axes.size(); ++i) {
    const double each = wish.sizes[i] / static_cast<double>(all[static_cast<size_t>(axes[i])].in);
    scale = larger ? std::max(scale, each) : std::min(scale, each);
  }
  for (const int64_t axis : axes) {
    ResampleAxis& a = all[static_cast<size_t>(axis)];
    a.scale = static_cast<float>(scale);
    a.resized = scale * static_cast<double>(a.in);
    a.out = scaled_extent(1, std::floor(scale * static_cast<double>(a.in) + 0.5));
  }
}

std::vector<ResampleAxis> resolve(const AttrReader& n, const Shape& x, const ResampleRule& rule, const Wish& wish) {
  Shape axes = normalized_axes(n.integers("axes"), x.rank());
  if (!n.has("axes"))
    for (int i = 0; i < x.rank(); ++i) axes.push_back(i);
  const bool by_size = wish.scales.empty();
  const std::vector<double>& given = by_size ? wish.sizes : wish.scales;
  if (given.size() != axes.size())
    fail(Error::Kind::shape, given.size(), by_size ? " sizes for " : " scales for ", axes.size(), " axes");
  const bool crop = rule.coordinates == Coordinates::crop;
  if (crop && wish.roi.size() != 2 * axes.size())
    fail(Error::Kind::shape, "a region of ", wish.roi.size(), " numbers for ", axes.size(), " axes");
  std::vector<ResampleAxis> all;
  for (const int64_t extent : x) all.push_back({extent, extent});
  for (size_t i = 0; i < axes.size(); ++i) {
    ResampleAxis& a = all[static_cast<size_t>(axes[i])];
    if (crop) a.begin = static_cast<float>(wish.roi[i]), a.end = static_cast<float>(wish.roi[i + axes.size()]);
    if (by_size) {
      if (!(given[i] >= 0 && given[i] < 1e15)) fail(Error::Kind::shape, "a size of ", given[i]);
      a.out = static_cast<int64_t>(given[i]);
      a.scale = static_cast<float>(a.out) / static_cast<float>(a.in);
    } else {
      a.scale = static_cast<float>(given[i]);
      a.resized = given[i] * static_cast<double>(a.in);
      a.out = scaled_extent(a.in, crop ? given[i] * static_cast<double>(a.end - a.begin) : given[i]);
    }
  }
  if (by_size) keep_aspect(n, axes, all, wish);
  for (const ResampleAxis& a : all)
    if (!a.in && a.out) fail(Error::Kind::shape, "cannot make ", a.out, " elements of none");
  return all;
}

void set_output(Infer& n, const std::vector<ResampleAxis>& axes) {
  Shape y;
  for (const ResampleAxis& a : axes) y.push_back(a.out);
  n.set(0, y);
}

void infer_10(Infer& n) { set_output(n, resolve(n, n.shape(0), rule_of_10(n), {{}, numbers(n.value(1).view()), {}})); }

void resize_10(const Args& a) {
  const ResampleRule rule = rule_of_10(a);
  resample(a, rule, resolve(a, a.in[0].shape(), rule, {{}, numbers(a.in[1]), {}}));
}

enum In { x_in, roi_in, scales_in, sizes_in };

void infer_11(Infer& n) {
  const ResampleRule rule = rule_of(n);
  const auto read = [&](int i) {
    return n.has_input(i) && n.in(i).shape.elements() ? numbers(n.value(i).view()) : std::vector<double>{};
  };
  Wish wish{{}, read(scales_in), {}};
  if (wish.scales.empty()) wish.sizes = read(sizes_in);
  if (rule.coordinates == Coordinates::crop) wish.roi = read(roi_in);
  if (wish.scales.empty() && wish.sizes.empty() && n.rank(0)) fail(Error::Kind::model, "has neither scales nor sizes");
  set_output(n, resolve(n, n.shape(0), rule, wish));
}

void resize_11(const Args& a) {
  const ResampleRule rule = rule_of(a);
  const auto read = [&](size_t i) {
    return i < a.node().op_inputs() && a.has_in(i) ? numbers(a.in[i]) : std::vector<double>{};
  };
  Wish wish{read(roi_in), read(scales_in), {}};
  if (wish.scales.empty()) wish.sizes = read(sizes_in);
  resample(a, rule, resolve(a, a.in[0].shape(), rule, wish));
}

constexpr AttrDef attrs_10[] = {{"mode", 0, "nearest"}, {"keep_aspect_ratio_policy", 0, "stretch", false, 18}};
constexpr AttrDef attrs[] = {{"mode", 0, "nearest"},
                             {"coordinate_transformation_mode", 0, "half_pixel"},
                             {"nearest_mode", 0, "round_prefer_floor"},
                             {"cubic_coeff_a", -0.75},
                             {"exclude_outside", 0},
                             {"extrapolation_value", 0},
                             {.name = "antialias", .since = 18},
                             {.name = "axes", .since = 18},
                             {"keep_aspect_ratio_policy", 0, "stretch", false, 18}};
constexpr Text types = "T=all; R=float : T, R, float32, int64 -> T";
const OpDef defs[] = {{.name = "Resize",
                       .since = 10,
                       .in = {2, 2},
                       .types = "T=all : T, float32 -> T",
                       .attrs = attrs_10,
                       .infer = infer_10,
                       .reference = resize_10,
                       .reach = follow_resize},
                      {.name = "Resize",
                       .since = 11,
                       .in = {1, 4},
                       .types = types,
                       .attrs = attrs,
                       .infer = infer_11,
                       .reference = resize_11,
                       .reach = follow_resize}};

}  // namespace

extern const OpFile resize;
const OpFile resize{defs};

}  // namespace tessera::ops
