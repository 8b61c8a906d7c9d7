//! storage=float32,float16 arithmetic=float32
// The same tensor in another layout. Elements are stored as the variant says; those of the source are as they are
// stored, or are float16 where `from_half` says so.
#version 450
#include "params/reorder.h"
#include "common/types.glsl"
#include "common/index.glsl"
#extension GL_EXT_shader_16bit_storage : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint from_half = 0;
layout(set = 0, binding = 0) readonly buffer Params { ReorderParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { Storage dst[]; };
layout(set = 0, binding = 2) readonly buffer Full { float full[]; };
layout(set = 0, binding = 3) readonly buffer Halves { float16_t halves[]; };

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec4 at = unravel(i, params.extents);
    float value = 0.0;
    if (is_there(at, params.extents)) {
      uint from = offset_of(at, params.src_strides);
      value = from_half != 0u ? float(halves[from]) : full[from];
    }
    dst[i] = Storage(value);
  }
}
