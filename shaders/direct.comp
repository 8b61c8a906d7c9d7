//! storage=float32 arithmetic=float32
// Convolutions and products of operands of any types, one result an invocation: integers, whose sums are exact, and
// weights that are known to a run only.
#version 450
#include "params/direct.h"
#include "common/words.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint type_src = 1;
layout(constant_id = 2) const uint type_weight = 1;
layout(constant_id = 3) const uint type_src_zero = 0;  // 0: there is none
layout(constant_id = 4) const uint type_weight_zero = 0;
layout(constant_id = 5) const uint type_bias = 0;
layout(constant_id = 6) const uint type_out = 4;
layout(set = 0, binding = 0) readonly buffer Params { DirectParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { uint dst[]; };
layout(set = 0, binding = 2) readonly buffer Src { uint src[]; };
layout(set = 0, binding = 3) readonly buffer Weights { uint weights[]; };
layout(set = 0, binding = 4) readonly buffer SrcZero { uint src_zero[]; };
layout(set = 0, binding = 5) readonly buffer WeightZero { uint weight_zero[]; };
layout(set = 0, binding = 6) readonly buffer Bias { uint bias[]; };

// The low word of a number: a float's bits, or an integer.
#define NUMBER(words, type, i) widen(ELEMENT(words, bytes_of(type), i), type).x

uvec2 value_of(uint i) {
  uint at[direct_axes], from = 0u, weight = 0u, zero = 0u, added = 0u;
  for (uint axis = direct_axes; axis-- > 0u;) {
    uint rest = i / params.extents[axis];
    at[axis] = i - rest * params.extents[axis];
    from += at[axis] * params.src_strides[axis];
    weight += at[axis] * params.weight_strides[axis];
    zero += at[axis] * params.zero_strides[axis];
    added += at[axis] * params.bias_strides[axis];
    i = rest;
  }
  from += at[1] / params.group_out * params.group_step;
  bool is_real = kind_of(type_src) == real_kind;
  int zero_a = type_src_zero != 0u ? int(NUMBER(src_zero, type_src_zero, 0u)) : 0;
  int zero_b = type_weight_zero != 0u ? int(NUMBER(weight_zero, type_weight_zero, zero)) : 0;
  int integer = 0;
  float real = 0.0;
  for (uint cell = 0u; cell < params.kernel[0] * params.kernel[1] * params.kernel[2]; ++cell) {
    uint k[3] = {cell / (params.kernel[1] * params.kernel[2]), cell / params.kernel[2] % params.kernel[1],
                 cell % params.kernel[2]};
    uint a = from, b = weight;
    bool inside = true;
    for (uint axis = 0u; axis < 3u; ++axis) {
      uint place = at[2u + axis] * params.stride[axis] + k[axis] * params.dilation[axis] - uint(params.pad[axis]);
      inside = inside && place < params.in_size[axis];
      a += place * params.src_steps[axis];
      b += k[axis] * params.weight_steps[axis];
    }
    for (uint c = 0u; c < (inside ? params.channels : 0u); ++c) {
      uint x = NUMBER(src, type_src, a + c * params.src_channel);
      uint w = NUMBER(weights, type_weight, b + c * params.weight_channel);
      if (is_real)
        real += uintBitsToFloat(x) * uintBitsToFloat(w);
      else
        integer += (int(x) - zero_a) * (int(w) - zero_b);
    }
  }
  if (!is_real) return uvec2(uint(integer), 0u);
  if (type_bias != 0u) real += uintBitsToFloat(NUMBER(bias, type_bias, added));
  return convert(uvec2(floatBitsToUint(real), 0u), 4u, type_out);
}

void main() { WRITE_ELEMENTS(value_of, bytes_of(type_out), params.count) }
