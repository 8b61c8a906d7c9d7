//! storage=float32,float16 arithmetic=float32
// The largest, the mean or a norm of windows of one to three axes.
#version 450
#include "params/pool.h"

layout(set = 0, binding = 0) readonly buffer Params { PoolParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint kind = pool_max;
layout(constant_id = 2) const uint pictures = 1;  // four axes: they lie as src_strides says
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };

// Taps of a window: those within the padded input, and of them those within the input.
uint padded_taps(int start, uint axis) {
  int room = max(int(params.in_size[axis]) + params.pad_end[axis] - start, 0), step = int(params.dilation[axis]);
  return min(params.kernel[axis], uint((room + step - 1) / step));
}
uint first_tap(int start, uint axis) {
  int step = int(params.dilation[axis]);
  return uint((max(-start, 0) + step - 1) / step);
}
uint last_tap(int start, uint axis) {
  int room = max(int(params.in_size[axis]) - start, 0), step = int(params.dilation[axis]);
  return min(padded_taps(start, axis), uint((room + step - 1) / step));
}

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec4 at = unravel(i, params.extents);
    if (!is_there(at, params.extents)) continue;
    uint slab = i / params.out_size[2] / params.out_size[1], depth = slab % params.out_size[0];
    uint row = i / params.out_size[2] % params.out_size[1], column = i % params.out_size[2];
    uint base = slab / params.out_size[0] * params.in_size[0] * params.in_size[1] * params.in_size[2];
    uint step_y = params.in_size[2], step_x = 1u;
    if (pictures != 0u) {
      depth = 0u, row = at.z, column = at.w;
      base = offset_of(uvec4(at.xy, 0u, 0u), params.src_strides);
      step_y = params.src_strides[2], step_x = params.src_strides[3];
    }
    int x = int(column * params.stride[2]) - params.pad_begin[2];
    int y = int(row * params.stride[1]) - params.pad_begin[1];
    int z = int(depth * params.stride[0]) - params.pad_begin[0];
    uint last_x = last_tap(x, 2u), last_y = last_tap(y, 1u), last_z = last_tap(z, 0u), seen = 0u;
    float result = kind == pool_max ? -3.4028234663852886e38 : 0.0;
    for (uint kz = first_tap(z, 0u); kz < last_z; ++kz)
      for (uint ky = first_tap(y, 1u); ky < last_y; ++ky) {
        uint plane = (uint(z) + kz * params.dilation[0]) * params.in_size[1] * params.in_size[2];
        uint line = base + plane + (uint(y) + ky * params.dilation[1]) * step_y;
        for (uint kx = first_tap(x, 2u); kx < last_x; ++kx, ++seen) {
          float value = float(src[line + (uint(x) + kx * params.dilation[2]) * step_x]);
          if (kind == pool_max) {
            if (seen == 0u || value > result) result = value;
          } else if (kind == pool_average) {
            result += value;
          } else {
            result += params.power == 2.0 ? value * value : pow(abs(value), params.power);
          }
        }
      }
    if (kind == pool_average) {
      uint all = padded_taps(x, 2u) * padded_taps(y, 1u) * padded_taps(z, 0u);
      uint count = params.counts_pads != 0u ? all : seen;
      result = count == 0u ? 0.0 : result / float(count);
    }
    if (kind == pool_norm) result = params.power == 2.0 ? sqrt(result) : pow(result, 1.0 / params.power);
    finish(result, at);
  }
}
