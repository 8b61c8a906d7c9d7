#pragma once
#include "shaders/params/finish8.h"

const uint join_rows = 16;  ///< of a workgroup

struct JoinMatrixParams {
  Finish8Params finish;
  uint rows;         ///< of a product
  uint padded_rows;  ///< of a product as its sums lie
  uint all_rows;     ///< of all products
  uint parts;
};
