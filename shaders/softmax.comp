//! storage=float32,float16 arithmetic=float32
// Softmax and LogSoftmax of rows.
#version 450
#extension GL_EXT_control_flow_attributes : require
#include "params/softmax.h"

layout(set = 0, binding = 0) readonly buffer Params { SoftmaxParams params; };
#include "common/epilogue.glsl"

const uint row_lanes = softmax_lanes;
#include "common/row.glsl"

layout(constant_id = 3) const uint logarithm = 0;
layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };

const float lowest = -3.4028234663852886e38;

float values[kept + 1u];

float read(uint row, uint i) { return float(src[element_of(row, i, params.extent, params.stride)]); }

void store(uint row, uint i, float value, float largest, float total) {
  float result = logarithm != 0u ? value - largest - log(total) : exp(value - largest) / total;
  finish(result, unravel(element_of(row, i, params.extent, params.stride), params.extents));
}

void main() {
  uint row = row_number(), share = row_share();
  uint extent = row < params.rows ? params.extent : 0u;
  float largest = lowest;
  if (kept > 0u) {
    [[unroll]] for (uint j = 0u; j < kept; ++j) {
      values[j] = share + j * together < extent ? read(row, share + j * together) : lowest;
      largest = max(largest, values[j]);
    }
  } else {
    for (uint i = share; i < extent; i += together) largest = max(largest, read(row, i));
  }
  largest = row_max(largest);
  float total = 0.0;
  if (kept > 0u) {
    [[unroll]] for (uint j = 0u; j < kept; ++j)
      if (share + j * together < extent) total += exp(values[j] - largest);
  } else {
    for (uint i = share; i < extent; i += together) total += exp(read(row, i) - largest);
  }
  total = row_sum(total);
  if (kept > 0u) {
    [[unroll]] for (uint j = 0u; j < kept; ++j)
      if (share + j * together < extent) store(row, share + j * together, values[j], largest, total);
  } else {
    for (uint i = share; i < extent; i += together) store(row, i, read(row, i), largest, total);
  }
}
