//! storage=float16 arithmetic=float32 units=matrix
// Convolution as a product: pixels of the result by channels, summed over cells and 16 * step_blocks input channels at a
// time, which are gathered into shared memory with their weights. Any cells, strides and dilations. A subgroup makes
// each_m * matrix_m pixels by each_n * matrix_n channels; what comes next is fetched while this is multiplied.
#version 450
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#pragma use_vulkan_memory_model
#include "params/conv_gathered.h"
#include "common/matrix.glsl"

layout(constant_id = 4) const uint warps_m = 2;
layout(constant_id = 5) const uint warps_n = 2;
layout(constant_id = 6) const uint each_m = 4;
layout(constant_id = 7) const uint each_n = 2;
layout(constant_id = 8) const uint step_blocks = 2;

const uint tile_pixels = warps_m * each_m * matrix_m;
const uint tile_channels = warps_n * each_n * matrix_n;
const uint warps = warps_m * warps_n;

layout(set = 0, binding = 0, std430) uniform Params { MatrixConvParams params; };
#include "common/finish8.glsl"
layout(set = 0, binding = 9) readonly buffer Src { uvec4 src[]; };
layout(set = 0, binding = 10) readonly buffer Weights { uvec4 weights[]; };  // [cell][in][out]

// Of shared memory in units of 8 halves. Strides are odd: neighbouring pixels lie in different banks.
const uint step_channels = 16u * step_blocks;
const uint pixel_stride = step_channels / 8u + 1u;
const uint fetches = tile_pixels * step_channels / 8u;
const uint each_fetches = (fetches + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
const uint weight_stride = tile_channels / 8u + 1u;
const uint weight_fetches = step_channels * (tile_channels / 8u);
const uint each_weights = (weight_fetches + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
const uint weights_at = tile_pixels * pixel_stride;
const uint stage_size = weights_at + step_channels * weight_stride;
const uint out_stride = each_n * matrix_n / 8u + 1u;
const uint out_size = matrix_m * out_stride;
const uint outs = matrix_m * (each_n * matrix_n / 8u);

shared uvec4 stage[stage_size > warps * out_size ? stage_size : warps * out_size];

uvec4 fetched[each_fetches];
uvec4 fetched_weights[each_weights];
ivec2 origins[each_fetches];  // of the first cell, [y, x]
uint images[each_fetches];
uint first_channel;

uvec3 pixel_at(uint i) {
  uint row = i / params.out_w;
  return uvec3(row / params.out_h, row % params.out_h, i % params.out_w);
}

// What a step multiplies, into registers: a cell, and step_blocks blocks of input channels.
void fetch(uint cell, uint first_block) {
  ivec2 offset = ivec2(cell / params.kernel_w * params.dilation_y, cell % params.kernel_w * params.dilation_x);
  [[unroll]] for (uint j = 0u; j < each_fetches; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, block = first_block + pixel_of(item) / tile_pixels;
    uint y = uint(origins[j].x + offset.x), x = uint(origins[j].y + offset.y);
    uvec4 words = uvec4(0);
    if (block < params.in_blocks && y < params.in_h && x < params.in_w)
      words = src[(((images[j] * params.in_blocks + block) * params.in_h + y) * params.in_w + x) * 2u + half_of(item)];
    fetched[j] = words;
  }
  uint vectors = gl_NumWorkGroups.y * (tile_channels / 8u);
  uint padded_blocks = (params.in_blocks + step_blocks - 1u) / step_blocks * step_blocks;
  uint first_row = (cell * padded_blocks + first_block) * 16u;
  [[unroll]] for (uint j = 0u; j < each_weights; ++j) {
    uint item = min(gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, weight_fetches - 1u);
    fetched_weights[j] = weights[(first_row + item / (tile_channels / 8u)) * vectors + first_channel / 8u +
                                 item % (tile_channels / 8u)];
  }
}

void put() {
  [[unroll]] for (uint j = 0u; j < each_fetches; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, p = pixel_of(item);
    if (item < fetches) stage[p % tile_pixels * pixel_stride + p / tile_pixels * 2u + half_of(item)] = fetched[j];
  }
  [[unroll]] for (uint j = 0u; j < each_weights; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    if (item < weight_fetches)
      stage[weights_at + item / (tile_channels / 8u) * weight_stride + item % (tile_channels / 8u)] = fetched_weights[j];
  }
}

void main() {
  uint warp_n = gl_SubgroupID % warps_n, warp_m = gl_SubgroupID / warps_n;
  uint first_pixel = (gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x) * tile_pixels;
  uint pixels = params.images * params.out_h * params.out_w;
  if (first_pixel >= pixels) return;
  first_channel = gl_WorkGroupID.y * tile_channels;
  load_channels(first_channel);
  [[unroll]] for (uint j = 0u; j < each_fetches; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, pixel = first_pixel + pixel_of(item) % tile_pixels;
    uvec3 at = pixel_at(min(pixel, pixels - 1u));
    images[j] = at.x;
    origins[j] = ivec2(at.y * params.stride_y, at.z * params.stride_x) - ivec2(params.pad_y, params.pad_x);
  }

  MatrixSum sums[each_m * each_n];
  [[unroll]] for (uint s = 0u; s < each_m * each_n; ++s) sums[s] = MatrixSum(0.0);
  uint cells = params.kernel_h * params.kernel_w, cell = 0u, block = 0u;
  fetch(0u, 0u);
  for (bool more = true; more;) {
    barrier();
    put();
    barrier();
    block += step_blocks;
    if (block >= params.in_blocks) {
      block = 0u;
      ++cell;
    }
    more = cell < cells;
    if (more) fetch(cell, block);
    [[unroll]] for (uint k = 0u; k < step_channels / matrix_k; ++k) {
      MatrixB columns[each_n];
      [[unroll]] for (uint n = 0u; n < each_n; ++n)
        coopMatLoadNV(columns[n], stage,
                      weights_at + k * matrix_k * weight_stride + (warp_n * each_n + n) * (matrix_n / 8u), weight_stride,
                      false);
      [[unroll]] for (uint m = 0u; m < each_m; ++m) {
        MatrixA rows;
        coopMatLoadNV(rows, stage, (warp_m * each_m + m) * matrix_m * pixel_stride + k * (matrix_k / 8u), pixel_stride,
                      false);
        [[unroll]] for (uint n = 0u; n < each_n; ++n)
          sums[m * each_n + n] = coopMatMulAddNV(rows, columns[n], sums[m * each_n + n]);
      }
    }
  }

  // Each subgroup has a strip of its own for results, where pixels and weights were.
  barrier();
  [[unroll]] for (uint m = 0u; m < each_m; ++m) {
    [[unroll]] for (uint n = 0u; n < each_n; ++n) {
      MatrixOut done = MatrixOut(sums[m * each_n + n]);
      coopMatStoreNV(done, stage, gl_SubgroupID * out_size + n * (matrix_n / 8u), out_stride, false);
    }
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
    for (uint first_item = 0u; first_item < outs; first_item += gl_WorkGroupSize.x / warps) {
      uint item = first_item + gl_SubgroupInvocationID, p = pixel_of(item);
      uint vector = p / matrix_m * 2u + half_of(item);
      uint pixel = first_pixel + (warp_m * each_m + m) * matrix_m + p % matrix_m;
      if (item < outs && pixel < pixels) {
        uvec3 at = pixel_at(pixel);
        float values[8];
        unpack8(stage[gl_SubgroupID * out_size + p % matrix_m * out_stride + vector], values);
        finish8(values, first_channel, at.x, first_channel + warp_n * each_n * matrix_n + vector * 8u, at.y, at.z);
      }
    }
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
  }
}
