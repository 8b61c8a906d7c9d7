// Upsample: Resize's ancestor; coordinates are output / scale.
#include "ops/interpolation.h"
#include "ops/resize.h"

namespace tessera::ops {
namespace {

ResampleRule rule_of(const AttrReader& n) {
  ResampleRule rule;
  rule.mode = interpolation_named(n.text("mode"));
  rule.coordinates = Coordinates::asymmetric;
  rule.nearest = Nearest::floor;
  return rule;
}

std::vector<float> attribute_scales(const AttrReader& n) {
  if (!n.has("height_scale")) {
    const auto scales = n.reals("scales");
    return {scales.begin(), scales.end()};
  }
  return {1, 1, n.real("height_scale"), n.real("width_scale")};
}

std::vector<float> input_scales(const View& view) {
  std::vector<float> scales;
  for (int64_t i = 0; i < view.elements(); ++i) scales.push_back(static_cast<float>(element_as_double(view, i)));
  return scales;
}

Shape scaled(const Shape& x, const std::vector<float>& scales) {
  if (scales.size() != x.size()) fail(Error::Kind::shape, scales.size(), " scales for an input ", x);
  Shape y;
  for (size_t i = 0; i < x.size(); ++i) y.push_back(scaled_extent(x[i], static_cast<double>(scales[i])));
  return y;
}

void run(const Args& a, const std::vector<float>& scales) {
  std::vector<ResampleAxis> axes;
  for (size_t i = 0; i < scales.size(); ++i) axes.push_back({a.in[0].shape()[i], a.out[0].shape()[i], scales[i]});
  resample(a, rule_of(a), axes);
}

void infer_attributes(Infer& n) {
  rule_of(n);
  n.set(0, scaled(n.shape(0), attribute_scales(n)));
}
void infer_input(Infer& n) {
  rule_of(n);
  n.set(0, scaled(n.shape(0), input_scales(n.value(1).view())));
}
void reference_attributes(const Args& a) { run(a, attribute_scales(a)); }
void reference_input(const Args& a) { run(a, input_scales(a.in[1])); }

constexpr AttrDef attrs[] = {{"mode", 0, "nearest"},
                             {.name = "height_scale", .last = 6},
                             {.name = "width_scale", .last = 6},
                             {.name = "scales", .last = 8}};
const OpDef defs[] = {{.name = "Upsample",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=all : T -> T",
                       .attrs = attrs,
                       .infer = infer_attributes,
                       .reference = reference_attributes,
                       .reach = follow_resize},
                      {.name = "Upsample",
                       .since = 9,
                       .in = {2, 2},
                       .types = "T=all : T, float32 -> T",
                       .attrs = attrs,
                       .infer = infer_input,
                       .reference = reference_input,
                       .reach = follow_resize}};

}  // namespace

extern const OpFile upsample;
const OpFile upsample{defs};

}  // namespace tessera::ops
