// IsNaN: which elements are not a number.
#include "runtime/graph/op.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile is_nan;
namespace {

void infer_is_nan(Infer& infer) { infer.set(0, infer.shape(0)); }

void reference(const Args& args) {
  for (int64_t i = 0, n = args.out[0].elements(); i < n; ++i)
    args.out[0].as<bool>()[i] = std::isnan(element_as_double(args.in[0], i));
}

constexpr Text types = "T=float|float8e4m3fn|float8e4m3fnuz|float8e5m2|float8e5m2fnuz : T -> boolean";
const OpDef defs[] = {{"IsNaN", "", 9, {1, 1}, {1, 1}, types, {}, infer_is_nan, reference, reach::along}};

}  // namespace
const OpFile is_nan{defs};
}  // namespace tessera::ops
