#pragma once
#include "shaders/params/epilogue.h"

struct ResizeParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the output: N, C, H, W
  uint count;       ///< their product
  uint src_strides[4];
  uint first[4];        ///< where the taps of each axis begin
  float extrapolation;  ///< the value where a place lies outside of the input
};

/// One source element of an output row or column, or of another axis.
struct Tap {
  uint index;  ///< all ones: the place lies outside
  float weight;
};
