#pragma once
#include "shaders/params/epilogue.h"

/// Of convolutions by matrices: pictures lie in blocks of 16 channels.
struct MatrixConvParams {
  EpilogueParams epilogue;
  uint images;
  uint in_blocks, in_h, in_w;
  uint out_blocks, out_h, out_w;
  uint out_c;        ///< channels beyond are zero
  int pad_y, pad_x;  ///< at the top and left
  uint kernel_h, kernel_w;
  uint stride_y, stride_x;
  uint dilation_y, dilation_x;
};
