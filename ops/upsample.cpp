// Upsample: Resize's ancestor; coordinates are output / scale.
#include "ops/resize.h"

namespace tessera::ops {
namespace {

constexpr AttrDef attrs[] = {{"mode", 0, "nearest"},
                             {.name = "height_scale", .required = true, .last = 6},
                             {.name = "width_scale", .required = true, .last = 6},
                             {.name = "scales", .required = true, .since = 7, .last = 8}};
const OpDef defs[] = {{.name = "Upsample",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=all : T -> T",
                       .attrs = attrs,
                       .infer = infer_resize,
                       .reference = resize_reference,
                       .reach = follow_resize},
                      {.name = "Upsample",
                       .since = 9,
                       .in = {2, 2},
                       .types = "T=all : T, float32 -> T",
                       .attrs = attrs,
                       .infer = infer_resize,
                       .reference = resize_reference,
                       .reach = follow_resize}};

}  // namespace

extern const OpFile upsample;
const OpFile upsample{defs};

}  // namespace tessera::ops
