//! storage=float32 arithmetic=float32
// Normalizes each channel by given moments.
#version 450
#include "params/batch_norm.h"

layout(set = 0, binding = 0) readonly buffer Params { BatchNormParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 9) readonly buffer Scale { Storage scale[]; };
layout(set = 0, binding = 10) readonly buffer Bias { Storage bias[]; };
layout(set = 0, binding = 11) readonly buffer Mean { Storage mean[]; };
layout(set = 0, binding = 12) readonly buffer Variance { Storage variance[]; };

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uint channel = i / params.plane % params.channels;
    float factor = float(scale[channel]) * inversesqrt(float(variance[channel]) + params.epsilon);
    finish((float(src[i]) - float(mean[channel])) * factor + float(bias[channel]), unravel(i, params.extents));
  }
}
