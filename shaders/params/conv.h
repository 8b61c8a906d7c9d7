#pragma once
#include "shaders/params/epilogue.h"

struct ConvParams {
  EpilogueParams epilogue;
  uint in_c, in_h, in_w;
  uint out_c, out_h, out_w;
  uint pixels;              ///< of all output pictures
  uint padded_k, padded_m;  ///< extents of the weights
  uint stride_y, stride_x;
  uint dilation_y, dilation_x;
  int pad_y, pad_x;  ///< at the top and left
};
