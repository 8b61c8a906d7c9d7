// Resize: every mode and coordinate rule of the standard, by scales or by sizes.
#include "ops/resize.h"

namespace tessera::ops {
namespace {

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
                       .infer = infer_resize,
                       .reference = resize_reference,
                       .reach = follow_resize},
                      {.name = "Resize",
                       .since = 11,
                       .in = {1, 4},
                       .types = types,
                       .attrs = attrs,
                       .infer = infer_resize,
                       .reference = resize_reference,
                       .reach = follow_resize}};

}  // namespace

extern const OpFile resize;
const OpFile resize{defs};

}  // namespace tessera::ops
