//! storage=float32 arithmetic=float32
// Pixels at the places that a grid of coordinates from -1 to 1 names, with their neighbours.
#version 450
#include "params/grid_sample.h"

layout(local_size_x = sample_lanes) in;
layout(constant_id = 0) const uint mode = sample_linear;
layout(constant_id = 1) const uint padding = sample_zeros;
layout(constant_id = 2) const uint align = 0;
layout(set = 0, binding = 0) readonly buffer Params { GridSampleParams params; };
layout(set = 0, binding = 1) writeonly buffer Dst { float dst[]; };
layout(set = 0, binding = 2) readonly buffer Src { float src[]; };
layout(set = 0, binding = 3) readonly buffer Grid { float grid[]; };

const uint taps = mode == sample_nearest ? 1u : mode == sample_linear ? 2u : 4u;

float reflected(float x, float low, float high) {
  float range = high - low;
  if (!(range > 0.0)) return low;
  bool below = x < low;
  if (!below && x <= high) return x;
  float distance = below ? low - x : x - high, turns = trunc(distance / range), rest = distance - turns * range;
  bool even = mod(turns, 2.0) == 0.0;
  return below == even ? low + rest : high - rest;
}

float near_weight(float d) { return ((-0.75 + 2.0) * d - (-0.75 + 3.0)) * d * d + 1.0; }
float far_weight(float d) { return ((-0.75 * d + 3.75) * d - 6.0) * d + 3.0; }

// Of one axis: places in the source, below 0 where there is a zero, and weights.
void find_taps(float place, uint extent, out int at[4], out float weight[4]) {
  float size = float(extent), low = align != 0u ? 0.0 : -0.5, high = align != 0u ? size - 1.0 : size - 0.5;
  float x = align != 0u ? (place + 1.0) / 2.0 * (size - 1.0) : ((place + 1.0) * size - 1.0) / 2.0;
  uint bits = floatBitsToUint(x) & 0x7fffffffu;
  x = bits >= 0x7f800000u ? -1e9 : clamp(x, -1e9, 1e9);
  if (mode == sample_nearest) x = roundEven(x);
  if (x < low || x > high) {
    if (padding == sample_border) x = clamp(x, 0.0, size - 1.0);
    if (padding == sample_reflection) x = reflected(x, low, high);
  }
  float left = mode == sample_nearest ? trunc(x) : floor(x), t = x - left;
  int first = int(left);
  weight = float[4](1.0, 0.0, 0.0, 0.0);
  if (mode == sample_linear) weight = float[4](1.0 - t, t, 0.0, 0.0);
  if (mode == sample_cubic) {
    weight = float[4](far_weight(1.0 + t), near_weight(t), near_weight(1.0 - t), far_weight(2.0 - t));
    first -= 1;
  }
  for (uint k = 0u; k < 4u; ++k) {
    int i = first + int(k), last = int(extent) - 1;
    if (i < 0 || i > last) {
      if (padding == sample_border)
        i = clamp(i, 0, last);
      else if (padding == sample_reflection)
        i = clamp(int(reflected(float(i), low, high)), 0, last);
      else
        i = -1;
    }
    at[k] = i;
  }
}

void main() {
  uint i = (gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x) * sample_lanes + gl_LocalInvocationID.x;
  if (i >= params.count) return;
  uint point = i % params.points, channel = i / params.points;
  uint named = (channel / params.channels * params.points + point) * params.axes;
  int z[4] = {0, -1, -1, -1}, y[4] = {0, -1, -1, -1}, x[4];
  float by_z[4] = {1.0, 0.0, 0.0, 0.0}, by_y[4] = {1.0, 0.0, 0.0, 0.0}, by_x[4];
  find_taps(grid[named], params.extents[2], x, by_x);
  if (params.axes > 1u) find_taps(grid[named + 1u], params.extents[1], y, by_y);
  if (params.axes > 2u) find_taps(grid[named + 2u], params.extents[0], z, by_z);
  float sum = 0.0;
  for (uint k = 0u; k < taps * taps * taps; ++k) {
    uint a = k / (taps * taps), b = k / taps % taps, c = k % taps;
    float weight = by_z[a] * by_y[b] * by_x[c];
    uint row = (channel * params.extents[0] + uint(z[a])) * params.extents[1] + uint(y[b]);
    if (z[a] >= 0 && y[b] >= 0 && x[c] >= 0 && weight != 0.0)
      sum += weight * src[row * params.extents[2] + uint(x[c])];
  }
  dst[i] = sum;
}
