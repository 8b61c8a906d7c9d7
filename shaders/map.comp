//! storage=float32,float16 arithmetic=float32
// One element in, one out: elementwise operators, Concat, Split, DepthToSpace. The input is read
// through strides, so that it may be broadcast or be a part of a larger tensor.
#version 450
#include "params/map.h"

layout(set = 0, binding = 0) readonly buffer Params { MapParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec4 at = unravel(i, params.extents);
    if (!is_there(at, params.extents)) continue;
    uint from = offset_of(at + uvec4(params.src_first[0], params.src_first[1], params.src_first[2], params.src_first[3]),
                          params.src_strides);
    uvec4 to = at + uvec4(params.dst_first[0], params.dst_first[1], params.dst_first[2], params.dst_first[3]);
    finish(float(src[from]), to);
  }
}
