//! variant f32
// One element in, one out: elementwise operators, Concat, DepthToSpace. The input is read through
// strides, so that it may be broadcast or be a part of a larger tensor.
#version 450
#include "types.glsl"
#include "epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };

// Own params: extents of the loop [N, C, H, W], their product, strides of src.
void main() {
  uint count = params[own_params + 4u];
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += step_size) {
    uvec4 place;
    place.w = i % params[own_params + 3u];
    uint rest = i / params[own_params + 3u];
    place.z = rest % params[own_params + 2u];
    rest /= params[own_params + 2u];
    place.y = rest % params[own_params + 1u];
    place.x = rest / params[own_params + 1u];
    finish(src[offset_at(own_params + 5u, place)], place);
  }
}
