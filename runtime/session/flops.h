// Floating-point operations of a node: two per multiply-add of Conv, ConvTranspose, MatMul, Gemm;
// other operators count as none.
#pragma once

#include "runtime/graph/op.h"

namespace tessera {

double flops(const Node& node, List<Type> in, List<Type> out);

}  // namespace tessera
