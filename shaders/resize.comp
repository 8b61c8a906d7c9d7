//! storage=float32 arithmetic=float32
// Resizes [N, C, H, W] by weighted sums along each axis: every output row and column has its
// source indices and weights, tabulated on the host exactly as the operator defines them.
#version 450
#include "params/resize.h"

layout(set = 0, binding = 0) readonly buffer Params { ResizeParams params; };
#include "common/epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint row_taps = 1;
layout(constant_id = 2) const uint column_taps = 1;
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 9) readonly buffer Rows { Tap rows[]; };        // row_taps for each output row
layout(set = 0, binding = 10) readonly buffer Columns { Tap columns[]; };  // column_taps for each output column

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec4 at = unravel(i, params.extents);
    uint plane = at.x * params.extents[1] + at.y;
    float sum = 0.0;
    for (uint j = 0u; j < row_taps; ++j) {
      Tap row = rows[at.z * row_taps + j];
      uint line = (plane * params.in_h + row.index) * params.in_w;
      float inner = 0.0;
      for (uint k = 0u; k < column_taps; ++k) {
        Tap column = columns[at.w * column_taps + k];
        float value = src[line + column.index];
        inner = column_taps == 1u ? value : inner + column.weight * value;
      }
      sum = row_taps == 1u ? inner : sum + row.weight * inner;
    }
    finish(sum, at);
  }
}
