//! storage=float32,float16 arithmetic=float32
// Convolution of every channel by itself.
#version 450
#extension GL_EXT_control_flow_attributes : require
#include "params/depthwise.h"

layout(set = 0, binding = 0) readonly buffer Params { DepthwiseParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kernel_h = 3;
layout(constant_id = 2) const uint kernel_w = 3;
layout(constant_id = 3) const uint has_bias = 1;

layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 9) readonly buffer Weights { Storage weights[]; };  // [y][x][channel]
layout(set = 0, binding = 10) readonly buffer Bias { Storage bias[]; };

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec4 at = unravel(i, params.extents);
    if (!is_there(at, params.extents)) continue;
    uint base = offset_of(uvec4(at.x, at.y / params.multiplier, 0u, 0u), params.src_strides);
    int top = int(at.z * params.stride_y) - params.pad_y, left = int(at.w * params.stride_x) - params.pad_x;
    float sum = has_bias != 0u ? float(bias[at.y]) : 0.0;
    for (uint ky = 0u; ky < kernel_h; ++ky) {
      uint y = uint(top + int(ky * params.dilation_y));
      if (y >= params.in_h) continue;
      [[unroll]] for (uint kx = 0u; kx < kernel_w; ++kx) {
        uint x = uint(left + int(kx * params.dilation_x));
        if (x >= params.in_w) continue;
        float weight = float(weights[(ky * kernel_w + kx) * params.channels + at.y]);
        sum = fma(weight, float(src[base + y * params.src_strides[2] + x * params.src_strides[3]]), sum);
      }
    }
    finish(sum, at);
  }
}
