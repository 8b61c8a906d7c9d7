//! storage=float32,float16 arithmetic=float32
// LSTM, GRU and RNN, once the inputs' part of the gates is known: a workgroup goes through all steps of one sequence
// in one direction. Lanes share the rows of the recurrent weights.
#version 450
#include "params/recurrent.h"

layout(set = 0, binding = 0) readonly buffer Params { RecurrentParams params; };
#include "common/epilogue.glsl"

layout(local_size_x = recurrent_lanes) in;
layout(constant_id = 1) const uint kind = lstm;
layout(constant_id = 2) const uint function_f = no_function;
layout(constant_id = 3) const uint function_g = no_function;
layout(constant_id = 4) const uint function_h = no_function;
layout(constant_id = 5) const uint has_bias = 0;
layout(constant_id = 6) const uint has_h = 0;  // states to begin with
layout(constant_id = 7) const uint has_c = 0;
layout(constant_id = 8) const uint wants_all = 1;  // results: the states of all steps, the last one, the last cell
layout(constant_id = 9) const uint wants_h = 0;
layout(constant_id = 10) const uint wants_c = 0;

layout(set = 0, binding = 8) readonly buffer Gates { float gates[]; };  // [direction][step][batch][gate][hidden]
layout(set = 0, binding = 9) readonly buffer Weights { Storage weights[]; };  // [direction][hidden][gate][hidden]
layout(set = 0, binding = 10) readonly buffer Bias { Storage bias[]; };       // [direction][W or R][gate][hidden]
layout(set = 0, binding = 11) readonly buffer H { Storage first_h[]; };
layout(set = 0, binding = 12) readonly buffer C { Storage first_c[]; };
layout(set = 0, binding = 13) writeonly buffer LastH { Storage last_h[]; };
layout(set = 0, binding = 14) writeonly buffer LastC { Storage last_c[]; };

const uint gate_count = kind == lstm ? 4u : kind == gru ? 3u : 1u;

shared float state[recurrent_words];  // h, then the cell or the masked h, then the gates

float f(float x) { return apply(function_f, x, x, params.a[0], params.b[0]); }
float g(float x) { return apply(function_g, x, x, params.a[1], params.b[1]); }
float h(float x) { return apply(function_h, x, x, params.a[2], params.b[2]); }
float clipped(float x) { return params.clip > 0.0 ? min(max(x, -params.clip), params.clip) : x; }

// Row `row` of the recurrent weights, times the vector that begins at `from` in the state.
float recur(uint direction, uint row, uint from) {
  uint rows = gate_count * params.hidden, at = direction * params.hidden * rows + row;
  float sum = 0.0;
  for (uint i = 0u; i < params.hidden; ++i) sum = fma(float(weights[at + i * rows]), state[from + i], sum);
  return sum;
}

float bias_of(uint direction, uint part, uint row) {
  if (has_bias == 0u) return 0.0;
  return float(bias[(direction * 2u + part) * gate_count * params.hidden + row]);
}

void main() {
  uint hidden = params.hidden, batch = params.batch, rows = gate_count * hidden;
  uint lane = gl_LocalInvocationID.x, direction = gl_WorkGroupID.x / batch, item = gl_WorkGroupID.x % batch;
  uint directions = gl_NumWorkGroups.x / batch;
  uint at_state = (params.batch_first != 0u ? item * directions + direction : direction * batch + item) * hidden;
  uint cell = hidden, sums = 2u * hidden;
  for (uint i = lane; i < hidden; i += recurrent_lanes) {
    state[i] = has_h != 0u ? float(first_h[at_state + i]) : 0.0;
    state[cell + i] = has_c != 0u ? float(first_c[at_state + i]) : 0.0;
  }
  bool backwards = params.reverse != 0u || direction == 1u;
  for (uint s = 0u; s < params.steps; ++s) {
    uint t = backwards ? params.steps - 1u - s : s;
    uint x = params.batch_first != 0u ? item * params.steps + t : t * batch + item;
    uint from = (direction * params.steps * batch + x) * rows;
    barrier();
    for (uint row = lane; row < rows; row += recurrent_lanes) {
      float sum = gates[from + row] + bias_of(direction, 0u, row);
      // A GRU's candidate takes the previous state as its gate lets it through.
      if (kind != gru || row < 2u * hidden) sum += recur(direction, row, 0u) + bias_of(direction, 1u, row);
      if (kind == gru && row < 2u * hidden) sum = f(clipped(sum));
      state[sums + row] = sum;
    }
    barrier();
    if (kind == gru) {
      for (uint i = lane; i < hidden; i += recurrent_lanes)
        state[cell + i] = params.linear_first != 0u ? state[i] : state[sums + hidden + i] * state[i];
      barrier();
      for (uint i = lane; i < hidden; i += recurrent_lanes) {
        uint row = 2u * hidden + i;
        float part = recur(direction, row, cell) + bias_of(direction, 1u, row);
        if (params.linear_first != 0u) part *= state[sums + hidden + i];
        state[sums + row] = g(clipped(state[sums + row] + part));
      }
      barrier();
    }
    for (uint i = lane; i < hidden; i += recurrent_lanes) {
      float next;
      if (kind == lstm) {
        float into = f(clipped(state[sums + i])), forget = f(clipped(state[sums + 2u * hidden + i]));
        float inside = forget * state[cell + i] + into * g(clipped(state[sums + 3u * hidden + i]));
        state[cell + i] = inside;
        next = f(clipped(state[sums + hidden + i])) * h(inside);
      } else if (kind == gru) {
        float update = state[sums + i];
        next = (1.0 - update) * state[sums + 2u * hidden + i] + update * state[i];
      } else {
        next = f(clipped(state[sums + i]));
      }
      state[i] = next;
      if (wants_all != 0u)
        finish(next, params.batch_first != 0u ? uvec4(item, t, direction, i) : uvec4(t, direction, item, i));
    }
  }
  barrier();
  for (uint i = lane; i < hidden; i += recurrent_lanes) {
    if (wants_h != 0u) last_h[at_state + i] = Storage(state[i]);
    if (wants_c != 0u) last_c[at_state + i] = Storage(state[cell + i]);
  }
}
