// Operators whose output shapes are known only once their inputs' values are: one function makes
// the outputs, while the graph is folded if all inputs are constants, else during the run.
#pragma once

#include "runtime/graph/op.h"

namespace tessera::ops {

/// One tensor per output of the operator, whether the node wants it or not.
using Compute = std::vector<Tensor> (*)(const AttrReader& attrs, List<View> in);

template <Compute compute>
void infer_by_value(Infer& infer) {
  std::vector<View> in;
  for (int i = 0; i < infer.inputs(); ++i) {
    if (infer.has_input(i) && !infer.constant(i)) throw NeedsValue{-1};
    in.push_back(infer.has_input(i) ? infer.value(i).view() : View{});
  }
  const std::vector<Tensor> values = compute(infer, in);
  for (int i = 0; i < infer.outputs(); ++i)
    if (infer.wants(i)) infer.set_value(i, values.at(static_cast<size_t>(i)));
}

template <Compute compute>
void execute_by_value(Frame& frame) {
  std::vector<View> in;
  for (const Datum& datum : frame.in) in.push_back(datum.tensor.view());
  const std::vector<Tensor> values = compute(frame, in);
  for (size_t i = 0; i < frame.out.size(); ++i) frame.out[i].tensor = values.at(i);
}

/// The definition of such an operator.
template <Compute compute>
constexpr OpDef by_value(Text name, int since, Arity in, Arity out, Text types, List<AttrDef> attrs = {},
                         Text domain = "") {
  return {
      name, domain, since, in, out, types, attrs, infer_by_value<compute>, nullptr, nullptr, execute_by_value<compute>};
}

}  // namespace tessera::ops
