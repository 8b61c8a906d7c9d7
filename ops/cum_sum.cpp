// CumSum: running sums along an axis.
#include "ops/cumulate.h"

namespace tessera::ops {
extern const OpFile cum_sum;
namespace {

void reference(const Args& args) { cumulate<std::plus<>>(args, 0); }

const OpDef defs[] = {
    {"CumSum", "", 11, {2, 2}, {1, 1}, cumulate_types, cumulate_attrs, infer_cumulate, reference, follow_cumulate}};

}  // namespace
const OpFile cum_sum{defs};
}  // namespace tessera::ops
