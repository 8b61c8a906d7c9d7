// BitCast: the same bytes read as another data type of the same size.
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile bit_cast;
namespace {

void infer_bit_cast(Infer& infer) {
  const int64_t to = infer.integer("to");
  if (to <= 0 || to >= dtype_count || to == static_cast<int64_t>(DType::string))
    fail(Error::Kind::model, "data type ", to, " is not known or has no bits");
  const auto dtype = static_cast<DType>(to);
  if (bits_of(dtype) != bits_of(infer.in(0).dtype))
    fail(Error::Kind::type, name_of(dtype), " differs in size from ", infer.in(0));
  infer.set(0, dtype, infer.shape(0));
}

constexpr AttrDef attrs[] = {{.name = "to", .required = true}};
const OpDef defs[] = {{.name = "BitCast",
                       .since = 26,
                       .in = {1, 1},
                       .types = "T=fixed : T",
                       .attrs = attrs,
                       .infer = infer_bit_cast,
                       .reference = copy_input,
                       .reach = reach::not_followed,
                       .view = true}};

}  // namespace
const OpFile bit_cast{defs};
}  // namespace tessera::ops
