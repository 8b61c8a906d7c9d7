// ArgMin: the place of the smallest element along an axis.
#include "ops/arg.h"

namespace tessera::ops {
extern const OpFile arg_min;
namespace {

const OpDef defs[] = {
    {"ArgMin", "", 1, {1, 1}, {1, 1}, arg_types, arg_attrs, infer_arg, run_arg<std::less<>>, follow_arg}};

}  // namespace
const OpFile arg_min{defs};
}  // namespace tessera::ops
