// ONNX's messages as plain structs over the file's bytes, and the one table of their field numbers.
// Fields that tessera has no use for (documentation, training, type hints) are not listed: they are
// skipped as unknown.
#pragma once

#include <optional>
#include <tuple>
#include <variant>

#include "runtime/onnx/wire.h"

namespace tessera::onnx::proto {

struct Type;
struct Graph;
struct Optional;

struct StringPair {
  Text key, value;
};

struct OperatorSet {
  Text domain;
  int64_t version = 0;
};

struct Segment {
  int64_t begin = 0, end = 0;
};

struct Tensor {
  Packed<int64_t> dims;
  int32_t data_type = 0;
  std::unique_ptr<Segment> segment;
  Packed<float> float_data;
  Packed<int32_t> int32_data;
  std::vector<Text> string_data;
  Packed<int64_t> int64_data;
  Text name;
  std::optional<Text> raw_data;
  Packed<double> double_data;
  Packed<uint64_t> uint64_data;
  std::vector<StringPair> external_data;
  int32_t data_location = 0;  ///< 1: external
};

struct SparseTensor {
  std::unique_ptr<Tensor> values, indices;
  Packed<int64_t> dims;
};

struct Dimension {
  std::variant<std::monostate, int64_t, Text> value;  ///< dim_value, dim_param
};

struct TensorShape {
  std::vector<Dimension> dim;
};

struct TensorType {
  int32_t elem_type = 0;
  std::unique_ptr<TensorShape> shape;
};

struct ElementType {
  std::unique_ptr<Type> elem_type;
};

struct MapType {
  int32_t key_type = 0;
  std::unique_ptr<Type> value_type;
};

struct Type {
  std::variant<std::monostate, std::unique_ptr<TensorType>, std::unique_ptr<ElementType>, std::unique_ptr<MapType>,
               std::unique_ptr<TensorType>, std::unique_ptr<ElementType>>
      value;
  enum : size_t { none, tensor, sequence, map, sparse_tensor, optional };  ///< value.index()
};

struct ValueInfo {
  Text name;
  std::unique_ptr<Type> type;
};

struct Attribute {
  Text name, ref_attr_name;
  int32_t type = 0;  ///< AttributeType; 0 where the model does not say
  std::optional<float> f;
  std::optional<int64_t> i;
  std::optional<Text> s;
  std::unique_ptr<Tensor> t;
  std::unique_ptr<Graph> g;
  std::unique_ptr<Type> tp;
  std::unique_ptr<SparseTensor> sparse_tensor;
  Packed<float> floats;
  Packed<int64_t> ints;
  std::vector<Text> strings;
  std::vector<Tensor> tensors;
  std::vector<Graph> graphs;
  std::vector<Type> type_protos;
  std::vector<SparseTensor> sparse_tensors;
};

struct Node {
  std::vector<Text> input, output;
  Text name, op_type, domain, overload;
  std::vector<Attribute> attribute;
};

struct Graph {
  Text name;
  std::vector<Node> node;
  std::vector<Tensor> initializer;
  std::vector<SparseTensor> sparse_initializer;
  std::vector<ValueInfo> input, output;
  Text doc_string;
};

struct Function {
  Text name, domain, overload;
  std::vector<Text> input, output, attribute;
  std::vector<Attribute> attribute_proto;
  std::vector<Node> node;
  std::vector<OperatorSet> opset_import;
};

struct Model {
  int64_t ir_version = 0, model_version = 0;
  Text producer_name, producer_version, domain, doc_string;
  std::unique_ptr<Graph> graph;
  std::vector<OperatorSet> opset_import;
  std::vector<StringPair> metadata_props;
  std::vector<Function> functions;
};

struct Map;

struct Sequence {
  Text name;
  int32_t elem_type = 0;  ///< 1 tensor, 2 sparse tensor, 3 sequence, 4 map, 5 optional
  std::vector<Tensor> tensor_values;
  std::vector<SparseTensor> sparse_tensor_values;
  std::vector<Sequence> sequence_values;
  std::vector<Map> map_values;
  std::vector<Optional> optional_values;
};

struct Map {
  Text name;
  int32_t key_type = 0;
  Packed<int64_t> keys;
  std::vector<Text> string_keys;
  std::unique_ptr<Sequence> values;
};

struct Optional {
  Text name;
  int32_t elem_type = 0;
  std::unique_ptr<Tensor> tensor_value;
  std::unique_ptr<SparseTensor> sparse_tensor_value;
  std::unique_ptr<Sequence> sequence_value;
  std::unique_ptr<Map> map_value;
  std::unique_ptr<Optional> optional_value;
};

// --- The table --------------------------------------------------------------------------------

/// Field `number`, kept in `Pointer`; of a oneof, its alternative `Index` of the variant.
template <auto Pointer, size_t Index = 0>
struct Field {
  uint32_t number;
  Text name;
};

/// Name and fields of message T.
template <class T>
struct Fields;

#define FIELD(number, name) \
  Field<&M::name> { number, #name }
#define ONE_OF(number, name, index) \
  Field<&M::value, index> { number, #name }
#define MESSAGE(T, message, ...)                          \
  template <>                                             \
  struct Fields<T> {                                      \
    using M = T;                                          \
    static constexpr Text name = message;                 \
    static constexpr auto list = std::tuple{__VA_ARGS__}; \
  };

MESSAGE(StringPair, "StringStringEntryProto", FIELD(1, key), FIELD(2, value))
MESSAGE(OperatorSet, "OperatorSetIdProto", FIELD(1, domain), FIELD(2, version))
MESSAGE(Segment, "TensorProto.Segment", FIELD(1, begin), FIELD(2, end))
MESSAGE(Tensor, "TensorProto", FIELD(1, dims), FIELD(2, data_type), FIELD(3, segment), FIELD(4, float_data),
        FIELD(5, int32_data), FIELD(6, string_data), FIELD(7, int64_data), FIELD(8, name), FIELD(9, raw_data),
        FIELD(10, double_data), FIELD(11, uint64_data), FIELD(13, external_data), FIELD(14, data_location))
MESSAGE(SparseTensor, "SparseTensorProto", FIELD(1, values), FIELD(2, indices), FIELD(3, dims))
MESSAGE(Dimension, "TensorShapeProto.Dimension", ONE_OF(1, dim_value, 1), ONE_OF(2, dim_param, 2))
MESSAGE(TensorShape, "TensorShapeProto", FIELD(1, dim))
MESSAGE(TensorType, "TypeProto.Tensor", FIELD(1, elem_type), FIELD(2, shape))
MESSAGE(ElementType, "TypeProto.Sequence", FIELD(1, elem_type))
MESSAGE(MapType, "TypeProto.Map", FIELD(1, key_type), FIELD(2, value_type))
MESSAGE(Type, "TypeProto", ONE_OF(1, tensor_type, 1), ONE_OF(4, sequence_type, 2), ONE_OF(5, map_type, 3),
        ONE_OF(8, sparse_tensor_type, 4), ONE_OF(9, optional_type, 5))
MESSAGE(ValueInfo, "ValueInfoProto", FIELD(1, name), FIELD(2, type))
MESSAGE(Attribute, "AttributeProto", FIELD(1, name), FIELD(2, f), FIELD(3, i), FIELD(4, s), FIELD(5, t), FIELD(6, g),
        FIELD(7, floats), FIELD(8, ints), FIELD(9, strings), FIELD(10, tensors), FIELD(11, graphs), FIELD(14, tp),
        FIELD(15, type_protos), FIELD(20, type), FIELD(21, ref_attr_name), FIELD(22, sparse_tensor),
        FIELD(23, sparse_tensors))
MESSAGE(Node, "NodeProto", FIELD(1, input), FIELD(2, output), FIELD(3, name), FIELD(4, op_type), FIELD(5, attribute),
        FIELD(7, domain), FIELD(8, overload))
MESSAGE(Graph, "GraphProto", FIELD(1, node), FIELD(2, name), FIELD(5, initializer), FIELD(10, doc_string),
        FIELD(11, input), FIELD(12, output), FIELD(15, sparse_initializer))
MESSAGE(Function, "FunctionProto", FIELD(1, name), FIELD(4, input), FIELD(5, output), FIELD(6, attribute),
        FIELD(7, node), FIELD(9, opset_import), FIELD(10, domain), FIELD(11, attribute_proto), FIELD(13, overload))
MESSAGE(Model, "ModelProto", FIELD(1, ir_version), FIELD(2, producer_name), FIELD(3, producer_version),
        FIELD(4, domain), FIELD(5, model_version), FIELD(6, doc_string), FIELD(7, graph), FIELD(8, opset_import),
        FIELD(14, metadata_props), FIELD(25, functions))
MESSAGE(Sequence, "SequenceProto", FIELD(1, name), FIELD(2, elem_type), FIELD(3, tensor_values),
        FIELD(4, sparse_tensor_values), FIELD(5, sequence_values), FIELD(6, map_values), FIELD(7, optional_values))
MESSAGE(Map, "MapProto", FIELD(1, name), FIELD(2, key_type), FIELD(3, keys), FIELD(4, string_keys), FIELD(5, values))
MESSAGE(Optional, "OptionalProto", FIELD(1, name), FIELD(2, elem_type), FIELD(3, tensor_value),
        FIELD(4, sparse_tensor_value), FIELD(5, sequence_value), FIELD(6, map_value), FIELD(7, optional_value))
#undef FIELD
#undef ONE_OF
#undef MESSAGE

/// Parses one message of type T. Its views point into `bytes` and `context.strings`. Throws as onnx::parse does.
template <class T>
std::unique_ptr<T> read(Text bytes, const ParseContext& context);

extern template std::unique_ptr<Model> read<Model>(Text, const ParseContext&);
extern template std::unique_ptr<Tensor> read<Tensor>(Text, const ParseContext&);
extern template std::unique_ptr<Sequence> read<Sequence>(Text, const ParseContext&);
extern template std::unique_ptr<Optional> read<Optional>(Text, const ParseContext&);

}  // namespace tessera::onnx::proto
