// Rows that invocations of a workgroup share: `together` of row_lanes each. The shader has defined row_lanes.
layout(local_size_x = row_lanes) in;
layout(constant_id = 1) const uint together = row_lanes;  // a power of two
layout(constant_id = 2) const uint kept = 0;              // elements that an invocation keeps; 0: it reads them again

layout(constant_id = 16) const uint strided = 0;  // elements of a row do not lie side by side: those of several rows do

const uint rows_together = row_lanes / together;

shared float row_sums[row_lanes];

// Which of this workgroup's rows is this invocation's, and which of the row's invocations it is: neighbours read what
// lies side by side.
uint row_lane() {
  return strided != 0u ? gl_LocalInvocationID.x % rows_together : gl_LocalInvocationID.x / together;
}
uint row_share() {
  return strided != 0u ? gl_LocalInvocationID.x / rows_together : gl_LocalInvocationID.x % together;
}
uint row_number() {
  return (gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x) * rows_together + row_lane();
}

// Where element i of a row lies, if rows of `extent` elements lie `stride` apart, and as many begin side by side.
uint element_of(uint row, uint i, uint extent, uint stride) {
  return (row / stride * extent + i) * stride + row % stride;
}

// The sum, or the largest, over the invocations of each row. All invocations of the workgroup call it.
float row_join(float value, bool largest) {
  uint lane = gl_LocalInvocationID.x, step = strided != 0u ? rows_together : 1u;
  barrier();
  row_sums[lane] = value;
  for (uint half_of = together / 2u; half_of > 0u; half_of /= 2u) {
    barrier();
    if (row_share() < half_of) {
      float other = row_sums[lane + half_of * step];
      row_sums[lane] = largest ? max(row_sums[lane], other) : row_sums[lane] + other;
    }
  }
  barrier();
  return row_sums[strided != 0u ? row_lane() : row_lane() * together];
}
float row_sum(float value) { return row_join(value, false); }
float row_max(float value) { return row_join(value, true); }
