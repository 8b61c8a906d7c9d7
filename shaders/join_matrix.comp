//! storage=float16 arithmetic=float32 units=matrix
// Adds the parts of sums that several workgroups of conv_gathered.comp or product_matrix.comp have made.
#version 450
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#include "params/join_matrix.h"
layout(local_size_x_id = 0) in;
layout(constant_id = 4) const uint tile_channels = 64;
layout(set = 0, binding = 0, std430) uniform Params { JoinMatrixParams params; };
#include "common/finish8.glsl"
layout(set = 0, binding = 9) readonly buffer Sums { vec4 all_sums[]; };  // [part][row][column]

void main() {
  const uint vectors = tile_channels / 8u;
  uint first_row = (gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x) * join_rows;
  uint first_channel = gl_WorkGroupID.y * tile_channels, pitch = gl_NumWorkGroups.y * tile_channels / 4u;
  load_channels(first_channel);
  barrier();
  for (uint item = gl_LocalInvocationID.x; item < join_rows * vectors; item += gl_WorkGroupSize.x) {
    uint padded = first_row + row_of_item(item, join_rows, vectors), vector = vector_of_item(item, join_rows, vectors);
    uint row = padded % params.padded_rows, product = padded / params.padded_rows;
    if (padded < params.all_rows && row < params.rows) {
      vec4 low = vec4(0.0), high = vec4(0.0);
      for (uint part = 0u; part < params.parts; ++part) {
        uint from = (part * params.all_rows + padded) * pitch + first_channel / 4u + vector * 2u;
        low += all_sums[from];
        high += all_sums[from + 1u];
      }
      float values[8];
      [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        values[i] = low[i];
        values[4u + i] = high[i];
      }
      uvec3 at = place_of(product * params.rows + row);
      finish8(values, first_channel, at.x, first_channel + vector * 8u, at.y, at.z);
    }
  }
}
