//! storage=float32 arithmetic=float32
// Elements of any type, read through strides and written one behind the other: Transpose, Expand, Tile and the like.
#version 450
#include "params/strided.h"
#include "common/words.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint bytes = 4;  // of an element
layout(constant_id = 2) const uint axes = 1;
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

void main() { WRITE_ELEMENTS(value_of, bytes, params.count) }
