// RandomNormalLike: normal deviates in another tensor's shape.
#include "ops/random.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

const OpDef defs[] = {{.name = "RandomNormalLike",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=all : T",
                       .attrs = normal_like_attrs,
                       .infer = infer_random_like,
                       .reference = fill_normal,
                       .reach = reach::source,
                       .folds = false}};

}  // namespace

extern const OpFile random_normal_like;
const OpFile random_normal_like{defs};

}  // namespace tessera::ops
