//! storage=float16 arithmetic=float32
// Elementwise functions of rows, 8 elements at a time; or of all elements as one row, where operands are single numbers or
// as large.
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#include "params/map8.h"
layout(local_size_x_id = 0) in;
layout(constant_id = 4) const uint tile_channels = 8;  // of a row, filled up to vectors; of one for all elements, 8
layout(constant_id = 5) const uint one_row = 0;
layout(set = 0, binding = 0, std430) uniform Params { Map8Params params; };
#include "common/finish8.glsl"
HALVES(9, readonly, Src, src)

void main() {
  load_channels(0u);
  barrier();
  uint columns = params.finish.out_c, vectors = (columns + 7u) / 8u, count = vectors * params.finish.out_w;
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += step_size) {
    uint row = one_row != 0u ? 0u : i / vectors, channel = (i - row * vectors) * 8u;
    uvec4 words;
    READ8(src, row_width, row * columns + channel, 1u, columns - channel, words)
    float values[8];
    unpack8(words, values);
    finish8(values, one_row != 0u ? channel : 0u, 0u, channel, 0u, row);
  }
}
