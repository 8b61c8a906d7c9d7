// RandomNormal: normal deviates of a given shape.
#include "ops/random.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

const OpDef defs[] = {{.name = "RandomNormal",
                       .since = 1,
                       .in = {0, 0},
                       .types = {},
                       .attrs = normal_attrs,
                       .infer = infer_random_shape,
                       .reference = fill_normal,
                       .reach = reach::source,
                       .folds = false}};

}  // namespace

extern const OpFile random_normal;
const OpFile random_normal{defs};

}  // namespace tessera::ops
