//! storage=float32,float16 arithmetic=float32
// Planes become rows of pixels, as bytes or words of 16 bits in words of 32. An invocation makes one word at a time;
// what each workgroup knows of its values goes to `partial`.
#version 450
#include "params/planes_to_pixels.h"
#include "common/types.glsl"
#include "common/facts.glsl"

layout(local_size_x = pixel_lanes) in;
layout(constant_id = 1) const uint samples = 3;
layout(constant_id = 2) const uint bits = 8;
layout(constant_id = 3) const uint gray = 0;
layout(set = 0, binding = 0) readonly buffer Params { PixelParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { uint dst[]; };
layout(set = 0, binding = 2) writeonly buffer Partial { vec4 partial[]; };
layout(set = 0, binding = 3) readonly buffer Src { Storage src[]; };

float channel(uint k, uint pixel) {
  uint c = uint(params.from[k]);
  return (float(src[pixel * params.pixel_step + c * params.channel_step]) - params.black[c]) * params.factor[c];
}

float value_of(uint s, uint pixel) {
  if (gray == 0u) return channel(s, pixel);
  if (s > 0u) return channel(s + 2u, pixel);
  precise float sum = channel(0u, pixel) + channel(1u, pixel);
  sum = sum + channel(2u, pixel);
  return sum / 3.0;
}

void note(inout Facts facts, uint s, float value) {
  uint size = floatBitsToUint(value) & 0x7fffffffu;
  if (size >= 0x7f800000u) facts.not_finite[s] += 1.0;
  if (size > 0x7f800000u) return;
  facts.least[s] = min(facts.least[s], value);
  facts.most[s] = max(facts.most[s], value);
}

uint rounded(float value) {
  if ((floatBitsToUint(value) & 0x7fffffffu) > 0x7f800000u) return 0u;
  const float top = bits == 16u ? 65535.0 : 255.0;
  return uint(clamp(value * top, 0.0, top) + 0.5);
}

void main() {
  const uint parts = 32u / bits;
  uint step_size = gl_NumWorkGroups.x * pixel_lanes, all = params.count * samples;
  Facts facts = no_facts();
  for (uint word = gl_GlobalInvocationID.x; word < params.words; word += step_size) {
    uint packed = 0u;
    for (uint part = 0u; part < parts; ++part) {
      uint i = word * parts + part;
      if (i >= all) break;
      float value = value_of(i % samples, i / samples);
      note(facts, i % samples, value);
      packed |= rounded(value) << (part * bits);
    }
    dst[word] = packed;
  }
  facts = join_all(facts);
  if (gl_LocalInvocationID.x != 0u) return;
  uint at = gl_WorkGroupID.x * 3u;
  partial[at] = facts.not_finite;
  partial[at + 1u] = facts.least;
  partial[at + 2u] = facts.most;
}
