// What a scattered update does to the element that it meets: replaces it, or is joined with it.
#pragma once

#include <algorithm>

#include "ops/elementwise_math.h"
#include "ops/move.h"

namespace tessera::ops {

enum class Join { replace, add, mul, min, max };

inline Join join_of(const AttrReader& attrs) {
  const Text name = attrs.text("reduction");
  if (name.empty() || name == "none") return Join::replace;
  if (name == "add") return Join::add;
  if (name == "mul") return Join::mul;
  if (name == "min") return Join::min;
  if (name == "max") return Join::max;
  fail(Error::Kind::model, "reduction \"", name, "\" is not known");
}

template <class T>
T joined(Join join, T old, T update) {
  if constexpr (std::is_same_v<T, bool>) {
    return join == Join::add || join == Join::max ? old || update : old && update;
  } else if constexpr (std::is_integral_v<T>) {
    using I = elementwise::math::Int<T>;
    switch (join) {
      case Join::add: return (I(old) + I(update)).v;
      case Join::mul: return (I(old) * I(update)).v;
      case Join::min: return std::min(old, update);
      case Join::max: return std::max(old, update);
      case Join::replace: break;
    }
    return update;
  } else {
    using F = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const F x = old, y = update;
    switch (join) {
      case Join::add: return T(x + y);
      case Join::mul: return T(x * y);
      case Join::min: return y < x || y != y ? update : old;
      case Join::max: return y > x || y != y ? update : old;
      case Join::replace: break;
    }
    return update;
  }
}

/// Calls place(join) with a function (T& element, const T& update) for the operator's reduction.
template <class Place>
void with_join(const AttrReader& attrs, DType dtype, Place&& place) {
  const Join join = join_of(attrs);
  if (join == Join::replace)
    visit_bits(dtype,
               [&]<class T>() { place.template operator()<T>([](T& element, const T& update) { element = update; }); });
  else
    visit(dtype, [&]<class T>() {
      place.template operator()<T>([&](T& element, const T& update) { element = joined(join, element, update); });
    });
}

}  // namespace tessera::ops
