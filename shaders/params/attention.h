#pragma once

const uint attention_lanes = 64;  ///< invocations of a workgroup

/// Where element (batch, head, position, channel) of an operand lies.
struct HeadStrides {
  uint offset, batch, head, position, channel;
};

/// Of what is added to the scores; a stride of 0 repeats it. Its batches count modulo `period`.
struct BiasStrides {
  uint period, batch, head, query, key;
};

struct AttentionParams {
  uint heads, queries, keys, depth, value_depth;
  uint group;  ///< heads of q that share one of k and v
  uint count;  ///< batches * heads * queries
  float scale;
  float softcap;  ///< 0: none
  float unseen;   ///< the result of a query that sees no key
  HeadStrides q, k, v, y;
  BiasStrides bias[2];
};
