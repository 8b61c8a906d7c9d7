#include "runtime/onnx/declared.h"

namespace tessera::onnx {

Declared declared_type(const proto::Type* type, const Limits& limits) {
  Declared told;
  if (!type) return told;
  const auto holds = [&](Kind kind, const proto::Type* item) {
    told.kind = kind;
    if (item) told.item.push_back(declared_type(item, limits));
  };
  const proto::TensorType* tensor = nullptr;
  const auto& value = type->value;
  if (const auto* dense = std::get_if<proto::Type::tensor>(&value)) tensor = dense->get();
  if (const auto* sparse = std::get_if<proto::Type::sparse_tensor>(&value)) tensor = sparse->get();
  if (const auto* sequence = std::get_if<proto::Type::sequence>(&value))
    holds(Kind::sequence, (*sequence)->elem_type.get());
  if (const auto* optional = std::get_if<proto::Type::optional>(&value))
    holds(Kind::optional, (*optional)->elem_type.get());
  if (const auto* map = std::get_if<proto::Type::map>(&value)) {
    holds(Kind::map, (*map)->value_type.get());
    if ((*map)->key_type) told.type.dtype = dtype_of((*map)->key_type);
  }
  if (!tensor) return told;
  if (tensor->elem_type) told.type.dtype = dtype_of(tensor->elem_type);
  if (!tensor->shape) return told;
  if (tensor->shape->dim.size() > static_cast<size_t>(limits.rank))
    fail(Error::Kind::model, "has ", tensor->shape->dim.size(), " dimensions; the limit is ", limits.rank);
  told.ranked = true;
  for (const proto::Dimension& dim : tensor->shape->dim) {
    const auto* extent = std::get_if<int64_t>(&dim.value);
    const auto* symbol = std::get_if<Text>(&dim.value);
    told.type.shape.push_back(extent && *extent >= 0 ? *extent : -1);
    told.dim_names.emplace_back(symbol ? *symbol : Text{});
  }
  return told;
}

}  // namespace tessera::onnx
