// Cast: the same numbers in another data type.
#include "ops/convert.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile cast;
namespace {

constexpr Text type_names[] = {
#define X(name, number, bits) #name,
    TESSERA_DTYPES(X)
#undef X
};

// Before opset 6 the type was written as a name: "FLOAT", "INT64", ...
DType old_target(const AttrReader& attrs) {
  const Text wanted = attrs.text("to");
  std::string name;
  for (const char c : wanted) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (name == "float") name = "float32";
  if (name == "double") name = "float64";
  if (name == "bool") name = "boolean";
  for (int i = 1; i < dtype_count; ++i)
    if (name == type_names[i]) return static_cast<DType>(i);
  fail(Error::Kind::model, "type \"", wanted, "\" is not known");
}

DType target(const AttrReader& attrs) {
  const int64_t to = attrs.integer("to");
  if (to <= 0 || to >= dtype_count) fail(Error::Kind::model, "data type ", to, " is not known");
  const auto dtype = static_cast<DType>(to);
  if (dtype == DType::complex64 || dtype == DType::complex128)
    fail(Error::Kind::type, "cannot convert to ", name_of(dtype));
  return dtype;
}

void infer_old(Infer& infer) { infer.set(0, old_target(infer), infer.shape(0)); }

void infer_cast(Infer& infer) { infer.set(0, target(infer), infer.shape(0)); }

void reference(const Args& args) { convert(args.in[0], args.out[0], rounding_of(args)); }

constexpr Text types =
    "T=numeric|boolean|string|float8e4m3fn|float8e4m3fnuz|float8e5m2|float8e5m2fnuz|float8e8m0|float4e2m1"
    "|uint4|int4|uint2|int2 : T";
const OpDef defs[] = {
    {"Cast", "", 1, {1, 1}, {1, 1}, types, rounding_attrs, infer_old, reference, reach::along},
    {"Cast", "", 6, {1, 1}, {1, 1}, types, rounding_attrs, infer_cast, reference, reach::along},
};

}  // namespace
const OpFile cast{defs};
}  // namespace tessera::ops
