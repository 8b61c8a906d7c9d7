//! storage=float32,float16 arithmetic=float32
// Joins what the workgroups of planes_to_pixels know.
#version 450
#include "params/pixel_facts.h"
#include "common/types.glsl"
#include "common/facts.glsl"

layout(local_size_x = pixel_lanes) in;
layout(set = 0, binding = 0) readonly buffer Params { FactsParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { float dst[]; };
layout(set = 0, binding = 2) readonly buffer Partial { vec4 partial[]; };

void main() {
  Facts facts = no_facts();
  for (uint group = gl_LocalInvocationID.x; group < params.groups; group += pixel_lanes)
    join(facts, Facts(partial[group * 3u], partial[group * 3u + 1u], partial[group * 3u + 2u]));
  facts = join_all(facts);
  if (gl_LocalInvocationID.x != 0u) return;
  for (uint s = 0u; s < params.samples; ++s) {
    dst[s] = facts.not_finite[s];
    dst[params.samples + s] = facts.least[s];
    dst[2u * params.samples + s] = facts.most[s];
  }
}
