//! storage=float16 arithmetic=float32 units=matrix
// Convolution by 3x3 cells with stride 1, weights in registers. A subgroup keeps all nine cells of matrix_n output
// channels by each_k * matrix_k input channels, and rolls down a strip of matrix_m pixels, one input row at a time: every
// matrix of a row's pixels serves three output rows. warps_k subgroups divide the input channels; their sums meet in
// shared memory. A workgroup takes strips until none is left; it fetches the next rows while it multiplies these, and
// writes out the last ones: one barrier a step.
#version 450
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#pragma use_vulkan_memory_model
#include "params/conv_rolling.h"
#include "common/matrix.glsl"

layout(constant_id = 4) const uint warps_x = 1;
layout(constant_id = 5) const uint warps_n = 4;
layout(constant_id = 6) const uint warps_k = 1;
layout(constant_id = 7) const uint each_k = 4;
layout(constant_id = 8) const uint step_rows = 2;
layout(constant_id = 9) const uint strip_rows = 46;

const uint tile_channels = warps_n * matrix_n;
const uint tile_width = warps_x * matrix_m;
const uint in_channels = warps_k * each_k * matrix_k;

layout(set = 0, binding = 0, std430) uniform Params { MatrixConvParams params; };
#include "common/finish8.glsl"
layout(set = 0, binding = 9) readonly buffer Src { uvec4 src[]; };
layout(set = 0, binding = 10) readonly buffer Weights { uvec4 weights[]; };  // [cell][in / matrix_k][out][matrix_k]

// Of shared memory in units of 8 halves. Strides are odd: neighbouring pixels lie in different banks.
const uint patch_width = tile_width + 2u;
const uint patch_stride = in_channels / 8u + 1u;
const uint patch_pixels = step_rows * patch_width;
const uint patch_size = patch_pixels * patch_stride;
const uint fetches = (patch_pixels * (in_channels / 16u) + 7u) / 8u * 16u;
const uint each_fetches = (fetches + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
const uint out_stride = tile_channels / 8u + 1u;
const uint out_size = step_rows * tile_width * out_stride;
const uint outs = step_rows * tile_width * (tile_channels / 8u);
const uint each_outs = (outs + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
const uint steps = (strip_rows + 2u + step_rows - 1u) / step_rows;

shared uvec4 patches[2u * patch_size];
shared uvec4 results[2u * warps_k * out_size];

uvec4 fetched[each_fetches];
uint first_channel;

struct Strip {
  uint image, y, x;
};
uint strips_x() { return (params.finish.out_w + tile_width - 1u) / tile_width; }
uint strips_y() { return (params.finish.out_h + strip_rows - 1u) / strip_rows; }
Strip strip_of(uint i) {
  uint row = i / strips_x();
  return Strip(row / strips_y(), row % strips_y() * strip_rows, i % strips_x() * tile_width);
}

// The input rows of a step of a strip, into registers.
void fetch(Strip strip, uint step) {
  int y0 = int(strip.y + step * step_rows) - params.pad_y, x0 = int(strip.x) - params.pad_x;
  [[unroll]] for (uint j = 0u; j < each_fetches; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, p = pixel_of(item);
    uint block = p / patch_pixels, pixel = p % patch_pixels;
    uint y = uint(y0 + int(pixel / patch_width)), x = uint(x0 + int(pixel % patch_width));
    uvec4 words = uvec4(0);
    if (block < params.in_blocks && y < params.in_h && x < params.in_w)
      words = src[(((strip.image * params.in_blocks + block) * params.in_h + y) * params.in_w + x) * 2u + half_of(item)];
    fetched[j] = words;
  }
}

void put(uint slot) {
  [[unroll]] for (uint j = 0u; j < each_fetches; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, p = pixel_of(item);
    uint block = p / patch_pixels, pixel = p % patch_pixels;
    if (block < in_channels / 16u)
      patches[slot * patch_size + pixel * patch_stride + block * 2u + half_of(item)] = fetched[j];
  }
}

// Writes out the rows that a step has finished: those two above its input rows.
void flush(Strip strip, uint step, uint slot) {
  [[unroll]] for (uint j = 0u; j < each_outs; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x, p = pixel_of(item);
    uint pixel = p % (step_rows * tile_width), vector = p / (step_rows * tile_width) * 2u + half_of(item);
    uint row = step * step_rows + pixel / tile_width, y = strip.y + row - 2u, x = strip.x + pixel % tile_width;
    if (item < outs && row >= 2u && row < strip_rows + 2u && y < params.finish.out_h && x < params.finish.out_w) {
      float values[8], more[8];
      uint at = slot * warps_k * out_size + pixel * out_stride + vector;
      unpack8(results[at], values);
      [[unroll]] for (uint k = 1u; k < warps_k; ++k) {
        unpack8(results[at + k * out_size], more);
        [[unroll]] for (uint c = 0u; c < 8u; ++c) values[c] += more[c];
      }
      finish8(values, first_channel, strip.image, first_channel + vector * 8u, y, x);
    }
  }
}

void main() {
  uint warp_n = gl_SubgroupID % warps_n, warp_k = gl_SubgroupID / warps_n % warps_k;
  uint warp_x = gl_SubgroupID / (warps_n * warps_k);
  uint strips = params.images * strips_y() * strips_x();
  uint i = gl_WorkGroupID.x;
  if (i >= strips) return;
  Strip strip = strip_of(i), next = strip, last = strip;
  first_channel = gl_WorkGroupID.y * tile_channels;
  fetch(strip, 0u);
  load_channels(first_channel);

  MatrixB cells[9u * each_k];
  MatrixSum sums[3];
  uint padded_n = gl_NumWorkGroups.y * tile_channels;
  [[unroll]] for (uint cell = 0u; cell < 9u; ++cell)
    [[unroll]] for (uint k = 0u; k < each_k; ++k)
      coopMatLoadNV(cells[cell * each_k + k], weights,
                    ((cell * (in_channels / matrix_k) + warp_k * each_k + k) * padded_n + first_channel +
                     warp_n * matrix_n) * (matrix_k / 8u),
                    matrix_k / 8u, true);
  [[unroll]] for (uint s = 0u; s < 3u; ++s) sums[s] = MatrixSum(0.0);
  put(0u);

  uint step = 0u, slot = 0u, last_step = 0u;
  for (bool live = true, finished = false;; finished = true) {
    uint next_step = step + 1u;
    if (next_step == steps) {
      next_step = 0u;
      i += gl_NumWorkGroups.x;
      next = strip_of(i);
    }
    bool more = live && i < strips;
    if (more) fetch(next, next_step);
    barrier();
    if (finished) flush(last, last_step, slot ^ 1u);
    if (!live) break;
    [[unroll]] for (uint row = 0u; row < step_rows; ++row) {
      [[unroll]] for (uint kx = 0u; kx < 3u; ++kx)
        [[unroll]] for (uint k = 0u; k < each_k; ++k) {
          MatrixA pixels;
          coopMatLoadNV(pixels, patches,
                        slot * patch_size + (row * patch_width + warp_x * matrix_m + kx) * patch_stride +
                            (warp_k * each_k + k) * (matrix_k / 8u),
                        patch_stride, false);
          [[unroll]] for (uint ky = 0u; ky < 3u; ++ky)
            sums[2u - ky] = coopMatMulAddNV(pixels, cells[(ky * 3u + kx) * each_k + k], sums[2u - ky]);
        }
      MatrixOut done = MatrixOut(sums[0]);
      coopMatStoreNV(done, results,
                     (slot * warps_k + warp_k) * out_size + (row * tile_width + warp_x * matrix_m) * out_stride +
                         warp_n * (matrix_n / 8u),
                     out_stride, false);
      sums[0] = sums[1];
      sums[1] = sums[2];
      sums[2] = MatrixSum(0.0);
    }
    if (more) put(slot ^ 1u);
    last = strip;
    strip = next;
    last_step = step, step = next_step;
    live = more;
    slot ^= 1u;
  }
}
