//! storage=float16 arithmetic=float32 units=matrix
// Products of matrices, any number of them, by matrix units. Lines of both are read where they lie, rows or columns; a
// constant second one is packed by tiles. Where products have few tiles, their sums are made in parts, which
// join_matrix.comp adds.
#version 450
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#pragma use_vulkan_memory_model
#include "params/product_matrix.h"
layout(set = 0, binding = 0, std430) uniform Params { MatrixProductParams params; };
#include "common/tile_matrix.glsl"

layout(constant_id = 12) const uint a_width = 8;  // halves of a line that are aligned together
layout(constant_id = 13) const uint b_width = 8;
layout(constant_id = 14) const uint b_packed = 0;  // as [column tile][term][column]

HALVES(10, readonly, A, a)
HALVES(11, readonly, B, b)

uint base_a, base_b, first_row, first_channel;

// Elements of a line from `at` on, of line number `line` of `lines`.
uint rest_of_line(uint line, uint lines, uint at, uint extent) { return line < lines && at < extent ? extent - at : 0u; }

// What a step multiplies, into registers.
void fetch(uint step) {
  uint term = step * step_k;
  [[unroll]] for (uint j = 0u; j < each_rows; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    uint line = item / row_vectors, at = item % row_vectors * 8u, there = 0u;
    if (rows_turned != 0u) {
      line += term, at += first_row;
      there = rest_of_line(line, params.k, at, params.m);
    } else {
      line += first_row, at += term;
      there = rest_of_line(line, params.m, at, params.k);
    }
    if (item >= row_fetches) there = 0u;
    READ8(a, a_width, base_a + line * params.a_line + at, 1u, there, fetched_rows[j])
  }
  [[unroll]] for (uint j = 0u; j < each_columns; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    uint line = item / column_vectors, at = item % column_vectors * 8u, there = 8u;
    if (columns_turned != 0u) {
      line += first_channel, at += term;
      there = rest_of_line(line, params.n, at, params.k);
    } else if (b_packed == 0u) {
      line += term, at += first_channel;
      there = rest_of_line(line, params.k, at, params.n);
    } else {
      line += term;
    }
    if (item >= column_fetches) there = 0u;
    READ8(b, b_width, base_b + line * params.b_line + at, 1u, there, fetched_columns[j])
  }
}

void put() {
  [[unroll]] for (uint j = 0u; j < each_rows; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    if (item < row_fetches) stage[item / row_vectors * row_stride + item % row_vectors] = fetched_rows[j];
  }
  put_columns();
}

void main() {
  uint tiles = (params.m + tile_m - 1u) / tile_m, tile = tile_number();
  uint batches = params.batch[0] * params.batch[1] * params.batch[2], batch = tile / tiles % batches;
  uint steps = (params.k + step_k - 1u) / step_k, step = tile / tiles / batches * params.part;
  if (step >= steps) return;
  uint end = min(step + params.part, steps);
  uint at_2 = batch % params.batch[2], plane = batch / params.batch[2];
  uint at_1 = plane % params.batch[1], at_0 = plane / params.batch[1];
  base_a = at_0 * params.a_batch[0] + at_1 * params.a_batch[1] + at_2 * params.a_batch[2];
  base_b = at_0 * params.b_batch[0] + at_1 * params.b_batch[1] + at_2 * params.b_batch[2];
  if (b_packed != 0u) base_b = gl_WorkGroupID.y * params.packed_k * tile_channels;
  first_row = tile % tiles * tile_m;
  first_channel = gl_WorkGroupID.y * tile_channels;
  load_channels(first_channel);
  uint base = batch * params.m, rows = params.m;
#include "common/tile_main.glsl"
}
