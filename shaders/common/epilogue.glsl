// The end of a shader: functions of ops/elementwise.def, and DepthToSpace, applied to a value before
// it is stored. Functions are specialization constants, so that the driver keeps only what is used.
// A shader that includes this has declared `params` with a member `epilogue`, at binding 0; bindings
// 1 to 7 are the epilogue's, its own inputs follow from 8.
#include "common/functions.glsl"
#include "common/index.glsl"

layout(constant_id = 39) const uint shuffle_block = 1;  // of the one DepthToSpace
layout(constant_id = 40) const uint shuffle_crd = 0;

layout(set = 0, binding = 1) writeonly buffer Dst { Storage dst[]; };
layout(set = 0, binding = 2) readonly buffer Operand0 { Storage operand_0[]; };
layout(set = 0, binding = 3) readonly buffer Operand1 { Storage operand_1[]; };
layout(set = 0, binding = 4) readonly buffer Operand2 { Storage operand_2[]; };
layout(set = 0, binding = 5) readonly buffer Operand3 { Storage operand_3[]; };
layout(set = 0, binding = 6) readonly buffer Operand4 { Storage operand_4[]; };
layout(set = 0, binding = 7) readonly buffer Operand5 { Storage operand_5[]; };

float apply(uint function, float x, float y, float a, float b) {
  float result = x;
  switch (function) {
#define TESSERA_UNARY(id, Op, CLASS, expression) case id: result = expression; break;
#define TESSERA_BINARY(id, Op, CLASS, expression) case id: result = expression; break;
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
    default: break;
  }
  return result;
}

float apply_to(uint i, uint function, float value, float operand) {
  bool first = (swapped & (1u << i)) != 0u;
  return apply(function, first ? operand : value, first ? value : operand, params.epilogue.functions[i].a,
               params.epilogue.functions[i].b);
}

// Where the element at [n, c, y, x] goes in DepthToSpace.
uvec4 shuffled(uvec4 at) {
  uint channels = params.epilogue.shuffled_channels;
  uint cells = shuffle_block * shuffle_block;
  uint channel = shuffle_crd != 0u ? at.y / cells : at.y % channels;
  uint cell = shuffle_crd != 0u ? at.y % cells : at.y / channels;
  return uvec4(at.x, channel, at.z * shuffle_block + cell / shuffle_block,
               at.w * shuffle_block + cell % shuffle_block);
}

#define APPLY(i)                                                                                                \
  if (function_##i == depth_to_space) {                                                                         \
    at = shuffled(at);                                                                                          \
  } else if (function_##i != no_function) {                                                                     \
    float operand = 0.0;                                                                                        \
    if (function_##i >= 64u) operand = float(operand_##i[offset_of(at, params.epilogue.functions[i].strides)]);    \
    value = apply_to(i, function_##i, value, operand);                                                          \
  }

// Applies all functions to the value at [n, c, y, x], and stores it. Who has the last channel fills its block.
void finish(float value, uvec4 at) {
  APPLY(0)
  APPLY(1)
  APPLY(2)
  APPLY(3)
  APPLY(4)
  APPLY(5)
  uint to = params.epilogue.dst_offset + offset_of(at, params.epilogue.dst_strides);
  dst[to] = Storage(value);
  if (at.y + 1u == params.epilogue.unfilled)
    for (uint i = at.y % 16u + 1u; i < 16u; ++i) dst[++to] = Storage(0.0);
}
