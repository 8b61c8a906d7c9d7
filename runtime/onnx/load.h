// From a .onnx file to a Model.
#pragma once

#include <map>

#include "runtime/graph/graph.h"

namespace tessera::onnx {

/// Limits that a model must keep; each has a message that names it.
struct Limits {
  int64_t nodes = 1'000'000;  ///< after functions are inlined
  int64_t values = 4'000'000;
  int graph_depth = 32;  ///< nested subgraphs
  int function_depth = 100;
  int rank = 64;
  int64_t decoded_bytes = int64_t{8} << 30;   ///< typed data fields, decoded
  int64_t sparse_bytes = int64_t{512} << 20;  ///< sparse tensors, made dense
};

/// An input with a default, which is the constant of its value.
struct OptionalInput {
  ValueId id = absent;
  size_t place = 0;  ///< among all inputs as the model declares them
  Value declared;    ///< what the model says of it
};

/// What a model says of itself, for people.
struct About {
  std::string producer, producer_version, domain, description, graph_name, graph_description;
  int64_t version = 0;
};

/// What a model says of an input or output, with what it holds if it is a container.
struct Declared {
  Kind kind = Kind::tensor;
  Type type;  ///< of a tensor, extent -1 where it is open; its dtype alone, of a map's keys
  bool ranked = false;
  std::vector<std::string> dim_names;
  std::vector<Declared> item;  ///< none or one: of a sequence's items, an optional's value, a map's values
};

/// Maps the file, or with `copy` copies it, and builds the graph, of the library's operators and of those in
/// `operators`. Weights alias the file's bytes. Standard operators that neither has but that have a function body in
/// `functions` are inlined, as are the model's own functions. Nodes whose operator is unknown keep `op` null and are
/// listed in `unsupported`.
struct Loaded {
  Model model;
  About about;
  std::vector<OptionalInput> optional_inputs;  ///< in the order of their declaration
  std::map<ValueId, Declared> containers;      ///< inputs and outputs that are no tensors
  std::vector<std::string> unsupported;        ///< each unknown operator once, its count and first node
};
Loaded load(const std::string& path, const Limits& limits = {}, std::shared_ptr<const Operators> operators = nullptr,
            bool copy = false);
/// From memory; `name` is for messages. External data is refused. `owner` keeps `bytes` alive.
Loaded load(List<std::byte> bytes, std::shared_ptr<const void> owner, const std::string& name,
            const Limits& limits = {}, std::shared_ptr<const Operators> operators = nullptr);

/// One TensorProto (the .pb files of ONNX's backend tests).
Tensor load_tensor(List<std::byte> bytes, const std::string& name);
/// One TensorProto, SequenceProto or OptionalProto, told by `kind`.
Datum load_datum(List<std::byte> bytes, Kind kind, const std::string& name);

}  // namespace tessera::onnx
