#pragma once
#include "shaders/params/epilogue.h"

struct ProductParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the result's loop
  uint m, n, k;
  uint batch[3];  ///< the products; a stride of 0 repeats a matrix
  uint a_batch[3], b_batch[3];
  uint a_row, a_column, b_row, b_column;  ///< strides
  uint parts;                             ///< of the sums, each made by workgroups of its own
  uint part;                              ///< terms of each, a multiple of the tile's
};
