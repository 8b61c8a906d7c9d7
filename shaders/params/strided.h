#pragma once
#include "shaders/params/words.h"

struct StridedParams {
  uint extents[max_axes];  ///< of the output
  uint count;              ///< their product
  uint strides[max_axes];  ///< in the input; modulo 2^32 where they go backwards
  uint offset;
};
