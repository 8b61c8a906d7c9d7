// What rewrites of quantized graphs read from QuantizeLinear and DequantizeLinear.
#pragma once

#include "optimizer/rewrites.h"

namespace tessera::optimizer {

/// One constant scale and zero point for a whole tensor of bytes.
struct PerTensor {
  ValueId values = absent, scale_id = absent, zero_id = absent;  ///< the node's inputs
  DType type = DType::undefined;                                 ///< of the bytes
  float scale = 1, zero = 0;
};

bool is_byte(DType type);
/// Whether the node is a DequantizeLinear or QuantizeLinear of that kind.
bool read_dequantize(Edit& edit, const Node* node, PerTensor* result);
bool read_quantize(Edit& edit, const Node* node, PerTensor* result);

}  // namespace tessera::optimizer
