// Booleans are bytes of 0 and 1. Of a byte that is another C++ may make anything: files and programs that hand such are
// taken at their word, that it is true.
#pragma once

#include <algorithm>

#include "runtime/graph/graph.h"

namespace tessera {

inline List<unsigned char> boolean_bytes(const View& view) {
  if (view.type.dtype != DType::boolean || !view.data) return {};
  return {view.as<const unsigned char>(), static_cast<size_t>(view.elements())};
}
/// Whether all are 0 or 1; also of what are no booleans.
inline bool are_booleans(const View& view) {
  const List<unsigned char> bytes = boolean_bytes(view);
  return std::all_of(bytes.begin(), bytes.end(), [](unsigned char byte) { return byte <= 1; });
}
inline bool are_booleans(const Datum& datum) {
  return are_booleans(datum.tensor.view()) &&
         std::all_of(datum.items.begin(), datum.items.end(), [](const Datum& item) { return are_booleans(item); });
}
/// 1 in place of any byte but 0.
inline void make_booleans(const View& view) {
  const List<unsigned char> bytes = boolean_bytes(view);
  std::transform(bytes.begin(), bytes.end(), view.as<unsigned char>(), [](unsigned char byte) { return byte != 0; });
}
inline Tensor copy_with_booleans(const View& view) {
  Tensor copy = Tensor::make(view.type);
  copy_elements(view, copy.view());
  make_booleans(copy.view());
  return copy;
}
/// With copies of what is not as it should be: tensors may be the caller's.
inline Datum with_booleans(Datum datum) {
  if (!are_booleans(datum.tensor.view())) datum.tensor = copy_with_booleans(datum.tensor.view());
  for (Datum& item : datum.items) item = with_booleans(std::move(item));
  return datum;
}

}  // namespace tessera
