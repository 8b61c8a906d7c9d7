//! storage=float32 arithmetic=float32
// Elements of any type, read through strides and written one behind the other, or as parts of larger rows: Transpose,
// Expand, Tile, Concat and the like.
#version 450
#include "params/strided.h"
#include "common/words.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint bytes = 4;  // of an element
layout(constant_id = 2) const uint axes = 1;
layout(constant_id = 3) const uint rows_apart = 0;  // as parts of larger rows; elements are whole words
layout(set = 0, binding = 0) readonly buffer Params { StridedParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { uint dst[]; };
layout(set = 0, binding = 2) readonly buffer Src { uint src[]; };

uvec2 value_of(uint i) {
  uint from = params.offset;
  for (uint axis = axes; axis-- > 0u;) {
    uint rest = i / params.extents[axis];
    from += (i - rest * params.extents[axis]) * params.strides[axis];
    i = rest;
  }
  return ELEMENT(src, bytes, from);
}

void main() {
  if (rows_apart == 0u) {
    WRITE_ELEMENTS(value_of, bytes, params.count)
  } else {
    for (uint i = gl_GlobalInvocationID.x; i < params.count; i += gl_NumWorkGroups.x * gl_WorkGroupSize.x) {
      uvec2 bits = value_of(i);
      uint row = i / params.row, to = params.first + row * params.pitch + (i - row * params.row);
      if (bytes == 8u) {
        dst[2u * to] = bits.x;
        dst[2u * to + 1u] = bits.y;
      } else {
        dst[to] = bits.x;
      }
    }
  }
}
