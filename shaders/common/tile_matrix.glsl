// A product of matrices tile by tile, by matrix units: a workgroup makes tile_m rows by tile_channels columns, a subgroup
// each_m * matrix_m by each_n * matrix_n of them, step_k terms of the sums at a time. The shader puts what a step multiplies
// into `stage`: lines of rows at 0, lines of columns at `columns_at`; what comes next it fetches while this is multiplied.
// The main() of a shader that includes this ends with tile_main.glsl. It has declared `params` with a member `finish`, at
// binding 0, and enabled what matrix.glsl and finish8.glsl need; its own inputs follow from binding 10.
#include "common/matrix.glsl"

layout(constant_id = 4) const uint warps_m = 2;
layout(constant_id = 5) const uint warps_n = 2;
layout(constant_id = 6) const uint each_m = 4;
layout(constant_id = 7) const uint each_n = 2;
layout(constant_id = 8) const uint step_blocks = 2;
layout(constant_id = 9) const uint rows_turned = 0;      // a line is a term of all rows, not a row
layout(constant_id = 10) const uint columns_turned = 0;  // a line is a column, not a term of all columns
layout(constant_id = 11) const uint to_sums = 0;         // sums are stored as they are, for join_matrix.comp

const uint warps = warps_m * warps_n;
const uint tile_m = warps_m * each_m * matrix_m;
const uint tile_channels = warps_n * each_n * matrix_n;
const uint step_k = 16u * step_blocks;

#include "common/finish8.glsl"
layout(set = 0, binding = 9) writeonly buffer Sums { float all_sums[]; };  // [part][row][column], both filled up to tiles

// Of shared memory in units of 8 halves. Strides are odd: neighbouring lines begin in different banks.
const uint row_vectors = (rows_turned != 0u ? tile_m : step_k) / 8u;
const uint row_stride = row_vectors + 1u;
const uint row_lines = rows_turned != 0u ? step_k : tile_m;
const uint column_vectors = (columns_turned != 0u ? step_k : tile_channels) / 8u;
const uint column_stride = column_vectors + 1u;
const uint column_lines = columns_turned != 0u ? tile_channels : step_k;
const uint columns_at = row_lines * row_stride;
const uint stage_size = columns_at + column_lines * column_stride;
// Each subgroup has a strip of its own for results, where rows and columns were.
const uint out_vectors = each_n * matrix_n / 8u;
const uint out_stride = out_vectors + 1u;
const uint out_size = matrix_m * out_stride;
const uint outs = matrix_m * out_vectors;

shared uvec4 stage[stage_size > warps * out_size ? stage_size : warps * out_size];

// Vectors of 8 that a step fetches, and an invocation.
const uint row_fetches = row_lines * row_vectors;
const uint each_rows = (row_fetches + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
const uint column_fetches = column_lines * column_vectors;
const uint each_columns = (column_fetches + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;

uvec4 fetched_rows[each_rows];
uvec4 fetched_columns[each_columns];

uint tile_number() { return gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x; }

void put_columns() {
  [[unroll]] for (uint j = 0u; j < each_columns; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    if (item < column_fetches)
      stage[columns_at + item / column_vectors * column_stride + item % column_vectors] = fetched_columns[j];
  }
}
