//! storage=float16 arithmetic=float32 units=matrix
// Convolution as a product: pixels of the result by channels, summed over cells and 16 * step_blocks input channels at a
// time, which are gathered into shared memory with their weights. Any cells, strides and dilations. Where a product has few
// tiles, its sums are made in parts, which join_matrix.comp adds.
#version 450
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#pragma use_vulkan_memory_model
#include "params/conv_gathered.h"
layout(set = 0, binding = 0, std430) uniform Params { MatrixConvParams params; };
#include "common/tile_matrix.glsl"

layout(set = 0, binding = 10) readonly buffer Src { uvec4 src[]; };
layout(set = 0, binding = 11) readonly buffer Weights { uvec4 weights[]; };  // [cell][in][out]

ivec2 origins[each_rows];  // of the first cell, [y, x]
uint images[each_rows];
uint first_channel;

uint block_steps() { return (params.in_blocks + step_blocks - 1u) / step_blocks; }

// What a step multiplies, into registers: a cell, and step_blocks blocks of input channels.
void fetch(uint step) {
  uint cell = step / block_steps(), first_block = step % block_steps() * step_blocks;
  ivec2 offset = ivec2(cell / params.kernel_w * params.dilation_y, cell % params.kernel_w * params.dilation_x);
  [[unroll]] for (uint j = 0u; j < each_rows; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, block = first_block + pixel_of(item) / tile_m;
    uint y = uint(origins[j].x + offset.x), x = uint(origins[j].y + offset.y);
    uvec4 words = uvec4(0);
    if (block < params.in_blocks && y < params.in_h && x < params.in_w)
      words = src[(((images[j] * params.in_blocks + block) * params.in_h + y) * params.in_w + x) * 2u + half_of(item)];
    fetched_rows[j] = words;
  }
  uint vectors = gl_NumWorkGroups.y * column_vectors, first_term = step * step_k;
  [[unroll]] for (uint j = 0u; j < each_columns; ++j) {
    uint item = min(gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, column_fetches - 1u);
    fetched_columns[j] =
        weights[(first_term + item / column_vectors) * vectors + first_channel / 8u + item % column_vectors];
  }
}

void put() {
  [[unroll]] for (uint j = 0u; j < each_rows; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, p = pixel_of(item);
    if (item < row_fetches) stage[p % tile_m * row_stride + p / tile_m * 2u + half_of(item)] = fetched_rows[j];
  }
  put_columns();
}

void main() {
  uint rows = params.images * params.finish.out_h * params.finish.out_w, base = 0u;
  uint tiles = (rows + tile_m - 1u) / tile_m, tile = tile_number();
  uint steps = params.kernel_h * params.kernel_w * block_steps(), step = tile / tiles * params.part;
  if (step >= steps) return;
  uint end = min(step + params.part, steps), first_row = tile % tiles * tile_m;
  first_channel = gl_WorkGroupID.y * tile_channels;
  load_channels(first_channel);
  [[unroll]] for (uint j = 0u; j < each_rows; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, pixel = first_row + pixel_of(item) % tile_m;
    uvec3 at = place_of(min(pixel, rows - 1u));
    images[j] = at.x;
    origins[j] = ivec2(at.y * params.stride_y, at.z * params.stride_x) - ivec2(params.pad_y, params.pad_x);
  }
#include "common/tile_main.glsl"
}
