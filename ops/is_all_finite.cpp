// com.microsoft IsAllFinite: whether no element of any input is infinite or NaN.
#include "ops/elements.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_finite(Infer& n) { n.set(0, Shape{}); }

void finite_reference(const Args& a) {
  const bool infinities = a.integer("isnan_only") == 0, unordered = a.integer("isinf_only") == 0;
  bool all = true;
  for (const View& view : a.in) {
    const Read<double> x(view);
    for (const int64_t i : Elements(x.size()))
      all &= !(infinities && std::isinf(x[i])) && !(unordered && std::isnan(x[i]));
  }
  *a.out[0].as<bool>() = all;
}

constexpr AttrDef attrs[] = {{"isinf_only"}, {"isnan_only"}};
const OpDef defs[] = {{.name = "IsAllFinite",
                       .domain = "com.microsoft",
                       .in = {1, many},
                       .types = "float... -> boolean",
                       .attrs = attrs,
                       .infer = infer_finite,
                       .reference = finite_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile is_all_finite;
const OpFile is_all_finite{defs};

}  // namespace tessera::ops
