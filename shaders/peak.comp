//! storage=float32 arithmetic=float32
// What a device can do at most: independent multiply-adds in registers, or a copy. No kernel dispatches it.
#version 450
#include "params/peak.h"

layout(local_size_x = peak_lanes) in;
layout(constant_id = 0) const uint copies = 0;
layout(set = 0, binding = 0) readonly buffer Params { PeakParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { vec4 dst[]; };
layout(set = 0, binding = 2) readonly buffer Src { vec4 src[]; };

void main() {
  uint i = (gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x) * peak_lanes + gl_LocalInvocationID.x;
  if (i >= params.count) return;
  vec4 x = src[i];
  if (copies != 0u) {
    dst[i] = x;
    return;
  }
  vec4 a = x, b = x + 1.0, c = x + 2.0, d = x + 3.0, e = x + 4.0, f = x + 5.0, g = x + 6.0, h = x + 7.0;
  for (uint round = 0u; round < params.rounds; ++round) {
    a = a * x + x;
    b = b * x + x;
    c = c * x + x;
    d = d * x + x;
    e = e * x + x;
    f = f * x + x;
    g = g * x + x;
    h = h * x + x;
  }
  dst[i] = a + b + c + d + e + f + g + h;
}
