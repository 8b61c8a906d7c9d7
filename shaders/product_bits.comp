//! storage=float32,float16 arithmetic=float32
// Products with weights of a few bits, which become numbers where they are multiplied: column after column, in blocks
// that have a scale. Sums are made in parts, which join.comp adds.
#version 450
#include "params/product_bits.h"
#include "common/types.glsl"
#include "common/tile_fma.glsl"

layout(constant_id = 6) const uint bits = 4;
layout(constant_id = 7) const uint block = 32;
layout(constant_id = 8) const uint zeros = zeros_in_middle;

layout(set = 0, binding = 0) readonly buffer Params { ProductBitsParams params; };
layout(set = 0, binding = 1) writeonly buffer Sums { float all_sums[]; };  // [part][row][column]
layout(set = 0, binding = 2) readonly buffer A { Storage a[]; };
layout(set = 0, binding = 3) readonly buffer Weights { uint weights[]; };
layout(set = 0, binding = 4) readonly buffer Scales { Storage scales[]; };
layout(set = 0, binding = 5) readonly buffer PackedZeros { uint packed_zeros[]; };
layout(set = 0, binding = 6) readonly buffer RealZeros { Storage real_zeros[]; };
layout(set = 0, binding = 7) readonly buffer Table { float table[]; };

const uint per_word = 32 / bits;

float weight(uint column, uint term) {
  uint at = column * params.column + term, of_block = at / block;
  // Where they name numbers, the first of two is in the high bits.
  uint place = zeros == names_numbers ? at ^ 1u : at;
  uint number = bitfieldExtract(weights[place / per_word], int(place % per_word * bits), int(bits));
  float scale = float(scales[of_block]);
  if (zeros == names_numbers) return table[number] * scale;
  float zero = float(1u << (bits - 1u));
  if (zeros == zeros_real) zero = float(real_zeros[of_block]);
  if (zeros == zeros_packed) {
    uint there = column * params.zero_row + of_block - column * params.blocks;
    zero = float(bitfieldExtract(packed_zeros[there / per_word], int(there % per_word * bits), int(bits)));
  }
  return (float(number) - zero) * scale;
}

void main() {
  uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x;
  uint tiles_n = (params.n + tile_n - 1u) / tile_n, tiles_m = (params.m + tile_m - 1u) / tile_m;
  uint tile = gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x;
  if (tile >= tiles_m * tiles_n) return;
  uint first_n = tile % tiles_n * tile_n, first_m = tile / tiles_n * tile_m;
  uint begin = gl_WorkGroupID.y * params.part, end = min(begin + params.part, params.k);

  tile_clear();
  for (uint k0 = begin; k0 < end; k0 += tile_k) {
    for (uint i = lane; i < tile_k * tile_m; i += lanes) {
      uint row = i / tile_k, term = i % tile_k;
      bool there = first_m + row < params.m && k0 + term < end;
      tile_a[term * pitch_a + row] = there ? float(a[(first_m + row) * params.k + k0 + term]) : 0.0;
    }
    for (uint i = lane; i < tile_k * quads_n; i += lanes) {
      uint quad = i / tile_k, term = i % tile_k;
      vec4 values = vec4(0.0);
      if (k0 + term < end) {
        [[unroll]] for (uint j = 0u; j < 4u; ++j) {
          uint column = first_n + quad * 4u + j;
          if (column < params.n) values[j] = weight(column, k0 + term);
        }
      }
      tile_b[term * quads_n + quad] = values;
    }
    barrier();
    tile_multiply();
    barrier();
  }

  [[unroll]] for (uint i = 0u; i < each_m; ++i) {
    uint row = first_m + tile_row(i);
    [[unroll]] for (uint j = 0u; j < each_n; ++j) {
      uint column = first_n + tile_column(j);
      if (row < params.m && column < params.n)
        all_sums[(gl_WorkGroupID.y * params.m + row) * params.n + column] = sums[i * each_n + j];
    }
  }
}
