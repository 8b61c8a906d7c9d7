#pragma once
#include "shaders/params/epilogue.h"

struct ResizeParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the output: N, C, H, W
  uint count;       ///< their product
  uint in_h, in_w;
};

/// One source element of an output row or column.
struct Tap {
  uint index;
  float weight;
};
