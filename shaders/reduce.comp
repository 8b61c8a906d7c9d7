//! storage=float32,float16 arithmetic=float32
// Joins all elements along some axes into one, by a function of two arguments such as Add or Max.
// A workgroup joins a part of the elements of some results. Where there are several parts, they go to
// `parts`, [part][result], and a second dispatch joins them.
#version 450
#include "params/reduce.h"

layout(set = 0, binding = 0) readonly buffer Params { ReduceParams params; };
#include "common/epilogue.glsl"

layout(local_size_x = reduce_lanes) in;
layout(constant_id = 1) const uint together = reduce_lanes;  // invocations that share a result, a power of two
layout(constant_id = 2) const uint join = 64;
layout(constant_id = 3) const uint prepare = no_function;  // of each element, or of twice the element
layout(constant_id = 4) const uint joins_parts = 0;
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 9) buffer Parts { float parts[]; };

shared float sums[reduce_lanes];

void main() {
  const uint results = reduce_lanes / together;
  uint lane = gl_LocalInvocationID.x, share = lane / results;
  uint result = (gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x) * results + lane % results;
  uvec4 at = unravel(result, params.extents);
  float sum = params.start;
  if (result < params.count) {
    uint base = offset_of(at, params.src_strides);
    uint begin = gl_WorkGroupID.y * params.part, end = min(begin + params.part, params.elements);
    for (uint i = begin + share; i < end; i += together) {
      uint from = base + offset_of(unravel(i, params.joined), params.joined_strides);
      float value = joins_parts != 0u ? parts[from] : float(src[from]);
      sum = apply(join, sum, apply(prepare, value, value, 0.0, 0.0), 0.0, 0.0);
    }
  }
  sums[lane] = sum;
  for (uint half_of = together / 2u; half_of > 0u; half_of /= 2u) {
    barrier();
    if (share < half_of) sums[lane] = apply(join, sums[lane], sums[lane + half_of * results], 0.0, 0.0);
  }
  if (share > 0u || result >= params.count) return;
  if (gl_NumWorkGroups.y > 1u)
    parts[gl_WorkGroupID.y * params.count + result] = sums[lane];
  else
    finish(sums[lane], at);
}
