//! storage=float32 arithmetic=float32
// A function of ops/elementwise.def, of two operands that are broadcast along any axes: what map.comp has too few for.
#version 450
#include "params/broadcast.h"
#include "common/types.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint function = 64;
layout(constant_id = 2) const uint axes = 1;
layout(set = 0, binding = 0) readonly buffer Params { BroadcastParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { Storage dst[]; };
layout(set = 0, binding = 2) readonly buffer X { Storage operand_x[]; };
layout(set = 0, binding = 3) readonly buffer Y { Storage operand_y[]; };

float apply(float x, float y) {
  float result = x;
  switch (function) {
#define TESSERA_UNARY(id, Op, CLASS, expression)
#define TESSERA_BINARY(id, Op, CLASS, expression) case id: result = expression; break;
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
    default: break;
  }
  return result;
}

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec2 at = uvec2(0u);
    for (uint axis = axes, rest = i; axis-- > 0u;) {
      uint next = rest / params.extents[axis];
      at += (rest - next * params.extents[axis]) * uvec2(params.strides_x[axis], params.strides_y[axis]);
      rest = next;
    }
    dst[i] = Storage(apply(float(operand_x[at.x]), float(operand_y[at.y])));
  }
}
