#pragma once
#include "shaders/params/epilogue.h"

struct MapParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the loop: N, C, H, W
  uint count;       ///< their product
  uint src_strides[4];
  uint src_first[4], dst_first[4];  ///< coordinates of the first element; of a part of a larger tensor
};
