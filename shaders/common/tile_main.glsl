// The rest of main() of a shader that includes tile_matrix.glsl: not a function, so that sums are its own variables and stay
// in registers. Known are `tile`, where its sums go; `step` and `end`, what it adds up; `first_row`, the tile's of `rows` in
// all; `base`, the row of the result that row 0 is; and `first_channel`. `fetch(step)` fetches, `put()` puts.
MatrixSum sums[each_m * each_n];
[[unroll]] for (uint s = 0u; s < each_m * each_n; ++s) sums[s] = MatrixSum(0.0);
uint warp_n = gl_SubgroupID % warps_n, warp_m = gl_SubgroupID / warps_n;
uint tile_row = warp_m * each_m * matrix_m, tile_column = warp_n * each_n * matrix_n;
fetch(step);
for (bool more = true; more;) {
  barrier();
  put();
  barrier();
  ++step;
  more = step < end;
  if (more) fetch(step);
  [[unroll]] for (uint k = 0u; k < step_k; k += matrix_k) {
    MatrixB columns[each_n];
    [[unroll]] for (uint n = 0u; n < each_n; ++n) {
      uint column = tile_column + n * matrix_n;
      if (columns_turned != 0u)
        coopMatLoadNV(columns[n], stage, columns_at + column * column_stride + k / 8u, column_stride, true);
      else
        coopMatLoadNV(columns[n], stage, columns_at + k * column_stride + column / 8u, column_stride, false);
    }
    [[unroll]] for (uint m = 0u; m < each_m; ++m) {
      uint row = tile_row + m * matrix_m;
      MatrixA line;
      if (rows_turned != 0u)
        coopMatLoadNV(line, stage, k * row_stride + row / 8u, row_stride, true);
      else
        coopMatLoadNV(line, stage, row * row_stride + k / 8u, row_stride, false);
      [[unroll]] for (uint n = 0u; n < each_n; ++n)
        sums[m * each_n + n] = coopMatMulAddNV(line, columns[n], sums[m * each_n + n]);
    }
  }
}

if (to_sums != 0u) {
  uint pitch = gl_NumWorkGroups.y * tile_channels;
  [[unroll]] for (uint m = 0u; m < each_m; ++m)
    [[unroll]] for (uint n = 0u; n < each_n; ++n)
      coopMatStoreNV(sums[m * each_n + n], all_sums,
                     (tile * tile_m + tile_row + m * matrix_m) * pitch + first_channel + tile_column + n * matrix_n, pitch,
                     false);
} else {
  barrier();
  uint strip = gl_SubgroupID * out_size;
  [[unroll]] for (uint m = 0u; m < each_m; ++m) {
    [[unroll]] for (uint n = 0u; n < each_n; ++n) {
      MatrixOut done = MatrixOut(sums[m * each_n + n]);
      coopMatStoreNV(done, stage, strip + n * (matrix_n / 8u), out_stride, false);
    }
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
    for (uint first_item = 0u; first_item < outs; first_item += gl_WorkGroupSize.x / warps) {
      uint item = first_item + gl_SubgroupInvocationID;
      uint line = row_of_item(item, matrix_m, out_vectors), vector = vector_of_item(item, matrix_m, out_vectors);
      uint row = first_row + tile_row + m * matrix_m + line;
      if (item < outs && row < rows) {
        uvec3 at = place_of(base + row);
        float values[8];
        unpack8(stage[strip + line * out_stride + vector], values);
        finish8(values, first_channel, at.x, first_channel + tile_column + vector * 8u, at.y, at.z);
      }
    }
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
  }
}
