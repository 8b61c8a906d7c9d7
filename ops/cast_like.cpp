// CastLike: the first input's numbers in the second one's data type.
#include "ops/convert.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile cast_like;
namespace {

constexpr int64_t few = 64;  // numbers that are known as soon as their type is

void infer_cast_like(Infer& infer) {
  infer.set(0, infer.in(1).dtype, infer.shape(0));
  const Tensor* known = infer.constant(0);
  if (!known || infer.shape(0).elements() > few) return;
  Tensor value = Tensor::make({infer.in(1).dtype, infer.shape(0)});
  convert(known->view(), value.view(), rounding_of(infer));
  infer.set_value(0, std::move(value));
}

void reference(const Args& args) { convert(args.in[0], args.out[0], rounding_of(args)); }

constexpr Text types =
    "T=numeric|boolean|string|float8e4m3fn|float8e4m3fnuz|float8e5m2|float8e5m2fnuz|float8e8m0|float4e2m1"
    "|uint4|int4|uint2|int2; U=numeric|boolean|string|float8e4m3fn|float8e4m3fnuz|float8e5m2|float8e5m2fnuz"
    "|float8e8m0|float4e2m1|uint4|int4|uint2|int2 : T, U";
const OpDef defs[] = {{"CastLike",
                       "",
                       15,
                       {2, 2},
                       {1, 1},
                       types,
                       List<AttrDef>(rounding_attrs).subspan(1),
                       infer_cast_like,
                       reference,
                       reach::pointwise}};

}  // namespace
const OpFile cast_like{defs};
}  // namespace tessera::ops
