#pragma once
#include "shaders/params/finish8.h"

/// Of convolutions by matrices: pictures lie in blocks of 16 channels.
struct MatrixConvParams {
  Finish8Params finish;
  uint images;
  uint in_blocks, in_h, in_w;
  int pad_y, pad_x;  ///< at the top and left
  uint kernel_h, kernel_w;
  uint stride_y, stride_x;
  uint dilation_y, dilation_x;
  uint part;  ///< steps that a workgroup of conv_gathered adds up
};
