#pragma once
#include "shaders/params/words.h"

struct StridedParams {
  uint extents[max_axes];  ///< of the output
  uint count;              ///< their product
  uint strides[max_axes];  ///< in the input; modulo 2^32 where they go backwards
  uint offset;
  uint row, pitch, first;  ///< where rows of the output lie apart: elements of one, from one to the next, and the first
};
