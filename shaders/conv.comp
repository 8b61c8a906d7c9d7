//! storage=float32 arithmetic=float32
// Convolution of [N, C, H, W] as a matrix product: output channels by output pixels, summed over
// channels and kernel cells, whose columns are gathered from the picture as they are needed.
// A workgroup makes tile_m channels of tile_n pixels, an invocation each_m by each_n of them.
#version 450
#extension GL_EXT_control_flow_attributes : require
#include "params/conv.h"

layout(set = 0, binding = 0) readonly buffer Params { ConvParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint tile_m = 32;
layout(constant_id = 2) const uint tile_n = 64;
layout(constant_id = 3) const uint each_m = 8;
layout(constant_id = 4) const uint each_n = 4;
layout(constant_id = 5) const uint tile_k = 16;
layout(constant_id = 6) const uint kernel_h = 3;
layout(constant_id = 7) const uint kernel_w = 3;
layout(constant_id = 8) const uint has_bias = 1;

layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 9) readonly buffer Weights { Storage weights[]; };  // [k padded][m padded]
layout(set = 0, binding = 10) readonly buffer Bias { Storage bias[]; };

const uint cells = kernel_h * kernel_w;
const uint lanes_n = tile_n / each_n;
const int outside = -0x40000000;

shared float tile_a[tile_k * tile_m];
shared float tile_b[tile_k * tile_n];
shared int pixel_y[tile_n];
shared int pixel_x[tile_n];
shared uint pixel_base[tile_n];

void main() {
  uint in_c = params.in_c, in_h = params.in_h, in_w = params.in_w;
  uint out_c = params.out_c, out_h = params.out_h, out_w = params.out_w;
  uint pixels = params.pixels, padded_k = params.padded_k, padded_m = params.padded_m;
  uint dilation_y = params.dilation_y, dilation_x = params.dilation_x;
  uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
  uint first_pixel = (gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x) * tile_n;
  uint first_channel = gl_WorkGroupID.y * tile_m;
  if (first_pixel >= pixels) return;

  for (uint i = lane; i < tile_n; i += lanes) {
    uint pixel = first_pixel + i;
    uint image = pixel / (out_h * out_w), rest = pixel % (out_h * out_w);
    pixel_y[i] = pixel < pixels ? int(rest / out_w * params.stride_y) - params.pad_y : outside;
    pixel_x[i] = int(rest % out_w * params.stride_x) - params.pad_x;
    pixel_base[i] = image * in_c * in_h * in_w;
  }

  uint lane_m = lane / lanes_n, lane_n = lane % lanes_n;
  float sums[each_m * each_n];
  [[unroll]] for (uint m = 0u; m < each_m; ++m) {
    uint channel = first_channel + lane_m * each_m + m;
    float start = 0.0;
    if (has_bias != 0u) start = bias[min(channel, out_c - 1u)];
    [[unroll]] for (uint n = 0u; n < each_n; ++n) sums[m * each_n + n] = start;
  }
  barrier();

  for (uint k0 = 0u; k0 < padded_k; k0 += tile_k) {
    for (uint i = lane; i < tile_k * tile_m; i += lanes)
      tile_a[i] = weights[(k0 + i / tile_m) * padded_m + first_channel + i % tile_m];
    for (uint i = lane; i < tile_k * tile_n; i += lanes) {
      uint k = k0 + i / tile_n, n = i % tile_n;
      uint channel = k / cells, cell = k % cells;
      int y = pixel_y[n] + int(cell / kernel_w * dilation_y);
      int x = pixel_x[n] + int(cell % kernel_w * dilation_x);
      bool inside = channel < in_c && uint(y) < in_h && uint(x) < in_w;
      float value = 0.0;
      if (inside) value = src[pixel_base[n] + (channel * in_h + uint(y)) * in_w + uint(x)];
      tile_b[i] = value;
    }
    barrier();
    for (uint k = 0u; k < tile_k; ++k) {
      float column[each_n];
      [[unroll]] for (uint n = 0u; n < each_n; ++n) column[n] = tile_b[k * tile_n + lane_n + n * lanes_n];
      [[unroll]] for (uint m = 0u; m < each_m; ++m) {
        float weight = tile_a[k * tile_m + lane_m * each_m + m];
        [[unroll]] for (uint n = 0u; n < each_n; ++n)
          sums[m * each_n + n] = fma(weight, column[n], sums[m * each_n + n]);
      }
    }
    barrier();
  }

  [[unroll]] for (uint n = 0u; n < each_n; ++n) {
    uint pixel = first_pixel + lane_n + n * lanes_n;
    uint image = pixel / (out_h * out_w), rest = pixel % (out_h * out_w);
    [[unroll]] for (uint m = 0u; m < each_m; ++m) {
      uint channel = first_channel + lane_m * each_m + m;
      if (pixel < pixels && channel < out_c)
        finish(sums[m * each_n + n], uvec4(image, channel, rest / out_w, rest % out_w));
    }
  }
}
