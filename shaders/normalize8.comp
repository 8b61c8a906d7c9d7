//! storage=float16 arithmetic=float32 units=matrix
// Rows without their mean, divided by their deviation, or by a root mean square: 8 elements at a time. Invocations of a
// subgroup share a row, or several, and keep what they have read. Scale and bias are functions that follow.
#version 450
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#include "params/normalize8.h"
layout(local_size_x_id = 0) in;
layout(constant_id = 4) const uint tile_channels = 64;  // of a row, filled up to vectors
layout(constant_id = 5) const uint together = 8;        // invocations that share a row: a power of two
layout(constant_id = 6) const uint kept = 1;            // vectors that an invocation has
layout(constant_id = 7) const uint centred = 1;
layout(set = 0, binding = 0, std430) uniform Params { Normalize8Params params; };
#include "common/finish8.glsl"
HALVES(9, readonly, Src, src)

float row_sum(float value) {
  for (uint step = 1u; step < together; step *= 2u) value += subgroupShuffleXor(value, step);
  return value;
}

void main() {
  load_channels(0u);
  barrier();
  uint lane = gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID, share = lane % together;
  uint columns = params.finish.out_c, rows = params.finish.out_w, rows_at_once = gl_WorkGroupSize.x / together;
  for (uint first = gl_WorkGroupID.x * rows_at_once; first < rows; first += gl_NumWorkGroups.x * rows_at_once) {
    uint row = first + lane / together;
    float values[8u * kept];
    float sum = 0.0;
    [[unroll]] for (uint j = 0u; j < kept; ++j) {
      uint channel = (share + j * together) * 8u, there = row < rows && channel < columns ? columns - channel : 0u;
      uvec4 words;
      READ8(src, row_width, row * columns + channel, 1u, there, words)
      [[unroll]] for (uint c = 0u; c < 4u; ++c) {
        vec2 pair = unpackHalf2x16(words[c]);
        values[j * 8u + 2u * c] = pair.x;
        values[j * 8u + 2u * c + 1u] = pair.y;
        sum += pair.x + pair.y;
      }
    }
    float mean = 0.0, squares = 0.0;
    if (centred != 0u) mean = row_sum(sum) / float(columns);
    [[unroll]] for (uint j = 0u; j < kept; ++j) {
      uint channel = (share + j * together) * 8u;
      [[unroll]] for (uint c = 0u; c < 8u; ++c) {
        float off = values[j * 8u + c] - mean;
        squares += channel + c < columns ? off * off : 0.0;
      }
    }
    float factor = inversesqrt(row_sum(squares) / float(columns) + params.epsilon);
    [[unroll]] for (uint j = 0u; j < kept; ++j) {
      uint channel = (share + j * together) * 8u;
      if (row < rows && channel < columns) {
        float results[8];
        [[unroll]] for (uint c = 0u; c < 8u; ++c) results[c] = (values[j * 8u + c] - mean) * factor;
        finish8(results, 0u, 0u, channel, 0u, row);
      }
    }
  }
}
