// Formulas: operators that are others put together, as text in their definition (OpDef::formula):
//
//   "x, bias, skip -> y: h = Add(x, bias); ?skip y = Add(h, skip); !skip y = h"
//
// Names of inputs, names of outputs, and lines. A line gives names to what a call makes; calls nest, "ms." before an
// operator is com.microsoft, and `_` is what is left out. Attributes stand in angle brackets. `$name` is the value of
// the node's own attribute, with `$name|literal` where the node has none; an attribute without a value is left out.
// `$name'` is the permutation that undoes it.
// Numbers and lists of them ("2", "0.5", "[0, -1, $heads]") are constants where inputs stand: of int64, or of float32
// with a point. A line behind `?name` counts if the node has that input, output or attribute other than zero, behind
// `!name` if not, behind `?$name=text` if the attribute says so.
#pragma once

#include "runtime/graph/op.h"
#include "runtime/onnx/proto.h"

namespace tessera::onnx {

/// What a formula calls its inputs and outputs; `_`: nothing.
struct Signature {
  std::vector<Text> in, out;
};
Signature signature_of(const Node& node, Text formula);

/// A formula as a function that the node calls. Its texts last as long as the node, the formula and `strings`. Throws
/// Error::unsupported where no line makes an output that the node wants.
proto::Function function_of(const Node& node, Text formula, Strings& strings);

}  // namespace tessera::onnx
