// RandomNormal: normal deviates of a given shape.
#include "ops/random.h"

namespace tessera::ops {
namespace {

const OpDef rows[] = {{.name = "RandomNormal",
                       .since = 1,
                       .in = {0, 0},
                       .types = {},
                       .attrs = normal_attrs,
                       .infer = infer_random_shape,
                       .reference = fill_normal,
                       .folds = false}};

}  // namespace

extern const OpFile random_normal;
const OpFile random_normal{rows};

}  // namespace tessera::ops
