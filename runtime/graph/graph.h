// The graph: nodes in topological order over numbered values.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/graph/tensor.h"

namespace tessera {

struct OpDef;
struct Graph;
class Operators;

using ValueId = uint32_t;
inline constexpr ValueId absent = ~0u;  ///< an optional input or output that was left out

/// An attribute's value, as the model wrote it.
using Attr = std::variant<int64_t, float, std::string, Tensor, std::shared_ptr<Graph>, std::vector<int64_t>,
                          std::vector<float>, std::vector<std::string>>;
using Attrs = std::vector<std::pair<std::string, Attr>>;

/// The attribute of that name, or null.
const Attr* find_attr(const Attrs& attrs, Text name);

/// One operation applied to a node's output before it is stored: a function of ops/elementwise.def,
/// DepthToSpace, or a step from or to quantized numbers, which are stored as integers only where
/// they are the node's result.
struct Fused {
  enum class Kind : uint8_t {
    function,
    depth_to_space,  ///< a = block size, b = 0 for DCR, 1 for CRD
    quantize_u8,     ///< x * (1 / a), rounded to even, + b, clamped
    quantize_s8,
    dequantize,  ///< (x - b) * a
  };
  uint16_t function = 0;  ///< id in ops/elementwise.def, if it is of that kind
  int16_t operand = -1;   ///< index into Node::in of a binary function's second argument
  bool swapped = false;   ///< the operand is the first argument (operand - output)
  float a = 0, b = 0;     ///< a unary function's parameters; scale and zero point of a quantized operand
  Kind kind = Kind::function;

  static Fused depth_to_space(int64_t block, bool crd) {
    return {.a = static_cast<float>(block), .b = crd ? 1.0f : 0.0f, .kind = Kind::depth_to_space};
  }
  bool is(uint16_t id) const { return kind == Kind::function && function == id; }
  bool shuffles() const { return kind == Kind::depth_to_space; }
  bool quantizes() const { return kind == Kind::quantize_u8 || kind == Kind::quantize_s8; }
  bool dequantizes() const { return kind == Kind::dequantize; }
  friend bool operator==(const Fused&, const Fused&) = default;
};

struct Node {
  const OpDef* op = nullptr;
  std::string name;
  std::vector<ValueId> in, out;
  std::shared_ptr<const Attrs> attrs;
  int opset = 0;                ///< version of op's domain that the model imports
  std::vector<Fused> epilogue;  ///< applied in order to output 0
  int own_inputs = -1;          ///< with an epilogue: inputs before its operands; -1 = all
  std::shared_ptr<void> state;  ///< of OpDef::create; null without

  size_t op_inputs() const { return own_inputs < 0 ? in.size() : static_cast<size_t>(own_inputs); }
};

/// What a value is: a tensor, or one of ONNX's containers of them.
enum class Kind : uint8_t { tensor, sequence, optional, map };

struct Value {
  std::string name;
  Type type;            ///< dtype undefined: not known yet; extent -1: not known
  bool ranked = false;  ///< type.shape says something
  Kind kind = Kind::tensor;
  std::vector<std::string> dim_names;      ///< of a graph input or output: symbolic names, "" where none
  std::shared_ptr<const Tensor> constant;  ///< its value, if known before the run
};

/// A value at run time where containers are allowed.
struct Datum {
  Kind kind = Kind::tensor;
  Tensor tensor;                     ///< kind tensor; no bytes = an absent optional input
  std::vector<Datum> items;          ///< sequence: its elements; optional: none or one; map: its values
  Tensor keys;                       ///< map: its keys, one-dimensional
  DType element = DType::undefined;  ///< sequence: dtype of its elements, also when it is empty
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;
  std::vector<Value> values;
  std::vector<ValueId> inputs, outputs;
  /// Values of the enclosing graph that this subgraph uses: {id outside, id here}.
  std::vector<std::pair<ValueId, ValueId>> captures;

  ValueId add_value(Value value) {
    values.push_back(std::move(value));
    return static_cast<ValueId>(values.size() - 1);
  }
};

/// A loaded model.
struct Model {
  std::string path;  ///< for messages
  Graph graph;
  int ir_version = 0;
  std::vector<std::pair<std::string, int>> opsets;  ///< domain ("" = ai.onnx), version
  std::string producer;
  std::vector<std::pair<std::string, std::string>> metadata;
  int64_t weight_bytes = 0;
  std::shared_ptr<const Operators> operators;  ///< beside the library's own, those that nodes use; may be null
};

}  // namespace tessera
