//! storage=float32,float16 arithmetic=float32
// Convolution as a matrix product: output channels by output pixels, summed over channels and kernel cells, whose
// columns are gathered from the picture as they are needed. A transposed convolution is one for each of its phases.
#version 450
#include "params/conv.h"

layout(set = 0, binding = 0) readonly buffer Params { ConvParams params; };
#include "common/epilogue.glsl"
#include "common/tile_fma.glsl"

layout(constant_id = 6) const uint kernel_d = 1;
layout(constant_id = 7) const uint kernel_h = 3;
layout(constant_id = 8) const uint kernel_w = 3;
layout(constant_id = 9) const uint has_bias = 1;
layout(constant_id = 10) const uint phased = 0;  // some phases have fewer cells
layout(constant_id = 11) const uint rank = 4;    // of the output
layout(constant_id = 12) const uint src_block = 1;  // channels that lie together in the input

layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 9) readonly buffer Weights { Storage weights[]; };  // [phase][group][k padded][m padded]
layout(set = 0, binding = 10) readonly buffer Bias { Storage bias[]; };
layout(set = 0, binding = 11) readonly buffer Phases { ConvPhase phases[]; };

const uint cells = kernel_d * kernel_h * kernel_w;

uint in_d, in_h, in_w;

// Of four neighbouring pixels, where the first cell reads.
int read_z[4], read_y[4], read_x[4];
uint read_base[4];

// Picture, depth, row and column of a pixel of the phase.
uvec4 place_of(uint pixel, uint phase) {
  uint row = pixel / phases[phase].size[2], plane = row / phases[phase].size[1];
  return uvec4(plane / phases[phase].size[0], plane % phases[phase].size[0], row % phases[phase].size[1],
               pixel % phases[phase].size[2]);
}

float read(uint i, uint channel, int z, int y, int x) {
  bool inside = uint(y) < in_h && uint(x) < in_w;
  if (kernel_d > 1u) inside = inside && uint(z) < in_d;
  float value = 0.0;
  if (inside) {
    uint at = ((channel / src_block * in_d + uint(z)) * in_h + uint(y)) * in_w + uint(x);
    value = float(src[read_base[i] + at * src_block + channel % src_block]);
  }
  return value;
}

void main() {
  uint group_in = params.group_in, group_out = params.group_out;
  uint padded_k = params.padded_k, padded_m = params.padded_m;
  uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
  uint first_pixel = (gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x) * tile_n;
  uint tiles = padded_m / tile_m;
  uint first_channel = gl_WorkGroupID.y % tiles * tile_m;  // of the group
  uint part = gl_WorkGroupID.y / tiles;                    // [phase][group]
  uint group = part % params.groups, phase = part / params.groups;
  uint pixels = phases[phase].pixels;
  if (first_pixel >= pixels) return;

  uint quad = lane % quads_n;
  in_d = params.in_size[0], in_h = params.in_size[1], in_w = params.in_size[2];
  ivec3 dilation = ivec3(params.dilation[0], params.dilation[1], params.dilation[2]);
  uint first_in = group * group_in, blocks = (params.groups * group_in + src_block - 1u) / src_block;
  uint in_picture = blocks * in_d * in_h * in_w * src_block;
  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    uvec4 at = place_of(min(first_pixel + quad * 4u + i, pixels - 1u), phase);
    read_z[i] = int(at.y * params.stride[0]) - phases[phase].pad[0];
    read_y[i] = int(at.z * params.stride[1]) - phases[phase].pad[1];
    read_x[i] = int(at.w * params.stride[2]) - phases[phase].pad[2];
    read_base[i] = at.x * in_picture;
  }

  tile_clear();
  for (uint k0 = 0u; k0 < padded_k; k0 += tile_k) {
    for (uint i = lane; i < tile_k * tile_m; i += lanes)
      tile_a[i / tile_m * pitch_a + i % tile_m] =
          float(weights[(part * padded_k + k0 + i / tile_m) * padded_m + first_channel + i % tile_m]);
    for (uint row = lane / quads_n; row < tile_k; row += lanes / quads_n) {
      uint channel = (k0 + row) / cells, cell = (k0 + row) % cells;
      uint z = cell / (kernel_h * kernel_w), y = cell / kernel_w % kernel_h, x = cell % kernel_w;
      vec4 values = vec4(0.0);
      bool seen = channel < group_in;
      if (phased != 0u)
        seen = seen && z < phases[phase].cells[0] && y < phases[phase].cells[1] && x < phases[phase].cells[2];
      if (seen) {
        [[unroll]] for (uint i = 0u; i < 4u; ++i)
          values[i] = read(i, first_in + channel, read_z[i] + int(z) * dilation.x, read_y[i] + int(y) * dilation.y,
                           read_x[i] + int(x) * dilation.z);
      }
      tile_b[row * quads_n + quad] = values;
    }
    barrier();
    tile_multiply();
    barrier();
  }

  // No `continue` here: loops that have one are not unrolled, and then the sums leave the registers.
  [[unroll]] for (uint n = 0u; n < each_n; ++n) {
    uint pixel = first_pixel + tile_column(n);
    uvec4 at = place_of(pixel, phase);
    at.y = at.y * params.step[0] + phases[phase].first[0];
    at.z = at.z * params.step[1] + phases[phase].first[1];
    at.w = at.w * params.step[2] + phases[phase].first[2];
    [[unroll]] for (uint m = 0u; m < each_m; ++m) {
      uint of_group = first_channel + tile_row(m), channel = group * group_out + of_group;
      float value = sums[m * each_n + n];
      if (pixel < pixels && of_group < group_out) {
        if (has_bias != 0u) value += float(bias[channel]);
        uvec4 to = uvec4(at.x, channel, at.z, at.w);
        if (rank == 3u) {
          to = uvec4(0u, at.x, channel, at.w);
        } else if (rank != 4u) {
          uint plane = at.x * params.groups * group_out + channel;
          to = uvec4(0u, 0u, 0u, ((plane * params.out_size[0] + at.y) * params.out_size[1] + at.z) *
                                         params.out_size[2] + at.w);
        }
        finish(value, to);
      }
    }
  }
}
