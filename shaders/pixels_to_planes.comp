//! storage=float32,float16 arithmetic=float32
// Rows of pixels, as bytes or words of 16 bits in words of 32, become planes. An invocation has one pixel at a time.
#version 450
#include "params/pixels_to_planes.h"
#include "common/types.glsl"

layout(local_size_x = pixel_lanes) in;
layout(constant_id = 1) const uint samples = 3;
layout(constant_id = 2) const uint bits = 8;
layout(constant_id = 3) const uint channels = 3;
layout(constant_id = 4) const uint stored = 3;  // channels in memory; those beyond `channels` are zero
layout(set = 0, binding = 0) readonly buffer Params { PixelParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { Storage dst[]; };
layout(set = 0, binding = 2) readonly buffer Src { uint src[]; };

// In 0..1.
float sample_at(uint i) {
  if (bits == 16u) return float(src[i / 2u] >> (i % 2u * 16u) & 0xffffu) * (1.0 / 65535.0);
  return float(src[i / 4u] >> (i % 4u * 8u) & 0xffu) * (1.0 / 255.0);
}

void main() {
  uint step_size = gl_NumWorkGroups.x * pixel_lanes;
  for (uint pixel = gl_GlobalInvocationID.x; pixel < params.count; pixel += step_size)
    for (uint c = 0u; c < stored; ++c) {
      precise float value = 0.0;
      if (c < channels) {
        int from = params.from[c];
        precise float level = from < 0 ? 1.0 : sample_at(pixel * samples + uint(from));
        value = level * params.factor[c] + params.black[c];
      }
      dst[pixel * params.pixel_step + c * params.channel_step] = Storage(value);
    }
}
