// Arithmetic on the extents and attributes of a model, which may be any 64-bit numbers. The elements of a tensor
// are fewer than 2^56 (Shape::elements), so sums and small multiples of the extents of one tensor need none of it.
#pragma once

#include "runtime/base/base.h"

namespace tessera {

/// The product; throws Error::shape where 64 bits do not hold it.
template <class... More>
int64_t checked_product(int64_t a, int64_t b, More... more) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) fail(Error::Kind::shape, a, " times ", b, " is too large");
  if constexpr (sizeof...(more) > 0)
    return checked_product(product, more...);
  else
    return product;
}

/// The sum; throws Error::shape where 64 bits do not hold it.
template <class... More>
int64_t checked_sum(int64_t a, int64_t b, More... more) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) fail(Error::Kind::shape, a, " plus ", b, " is too large");
  if constexpr (sizeof...(more) > 0)
    return checked_sum(sum, more...);
  else
    return sum;
}

}  // namespace tessera
