//! storage=float16 arithmetic=float32 units=matrix
// Convolution by 3x3 cells with stride 1, 16 input channels at a time: their pixels and their weights lie in shared
// memory. A subgroup makes each_rows rows of matrix_m pixels by each_n * matrix_n channels; for a column of cells it
// loads each_rows + 2 rows of pixels once, and each of them serves three output rows. A workgroup takes tiles until none
// is left, and fetches what it needs next, of the next tile too, while it multiplies.
#version 450
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#pragma use_vulkan_memory_model
#include "params/conv_staged.h"
#include "common/matrix.glsl"

layout(constant_id = 4) const uint warps_y = 4;
layout(constant_id = 5) const uint warps_x = 1;
layout(constant_id = 6) const uint warps_n = 2;
layout(constant_id = 7) const uint each_rows = 4;
layout(constant_id = 8) const uint each_n = 2;
layout(constant_id = 9) const uint flush_rows = 2;  // divides each_rows

const uint warps = warps_y * warps_x * warps_n;
const uint tile_channels = warps_n * each_n * matrix_n;
const uint tile_width = warps_x * matrix_m;
const uint tile_height = warps_y * each_rows;

layout(set = 0, binding = 0, std430) uniform Params { MatrixConvParams params; };
#include "common/finish8.glsl"
layout(set = 0, binding = 9) readonly buffer Src { uvec4 src[]; };
layout(set = 0, binding = 10) readonly buffer Weights { uvec4 weights[]; };  // [cell][in][out]

// Of shared memory in units of 8 halves. Strides are odd: neighbouring pixels lie in different banks.
const uint patch_width = tile_width + 2u;
const uint patch_pixels = (tile_height + 2u) * patch_width;
const uint patch_stride = 3u;
const uint patch_size = patch_pixels * patch_stride;
const uint fetches = (patch_pixels + 7u) / 8u * 16u;
const uint each_fetches = (fetches + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
const uint weight_stride = tile_channels / 8u + 1u;
const uint weight_fetches = 9u * 16u * (tile_channels / 8u);
const uint each_weights = (weight_fetches + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
const uint stage_size = patch_size + 9u * 16u * weight_stride;
const uint out_stride = each_n * matrix_n / 8u + 1u;
const uint out_size = flush_rows * matrix_m * out_stride;
const uint outs = flush_rows * matrix_m * (each_n * matrix_n / 8u);

shared uvec4 stage[stage_size > warps * out_size ? stage_size : warps * out_size];

uvec4 fetched[each_fetches];
uvec4 fetched_weights[each_weights];
uint first_channel;

struct Tile {
  uint image, y, x;
};
uint tiles_x() { return (params.finish.out_w + tile_width - 1u) / tile_width; }
uint tiles_y() { return (params.finish.out_h + tile_height - 1u) / tile_height; }
Tile tile_of(uint i) {
  uint row = i / tiles_x();
  return Tile(row / tiles_y(), row % tiles_y() * tile_height, i % tiles_x() * tile_width);
}

// The pixels of a tile and the weights of one block of input channels, into registers.
void fetch(Tile tile, uint block) {
  int y0 = int(tile.y) - params.pad_y, x0 = int(tile.x) - params.pad_x;
  uint plane = (tile.image * params.in_blocks + block) * params.in_h;
  [[unroll]] for (uint j = 0u; j < each_fetches; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, pixel = pixel_of(item);
    uint y = uint(y0 + int(pixel / patch_width)), x = uint(x0 + int(pixel % patch_width));
    uvec4 words = uvec4(0);
    if (pixel < patch_pixels && y < params.in_h && x < params.in_w)
      words = src[((plane + y) * params.in_w + x) * 2u + half_of(item)];
    fetched[j] = words;
  }
  uint vectors = gl_NumWorkGroups.y * (tile_channels / 8u);
  [[unroll]] for (uint j = 0u; j < each_weights; ++j) {
    uint item = min(gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, weight_fetches - 1u);
    uint vector = item % (tile_channels / 8u), row = item / (tile_channels / 8u);
    fetched_weights[j] = weights[((row / 16u * params.in_blocks + block) * 16u + row % 16u) * vectors +
                                 first_channel / 8u + vector];
  }
}

void put() {
  [[unroll]] for (uint j = 0u; j < each_fetches; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, pixel = pixel_of(item);
    if (pixel < patch_pixels) stage[pixel * patch_stride + half_of(item)] = fetched[j];
  }
  [[unroll]] for (uint j = 0u; j < each_weights; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    if (item < weight_fetches)
      stage[patch_size + item / (tile_channels / 8u) * weight_stride + item % (tile_channels / 8u)] = fetched_weights[j];
  }
}

void main() {
  uint warp_n = gl_SubgroupID % warps_n, warp_x = gl_SubgroupID / warps_n % warps_x;
  uint warp_y = gl_SubgroupID / (warps_n * warps_x);
  uint tiles = params.images * tiles_y() * tiles_x();
  uint i = gl_WorkGroupID.x;
  if (i >= tiles) return;
  first_channel = gl_WorkGroupID.y * tile_channels;
  Tile tile = tile_of(i);
  fetch(tile, 0u);
  load_channels(first_channel);

  for (bool first = true;; first = false) {
    MatrixSum sums[each_rows * each_n];
    [[unroll]] for (uint s = 0u; s < each_rows * each_n; ++s) sums[s] = MatrixSum(0.0);
    uint next = i + gl_NumWorkGroups.x;
    Tile next_tile = tile_of(next);
    for (uint block = 0u; block < params.in_blocks; ++block) {
      bool last = block + 1u == params.in_blocks;
      if (block > 0u || !first) barrier();
      put();
      barrier();
      if (!last) {
        fetch(tile, block + 1u);
      } else if (next < tiles) {
        fetch(next_tile, 0u);
      }
      [[unroll]] for (uint kx = 0u; kx < 3u; ++kx)
        [[unroll]] for (uint k = 0u; k < 16u / matrix_k; ++k) {
          MatrixA pixels[each_rows + 2u];
          [[unroll]] for (uint row = 0u; row < each_rows + 2u; ++row)
            coopMatLoadNV(pixels[row], stage,
                          ((warp_y * each_rows + row) * patch_width + warp_x * matrix_m + kx) * patch_stride +
                              k * (matrix_k / 8u),
                          patch_stride, false);
          [[unroll]] for (uint ky = 0u; ky < 3u; ++ky)
            [[unroll]] for (uint n = 0u; n < each_n; ++n) {
              MatrixB cell;
              coopMatLoadNV(cell, stage,
                            patch_size + ((ky * 3u + kx) * 16u + k * matrix_k) * weight_stride +
                                (warp_n * each_n + n) * (matrix_n / 8u),
                            weight_stride, false);
              [[unroll]] for (uint row = 0u; row < each_rows; ++row)
                sums[row * each_n + n] = coopMatMulAddNV(pixels[row + ky], cell, sums[row * each_n + n]);
            }
        }
    }
    // Each subgroup has a strip of its own for results, where pixels and weights were.
    barrier();
    [[unroll]] for (uint row = 0u; row < each_rows; row += flush_rows) {
      [[unroll]] for (uint r = 0u; r < flush_rows; ++r)
        [[unroll]] for (uint n = 0u; n < each_n; ++n) {
          MatrixOut done = MatrixOut(sums[(row + r) * each_n + n]);
          coopMatStoreNV(done, stage,
                         gl_SubgroupID * out_size + r * matrix_m * out_stride + n * (matrix_n / 8u), out_stride, false);
        }
      controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
      [[unroll]] for (uint first_item = 0u; first_item < outs; first_item += gl_WorkGroupSize.x / warps) {
        uint item = first_item + gl_SubgroupInvocationID, p = pixel_of(item);
        uint pixel = p % (flush_rows * matrix_m), vector = p / (flush_rows * matrix_m) * 2u + half_of(item);
        uint y = tile.y + warp_y * each_rows + row + pixel / matrix_m, x = tile.x + warp_x * matrix_m + pixel % matrix_m;
        if (item < outs && y < params.finish.out_h && x < params.finish.out_w) {
          float values[8];
          unpack8(stage[gl_SubgroupID * out_size + pixel * out_stride + vector], values);
          finish8(values, first_channel, tile.image, first_channel + (warp_n * each_n * matrix_n) + vector * 8u, y, x);
        }
      }
      controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
    }
    if (next >= tiles) break;
    i = next;
    tile = next_tile;
  }
}
