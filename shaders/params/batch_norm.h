#pragma once
#include "shaders/params/epilogue.h"

struct BatchNormParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the loop
  uint count;       ///< their product
  uint src_strides[4];
  uint channels, plane;
  float epsilon;
};
