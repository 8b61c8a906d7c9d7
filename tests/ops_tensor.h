// Runs one operator by its inference and reference alone, and makes tensors from short lists.
#pragma once

#include <algorithm>

#include "runtime/graph/op.h"
#include "tests/support.h"

namespace tessera::test {

/// A frame for operators that have no subgraphs.
struct PlainFrame final : Frame {
  using Frame::Frame;
  std::vector<Datum> run(Text, std::vector<Datum>) override { return {}; }
  void check_cancelled() const override {}
};

struct OpCall {
  Text op;
  int opset = 18;
  std::vector<Tensor> in;  ///< a tensor without bytes is an input that is left out
  Attrs attrs = {};
  size_t outputs = 1;
  Text domain = "";
};

inline Node node_of(const OpCall& call) {
  Node node;
  node.op = find_op(call.domain, call.op, call.opset);
  if (!node.op) fail(Error::Kind::unsupported, "no operator ", call.op, " in opset ", call.opset);
  node.opset = call.opset;
  for (size_t i = 0; i < call.in.size(); ++i) node.in.push_back(call.in[i].bytes ? static_cast<ValueId>(i) : absent);
  for (size_t i = 0; i < call.outputs; ++i) node.out.push_back(static_cast<ValueId>(call.in.size() + i));
  node.attrs = std::make_shared<const Attrs>(call.attrs);
  return node;
}

/// The outputs, with every input's value known to the inference.
inline std::vector<Tensor> run_op(const OpCall& call) {
  const Node node = node_of(call);
  std::vector<Type> types;
  std::vector<const Tensor*> constants;
  std::vector<View> in, views;
  for (const Tensor& tensor : call.in) {
    types.push_back(tensor.type);
    constants.push_back(tensor.bytes ? &tensor : nullptr);
    in.push_back(tensor.view());
  }
  Infer problem(node, types, constants);
  infer(problem);
  std::vector<Tensor> out;
  for (const Infer::Output& output : problem.out) {
    out.push_back(Tensor::make(output.type));
    views.push_back(out.back().view());
    if (!node.op->reference) out.back() = *output.value;
  }
  if (node.op->reference) node.op->reference(Args(node, in, views));
  return out;
}

/// The same through `execute`, as when the inputs are known only during a run.
inline std::vector<Tensor> execute_op(const OpCall& call) {
  const Node node = node_of(call);
  PlainFrame frame(node);
  for (const Tensor& tensor : call.in) {
    frame.in.emplace_back();
    frame.in.back().tensor = tensor;
  }
  frame.out.resize(call.outputs);
  node.op->execute(frame);
  std::vector<Tensor> out;
  for (const Datum& datum : frame.out) out.push_back(datum.tensor);
  return out;
}

inline Tensor ints(const Shape& shape, const std::vector<double>& values) {
  return tensor(DType::int64, shape, values);
}
inline Tensor bools(const Shape& shape, const std::vector<double>& values) {
  return tensor(DType::boolean, shape, values);
}
inline Tensor strings(const Shape& shape, const std::vector<std::string>& values) {
  Tensor made = Tensor::make({DType::string, shape});
  std::copy(values.begin(), values.end(), made.as<String>());
  return made;
}
inline std::vector<std::string> words(const Tensor& tensor) {
  return {tensor.as<String>(), tensor.as<String>() + tensor.type.shape.elements()};
}

/// The first output of `call` has these elements, to within rounding, in this type.
inline void expect_op(const OpCall& call, const Tensor& expected) {
  SCOPED_TRACE(std::string(call.op));
  EXPECT_TRUE(close(run_op(call).at(0), expected));
}

}  // namespace tessera::test
