// ConstantOfShape: a tensor of a given shape, filled with the one value of an attribute.
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile constant_of_shape;
namespace {

void infer_constant_of_shape(Infer& infer) {
  const Shape shape{List<int64_t>(infer.integers_of(0))};
  if (!infer.has("value")) return infer.set(0, DType::float32, shape);
  const Type& value = infer.tensor("value").type;
  if (value.shape.elements() != 1) fail(Error::Kind::shape, "value is ", value, ", not one element");
  infer.set(0, value.dtype, shape);
}

void reference(const Args& args) {
  if (args.has("value")) fill(args.out[0], args.tensor("value").view());
  // Without a value: zeros.
  else if (const int64_t bytes = args.out[0].type.bytes())
    std::memset(args.out[0].data, 0, static_cast<size_t>(bytes));
}

constexpr AttrDef attrs[] = {{"value"}};
const OpDef defs[] = {
    {"ConstantOfShape", "", 9, {1, 1}, {1, 1}, "int64", attrs, infer_constant_of_shape, reference, reach::source}};

}  // namespace
const OpFile constant_of_shape{defs};
}  // namespace tessera::ops
