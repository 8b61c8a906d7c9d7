#pragma once
#include "shaders/params/epilogue.h"

struct DepthwiseParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the output: N, C, H, W
  uint count;       ///< their product
  uint src_strides[4];
  uint channels;    ///< of the output
  uint multiplier;  ///< of them for one of the input
  uint in_h, in_w;
  uint stride_y, stride_x, dilation_y, dilation_x;
  int pad_y, pad_x;  ///< at the top and left
};
