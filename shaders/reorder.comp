//! storage=float32,float16 arithmetic=float32
// The same tensor in another layout. Elements are stored as the variant says; those of the source are as they are
// stored, or are float16 where `from_half` says so.
#version 450
#include "params/reorder.h"
#include "common/types.glsl"
#include "common/index.glsl"
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_control_flow_attributes : require

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint from_half = 0;
layout(constant_id = 2) const uint by_vectors = 0;  // an invocation writes 8 channels of a pixel, of a block of 16
layout(set = 0, binding = 0) readonly buffer Params { ReorderParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { Storage dst[]; };
#ifdef STORAGE_float16
layout(set = 0, binding = 1) writeonly buffer DstVectors { uvec4 dst_vectors[]; };
#endif
layout(set = 0, binding = 2) readonly buffer Full { float full[]; };
layout(set = 0, binding = 3) readonly buffer Halves { float16_t halves[]; };

float read(uint from) { return from_half != 0u ? float(halves[from]) : full[from]; }

void main() {
  uint step_size = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
#ifdef STORAGE_float16
  // Eight neighbours have the same channels of eight pixels, which lie together in the source; 16 write whole blocks.
  if (by_vectors != 0u) {
    uint channels = params.extents[1] & ~in_blocks, blocks = (channels + 15u) / 16u, pixels = params.count / 16u;
    for (uint i = gl_GlobalInvocationID.x; i < (pixels + 7u) / 8u * 16u; i += step_size) {
      uint pixel = i / 16u * 8u + i % 8u, vector = i / 8u % 2u;
      uint x = pixel % params.extents[3], row = pixel / params.extents[3];
      uint y = row % params.extents[2], plane = row / params.extents[2];
      uint first = plane % blocks * 16u + vector * 8u;
      uint from = plane / blocks * params.src_strides[0] + y * params.src_strides[2] + x * params.src_strides[3];
      uvec4 words = uvec4(0u);
      [[unroll]] for (uint c = 0u; c < 8u; c += 2u) {
        vec2 pair = vec2(0.0);
        if (pixel < pixels && first + c < channels) pair.x = read(from + (first + c) * params.src_strides[1]);
        if (pixel < pixels && first + c + 1u < channels) pair.y = read(from + (first + c + 1u) * params.src_strides[1]);
        words[c / 2u] = packHalf2x16(pair);
      }
      if (pixel < pixels) dst_vectors[pixel * 2u + vector] = words;
    }
    return;
  }
#endif
  for (uint i = gl_GlobalInvocationID.x; i < params.count; i += step_size) {
    uvec4 at = unravel(i, params.extents);
    float value = 0.0;
    if (is_there(at, params.extents)) {
      value = read(offset_of(at, params.src_strides));
    }
    dst[i] = Storage(value);
  }
}
