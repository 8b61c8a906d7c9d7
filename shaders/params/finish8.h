#pragma once
#include "shaders/params/epilogue.h"

/// Of shaders/common/finish8.glsl: a result is pictures in blocks of 16 channels, or rows.
struct Finish8Params {
  EpilogueParams epilogue;
  uint extents[4];                ///< of the loop that strides of broadcast operands are for
  uint out_blocks, out_h, out_w;  ///< rows are a picture of one line
  uint out_c;                     ///< channels beyond are zero; of rows: their elements
};
