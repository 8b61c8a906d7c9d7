//! storage=float32,float16 arithmetic=float32
// Adds the parts of sums that several workgroups have made.
#version 450
#include "params/join.h"

layout(set = 0, binding = 0) readonly buffer Params { JoinParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 8) readonly buffer Sums { float all_sums[]; };  // [part][result]

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    float sum = 0.0;
    for (uint part = 0u; part < params.parts; ++part) sum += all_sums[part * params.count + i];
    finish(sum, unravel(i, params.extents));
  }
}
