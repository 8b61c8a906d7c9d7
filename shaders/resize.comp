//! storage=float32,float16 arithmetic=float32
// Resizes [N, C, H, W] by weighted sums along each axis: every place of an axis has its source elements and their
// weights, tabulated on the host exactly as the operator defines them.
#version 450
#include "params/resize.h"

layout(set = 0, binding = 0) readonly buffer Params { ResizeParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
// Source elements of each place of an axis. 0: the axis stays as it is.
layout(constant_id = 1) const uint taps_0 = 0;
layout(constant_id = 2) const uint taps_1 = 0;
layout(constant_id = 3) const uint taps_2 = 0;
layout(constant_id = 4) const uint taps_3 = 0;
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 9) readonly buffer Taps { Tap taps[]; };

const uint outside = 0xffffffffu;

Tap tap_at(uint axis, uint count, uint at, uint i) {
  if (count == 0u) return Tap(at, 1.0);
  return taps[params.first[axis] + at * count + i];
}

float resized(uvec4 at) {
  float sum = 0.0;
  for (uint n = 0u; n < max(taps_0, 1u); ++n) {
    Tap image = tap_at(0u, taps_0, at.x, n);
    for (uint c = 0u; c < max(taps_1, 1u); ++c) {
      Tap channel = tap_at(1u, taps_1, at.y, c);
      for (uint y = 0u; y < max(taps_2, 1u); ++y) {
        Tap row = tap_at(2u, taps_2, at.z, y);
        for (uint x = 0u; x < max(taps_3, 1u); ++x) {
          Tap column = tap_at(3u, taps_3, at.w, x);
          uvec4 from = uvec4(image.index, channel.index, row.index, column.index);
          if (any(equal(from, uvec4(outside)))) return params.extrapolation;
          float weight = image.weight * channel.weight * row.weight * column.weight;
          if (weight != 0.0) sum += weight * float(src[offset_of(from, params.src_strides)]);
        }
      }
    }
  }
  return sum;
}

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec4 at = unravel(i, params.extents);
    if (is_there(at, params.extents)) finish(resized(at), at);
  }
}
