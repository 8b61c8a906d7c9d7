//! storage=float32,float16 arithmetic=float32
// Rows without their mean, divided by their deviation; with a root mean square, or a norm, instead. Scale and bias
// follow. Where rows are few and long, one dispatch measures parts of them, and a second one goes on from there.
#version 450
#extension GL_EXT_control_flow_attributes : require
#include "params/normalize.h"

layout(set = 0, binding = 0) readonly buffer Params { NormalizeParams params; };
#include "common/epilogue.glsl"

const uint row_lanes = normalize_lanes;
#include "common/row.glsl"

layout(constant_id = 3) const uint divisor = by_deviation;
layout(constant_id = 4) const uint scaled = 0;
layout(constant_id = 5) const uint biased = 0;
layout(constant_id = 6) const uint skips = 0;       // something is added to the input first
layout(constant_id = 7) const uint skip_bias = 0;   // and this, one for each element of a row
layout(constant_id = 8) const uint keeps_sum = 0;   // which is a result too
layout(constant_id = 9) const uint stage = 0;       // 1: measures parts; 2: goes on from there

layout(set = 0, binding = 8) readonly buffer Src { Storage src[]; };
layout(set = 0, binding = 9) readonly buffer Scale { Storage scale[]; };
layout(set = 0, binding = 10) readonly buffer Bias { Storage bias[]; };
layout(set = 0, binding = 11) readonly buffer Skip { Storage skip[]; };
layout(set = 0, binding = 12) readonly buffer Added { Storage added[]; };
layout(set = 0, binding = 13) writeonly buffer Total { Storage total[]; };
layout(set = 0, binding = 14) buffer Measured { Moments measured[]; };  // [row][part]

float values[kept + 1u];

uint at_row(RowOperand operand, uint row, uint i) {
  return row % operand.period * operand.row_step + i / operand.repeat * operand.step;
}

float read(uint row, uint i) {
  uint at = element_of(row, i, params.extent, params.stride);
  float value = float(src[at]);
  if (skips != 0u) value += float(skip[at % params.skip_size]);
  if (skip_bias != 0u) value += float(added[i]);
  return value;
}

float weight(float value, float mean) {
  if (divisor == by_sum) return abs(value);
  return (value - mean) * (value - mean);
}

void store(uint row, uint i, float value, float mean, float factor) {
  uint at = element_of(row, i, params.extent, params.stride);
  if (keeps_sum != 0u) total[at] = Storage(value);
  float result = (value - mean) * factor;
  if (scaled != 0u) result *= float(scale[at_row(params.scale, row, i)]);
  if (biased != 0u) result += float(bias[at_row(params.bias, row, i)]);
  finish(result, unravel(at, params.extents));
}

float factor_of(float squares, float count) {
  if (divisor == by_deviation || divisor == by_mean_square) return inversesqrt(squares / count + params.epsilon);
  if (divisor == by_bare_deviation) return 1.0 / (sqrt(squares / count) + params.epsilon);
  float norm = divisor == by_sum ? squares : sqrt(squares);
  return norm == 0.0 ? 0.0 : 1.0 / norm;
}

void main() {
  const bool centred = divisor == by_deviation || divisor == by_bare_deviation;
  uint row = row_number(), share = row_share();
  bool is_row = row < params.rows;
  uint begin = min(gl_WorkGroupID.y * params.part, params.extent);
  uint end = is_row ? min(begin + params.part, params.extent) : begin;
  uint first = begin + share;

  if (kept > 0u && stage != 2u) {
    [[unroll]] for (uint j = 0u; j < kept; ++j) {
      uint i = first + j * together;
      values[j] = i < end ? read(row, i) : 0.0;
    }
  }
  float count = float(end - begin), mean = 0.0, squares = 0.0;
  if (stage == 2u) {
    // Every invocation joins what all parts measured.
    count = float(params.extent);
    uint from = is_row ? row * params.parts : 0u;
    for (uint p = 0u; p < params.parts; ++p) mean += measured[from + p].count * measured[from + p].mean;
    mean /= count;
    for (uint p = 0u; p < params.parts; ++p) {
      float off = measured[from + p].mean - mean;
      squares += measured[from + p].squares + measured[from + p].count * off * off;
    }
  } else {
    if (centred) {
      float sum = 0.0;
      if (kept > 0u) {
        [[unroll]] for (uint j = 0u; j < kept; ++j) sum += values[j];
      } else {
        for (uint i = first; i < end; i += together) sum += read(row, i);
      }
      mean = row_sum(sum) / max(count, 1.0);
    }
    float sum = 0.0;
    if (kept > 0u) {
      [[unroll]] for (uint j = 0u; j < kept; ++j)
        if (first + j * together < end) sum += weight(values[j], mean);
    } else {
      for (uint i = first; i < end; i += together) sum += weight(read(row, i), mean);
    }
    squares = row_sum(sum);
  }
  if (stage == 1u) {
    if (share == 0u && is_row) {
      uint at = row * params.parts + gl_WorkGroupID.y;
      measured[at].count = count, measured[at].mean = mean, measured[at].squares = squares;
    }
    return;
  }

  float factor = factor_of(squares, count);
  if (kept > 0u && stage != 2u) {
    [[unroll]] for (uint j = 0u; j < kept; ++j)
      if (first + j * together < end) store(row, first + j * together, values[j], mean, factor);
  } else {
    for (uint i = first; i < end; i += together) store(row, i, read(row, i), mean, factor);
  }
}
