//! storage=float32,float16 arithmetic=float32
// softmax(scale q k' + biases) v for many queries: a workgroup takes 64 queries of one head, and goes over the keys a
// block at a time. What it has is corrected by the largest score so far. Scores lie transposed in shared memory.
#version 450
#extension GL_EXT_control_flow_attributes : require
#include "params/attention_tile.h"
#include "common/types.glsl"

layout(local_size_x = tile_lanes) in;
layout(constant_id = 1) const uint each_v = 8;    // of an invocation's values, of four queries
layout(constant_id = 2) const uint value_keys = 16;  // keys whose values are at hand at a time
layout(constant_id = 3) const uint biases = 0;    // how many there are
layout(constant_id = 4) const uint causal = 0;

layout(set = 0, binding = 0) readonly buffer Params { AttentionParams params; };
layout(set = 0, binding = 1) writeonly buffer Y { Storage y[]; };
layout(set = 0, binding = 2) readonly buffer Q { Storage q[]; };
layout(set = 0, binding = 3) readonly buffer K { Storage k[]; };
layout(set = 0, binding = 4) readonly buffer V { Storage v[]; };
layout(set = 0, binding = 5) readonly buffer Bias0 { Storage bias_0[]; };
layout(set = 0, binding = 6) readonly buffer Bias1 { Storage bias_1[]; };

const float lowest = -3.4028234663852886e38;
const uint lanes_v = tile_lanes / (tile_queries / 4);  // invocations that share four queries
const uint pitch_q = tile_queries / 4 + 1, pitch_k = tile_keys / 4 + 1;
const uint first_k_tile = tile_depth * pitch_q;
const uint pitch_v = each_v * lanes_v;

shared vec4 scores[tile_keys * tile_queries / 4];           // [key][query]
shared vec4 tiles[first_k_tile + tile_depth * pitch_k];     // q and k as [depth][position]; or v as [key][value]
shared float largest[tile_queries], total[tile_queries], kept[tile_queries];
shared float joined[tile_lanes];

vec4 sums[each_v];   // of four queries

uint begin_of(HeadStrides s, uint batch, uint head) { return s.offset + batch * s.batch + head * s.head; }

uint bias_at(BiasStrides s, uint batch, uint head, uint query, uint key) {
  return batch % s.period * s.batch + head * s.head + query * s.query + key * s.key;
}

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint item = gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x;
  if (item >= params.count) return;
  uint blocks = (params.queries + tile_queries - 1u) / tile_queries;
  uint first_query = item % blocks * tile_queries, plane = item / blocks;
  uint head = plane % params.heads, batch = plane / params.heads;
  uint from_q = begin_of(params.q, batch, head);
  uint from_k = begin_of(params.k, batch, head / params.group), from_v = begin_of(params.v, batch, head / params.group);
  uint keys = params.keys;
  if (causal != 0u) keys = min(keys, first_query + tile_queries);

  // Four queries, and four keys or some values, are this invocation's.
  uint quad_q = lane / lanes_v, lane_v = lane % lanes_v;
  [[unroll]] for (uint j = 0u; j < each_v; ++j) sums[j] = vec4(0.0);
  if (lane < tile_queries) largest[lane] = lowest, total[lane] = 0.0;

  for (uint first_key = 0u; first_key < keys; first_key += tile_keys) {
    // By key: the scores of four queries.
    vec4 products[4];
    [[unroll]] for (uint j = 0u; j < 4u; ++j) products[j] = vec4(0.0);
    for (uint d0 = 0u; d0 < params.depth; d0 += tile_depth) {
      barrier();
      for (uint i = lane; i < tile_depth * tile_queries; i += tile_lanes) {
        uint d = i % tile_depth, at = i / tile_depth;
        float value = 0.0;
        if (d0 + d < params.depth && first_query + at < params.queries)
          value = float(q[from_q + (first_query + at) * params.q.position + (d0 + d) * params.q.channel]);
        tiles[d * pitch_q + at / 4u][at % 4u] = value;
      }
      for (uint i = lane; i < tile_depth * tile_keys; i += tile_lanes) {
        uint d = i % tile_depth, at = i / tile_depth;
        float value = 0.0;
        if (d0 + d < params.depth && first_key + at < params.keys)
          value = float(k[from_k + (first_key + at) * params.k.position + (d0 + d) * params.k.channel]);
        tiles[first_k_tile + d * pitch_k + at / 4u][at % 4u] = value;
      }
      barrier();
      for (uint d = 0u; d < tile_depth; ++d) {
        vec4 query = tiles[d * pitch_q + quad_q], key = tiles[first_k_tile + d * pitch_k + lane_v];
        [[unroll]] for (uint j = 0u; j < 4u; ++j) products[j] = fma(query, vec4(key[j]), products[j]);
      }
    }
    [[unroll]] for (uint j = 0u; j < 4u; ++j) {
      uint key = first_key + lane_v * 4u + j;
      vec4 score = products[j] * params.scale;
      [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        uint query = first_query + quad_q * 4u + i;
        if (params.softcap > 0.0) score[i] = params.softcap * tanh(score[i] / params.softcap);
        bool seen = key < params.keys && query < params.queries;
        if (causal != 0u) seen = seen && key <= query;
        if (biases > 0u && seen) score[i] += float(bias_0[bias_at(params.bias[0], batch, head, query, key)]);
        if (biases > 1u && seen) score[i] += float(bias_1[bias_at(params.bias[1], batch, head, query, key)]);
        if (!seen) score[i] = uintBitsToFloat(0xff800000u);
      }
      scores[(lane_v * 4u + j) * (tile_queries / 4) + quad_q] = score;
    }
    barrier();

    // By query: two invocations go over half of the keys each.
    uint query = lane % tile_queries, first = lane / tile_queries * (tile_keys / 2);
    float most = lowest;
    for (uint j = first; j < first + tile_keys / 2; ++j)
      most = max(most, scores[j * (tile_queries / 4) + query / 4u][query % 4u]);
    joined[lane] = most;
    barrier();
    float before = largest[query];
    most = max(before, max(joined[query], joined[query + tile_queries]));
    barrier();
    float sum = 0.0;
    for (uint j = first; j < first + tile_keys / 2; ++j) {
      uint at = j * (tile_queries / 4) + query / 4u;
      float weight = exp(scores[at][query % 4u] - most);
      scores[at][query % 4u] = weight;
      sum += weight;
    }
    joined[lane] = sum;
    barrier();
    if (lane < tile_queries) {
      float factor = exp(before - most);
      largest[query] = most;
      kept[query] = factor;
      total[query] = total[query] * factor + joined[query] + joined[query + tile_queries];
    }
    barrier();

    vec4 factor = vec4(kept[quad_q * 4u], kept[quad_q * 4u + 1u], kept[quad_q * 4u + 2u], kept[quad_q * 4u + 3u]);
    [[unroll]] for (uint j = 0u; j < each_v; ++j) sums[j] *= factor;
    for (uint k0 = 0u; k0 < tile_keys; k0 += value_keys) {
      for (uint i = lane; i < value_keys * pitch_v; i += tile_lanes) {
        uint channel = i % pitch_v, key = first_key + k0 + i / pitch_v;
        float value = 0.0;
        if (channel < params.value_depth && key < params.keys)
          value = float(v[from_v + key * params.v.position + channel * params.v.channel]);
        tiles[i / 4u][i % 4u] = value;
      }
      barrier();
      for (uint key = 0u; key < value_keys; ++key) {
        vec4 weight = scores[(k0 + key) * (tile_queries / 4) + quad_q];
        [[unroll]] for (uint j = 0u; j < each_v; ++j) {
          uint at = key * pitch_v + lane_v + j * lanes_v;
          sums[j] = fma(weight, vec4(tiles[at / 4u][at % 4u]), sums[j]);
        }
      }
      barrier();
    }
  }

  [[unroll]] for (uint i = 0u; i < 4u; ++i) {
    uint query = first_query + quad_q * 4u + i;
    float all = total[quad_q * 4u + i];
    [[unroll]] for (uint j = 0u; j < each_v; ++j) {
      uint channel = lane_v + j * lanes_v;
      if (query < params.queries && channel < params.value_depth)
        y[begin_of(params.y, batch, head) + query * params.y.position + channel * params.y.channel] =
            Storage(all == 0.0 ? params.unseen : sums[j][i] / all);
    }
  }
}
