//! storage=float32 arithmetic=float32
// Elementwise functions of operands of any types, integers and booleans among them: comparisons, logic, casts, Where,
// arithmetic of integers.
#version 450
#include "params/mixed.h"
#include "common/words.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint function = fn_cast;
layout(constant_id = 2) const uint axes = 1;
layout(constant_id = 3) const uint type_a = 4;
layout(constant_id = 4) const uint type_b = 4;
layout(constant_id = 5) const uint type_c = 4;
layout(constant_id = 6) const uint type_out = 4;
layout(constant_id = 7) const uint operands = 1;
layout(set = 0, binding = 0) readonly buffer Params { MixedParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { uint dst[]; };
layout(set = 0, binding = 2) readonly buffer A { uint words_a[]; };
layout(set = 0, binding = 3) readonly buffer B { uint words_b[]; };
layout(set = 0, binding = 4) readonly buffer C { uint words_c[]; };

uvec2 truth(bool value) { return uvec2(value ? 1u : 0u, 0u); }

// Of numbers of type_a.
bool less(uvec2 x, uvec2 y) {
  if (kind_of(type_a) == real_kind) return uintBitsToFloat(x.x) < uintBitsToFloat(y.x);
  if (x.y == y.y) return x.x < y.x;
  return kind_of(type_a) == signed_kind ? int(x.y) < int(y.y) : x.y < y.y;
}

bool equal_to(uvec2 x, uvec2 y) {
  return kind_of(type_a) == real_kind ? uintBitsToFloat(x.x) == uintBitsToFloat(y.x) : x == y;
}

uvec2 sum(uvec2 x, uvec2 y) {
  uint carry, low = uaddCarry(x.x, y.x, carry);
  return uvec2(low, x.y + y.y + carry);
}

uvec2 product(uvec2 x, uvec2 y) {
  uint high, low;
  umulExtended(x.x, y.x, high, low);
  return uvec2(low, high + x.x * y.y + x.y * y.x);
}

uvec2 one_hot(uvec2 a, uvec2 place) {
  if (kind_of(type_a) == real_kind) a = integer_of(a.x, 16u * signed_kind + 8u);
  if (int(a.y) < 0) a = sum(a, uvec2(params.depth, 0u));
  return convert(uvec2(a == place ? params.b : params.a, 0u), 4u, type_out);
}

// The result as an element of type_out.
uvec2 result_of(uvec2 a, uvec2 b, uvec2 c) {
  uvec2 result = a;
  switch (function) {
    case fn_equal: result = truth(equal_to(a, b)); break;
    case fn_greater: result = truth(less(b, a)); break;
    case fn_greater_or_equal: result = truth(less(b, a) || equal_to(a, b)); break;
    case fn_and: result = a & b; break;
    case fn_or: result = a | b; break;
    case fn_xor: result = a ^ b; break;
    case fn_not: result = truth(a.x == 0u); break;
    case fn_is_nan: result = truth(is_nan_bits(a.x)); break;
    case fn_is_inf: result = truth(a.x == 0x7f800000u ? params.a != 0u : a.x == 0xff800000u && params.b != 0u); break;
    case fn_where: result = a.x != 0u ? convert(b, type_b, type_out) : convert(c, type_c, type_out); break;
    case fn_cast: result = convert(a, type_a, type_out); break;
    case fn_one_hot: result = one_hot(a, b); break;
    case fn_add: result = sum(a, b); break;
    case fn_sub: result = sum(a, negative(b)); break;
    case fn_mul: result = product(a, b); break;
    case fn_min: result = less(b, a) ? b : a; break;
    case fn_max: result = less(a, b) ? b : a; break;
    case fn_neg: result = negative(a); break;
    case fn_abs: result = kind_of(type_a) == signed_kind && int(a.y) < 0 ? negative(a) : a; break;
    default: break;
  }
  return result;
}

uvec2 value_of(uint i) {
  uvec3 at = uvec3(0u);
  for (uint axis = axes; axis-- > 0u;) {
    uint rest = i / params.extents[axis];
    at += (i - rest * params.extents[axis]) *
          uvec3(params.strides_a[axis], params.strides_b[axis], params.strides_c[axis]);
    i = rest;
  }
  uvec2 a = widen(ELEMENT(words_a, bytes_of(type_a), at.x), type_a), b = uvec2(0u), c = uvec2(0u);
  if (operands > 1u) b = widen(ELEMENT(words_b, bytes_of(type_b), at.y), type_b);
  if (operands > 2u) c = widen(ELEMENT(words_c, bytes_of(type_c), at.z), type_c);
  return result_of(a, b, c);
}

void main() { WRITE_ELEMENTS(value_of, bytes_of(type_out), params.count) }
