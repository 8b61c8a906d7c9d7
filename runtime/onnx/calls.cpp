#include <algorithm>

#include "runtime/graph/formula.h"
#include "runtime/onnx/building.h"
#include "runtime/onnx/check_node.h"
#include "runtime/onnx/formula.h"
#include "runtime/onnx/gradient.h"

namespace tessera::onnx {

// --- Functions --------------------------------------------------------------------------------

void Builder::inline_call(const proto::Node& proto, const proto::Function& function, Context& context) {
  const int depth = context.call ? context.call->depth + 1 : 1;
  if (depth > limits_.function_depth)
    fail(Error::Kind::model, "function calls nest deeper than the limit of ", limits_.function_depth);
  for (const Call* call = context.call; call; call = call->caller)
    if (call->function == &function)
      fail(Error::Kind::model, "function \"", shortened(function.name), "\" calls itself");
  std::vector<ValueId> given = inputs(proto, context);
  trim(given, 0);
  check_count(given.size(), {0, static_cast<int>(function.input.size())}, "input");
  check_count(proto.output.size(), {0, static_cast<int>(function.output.size())}, "output");

  Scope body{context.scope.level, nullptr, {}, {}};
  for (size_t i = 0; i < function.input.size(); ++i)
    if (!body.names.emplace(function.input[i], i < given.size() ? given[i] : absent).second)
      fail(Error::Kind::model, "function \"", shortened(function.name), "\" has two inputs of one name");
  const Call call{&function, bind(proto, context), context.call, depth};
  for (size_t i = 0; i < proto.output.size(); ++i)
    if (const ValueId id = declare(proto.output[i], context.scope, context.prefix); id != absent)
      body.results.emplace(function.output[i], id);

  Context inner{body, &call, context.graph_depth, call_prefix(proto, context)};
  nodes(function.node, inner);
  finish_results(proto, function, body, context);
}

// What the node's operator is in terms of others stands in its place.
void Builder::write_formula(const proto::Node& proto, Node& called, Context& context) {
  for (const Text name : proto.output) called.out.push_back(name.empty() ? absent : 0);
  trim(called.in, called.op->in.min);
  trim(called.out, called.op->out.min);
  check_against(*called.op, called);
  if (called.op->formula == of_the_graph) return write_gradient(proto, called, context);
  Strings strings;
  inline_call(proto, function_of(called, called.op->formula, strings), context);
}

// Writes a formula's nodes; the values of the outputs that `called` wants.
std::vector<ValueId> Builder::write_lines(const Node& called, Text formula, const std::string& prefix,
                                          Context& context) {
  Strings strings;
  const proto::Function function = function_of(called, formula, strings);
  Scope body{context.scope.level, nullptr, {}, {}};
  for (size_t i = 0; i < function.input.size(); ++i)
    if (function.input[i] != "_") body.names.emplace(function.input[i], i < called.in.size() ? called.in[i] : absent);
  const Call call{&function, {}, nullptr, 1};
  Context inner{body, &call, context.graph_depth, prefix};
  nodes(function.node, inner);
  std::vector<ValueId> made;
  for (size_t i = 0; i < called.out.size(); ++i)
    made.push_back(called.out[i] == absent ? absent : body.names.at(function.output[i]));
  return made;
}

void Builder::write_gradient(const proto::Node& proto, const Node& called, Context& context) {
  Graph& graph = *context.scope.level->graph;
  const AttrReader attrs(called);
  const std::string prefix = call_prefix(proto, context);
  GradientProblem problem{graph, called, {}, attrs.texts("xs").size(), find(attrs.text("y"), context), {}, {}};
  for (const char* names : {"xs", "zs"})
    for (const std::string& name : attrs.texts(names)) problem.variables.push_back(find(name, context));
  if (called.in.size() != problem.variables.size() || called.out.size() > problem.wanted)
    fail(Error::Kind::model, "has ", called.in.size(), " inputs and ", called.out.size(), " outputs, but names ",
         problem.wanted, " variables and ", problem.variables.size() - problem.wanted, " others");
  int64_t count = 0;
  problem.write = [&](const Node& node, Text formula) {
    return write_lines(node, formula, cat(prefix, count++, '/'), context);
  };
  problem.add_value = [&](Value value) { return add_value(graph, std::move(value)); };
  const std::vector<ValueId> found = onnx::write_gradient(problem);
  for (size_t i = 0; i < proto.output.size(); ++i)
    if (const ValueId id = declare(proto.output[i], context.scope, context.prefix); id != absent)
      copy_value(found[i], id, context);
}

// A prefix that no other call has, and that stays short however deep calls nest.
std::string Builder::call_prefix(const proto::Node& proto, const Context& context) {
  const Text label = proto.name.empty() ? proto.op_type : proto.name;
  std::string prefix = cat(context.prefix.size() < 200 ? context.prefix : "...", label.substr(0, 60));
  const int64_t count = ++calls_[prefix];
  if (count > 1) prefix += cat('#', count);
  return prefix + '/';
}

// Outputs that no node of the body makes are one of its inputs, or the same as another output.
void Builder::finish_results(const proto::Node& proto, const proto::Function& function, Scope& body, Context& context) {
  for (size_t i = 0; i < proto.output.size(); ++i) {
    if (proto.output[i].empty()) continue;
    const ValueId result = context.scope.names.at(proto.output[i]);
    const auto made = body.names.find(function.output[i]);
    if (made == body.names.end() || made->second == absent)
      fail(Error::Kind::model, "function \"", shortened(function.name), "\" never makes its output \"",
           shortened(function.output[i]), '"');
    if (made->second != result) copy_value(made->second, result, context);
  }
}

void Builder::copy_value(ValueId from, ValueId to, Context& context) {
  Node copy;
  copy.opset = 1;
  copy.op = find_op("", "Identity", copy.opset);
  copy.in = {from};
  copy.out = {to};
  copy.attrs = std::make_shared<const Attrs>();
  context.scope.level->graph->nodes.push_back(std::move(copy));
}

}  // namespace tessera::onnx
