//! storage=float32,float16 arithmetic=float32
// TopK: an element's place in the result is how many others come before it. Of equal ones the first comes first; what is
// no number is above all numbers.
#version 450
#include "params/top_k.h"
#include "common/types.glsl"

layout(local_size_x = top_k_lanes) in;
layout(constant_id = 0) const uint smallest = 0;
layout(constant_id = 1) const uint has_values = 1;
layout(constant_id = 2) const uint has_places = 1;
layout(set = 0, binding = 0) readonly buffer Params { TopKParams params; };
layout(set = 0, binding = 1) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 2) writeonly buffer Values { Storage values[]; };
layout(set = 0, binding = 3) writeonly buffer Places { uvec2 places[]; };

shared int others[top_k_lanes];

// Integers in the order of the result: the greatest first.
int order_of(float x) {
  int bits = floatBitsToInt(x);
  if ((bits & 0x7fffffff) > 0x7f800000) bits = 0x7fffffff;
  if (bits == 0x80000000) bits = 0;
  int order = bits < 0 ? bits ^ 0x7fffffff : bits;
  return smallest != 0u ? ~order : order;
}

void main() {
  uint lane = gl_LocalInvocationID.x, group = gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x;
  if (group >= params.count) return;
  uint row = group / params.blocks, own = group % params.blocks * top_k_lanes + lane;
  uint outer = row / params.inner, column = row % params.inner;
  uint base = outer * params.extent * params.inner + column;
  bool there = own < params.extent;
  float value = there ? float(src[base + own * params.inner]) : 0.0;
  int order = order_of(value);
  uint before = 0u;
  for (uint begin = 0u; begin < params.extent; begin += top_k_lanes) {
    barrier();
    if (begin + lane < params.extent) others[lane] = order_of(float(src[base + (begin + lane) * params.inner]));
    barrier();
    uint count = min(top_k_lanes, params.extent - begin);
    for (uint i = 0u; i < count; ++i)
      before += others[i] > order || (others[i] == order && begin + i < own) ? 1u : 0u;
  }
  if (!there || before >= params.k) return;
  uint to = (outer * params.k + before) * params.inner + column;
  if (has_values != 0u) values[to] = Storage(value);
  if (has_places != 0u) places[to] = uvec2(own, 0u);
}
