//! storage=float32,float16 arithmetic=float32
// ArgMax and ArgMin: the place along an axis of the element that is above, or below, all others. What is no number is
// preferred to every number.
#version 450
#include "params/arg.h"
#include "common/types.glsl"

layout(local_size_x = arg_lanes) in;
layout(constant_id = 0) const uint together = arg_lanes;  // invocations that share a result, a power of two
layout(constant_id = 1) const uint lowest = 0;
layout(constant_id = 2) const uint last = 0;  // of several that are alike
layout(set = 0, binding = 0) readonly buffer Params { ArgParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { uvec2 dst[]; };
layout(set = 0, binding = 2) readonly buffer Src { Storage src[]; };

shared float values[arg_lanes];
shared uint places[arg_lanes];

bool is_number(float x) { return (floatBitsToUint(x) & 0x7fffffffu) <= 0x7f800000u; }

// Whether x, at i, is to be preferred to y, at k.
bool is_better(float x, uint i, float y, uint k) {
  bool a = is_number(x), b = is_number(y), alike = a && b ? x == y : a == b;
  if (alike) return last != 0u ? i > k : i < k;
  if (a != b) return b;
  return lowest != 0u ? x < y : x > y;
}

void main() {
  const uint results = arg_lanes / together;
  uint lane = gl_LocalInvocationID.x, share = lane / results;
  uint result = (gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x) * results + lane % results;
  uint base = result / params.inner * params.extent * params.inner + result % params.inner;
  uint best = min(share, params.extent - 1u);
  float value = 0.0;
  if (result < params.count) {
    value = float(src[base + best * params.inner]);
    for (uint i = share + together; i < params.extent; i += together) {
      float other = float(src[base + i * params.inner]);
      if (is_better(other, i, value, best)) {
        value = other;
        best = i;
      }
    }
  }
  values[lane] = value;
  places[lane] = best;
  for (uint half_of = together / 2u; half_of > 0u; half_of /= 2u) {
    barrier();
    if (share < half_of) {
      uint other = lane + half_of * results;
      if (is_better(values[other], places[other], values[lane], places[lane])) {
        values[lane] = values[other];
        places[lane] = places[other];
      }
    }
  }
  if (share == 0u && result < params.count) dst[result] = uvec2(places[lane], 0u);
}
