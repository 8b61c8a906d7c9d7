// The builder of a graph: builder.cpp reads graphs and nodes, calls.cpp what a node calls.
#pragma once

#include <map>
#include <unordered_map>
#include <unordered_set>

#include "runtime/graph/operators.h"
#include "runtime/onnx/builder.h"

namespace tessera::onnx {

inline Text canonical(Text domain) { return domain == "ai.onnx" ? Text{} : domain; }
inline Text shortened(Text name) { return name.substr(0, 200); }

/// A graph under construction. Subgraphs form a chain.
struct Level {
  Graph* graph;
  Level* outer;
  std::unordered_map<ValueId, ValueId> captured;  // id in the outer graph -> id here
};

/// The names that are visible in a graph or in one call of a function.
struct Scope {
  Level* level;
  const Scope* outer;  // null for the main graph and for functions, which see nothing around them
  std::unordered_map<Text, ValueId> names;
  std::unordered_map<Text, ValueId> results;  // of a function: outputs that have their value already
};

struct Context;

/// An attribute with the place where it was written, which a graph in it sees.
struct Bound {
  Text name;
  const proto::Attribute* attribute;
  const Context* context;
};

/// One call of a function that is being inlined.
struct Call {
  const proto::Function* function;
  std::vector<Bound> attributes;
  const Call* caller;
  int depth;
};

/// Where nodes are being built.
struct Context {
  Scope& scope;
  const Call* call = nullptr;
  int graph_depth = 0;
  std::string prefix = {};  // of the names that inlining makes
};

class Builder {
 public:
  Builder(const proto::Model& model, Weights& weights, const Limits& limits, std::shared_ptr<const Operators> operators)
      : model_(model), weights_(weights), limits_(limits), operators_(std::move(operators)) {}

  Loaded build();

 private:
  void check_versions();
  void index_functions();
  int64_t expanded(const std::vector<proto::Node>& nodes, int depth);
  void check_expansion();
  void graph(const proto::Graph& proto, Context& context);
  void graph_inputs(const proto::Graph& proto, Context& context);
  void constant(Text name, Tensor tensor, Scope& scope);
  void set_type(Value& value, ValueId id, const proto::Type* type, bool outermost);
  void nodes(const std::vector<proto::Node>& nodes, Context& context);
  void node(const proto::Node& proto, Context& context);
  void constant_node(const proto::Node& proto, Context& context);
  void write_formula(const proto::Node& proto, Node& called, Context& context);
  std::vector<ValueId> write_lines(const Node& called, Text formula, const std::string& prefix, Context& context);
  void write_gradient(const proto::Node& proto, const Node& called, Context& context);
  std::string call_prefix(const proto::Node& proto, const Context& context);
  void inline_call(const proto::Node& proto, const proto::Function& function, Context& context);
  void finish_results(const proto::Node& proto, const proto::Function& function, Scope& body, Context& context);
  void copy_value(ValueId from, ValueId to, Context& context);
  std::shared_ptr<Graph> subgraph(const proto::Graph& proto, const Context& written, const Context& used);

  std::vector<Bound> bind(const proto::Node& proto, const Context& context) const;
  std::shared_ptr<const Attrs> attributes(const proto::Node& proto, const OpDef* op, int opset, const Context& context);
  std::vector<ValueId> inputs(const proto::Node& proto, const Context& context);
  const OpDef* find_definition(Text domain, Text name, int opset) const;
  void note_unsupported(const proto::Node& proto, const Context& context);

  ValueId add_value(Graph& graph, Value value);
  ValueId declare(Text name, Scope& scope, const std::string& prefix);
  ValueId find(Text name, const Context& context);
  ValueId bring(Level* from, ValueId id, Level* to);

  const proto::Function* find_function(Text domain, Text name, Text overload) const;
  int opset_of(Text domain, const Call* call) const;
  std::string place(const proto::Node& proto, size_t index, const Context& context) const;

  struct Missing {
    std::string op, first;
    int64_t count = 0;
  };

  const proto::Model& model_;
  Weights& weights_;
  const Limits& limits_;
  const std::shared_ptr<const Operators> operators_;  // null: the library's own
  std::map<std::string, const proto::Function*, std::less<>> functions_;
  std::unordered_map<const proto::Function*, int64_t> expansions_;  // nodes that a call becomes
  std::unordered_set<std::string> names_;           // all value names, kept only where functions are inlined
  std::unordered_map<std::string, int64_t> calls_;  // of each prefix
  std::vector<Missing> missing_;
  std::map<std::string, size_t> missing_index_;
  std::vector<OptionalInput> optional_;
  std::map<ValueId, Declared> containers_;
  int64_t nodes_ = 0, values_ = 0, weight_bytes_ = 0;
};

}  // namespace tessera::onnx
