// Short ways to write ONNX models with protobuf, for the loader's tests.
#pragma once

#include "onnx.pb.h"
#include "runtime/onnx/load.h"
#include "tests/support.h"

namespace tessera::test {

using ::onnx::AttributeProto;
using ::onnx::FunctionProto;
using ::onnx::GraphProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::SparseTensorProto;
using ::onnx::TensorProto;

inline NodeProto* add_node(google::protobuf::RepeatedPtrField<NodeProto>* nodes, const std::string& op,
                           const std::vector<std::string>& in, const std::vector<std::string>& out) {
  NodeProto* node = nodes->Add();
  node->set_op_type(op);
  for (const std::string& name : in) node->add_input(name);
  for (const std::string& name : out) node->add_output(name);
  return node;
}

inline void add_input(GraphProto* graph, const std::string& name, DType dtype = DType::float32) {
  auto* input = graph->add_input();
  input->set_name(name);
  auto* type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(static_cast<int>(dtype));
  type->mutable_shape()->add_dim()->set_dim_value(2);
}

/// A model of IR 8 and opset 17 whose graph has one input "x" (float32[2]) and output "y".
struct Pen {
  ModelProto model;
  GraphProto* graph = model.mutable_graph();

  Pen() {
    model.set_ir_version(8);
    model.add_opset_import()->set_version(17);
    add_input(graph, "x");
    graph->add_output()->set_name("y");
  }

  NodeProto* node(const std::string& op, const std::vector<std::string>& in, const std::vector<std::string>& out) {
    return add_node(graph->mutable_node(), op, in, out);
  }

  FunctionProto* function(const std::string& name, const std::vector<std::string>& in,
                          const std::vector<std::string>& out) {
    FunctionProto* made = model.add_functions();
    made->set_domain("local");
    made->set_name(name);
    for (const std::string& input : in) made->add_input(input);
    for (const std::string& output : out) made->add_output(output);
    made->add_opset_import()->set_version(17);
    return made;
  }

  NodeProto* call(const std::string& name, const std::vector<std::string>& in, const std::vector<std::string>& out) {
    NodeProto* made = node(name, in, out);
    made->set_domain("local");
    return made;
  }

  /// From memory, as "pen.onnx".
  onnx::Loaded load(const onnx::Limits& limits = {}) const {
    const auto bytes = std::make_shared<const std::string>(model.SerializeAsString());
    return onnx::load({reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()}, bytes, "pen.onnx", limits);
  }

  std::string error(const onnx::Limits& limits = {}) const {
    try {
      load(limits);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
};

inline AttributeProto* add_attr(NodeProto* node, const std::string& name, AttributeProto::AttributeType type) {
  AttributeProto* attribute = node->add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return attribute;
}

inline TensorProto raw_tensor(const std::string& name, DType dtype, const std::vector<int64_t>& dims,
                              const std::string& bytes) {
  TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(static_cast<int>(dtype));
  for (const int64_t dim : dims) tensor.add_dims(dim);
  tensor.set_raw_data(bytes);
  return tensor;
}

inline const Value& value_named(const Graph& graph, const std::string& name) {
  for (const Value& value : graph.values)
    if (value.name == name) return value;
  throw std::runtime_error("no value " + name);
}

}  // namespace tessera::test
