#pragma once
#include "shaders/params/words.h"

/// What shaders/mixed.comp computes of its operands.
const uint fn_equal = 0, fn_greater = 1, fn_greater_or_equal = 2, fn_and = 3, fn_or = 4, fn_xor = 5, fn_not = 6,
           fn_is_nan = 7, fn_is_inf = 8, fn_where = 9, fn_cast = 10, fn_one_hot = 11, fn_add = 12, fn_sub = 13,
           fn_mul = 14, fn_min = 15, fn_max = 16, fn_neg = 17, fn_abs = 18;

struct MixedParams {
  uint extents[max_axes];  ///< of the output
  uint count;              ///< their product
  uint strides_a[max_axes], strides_b[max_axes], strides_c[max_axes];
  uint a, b;   ///< of the function: bits of floats, flags
  uint depth;  ///< of OneHot
};
