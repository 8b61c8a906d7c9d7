//! storage=float16 arithmetic=float32 units=matrix
// softmax(scale q k' + biases) v by matrix units. A subgroup makes the results of matrix_m queries of one head, and goes over
// the keys a block at a time, which it shares with the other subgroups of its workgroup. Scores and what follows are float32:
// scores pass through shared memory, where a few invocations share a row of them; what a subgroup has is corrected by the
// largest score so far. The next block is fetched while this one is multiplied.
#version 450
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_scalar_block_layout : require
#pragma use_vulkan_memory_model
#include "params/attention_matrix.h"
#include "common/types.glsl"
#include "common/matrix.glsl"
#include "common/halves.glsl"

layout(constant_id = 4) const uint warps = 4;
layout(constant_id = 5) const uint tile_keys = 64;      // a multiple of 16 and of twice matrix_n
layout(constant_id = 6) const uint depth_vectors = 2;   // of 8 channels of q and k, filled up to matrices
layout(constant_id = 7) const uint value_vectors = 2;   // of v and y
layout(constant_id = 8) const uint row_lanes = 2;       // invocations that share a row: of a subgroup, over matrix_m
layout(constant_id = 9) const uint biases = 0;          // how many there are
layout(constant_id = 10) const uint causal = 0;
layout(constant_id = 11) const uint capped = 0;
layout(constant_id = 12) const uint q_width = 8;  // halves that are aligned together
layout(constant_id = 13) const uint k_width = 8;
layout(constant_id = 14) const uint v_width = 8;
layout(constant_id = 15) const uint y_width = 8;

layout(set = 0, binding = 0, std430) uniform Params { AttentionParams params; };
HALVES(1, writeonly, Y, y)
HALVES(2, readonly, Q, q)
HALVES(3, readonly, K, k)
HALVES(4, readonly, V, v)
layout(set = 0, binding = 5) readonly buffer Bias0 { float16_t bias_0[]; };
layout(set = 0, binding = 6) readonly buffer Bias1 { float16_t bias_1[]; };

const float lowest = -3.4028234663852886e38;

// Of shared memory in units of 16 bytes. Strides are odd: neighbouring lines begin in different banks.
const uint key_stride = depth_vectors + 1u, value_stride = value_vectors + 1u;
const uint values_at = tile_keys * key_stride;
const uint strips_at = values_at + tile_keys * value_stride;
// A subgroup's strip: its queries; its scores; weights and divisors; or its results.
const uint score_stride = tile_keys / 4u + 1u, weight_stride = tile_keys / 8u + 1u;
const uint divisors_at = matrix_m * weight_stride, divisor_stride = matrix_n / 4u;
const uint widest = key_stride > value_stride ? key_stride : value_stride;
const uint last_stride = weight_stride + divisor_stride;
const uint some_stride = score_stride > last_stride ? score_stride : last_stride;
const uint strip_size = matrix_m * (some_stride > widest ? some_stride : widest);

shared uvec4 stage[strips_at + warps * strip_size];

const uint key_fetches = tile_keys * depth_vectors, value_fetches = tile_keys * value_vectors;
const uint each_keys = (key_fetches + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
const uint each_values = (value_fetches + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
const uint lanes = gl_WorkGroupSize.x / warps;
const uint row_vectors = tile_keys / 8u / row_lanes;  // of 8 scores, that an invocation has

uvec4 fetched_keys[each_keys];
uvec4 fetched_values[each_values];
uint from_k, from_v;

uint begin_of(HeadStrides s, uint batch, uint head) { return s.offset + batch * s.batch + head * s.head; }
uint bias_begin(BiasStrides s, uint batch, uint head, uint query) {
  return batch % s.period * s.batch + head * s.head + query * s.query;
}

// Channels from `at` on of position `position`.
uint rest(uint position, uint positions, uint at, uint channels) {
  return position < positions && at < channels ? channels - at : 0u;
}

void fetch(uint first_key) {
  [[unroll]] for (uint j = 0u; j < each_keys; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    uint key = first_key + item / depth_vectors, at = item % depth_vectors * 8u;
    uint there = item < key_fetches ? rest(key, params.keys, at, params.depth) : 0u;
    READ8(k, k_width, from_k + key * params.k.position + at * params.k.channel, params.k.channel, there, fetched_keys[j])
  }
  [[unroll]] for (uint j = 0u; j < each_values; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    uint key = first_key + item / value_vectors, at = item % value_vectors * 8u;
    uint there = item < value_fetches ? rest(key, params.keys, at, params.value_depth) : 0u;
    READ8(v, v_width, from_v + key * params.v.position + at * params.v.channel, params.v.channel, there,
          fetched_values[j])
  }
}

void put() {
  [[unroll]] for (uint j = 0u; j < each_keys; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    if (item < key_fetches) stage[item / depth_vectors * key_stride + item % depth_vectors] = fetched_keys[j];
  }
  [[unroll]] for (uint j = 0u; j < each_values; ++j) {
    uint item = gl_LocalInvocationID.x + j * gl_WorkGroupSize.x;
    if (item < value_fetches)
      stage[values_at + item / value_vectors * value_stride + item % value_vectors] = fetched_values[j];
  }
}

void subgroup_barrier() {
  controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

// Over the invocations of a row, which are matrix_m apart.
float row_max(float value) {
  for (uint step = matrix_m; step < lanes; step *= 2u) value = max(value, subgroupShuffleXor(value, step));
  return value;
}
float row_sum(float value) {
  for (uint step = matrix_m; step < lanes; step *= 2u) value += subgroupShuffleXor(value, step);
  return value;
}

// What each row of a strip is divided by, as a matrix of results wants it: in each of its columns.
void put_divisors(uint strip, uint row, uint share, float divisor) {
  for (uint i = share; i < divisor_stride; i += row_lanes)
    stage[strip + divisors_at + row * divisor_stride + i] = uvec4(floatBitsToUint(divisor));
}

void main() {
  const uint depth = depth_vectors * 8u, value_depth = value_vectors * 8u;
  uint item = gl_WorkGroupID.x + gl_WorkGroupID.z * gl_NumWorkGroups.x;
  if (item >= params.count) return;
  uint blocks = (params.queries + warps * matrix_m - 1u) / (warps * matrix_m);
  uint first_query = (item % blocks * warps + gl_SubgroupID) * matrix_m, plane = item / blocks;
  uint head = plane % params.heads, batch = plane / params.heads;
  from_k = begin_of(params.k, batch, head / params.group), from_v = begin_of(params.v, batch, head / params.group);
  uint keys = params.keys;
  if (causal != 0u) keys = min(keys, (item % blocks + 1u) * warps * matrix_m);

  fetch(0u);
  uint strip = strips_at + gl_SubgroupID * strip_size;
  uint from_q = begin_of(params.q, batch, head);
  for (uint i = gl_SubgroupInvocationID; i < matrix_m * depth_vectors; i += lanes) {
    uint query = first_query + i / depth_vectors, at = i % depth_vectors * 8u;
    uvec4 words;
    READ8(q, q_width, from_q + query * params.q.position + at * params.q.channel, params.q.channel,
          rest(query, params.queries, at, params.depth), words)
    stage[strip + i / depth_vectors * key_stride + i % depth_vectors] = words;
  }
  subgroup_barrier();
  MatrixA queries[depth / matrix_k];
  [[unroll]] for (uint d = 0u; d < depth / matrix_k; ++d)
    coopMatLoadNV(queries[d], stage, strip + d * (matrix_k / 8u), key_stride, false);
  MatrixSum sums[value_depth / matrix_n];
  [[unroll]] for (uint n = 0u; n < value_depth / matrix_n; ++n) sums[n] = MatrixSum(0.0);

  uint row = gl_SubgroupInvocationID % matrix_m, share = gl_SubgroupInvocationID / matrix_m;
  uint query = first_query + row, bias_query = min(query, params.queries - 1u);
  uint first_0 = 0u, first_1 = 0u;
  if (biases > 0u) first_0 = bias_begin(params.bias[0], batch, head, bias_query);
  if (biases > 1u) first_1 = bias_begin(params.bias[1], batch, head, bias_query);
  float largest = lowest, total = 0.0;

  for (uint first_key = 0u; first_key < keys; first_key += tile_keys) {
    barrier();
    put();
    barrier();
    if (first_key + tile_keys < keys) fetch(first_key + tile_keys);
    [[unroll]] for (uint n = 0u; n < tile_keys / matrix_n; ++n) {
      MatrixSum products = MatrixSum(0.0);
      [[unroll]] for (uint d = 0u; d < depth / matrix_k; ++d) {
        MatrixB key;
        coopMatLoadNV(key, stage, n * matrix_n * key_stride + d * (matrix_k / 8u), key_stride, true);
        products = coopMatMulAddNV(queries[d], key, products);
      }
      coopMatStoreNV(products, stage, strip + n * (matrix_n / 4u), score_stride, false);
    }
    subgroup_barrier();

    float scores[8u * row_vectors];
    float most = largest;
    [[unroll]] for (uint i = 0u; i < row_vectors; ++i) {
      uint at = (share * row_vectors + i) * 8u;
      vec4 low = uintBitsToFloat(stage[strip + row * score_stride + at / 4u]);
      vec4 high = uintBitsToFloat(stage[strip + row * score_stride + at / 4u + 1u]);
      [[unroll]] for (uint c = 0u; c < 8u; ++c) {
        uint key = first_key + at + c, known = min(key, params.keys - 1u);
        float score = params.scale * (c < 4u ? low[c % 4u] : high[c % 4u]);
        if (capped != 0u) score = params.softcap * tanh(score / params.softcap);
        if (biases > 0u) score += float(bias_0[first_0 + known * params.bias[0].key]);
        if (biases > 1u) score += float(bias_1[first_1 + known * params.bias[1].key]);
        bool seen = key < params.keys;
        if (causal != 0u) seen = seen && key <= query;
        score = seen ? score : uintBitsToFloat(0xff800000u);
        scores[i * 8u + c] = score;
        most = max(most, score);
      }
    }
    most = row_max(most);
    float before = largest, sum = 0.0;
    largest = most;
    subgroup_barrier();
    [[unroll]] for (uint i = 0u; i < row_vectors; ++i) {
      float weights[8];
      [[unroll]] for (uint c = 0u; c < 8u; ++c) {
        weights[c] = exp(scores[i * 8u + c] - most);
        sum += weights[c];
      }
      stage[strip + row * weight_stride + share * row_vectors + i] = pack8(weights);
    }
    total = total * exp(before - most) + row_sum(sum);
    bool corrects = first_key > 0u;
    if (corrects) put_divisors(strip, row, share, exp(most - before));
    subgroup_barrier();
    if (corrects) {
      MatrixSum divisors;
      coopMatLoadNV(divisors, stage, strip + divisors_at, divisor_stride, false);
      [[unroll]] for (uint n = 0u; n < value_depth / matrix_n; ++n) sums[n] = sums[n] / divisors;
    }
    [[unroll]] for (uint j = 0u; j < tile_keys / matrix_k; ++j) {
      MatrixA weights;
      coopMatLoadNV(weights, stage, strip + j * (matrix_k / 8u), weight_stride, false);
      [[unroll]] for (uint n = 0u; n < value_depth / matrix_n; ++n) {
        MatrixB values;
        coopMatLoadNV(values, stage, values_at + j * matrix_k * value_stride + n * (matrix_n / 8u), value_stride, false);
        sums[n] = coopMatMulAddNV(weights, values, sums[n]);
      }
    }
  }

  subgroup_barrier();
  put_divisors(strip, row, share, total != 0.0 ? total : params.unseen == 0.0 ? 1.0 : params.unseen);
  subgroup_barrier();
  MatrixSum divisors;
  coopMatLoadNV(divisors, stage, strip + divisors_at, divisor_stride, false);
  subgroup_barrier();
  [[unroll]] for (uint n = 0u; n < value_depth / matrix_n; ++n) {
    MatrixOut done = MatrixOut(sums[n] / divisors);
    coopMatStoreNV(done, stage, strip + n * (matrix_n / 8u), value_stride, false);
  }
  subgroup_barrier();
  uint to = begin_of(params.y, batch, head);
  for (uint i = gl_SubgroupInvocationID; i < matrix_m * value_vectors; i += lanes) {
    uint position = first_query + i / value_vectors, at = i % value_vectors * 8u;
    WRITE8(y, y_width, to + position * params.y.position + at * params.y.channel, params.y.channel,
           rest(position, params.queries, at, params.value_depth),
           stage[strip + i / value_vectors * value_stride + i % value_vectors])
  }
}
