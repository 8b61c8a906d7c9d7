// Constant: a tensor written in an attribute, in one of several spellings.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile constant;
namespace {

template <class T, class Values>
Tensor tensor_of(DType dtype, const Shape& shape, const Values& values) {
  Tensor tensor = Tensor::make({dtype, shape});
  std::copy(values.begin(), values.end(), tensor.as<T>());
  return tensor;
}

Tensor value_of(const AttrReader& attrs) {
  const auto length = [](const auto& list) { return Shape{static_cast<int64_t>(list.size())}; };
  if (attrs.has("value")) return attrs.tensor("value");
  if (attrs.has("value_float")) return tensor_of<float>(DType::float32, {}, std::array{attrs.real("value_float")});
  if (attrs.has("value_int")) return Tensor::scalar(attrs.integer("value_int"));
  if (attrs.has("value_string"))
    return tensor_of<std::string>(DType::string, {}, std::array{attrs.text("value_string")});
  if (const auto list = attrs.reals("value_floats"); attrs.has("value_floats"))
    return tensor_of<float>(DType::float32, length(list), list);
  if (const auto list = attrs.integers("value_ints"); attrs.has("value_ints")) return Tensor::of(list);
  if (const auto list = attrs.texts("value_strings"); attrs.has("value_strings"))
    return tensor_of<std::string>(DType::string, length(list), list);
  if (attrs.has("sparse_value")) return attrs.tensor("sparse_value");
  fail(Error::Kind::model, "has no value attribute");
}

void infer_constant(Infer& infer) { infer.set_value(0, value_of(infer)); }

void reference(const Args& args) { copy_elements(value_of(args).view(), args.out[0]); }

constexpr AttrDef attrs[] = {{"value"},     {"sparse_value"}, {"value_float"},  {"value_floats"},
                             {"value_int"}, {"value_ints"},   {"value_string"}, {"value_strings"}};
const OpDef defs[] = {{"Constant", "", 1, {0, 0}, {1, 1}, "", attrs, infer_constant, reference, reach::source}};

}  // namespace
const OpFile constant{defs};
}  // namespace tessera::ops
