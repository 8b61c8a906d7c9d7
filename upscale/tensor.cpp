#include "upscale/tensor.h"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace tessera::upscale {
namespace {

template <class Allocate>
Tensor make_in(const Type& type, const Allocate& allocate) {
  constexpr size_t behind = 64;  // vector code may read past the last element
  Tensor tensor{type, nullptr};
  const int64_t bytes = type.bytes();
  tensor.bytes = allocate(static_cast<size_t>(bytes) + behind);
  if (!tensor.bytes) fail(Error::Kind::memory, "no memory for a tensor ", type, " of ", bytes, " bytes");
  return tensor;
}

}  // namespace

Tensor Tensor::make(const Type& type) { return make_in(type, allocate_zeroed); }

Tensor Tensor::make_from(const Recycler& memory, const Type& type) {
  return make_in(type, [&](size_t bytes) { return memory.allocate(bytes); });
}

double element_as_double(const View& view, int64_t i) {
  return visit(view.type.dtype, [&]<class T>() { return static_cast<double>(view.as<const T>()[i]); });
}

void set_element(const View& view, int64_t i, double value) {
  visit(view.type.dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T>)
      view.as<T>()[i] = static_cast<T>(std::clamp(value, 0.0, static_cast<double>(std::numeric_limits<T>::max())));
    else if constexpr (std::is_floating_point_v<T>)
      view.as<T>()[i] = static_cast<T>(value);
    else
      view.as<T>()[i] = T(static_cast<float>(value));
  });
}

}  // namespace tessera::upscale
