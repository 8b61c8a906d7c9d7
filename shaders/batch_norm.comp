//! storage=float32,float16 arithmetic=float32
// Normalizes each channel by given moments.
#version 450
#include "params/batch_norm.h"

layout(set = 0, binding = 0) readonly buffer Params { BatchNormParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint pictures = 1;  // they lie as src_strides says
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 9) readonly buffer Scale { float scale[]; };
layout(set = 0, binding = 10) readonly buffer Bias { float bias[]; };
layout(set = 0, binding = 11) readonly buffer Mean { float mean[]; };
layout(set = 0, binding = 12) readonly buffer Variance { float variance[]; };

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec4 at = unravel(i, params.extents);
    if (!is_there(at, params.extents)) continue;
    uint channel = i / params.plane % params.channels, from = i;
    if (pictures != 0u) channel = at.y, from = offset_of(at, params.src_strides);
    float factor = scale[channel] * inversesqrt(variance[channel] + params.epsilon);
    finish((float(src[from]) - mean[channel]) * factor + bias[channel], at);
  }
}
