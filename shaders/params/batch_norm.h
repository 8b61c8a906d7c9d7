#pragma once
#include "shaders/params/epilogue.h"

struct BatchNormParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the loop
  uint count;       ///< their product
  uint channels, plane;
  float epsilon;
};
