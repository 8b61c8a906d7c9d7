#pragma once
#include "shaders/params/epilogue.h"

const uint softmax_lanes = 128;  ///< invocations of a workgroup

struct SoftmaxParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the loop
  uint rows, extent;
  uint stride;  ///< from one element of a row to the next; rows of as many begin side by side
};
