// The end of every shader: rows of ops/elementwise.def, and DepthToSpace, applied to a value
// before it is stored. Rows are specialization constants, so that the driver keeps only what is
// used; their numbers, and the places of their operands, are in `params`.
// Bindings: 0 params, 1 dst, 2..7 the rows' operands; a shader's own inputs follow from 8.

const uint no_row = 0xfffeu;
const uint depth_to_space = 0xffffu;

layout(constant_id = 32) const uint row_0 = no_row;
layout(constant_id = 33) const uint row_1 = no_row;
layout(constant_id = 34) const uint row_2 = no_row;
layout(constant_id = 35) const uint row_3 = no_row;
layout(constant_id = 36) const uint row_4 = no_row;
layout(constant_id = 37) const uint row_5 = no_row;
layout(constant_id = 38) const uint swapped = 0;       // bit i: row i's operand is its first argument
layout(constant_id = 39) const uint shuffle_block = 1; // of the one DepthToSpace row
layout(constant_id = 40) const uint shuffle_crd = 0;

layout(set = 0, binding = 0) readonly buffer Params { uint params[]; };
layout(set = 0, binding = 1) buffer Dst { Storage dst[]; };
layout(set = 0, binding = 2) readonly buffer Operand0 { Storage operand_0[]; };
layout(set = 0, binding = 3) readonly buffer Operand1 { Storage operand_1[]; };
layout(set = 0, binding = 4) readonly buffer Operand2 { Storage operand_2[]; };
layout(set = 0, binding = 5) readonly buffer Operand3 { Storage operand_3[]; };
layout(set = 0, binding = 6) readonly buffer Operand4 { Storage operand_4[]; };
layout(set = 0, binding = 7) readonly buffer Operand5 { Storage operand_5[]; };

// Layout of params: dst's strides and offset, channels after DepthToSpace, two unused words,
// then per row a, b and the operand's strides; a shader's own words begin at own_params.
const uint row_params = 8, row_words = 6, own_params = 44;

uint offset_at(uint first, uvec4 place) {
  return place.x * params[first] + place.y * params[first + 1] + place.z * params[first + 2] +
         place.w * params[first + 3];
}

float apply_row(uint row, float x, float y, float a, float b) {
  float result = x;
  switch (row) {
#define TESSERA_UNARY(id, Op, CLASS, expression) case id: result = expression; break;
#define TESSERA_BINARY(id, Op, CLASS, expression) case id: result = expression; break;
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
    default: break;
  }
  return result;
}

float apply_to(uint i, uint row, float value, float operand) {
  uint at = row_params + row_words * i;
  bool first = (swapped & (1u << i)) != 0u;
  return apply_row(row, first ? operand : value, first ? value : operand, uintBitsToFloat(params[at]),
                   uintBitsToFloat(params[at + 1]));
}

// Where the element at [n, c, y, x] goes in DepthToSpace.
uvec4 shuffled(uvec4 place) {
  uint channels = params[5];
  uint cells = shuffle_block * shuffle_block;
  uint channel = shuffle_crd != 0u ? place.y / cells : place.y % channels;
  uint cell = shuffle_crd != 0u ? place.y % cells : place.y / channels;
  return uvec4(place.x, channel, place.z * shuffle_block + cell / shuffle_block,
               place.w * shuffle_block + cell % shuffle_block);
}

#define APPLY(i)                                                                                     \
  if (row_##i == depth_to_space) {                                                                   \
    place = shuffled(place);                                                                         \
  } else if (row_##i != no_row) {                                                                    \
    float operand = 0.0;                                                                             \
    if (row_##i >= 64u) operand = operand_##i[offset_at(row_params + row_words * i + 2u, place)];    \
    value = apply_to(i, row_##i, value, operand);                                                    \
  }

// Applies all rows to the value at [n, c, y, x], and stores it.
void finish(float value, uvec4 place) {
  APPLY(0)
  APPLY(1)
  APPLY(2)
  APPLY(3)
  APPLY(4)
  APPLY(5)
  dst[params[4] + offset_at(0u, place)] = value;
}
