#pragma once
#include "shaders/params/epilogue.h"

/// What shaders/window.comp finds outside its input.
const uint border_none = 0, border_constant = 1, border_edge = 2, border_reflect = 3, border_wrap = 4;

struct WindowParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the output: N, C, H, W
  uint count;       ///< their product
  uint in_extents[4];
  uint src_strides[4];
  int begin[4], step[4];  ///< element i of an axis is the input's begin + i * step
  float fill;             ///< of the constant border
};
