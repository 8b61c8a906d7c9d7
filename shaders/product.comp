//! storage=float32,float16 arithmetic=float32
// Products of matrices, any number of them: both are read through strides, so that they may be transposed or shared.
// Where one product has few tiles, its sums are made in parts, which join.comp adds.
#version 450
#include "params/product.h"

layout(set = 0, binding = 0) readonly buffer Params { ProductParams params; };
#include "common/epilogue.glsl"
#include "common/tile_fma.glsl"

layout(constant_id = 6) const uint a_along_k = 1;  // neighbours in memory lie along k
layout(constant_id = 7) const uint b_along_k = 0;
layout(constant_id = 8) const uint to_sums = 0;  // the sums are stored as they are, [part][result]

layout(set = 0, binding = 8) readonly buffer A { Storage a[]; };
layout(set = 0, binding = 9) readonly buffer B { Storage b[]; };
layout(set = 0, binding = 10) writeonly buffer Sums { float all_sums[]; };

void main() {
  uint m = params.m, n = params.n;
  uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
  uint tiles_n = (n + tile_n - 1u) / tile_n, tiles_m = (m + tile_m - 1u) / tile_m;
  uint tile = gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x;
  uint first_n = tile % tiles_n * tile_n, first_m = tile / tiles_n % tiles_m * tile_m;
  uint batch = tile / tiles_n / tiles_m;
  if (batch >= params.batch[0] * params.batch[1] * params.batch[2]) return;

  uint at_2 = batch % params.batch[2], plane = batch / params.batch[2];
  uint at_1 = plane % params.batch[1], at_0 = plane / params.batch[1];
  uint base_a = at_0 * params.a_batch[0] + at_1 * params.a_batch[1] + at_2 * params.a_batch[2];
  uint base_b = at_0 * params.b_batch[0] + at_1 * params.b_batch[1] + at_2 * params.b_batch[2];
  uint begin = gl_WorkGroupID.y * params.part, end = min(begin + params.part, params.k);

  tile_clear();
  for (uint k0 = begin; k0 < end; k0 += tile_k) {
    for (uint i = lane; i < tile_k * tile_m; i += lanes) {
      uint row = a_along_k != 0u ? i / tile_k : i % tile_m, term = a_along_k != 0u ? i % tile_k : i / tile_m;
      float value = 0.0;
      if (first_m + row < m && k0 + term < end)
        value = float(a[base_a + (first_m + row) * params.a_row + (k0 + term) * params.a_column]);
      tile_a[term * pitch_a + row] = value;
    }
    for (uint i = lane; i < tile_k * quads_n; i += lanes) {
      uint quad = b_along_k != 0u ? i / tile_k : i % quads_n, term = b_along_k != 0u ? i % tile_k : i / quads_n;
      vec4 values = vec4(0.0);
      if (k0 + term < end) {
        [[unroll]] for (uint j = 0u; j < 4u; ++j) {
          uint column = first_n + quad * 4u + j;
          if (column < n) values[j] = float(b[base_b + (k0 + term) * params.b_row + column * params.b_column]);
        }
      }
      tile_b[term * quads_n + quad] = values;
    }
    barrier();
    tile_multiply();
    barrier();
  }

  // No `continue` here: loops that have one are not unrolled, and then the sums leave the registers.
  [[unroll]] for (uint i = 0u; i < each_m; ++i) {
    uint row = first_m + tile_row(i);
    [[unroll]] for (uint j = 0u; j < each_n; ++j) {
      uint column = first_n + tile_column(j), at = (batch * m + row) * n + column;
      float value = sums[i * each_n + j];
      if (row < m && column < n) {
        if (to_sums != 0u)
          all_sums[gl_WorkGroupID.y * params.batch[0] * params.batch[1] * params.batch[2] * m * n + at] = value;
        else
          finish(value, unravel(at, params.extents));
      }
    }
  }
}
