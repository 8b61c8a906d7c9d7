// The table of derivatives that Gradient is made of.
#pragma once

#include "runtime/graph/op.h"

namespace tessera::onnx {

/// The derivative of a standard operator from opset `since` on, as a formula (runtime/onnx/formula.h). Its inputs are
/// the operator's inputs, its outputs, and what comes back to each of these; its outputs are what goes back to each of
/// the inputs, `_` where there is none. The attributes are the operator's.
struct Derivative {
  Text op;
  int since = 1;
  bool broadcasts = false;  ///< what goes back is to be summed to the shape of its input
  Text formula;
};
List<Derivative> derivatives();

}  // namespace tessera::onnx
