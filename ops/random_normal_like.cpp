// RandomNormalLike: normal deviates in another tensor's shape.
#include "ops/random.h"

namespace tessera::ops {
namespace {

const OpDef rows[] = {{.name = "RandomNormalLike",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=all : T",
                       .attrs = normal_attrs,
                       .infer = infer_random_like,
                       .reference = fill_normal,
                       .folds = false}};

}  // namespace

extern const OpFile random_normal_like;
const OpFile random_normal_like{rows};

}  // namespace tessera::ops
