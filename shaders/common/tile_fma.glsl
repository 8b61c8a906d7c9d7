// A product of matrices tile by tile, by fused multiply-adds: a workgroup makes tile_m rows by tile_n columns, an
// invocation each_m by each_n of them. The shader fills tile_a and tile_b for tile_k terms of the sums at a time.
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint tile_m = 64;
layout(constant_id = 2) const uint tile_n = 128;
layout(constant_id = 3) const uint each_m = 8;
layout(constant_id = 4) const uint each_n = 8;  // a multiple of 4
layout(constant_id = 5) const uint tile_k = 16;

const uint lanes_n = tile_n / each_n;
const uint quads_n = tile_n / 4;

const uint pitch_a = tile_m + 1;  // odd, so that columns may be written as fast as rows

shared float tile_a[tile_k * pitch_a];  // [k][m]
shared vec4 tile_b[tile_k * quads_n];   // [k][n], four columns at a time

float sums[each_m * each_n];

// The row and the column, within the tile, of element (m, n) of this invocation.
uint tile_row(uint m) { return gl_LocalInvocationID.x / lanes_n * each_m + m; }
uint tile_column(uint n) { return (gl_LocalInvocationID.x % lanes_n + n / 4u * lanes_n) * 4u + n % 4u; }

void tile_clear() {
  [[unroll]] for (uint i = 0u; i < each_m * each_n; ++i) sums[i] = 0.0;
}

// Call it between two barriers.
void tile_multiply() {
  uint first_m = tile_row(0u), lane_n = gl_LocalInvocationID.x % lanes_n;
  for (uint k = 0u; k < tile_k; ++k) {
    vec4 columns[each_n / 4u];
    [[unroll]] for (uint n = 0u; n < each_n / 4u; ++n) columns[n] = tile_b[k * quads_n + lane_n + n * lanes_n];
    [[unroll]] for (uint m = 0u; m < each_m; ++m) {
      float row = tile_a[k * pitch_a + first_m + m];
      [[unroll]] for (uint n = 0u; n < each_n; ++n)
        sums[m * each_n + n] = fma(row, columns[n / 4u][n % 4u], sums[m * each_n + n]);
    }
  }
}
