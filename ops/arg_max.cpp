// ArgMax: the place of the largest element along an axis.
#include "ops/arg.h"

namespace tessera::ops {
extern const OpFile arg_max;
namespace {

const OpDef defs[] = {
    {"ArgMax", "", 1, {1, 1}, {1, 1}, arg_types, arg_attrs, infer_arg, run_arg<std::greater<>>, follow_arg}};

}  // namespace
const OpFile arg_max{defs};
}  // namespace tessera::ops
