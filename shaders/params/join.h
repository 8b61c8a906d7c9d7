#pragma once
#include "shaders/params/epilogue.h"

struct JoinParams {
  EpilogueParams epilogue;
  uint extents[4];
  uint count;  ///< their product
  uint parts;
};
