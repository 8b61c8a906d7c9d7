// Formulas that are no lines of text (OpDef::formula, runtime/onnx/formula.h).
#pragma once

#include "runtime/base/base.h"

namespace tessera {

/// What the operator becomes depends on the nodes around it: Gradient (runtime/onnx/gradient.h).
inline constexpr Text of_the_graph = "of the graph";

}  // namespace tessera
