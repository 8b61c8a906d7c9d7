//! variant f32
// Resizes [N, C, H, W] by weighted sums along each axis: every output row and column has its
// source indices and weights, tabulated on the host exactly as the operator defines them.
#version 450
#include "types.glsl"
#include "epilogue.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint row_taps = 1;
layout(constant_id = 2) const uint column_taps = 1;
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };

// Own params: output extents [N, C, H, W], their product, source height and width, then per output
// row `row_taps` pairs of index and weight, then `column_taps` pairs per output column.
void main() {
  uint count = params[own_params + 4u];
  uint rows = params[own_params + 5u], columns = params[own_params + 6u];
  uint height = params[own_params + 2u], width = params[own_params + 3u];
  uint row_table = own_params + 7u, column_table = row_table + 2u * row_taps * height;
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < count; i += step_size) {
    uint x = i % width, rest = i / width;
    uint y = rest % height, plane = rest / height;
    float sum = 0.0;
    for (uint j = 0u; j < row_taps; ++j) {
      uint row = row_table + 2u * (y * row_taps + j);
      uint line = (plane * rows + params[row]) * columns;
      float inner = 0.0;
      for (uint k = 0u; k < column_taps; ++k) {
        uint column = column_table + 2u * (x * column_taps + k);
        float value = src[line + params[column]];
        inner = column_taps == 1u ? value : inner + uintBitsToFloat(params[column + 1u]) * value;
      }
      sum = row_taps == 1u ? inner : sum + uintBitsToFloat(params[row + 1u]) * inner;
    }
    finish(sum, uvec4(plane / params[own_params + 1u], plane % params[own_params + 1u], y, x));
  }
}
