// IsInf: which elements are infinite, of either sign or of one.
#include <cmath>

#include "runtime/graph/op.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile is_inf;
namespace {

void infer_is_inf(Infer& infer) { infer.set(0, infer.shape(0)); }

void reference(const Args& args) {
  const bool positive = args.integer("detect_positive") != 0, negative = args.integer("detect_negative") != 0;
  for (int64_t i = 0, n = args.out[0].elements(); i < n; ++i) {
    const double x = element_as_double(args.in[0], i);
    args.out[0].as<bool>()[i] = std::isinf(x) && (x > 0 ? positive : negative);
  }
}

constexpr AttrDef attrs[] = {{"detect_positive", 1}, {"detect_negative", 1}};
constexpr Text types = "T=float|float8e4m3fn|float8e4m3fnuz|float8e5m2|float8e5m2fnuz : T -> boolean";
const OpDef defs[] = {{"IsInf", "", 10, {1, 1}, {1, 1}, types, attrs, infer_is_inf, reference, reach::along}};

}  // namespace
const OpFile is_inf{defs};
}  // namespace tessera::ops
