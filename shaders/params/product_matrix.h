#pragma once
#include "shaders/params/finish8.h"

struct MatrixProductParams {
  Finish8Params finish;
  uint m, n, k;
  uint batch[3];  ///< the products; a stride of 0 repeats a matrix
  uint a_batch[3], b_batch[3];
  uint a_line, b_line;  ///< from a line of neighbours to the next: a row of a, or a column of it
  uint part;            ///< steps that a workgroup adds up
  uint packed_k;        ///< of b where it is packed
};
