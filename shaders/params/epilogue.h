// What shaders/common/epilogue.glsl reads. Files of this folder are read by GLSL and, within namespace
// tessera::vulkan, by C++. Their members are 32-bit words and arrays of them, which both languages lay out alike:
// the build checks every offset.
#pragma once

const uint max_functions = 6;
const uint no_function = 0xfffe, depth_to_space = 0xffff;  ///< beside those of ops/elementwise.def

/// The parameters of one function, and the strides of its operand along N, C, H and W.
struct FunctionParams {
  float a, b;
  uint strides[4];
};

struct EpilogueParams {
  uint dst_strides[4];
  uint dst_offset;
  uint shuffled_channels;  ///< behind the DepthToSpace, if there is one
  uint unfilled;           ///< channels of an output whose last block is to be filled with zeros; 0: nothing is
  FunctionParams functions[max_functions];
};
