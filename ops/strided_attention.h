// What a StridedAttention says of its operands: every one is read where it lies, by strides in elements.
#pragma once

#include "runtime/graph/op.h"

namespace tessera::ops {

/// Where element (batch, head, position, channel) of an operand lies.
struct StridedHeads {
  int64_t offset = 0, batch = 0, head = 0, position = 0, channel = 0;
  int64_t at(int64_t b, int64_t h) const { return offset + b * batch + h * head; }
};

/// What is added to the scores; a stride of 0 repeats it. Its batches count modulo `period`.
struct StridedBias {
  int64_t period = 1, batch = 0, head = 0, query = 0, key = 0;
  int64_t at(int64_t b, int64_t h) const { return b % period * batch + h * head; }
};

struct StridedAttention {
  static constexpr int max_biases = 2, first_bias = 3;
  int64_t batch, heads, queries, keys, depth, value_depth;
  StridedHeads q, k, v, y;
  StridedBias bias[max_biases];
  float scale;

  explicit StridedAttention(const AttrReader& n);
};

}  // namespace tessera::ops
