//! storage=float32,float16 arithmetic=float32
// A window into [N, C, H, W], which may skip elements, run backwards or reach beyond the input: Slice, Crop, Pad.
#version 450
#include "params/window.h"

layout(set = 0, binding = 0) readonly buffer Params { WindowParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint border = border_none;
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };

// The element of an axis that lies at `i`; -1: none.
int place_in(int i, int extent) {
  if (border == border_none || (i >= 0 && i < extent)) return i;
  if (border == border_edge) return clamp(i, 0, extent - 1);
  if (border == border_constant) return -1;
  int period = border == border_wrap ? extent : max(2 * (extent - 1), 1);
  i = i < 0 ? period - 1 - (-1 - i) % period : i % period;
  return border == border_wrap || i < extent ? i : period - i;
}

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec4 at = unravel(i, params.extents);
    if (!is_there(at, params.extents)) continue;
    ivec4 from = ivec4(0);
    for (int axis = 0; axis < 4; ++axis)
      from[axis] = place_in(params.begin[axis] + int(at[axis]) * params.step[axis], int(params.in_extents[axis]));
    float value = params.fill;
    if (border != border_constant || all(greaterThanEqual(from, ivec4(0))))
      value = float(src[offset_of(uvec4(from), params.src_strides)]);
    finish(value, at);
  }
}
