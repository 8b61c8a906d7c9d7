// CumProd: running products along an axis.
#include "ops/cumulate.h"

namespace tessera::ops {
extern const OpFile cum_prod;
namespace {

void reference(const Args& args) { cumulate<std::multiplies<>>(args, 1); }

const OpDef defs[] = {
    {"CumProd", "", 26, {2, 2}, {1, 1}, cumulate_types, cumulate_attrs, infer_cumulate, reference, follow_cumulate}};

}  // namespace
const OpFile cum_prod{defs};
}  // namespace tessera::ops
