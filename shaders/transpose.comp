//! storage=float32,float16 arithmetic=float32
// Transposes matrices by way of shared memory, so that neighbours are read together and written together.
#version 450
#include "params/transpose.h"
#include "common/types.glsl"

#ifdef STORAGE_float16
#define Element Storage
#define Kept float
#else
#define Element uint
#define Kept uint
#endif

layout(local_size_x = transpose_lanes) in;
layout(set = 0, binding = 0) readonly buffer Params { TransposeParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { Element dst[]; };
layout(set = 0, binding = 2) readonly buffer Src { Element src[]; };

const uint side = transpose_tile, step_size = transpose_lanes / transpose_tile;
shared Kept tile[side * (side + 1u)];

void main() {
  uint group = gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x;
  uint across = (params.columns + side - 1u) / side, down = (params.rows + side - 1u) / side;
  uint column = group % across * side, row = group / across % down * side, batch = group / across / down;
  if (batch >= params.batches) return;
  uint from = 0u, to = 0u;
  for (uint axis = 4u; axis-- > 0u;) {
    uint at = batch % params.extents[axis];
    batch /= params.extents[axis];
    from += at * params.src_strides[axis];
    to += at * params.dst_strides[axis];
  }
  uint fast = gl_LocalInvocationID.x % side, slow = gl_LocalInvocationID.x / side;
  for (uint i = slow; i < side; i += step_size)
    if (row + fast < params.rows && column + i < params.columns)
      tile[i * (side + 1u) + fast] = Kept(src[from + (column + i) * params.src_stride + row + fast]);
  barrier();
  for (uint i = slow; i < side; i += step_size)
    if (column + fast < params.columns && row + i < params.rows)
      dst[to + (row + i) * params.dst_stride + column + fast] = Element(tile[fast * (side + 1u) + i]);
}
