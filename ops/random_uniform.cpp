// RandomUniform: uniform deviates of a given shape.
#include "ops/random.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

const OpDef defs[] = {{.name = "RandomUniform",
                       .since = 1,
                       .in = {0, 0},
                       .types = {},
                       .attrs = uniform_attrs,
                       .infer = infer_random_shape,
                       .reference = fill_uniform,
                       .reach = reach::source,
                       .folds = false}};

}  // namespace

extern const OpFile random_uniform;
const OpFile random_uniform{defs};

}  // namespace tessera::ops
