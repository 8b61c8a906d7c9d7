//! storage=float32,float16 arithmetic=float32
// softmax(scale q k' + biases) v. A workgroup makes the result of one query of one head: it goes over
// the keys a block at a time, and corrects what it has by the largest score so far.
#version 450
#include "params/attention.h"
#include "common/types.glsl"

layout(local_size_x = attention_lanes) in;
layout(constant_id = 1) const uint most_depth = 64;       // of q and k
layout(constant_id = 2) const uint values_per_lane = 1;   // of v's channels
layout(constant_id = 3) const uint biases = 0;            // how many there are
layout(constant_id = 4) const uint causal = 0;

layout(set = 0, binding = 0) readonly buffer Params { AttentionParams params; };
layout(set = 0, binding = 1) writeonly buffer Y { Storage y[]; };
layout(set = 0, binding = 2) readonly buffer Q { Storage q[]; };
layout(set = 0, binding = 3) readonly buffer K { Storage k[]; };
layout(set = 0, binding = 4) readonly buffer V { Storage v[]; };
layout(set = 0, binding = 5) readonly buffer Bias0 { Storage bias_0[]; };
layout(set = 0, binding = 6) readonly buffer Bias1 { Storage bias_1[]; };

const float lowest = -3.4028234663852886e38;

shared float query[most_depth];
shared float scores[attention_lanes];

uint begin_of(HeadStrides s, uint batch, uint head) { return s.offset + batch * s.batch + head * s.head; }

uint bias_at(BiasStrides s, uint batch, uint head, uint query_at, uint key) {
  return batch % s.period * s.batch + head * s.head + query_at * s.query + key * s.key;
}

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint item = gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x;
  if (item >= params.count) return;
  uint at = item % params.queries, plane = item / params.queries;
  uint head = plane % params.heads, batch = plane / params.heads;
  uint first_q = begin_of(params.q, batch, head) + at * params.q.position;
  uint first_k = begin_of(params.k, batch, head / params.group), first_v = begin_of(params.v, batch, head / params.group);
  for (uint d = lane; d < params.depth; d += attention_lanes) query[d] = float(q[first_q + d * params.q.channel]);

  uint keys = params.keys;
  if (causal != 0u) keys = min(keys, at + 1u);
  float sums[values_per_lane];
  for (uint i = 0u; i < values_per_lane; ++i) sums[i] = 0.0;
  float largest = lowest, total = 0.0;
  for (uint begin = 0u; begin < keys; begin += attention_lanes) {
    barrier();
    uint key = begin + lane, count = min(attention_lanes, keys - begin);
    if (key < keys) {
      float score = 0.0;
      uint from = first_k + key * params.k.position;
      for (uint d = 0u; d < params.depth; ++d) score = fma(query[d], float(k[from + d * params.k.channel]), score);
      score *= params.scale;
      if (params.softcap > 0.0) score = params.softcap * tanh(score / params.softcap);
      if (biases > 0u) score += float(bias_0[bias_at(params.bias[0], batch, head, at, key)]);
      if (biases > 1u) score += float(bias_1[bias_at(params.bias[1], batch, head, at, key)]);
      scores[lane] = score;
    }
    barrier();
    float before = largest;
    for (uint j = 0u; j < count; ++j) largest = max(largest, scores[j]);
    barrier();
    if (key < keys) scores[lane] = exp(scores[lane] - largest);
    barrier();
    float kept = exp(before - largest);
    total *= kept;
    for (uint j = 0u; j < count; ++j) total += scores[j];
    for (uint i = 0u; i < values_per_lane; ++i) {
      uint channel = lane + i * attention_lanes;
      if (channel >= params.value_depth) break;
      uint from = first_v + begin * params.v.position + channel * params.v.channel;
      float sum = sums[i] * kept;
      for (uint j = 0u; j < count; ++j) sum = fma(scores[j], float(v[from + j * params.v.position]), sum);
      sums[i] = sum;
    }
  }
  for (uint i = 0u; i < values_per_lane; ++i) {
    uint channel = lane + i * attention_lanes;
    if (channel < params.value_depth)
      y[begin_of(params.y, batch, head) + at * params.y.position + channel * params.y.channel] =
          Storage(total == 0.0 ? params.unseen : sums[i] / total);
  }
}
