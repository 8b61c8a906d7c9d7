#pragma once
#include "shaders/params/epilogue.h"

struct ConvParams {
  EpilogueParams epilogue;
  uint batch, groups;
  uint group_in, group_out;  ///< channels of a group
  uint in_size[3];           ///< depth, height, width
  uint out_size[3];
  uint stride[3];
  int dilation[3];
  uint step[3];             ///< from one output of a phase to the next
  uint padded_k, padded_m;  ///< extents of a group's weights
};

/// Outputs that see the same cells of the kernel: all, or those of a transposed convolution that are a multiple of
/// its stride apart.
struct ConvPhase {
  uint pixels;  ///< of all pictures
  uint size[3];
  uint first[3];  ///< output
  int pad[3];     ///< where its first cell reads, negated
  uint cells[3];  ///< of the kernel; fewer than others may have
};
