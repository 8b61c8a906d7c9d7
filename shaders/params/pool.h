#pragma once
#include "shaders/params/epilogue.h"

const uint pool_max = 0, pool_average = 1, pool_norm = 2;

struct PoolParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the loop
  uint count;       ///< their product
  uint src_strides[4];
  uint in_size[3];  ///< depth, height, width
  uint out_size[3];
  uint kernel[3], stride[3], dilation[3];
  int pad_begin[3], pad_end[3];
  uint counts_pads;  ///< of an average
  float power;       ///< of a norm
};
