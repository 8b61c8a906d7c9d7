// OpDef: what one operator is. One definition per behaviour; `since` is the opset that brought it.
// Infer and Args are all that an operator's two functions see; Frame is for control flow.
#pragma once

#include <functional>
#include <limits>

#include "runtime/base/checked.h"
#include "runtime/graph/graph.h"

namespace tessera {

class Threads;
namespace reach {
struct Step;
}

/// The domain of operators that the optimizer and the planner make. No file may name it.
inline constexpr Text internal_domain = "tessera";

struct Arity {
  int min = 1, max = 1;  ///< max -1: variadic
};
inline constexpr int many = -1;

/// An attribute and its default. Where absence means something of its own, ask Infer::has.
struct AttrDef {
  Text name;
  double number = 0;  ///< default of an integer or float
  Text text = {};     ///< default of a string
  bool required = false;
  int since = 1, last = std::numeric_limits<int>::max();  ///< the opsets that have it
};

class AttrReader;
class Infer;
struct Args;
class Frame;

/// Elements that an input and an output share: the smaller of the two is a stretch of the larger one, along `axis`
/// from element `begin` on.
struct Part {
  size_t input = 0, output = 0;
  int axis = 0;
  int64_t begin = 0;
};

struct OpDef {
  Text name;
  Text domain = "";
  int since = 1;
  Arity in, out = {1, 1};
  /// Allowed dtypes, as "T=float; I=int32|int64 : T, I, T... -> T". Left of the colon the variables
  /// (`|` joins dtype names and the classes of types.cpp: float, numeric, integer, all, ...); then one
  /// word per input and output, a variable or a dtype; `...` after the last word repeats it.
  /// An output whose word is a variable bound by an input gets its dtype from here.
  Text types;
  /// All attributes. The loader drops what a node has beyond those of its opset, so that no kernel and no
  /// rewrite meets what was left over from another.
  List<AttrDef> attrs = {};
  /// Sets the shape of every output. Mandatory unless `execute` is given.
  void (*infer)(Infer&) = nullptr;
  /// Computes the outputs, for every dtype in `types`. Mandatory unless `execute` is given.
  void (*reference)(const Args&) = nullptr;
  /// How far an element of an output looks in each input: fills reach::Step::out. False where this use of the
  /// operator is not followed. Null: not known.
  bool (*reach)(reach::Step&) = nullptr;
  /// Instead of infer and reference: outputs whose shape depends on data, control flow. Beside both: for inputs that
  /// are containers (Identity of a sequence).
  void (*execute)(Frame&) = nullptr;
  /// What `reference` makes of the attributes alone, where that is much work: Args::packed has it as `object`.
  std::shared_ptr<const void> (*prepare)(const AttrReader&) = nullptr;
  bool view = false;  ///< output 0 is input 0's bytes under another shape: never runs
  /// The parts that its outputs are of its inputs, or its inputs of its outputs, in order; none at all where one of
  /// them is something else. Null: outputs have elements of their own.
  std::vector<Part> (*parts)(const Infer&) = nullptr;
  bool folds = true;  ///< false: a fresh result each run (random operators)
  /// How much work it does, a multiply-add counted as two; null: not worth counting, or not known.
  double (*work)(const AttrReader& attrs, List<Type> in, List<Type> out) = nullptr;
  bool quantized = false;  ///< makes quantized numbers, or computes with them as integers
  /// Instead of all functions: what it is in terms of other operators (runtime/onnx/formula.h). The loader writes that
  /// down, so that no graph has a node of it.
  Text formula = {};
  // Of a definition that a program added (runtime/graph/operators.h).
  const void* user = nullptr;  ///< what its functions know beside their arguments
  bool any_attrs = false;      ///< a node keeps all its attributes, in `attrs` or not
  /// What each node has of its own for as long as the model lives (Node::state). Values of inputs that are constants
  /// come with it, null for others.
  std::shared_ptr<void> (*create)(const Node&, List<const Tensor*> constants) = nullptr;
};

/// One operator file: its definitions, in any order. CMake collects every `extern const OpFile` named
/// after a file in ops/ into one list.
struct OpFile {
  List<OpDef> definitions;
};

/// The library's own definition of `name` in `domain` ("" and "ai.onnx" are the same) at `opset`: the one with the
/// largest `since` that is not above it. Null if there is none. Rewrites and the planner make nodes of these alone;
/// what a model may use, its Operators know.
const OpDef* find_op(Text domain, Text name, int opset);
/// Every definition of every operator of the library's own.
const std::vector<const OpDef*>& all_ops();

/// Read access to a node's attributes, with the defaults of its OpDef.
class AttrReader {
 public:
  explicit AttrReader(const Node& node) : node_(&node) {}
  const Node& node() const { return *node_; }
  bool has(Text name) const;  ///< written in the model
  int64_t integer(Text name) const;
  float real(Text name) const;
  Text text(Text name) const;
  List<int64_t> integers(Text name) const;   ///< empty when absent
  List<float> reals(Text name) const;        ///< empty when absent
  List<std::string> texts(Text name) const;  ///< empty when absent
  const Tensor& tensor(Text name) const;
  const Graph& graph(Text name) const;

 private:
  const Attr* find(Text name) const;
  const Node* node_;
};

/// `axis` counted from the end when negative; throws Error::shape outside [-rank, rank).
int normalize_axis(int64_t axis, int rank);
/// The shape that two operands share under ONNX's multidirectional broadcasting.
Shape broadcast(const Shape& a, const Shape& b);

/// Thrown by Infer when an output's shape depends on the value of an input that is not known yet;
/// the planner cuts its plan there. Operators never catch it. -1: of the outputs nothing is known
/// before the run, and `execute` makes them.
struct NeedsValue {
  int input;
};

/// What an operator's shape inference may ask, and must answer. Input types are concrete.
class Infer : public AttrReader {
 public:
  Infer(const Node& node, List<Type> in, List<const Tensor*> constants);

  int inputs() const { return static_cast<int>(in_.size()); }
  int outputs() const { return static_cast<int>(out.size()); }
  bool has_input(int i) const;  ///< given and not the empty name
  bool wants(int i) const;      ///< output i is given and not the empty name
  using AttrReader::has;
  const Type& in(int i) const;  ///< throws Error::model if absent
  const Shape& shape(int i) const { return in(i).shape; }
  int rank(int i) const { return in(i).shape.rank(); }
  /// Input i's value, or null if it is not known before the run.
  const Tensor* constant(int i) const;
  /// Input i's value; throws NeedsValue if it is not known before the run.
  const Tensor& value(int i) const;
  std::vector<int64_t> integers_of(int i) const;  ///< elements of value(i)
  int64_t integer_of(int i) const;                ///< value(i), which must be one number
  int axis(Text attr, int rank) const { return normalize_axis(integer(attr), rank); }

  /// Output i gets this shape, and its dtype from OpDef::types.
  void set(int i, const Shape& shape);
  void set(int i, DType dtype, const Shape& shape);
  /// Output i's value is known already (Shape, Size).
  void set_value(int i, Tensor value);

  struct Output {
    Type type;
    std::shared_ptr<const Tensor> value;
  };
  std::vector<Output> out;  ///< the answer, one per output of the node

 private:
  List<Type> in_;
  List<const Tensor*> constants_;
};

/// Runs OpDef::types' checks and OpDef::infer. Throws Error (without the node's name) or NeedsValue.
void infer(Infer& problem);

/// What a kernel made of its constant inputs, or a reference of its attributes, once for all runs of a plan.
struct Packed {
  std::vector<Tensor> tensors;
  std::shared_ptr<const void> object;  ///< of OpDef::prepare
};

/// Rows of a 4-D output.
struct Rows {
  int64_t begin = 0, end = std::numeric_limits<int64_t>::max();
};

/// What a kernel or a reference computes with. Absent inputs and outputs have no data.
struct Args : AttrReader {
  Args(const Node& node, List<View> in, List<View> out) : AttrReader(node), in(in), out(out) {}
  List<View> in, out;
  const Packed* packed = nullptr;  ///< what the kernel's `pack` or OpDef::prepare made
  std::byte* scratch = nullptr;    ///< as many bytes as the kernel's `scratch` asked for, 64-aligned
  std::byte* kept = nullptr;       ///< as many as its `kept` did: as they were left while a run computes rows apart
  Rows rows;                       ///< what to compute; all, unless the kernel's offer has a row_step
  Threads* threads = nullptr;      ///< of a reference: what may help it; null: nobody
  bool has_in(size_t i) const { return i < in.size() && in[i].data; }
};

/// What a control-flow or container operator computes with.
class Frame : public AttrReader {
 public:
  explicit Frame(const Node& node) : AttrReader(node) {}
  virtual ~Frame() = default;
  std::vector<Datum> in;   ///< absent inputs: a tensor without bytes
  std::vector<Datum> out;  ///< to be filled, one per output of the node
  /// Runs the subgraph in attribute `name`; it finds what it captures. Types without bytes give types without bytes.
  virtual std::vector<Datum> run(Text name, std::vector<Datum> inputs) = 0;
  /// What may help; null: nobody.
  virtual Threads* threads() const { return nullptr; }
  /// Throws Error::cancelled if the caller asked to stop. Loops call it every round.
  virtual void check_cancelled() const = 0;
  bool has_in(size_t i) const { return i < in.size() && (in[i].kind != Kind::tensor || in[i].tensor.bytes); }
};

}  // namespace tessera
