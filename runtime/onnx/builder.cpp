#include <algorithm>

#include "runtime/base/run_scope.h"
#include "runtime/onnx/attributes.h"
#include "runtime/onnx/building.h"
#include "runtime/onnx/check_node.h"
#include "runtime/onnx/declared.h"
#include "runtime/onnx/order.h"

namespace tessera::onnx {
namespace {

constexpr size_t max_functions = 10'000;
constexpr int newest_ir_version = 32;   // beyond the newest known: new ones have only added fields
constexpr int64_t newest_opset = 1000;  // far beyond any; a larger number is damage

/// An error that already names its node.
struct PlacedError : Error {
  using Error::Error;
};

std::string function_key(Text domain, Text name, Text overload) {
  return cat(canonical(domain), '\0', name, '\0', overload);
}

// Operators of that domain rely on what the optimizer found out about their operands.
void check_domain(Text domain) {
  if (domain == internal_domain)
    fail(Error::Kind::model, "uses domain \"", internal_domain,
         "\", which is tessera's own and has no operators for files: the domain needs another name");
}

std::vector<const Tensor*> constants_of(const Graph& graph, const Node& node) {
  std::vector<const Tensor*> constants;
  for (const ValueId id : node.in) constants.push_back(id == absent ? nullptr : graph.values[id].constant.get());
  return constants;
}

// Whether `op` has that attribute in `opset`. Of operators that tessera does not have, all are kept.
bool has_attr(const OpDef* op, Text name, int opset) {
  return !op || op->any_attrs || std::any_of(op->attrs.begin(), op->attrs.end(), [&](const AttrDef& def) {
    return def.name == name && def.since <= opset && opset <= def.last;
  });
}

// Operators of com.microsoft that mean nothing without what they were made for, by how their names begin.
constexpr struct {
  Text begins, why;
} made_for_others[] = {{"EPContext", "another engine's compiled program"},
                       {"Snpe", "another engine's compiled program"},
                       {"QOrdered", "numbers in the order of a device's units"},
                       {"QuantizeWithOrder", "numbers in the order of a device's units"},
                       {"DequantizeWithOrder", "numbers in the order of a device's units"},
                       {"DecoderMaskedSelfAttention", "keys in the order of a device's units"}};

Text reason_of(Text domain, Text name) {
  const auto* found = std::find_if(std::begin(made_for_others), std::end(made_for_others),
                                   [&](const auto& row) { return name.starts_with(row.begins); });
  return domain == "com.microsoft" && found != std::end(made_for_others) ? found->why : Text{};
}

}  // namespace

// --- The model --------------------------------------------------------------------------------

Loaded Builder::build() {
  check_versions();
  index_functions();
  check_expansion();
  Loaded loaded;
  Model& model = loaded.model;
  model.ir_version = static_cast<int>(model_.ir_version);
  for (const proto::OperatorSet& set : model_.opset_import)
    model.opsets.emplace_back(canonical(set.domain), static_cast<int>(set.version));
  model.producer = std::string(model_.producer_name);
  if (!model_.producer_version.empty()) model.producer += cat(' ', model_.producer_version);
  for (const proto::StringPair& entry : model_.metadata_props) model.metadata.emplace_back(entry.key, entry.value);

  const auto text = [](Text from) { return std::string(from); };
  loaded.about = {text(model_.producer_name), text(model_.producer_version), text(model_.domain),
                  text(model_.doc_string),    text(model_.graph->name),      text(model_.graph->doc_string),
                  model_.model_version};

  Level level{&model.graph, nullptr, {}};
  Scope scope{&level, nullptr, {}, {}};
  Context context{scope};
  graph(*model_.graph, context);
  model.weight_bytes = weight_bytes_;
  model.operators = operators_;
  loaded.optional_inputs = std::move(optional_);
  loaded.containers = std::move(containers_);
  for (const Missing& missing : missing_)
    loaded.unsupported.push_back(
        cat(missing.op, ", ", missing.count, missing.count == 1 ? " node" : " nodes", ", first ", missing.first));
  return loaded;
}

void Builder::check_versions() {
  if (!model_.graph) fail(Error::Kind::model, "has no graph: this is not an ONNX model");
  if (model_.ir_version < 1 || model_.ir_version > newest_ir_version)
    fail(Error::Kind::model, "has IR version ", model_.ir_version, "; known are 1 to ", newest_ir_version,
         ": export it again with a current onnx");
  std::unordered_map<Text, int64_t> versions;
  for (const proto::OperatorSet& set : model_.opset_import) {
    check_domain(set.domain);
    if (set.version < 1 || set.version > newest_opset)
      fail(Error::Kind::model, "imports opset ", set.version, " of domain \"", shortened(set.domain),
           "\", which does not exist");
    if (versions.emplace(canonical(set.domain), set.version).first->second != set.version)
      fail(Error::Kind::model, "imports domain \"", shortened(set.domain), "\" in two versions");
  }
}

void Builder::index_functions() {
  if (model_.functions.size() > max_functions)
    fail(Error::Kind::model, "has ", model_.functions.size(), " functions; the limit is ", max_functions);
  for (const proto::Function& function : model_.functions) {
    check_domain(function.domain);
    if (!functions_.emplace(function_key(function.domain, function.name, function.overload), &function).second)
      fail(Error::Kind::model, "defines function \"", shortened(function.name), "\" twice");
  }
}

// How many nodes these become once functions are inlined, up to just above the limit. Calls that
// nest too deeply or without end count nothing here; inlining names them.
int64_t Builder::expanded(const std::vector<proto::Node>& nodes, int depth) {
  int64_t count = 0;
  for (const proto::Node& node : nodes) {
    ++count;
    for (const proto::Attribute& attribute : node.attribute)
      if (attribute.g) count += expanded(attribute.g->node, depth);
    const proto::Function* function = find_function(node.domain, node.op_type, node.overload);
    if (!function || depth > limits_.function_depth) continue;
    const auto [known, fresh] = expansions_.emplace(function, 0);
    if (fresh) {
      const int64_t body = expanded(function->node, depth + 1);
      expansions_[function] = body;
      count += body;
    } else {
      count += known->second;
    }
    if (count > limits_.nodes) return limits_.nodes + 1;
  }
  return count;
}

void Builder::check_expansion() {
  if (!functions_.empty() && expanded(model_.graph->node, 0) > limits_.nodes)
    fail(Error::Kind::memory, "the model's functions become more than ", limits_.nodes, " nodes");
}

const proto::Function* Builder::find_function(Text domain, Text name, Text overload) const {
  if (functions_.empty()) return nullptr;
  const auto found = functions_.find(function_key(domain, name, overload));
  return found == functions_.end() ? nullptr : found->second;
}

int Builder::opset_of(Text domain, const Call* call) const {
  const auto search = [&](const std::vector<proto::OperatorSet>& sets) {
    for (const proto::OperatorSet& set : sets)
      if (canonical(set.domain) == canonical(domain))
        return static_cast<int>(std::clamp<int64_t>(set.version, 1, newest_opset));
    return 0;
  };
  if (call)
    if (const int version = search(call->function->opset_import)) return version;
  if (const int version = search(model_.opset_import)) return version;
  // Opset imports came with IR 3; other domains have but one version in practice.
  if (!canonical(domain).empty() || model_.ir_version < 3) return 1;
  fail(Error::Kind::model, "uses standard operators, but the model imports no version of them (opset_import)");
}

// --- Values -----------------------------------------------------------------------------------

ValueId Builder::add_value(Graph& graph, Value value) {
  if (++values_ > limits_.values) fail(Error::Kind::memory, "the model has more than ", limits_.values, " values");
  return graph.add_value(std::move(value));
}

ValueId Builder::declare(Text name, Scope& scope, const std::string& prefix) {
  if (name.empty()) return absent;
  if (scope.names.contains(name)) fail(Error::Kind::model, "value \"", shortened(name), "\" is defined twice");
  ValueId id;
  if (const auto result = scope.results.find(name); result != scope.results.end()) {
    id = result->second;
  } else {
    std::string full = prefix + std::string(name);
    if (!functions_.empty())
      while (!names_.insert(full).second && !prefix.empty()) full += '\'';
    id = add_value(*scope.level->graph, {std::move(full), {}, false, Kind::tensor, {}, nullptr});
  }
  scope.names.emplace(name, id);
  return id;
}

// The value `id` of graph `from`, as graph `to` inside it sees it: constants by themselves, others
// captured at every level between.
ValueId Builder::bring(Level* from, ValueId id, Level* to) {
  if (id == absent || from == to) return id;
  const ValueId outer = bring(from, id, to->outer);
  if (const auto known = to->captured.find(outer); known != to->captured.end()) return known->second;
  const Value& value = to->outer->graph->values[outer];
  const ValueId here = add_value(*to->graph, {value.name, value.type, value.ranked, value.kind, {}, value.constant});
  if (!value.constant) to->graph->captures.emplace_back(outer, here);
  to->captured.emplace(outer, here);
  return here;
}

ValueId Builder::find(Text name, const Context& context) {
  if (name.empty()) return absent;
  for (const Scope* scope = &context.scope; scope; scope = scope->outer)
    if (const auto found = scope->names.find(name); found != scope->names.end())
      return bring(scope->level, found->second, context.scope.level);
  fail(Error::Kind::model, "uses value \"", shortened(name), "\", which nothing defines");
}

void Builder::constant(Text name, Tensor tensor, Scope& scope) {
  if (name.empty()) fail(Error::Kind::model, "an initializer has no name");
  const ValueId id = declare(name, scope, {});
  Value& value = scope.level->graph->values[id];
  weight_bytes_ += tensor.type.bytes();
  value.type = tensor.type;
  value.ranked = true;
  value.constant = std::make_shared<const Tensor>(std::move(tensor));
}

// What a model says of an input or output.
void Builder::set_type(Value& value, ValueId id, const proto::Type* type, bool outermost) {
  Declared told = declared_type(type, limits_);
  value.kind = told.kind;
  if (told.kind == Kind::tensor) {
    value.type = told.type;
    value.ranked = told.ranked;
    value.dim_names = told.dim_names;
  } else if (outermost) {
    containers_.emplace(id, std::move(told));
  }
}

// --- Graphs -----------------------------------------------------------------------------------

void Builder::graph_inputs(const proto::Graph& proto, Context& context) {
  Graph& graph = *context.scope.level->graph;
  // An initializer of the same name is an input's default. The main graph takes it as a constant and keeps
  // the input as optional; a body's inputs are given by its operator. Before IR 4 every initializer had to be
  // listed among the inputs, and is a constant.
  const bool constants_win = context.graph_depth == 0 || model_.ir_version < 4;
  std::unordered_set<Text> initialized;
  if (constants_win) {
    for (const proto::Tensor& tensor : proto.initializer) initialized.insert(tensor.name);
    for (const proto::SparseTensor& tensor : proto.sparse_initializer)
      if (tensor.values) initialized.insert(tensor.values->name);
  }
  for (const proto::ValueInfo& input : proto.input) {
    if (input.name.empty()) fail(Error::Kind::model, "an input of the graph has no name");
    const bool has_default = initialized.contains(input.name);
    if (has_default && model_.ir_version < 4) continue;
    try {
      if (has_default) {
        Value declared;
        declared.name = std::string(input.name);
        set_type(declared, absent, input.type.get(), false);
        optional_.push_back({absent, static_cast<size_t>(&input - proto.input.data()), std::move(declared)});
        continue;
      }
      const ValueId id = declare(input.name, context.scope, context.prefix);
      graph.inputs.push_back(id);
      set_type(graph.values[id], id, input.type.get(), context.graph_depth == 0);
    } catch (const Error& error) {
      throw Error(error.kind(), cat("input \"", shortened(input.name), "\" ", error.what()));
    }
  }
  const auto is_input = [&](Text name) { return !constants_win && context.scope.names.contains(name); };
  for (const proto::Tensor& tensor : proto.initializer)
    if (!is_input(tensor.name)) constant(tensor.name, weights_.dense(tensor), context.scope);
  for (const proto::SparseTensor& tensor : proto.sparse_initializer) {
    const Text name = tensor.values ? tensor.values->name : Text{};
    if (!is_input(name)) constant(name, weights_.sparse(tensor), context.scope);
  }
  if (context.graph_depth > 0) return;
  for (OptionalInput& input : optional_) {
    input.id = context.scope.names.at(input.declared.name);
    DType& dtype = input.declared.type.dtype;
    if (dtype == DType::undefined) dtype = graph.values[input.id].type.dtype;
    if (std::any_of(&optional_.front(), &input, [&](const auto& other) { return other.id == input.id; }))
      fail(Error::Kind::model, "input \"", shortened(input.declared.name), "\" is declared twice");
  }
}

void Builder::graph(const proto::Graph& proto, Context& context) {
  Graph& graph = *context.scope.level->graph;
  graph.name = std::string(proto.name);
  graph_inputs(proto, context);
  nodes(proto.node, context);
  for (const proto::ValueInfo& output : proto.output) {
    ValueId id = absent;
    try {
      id = find(output.name, context);
      if (id == absent) fail(Error::Kind::model, "has no name");
      graph.outputs.push_back(id);
      Value& value = graph.values[id];
      const bool hint = !value.constant && !value.ranked;
      if (hint && value.type.dtype == DType::undefined && value.kind == Kind::tensor)
        set_type(value, id, output.type.get(), context.graph_depth == 0);
    } catch (const Error& error) {
      throw Error(error.kind(), cat("output \"", shortened(output.name), "\" ", error.what()));
    }
  }
}

std::shared_ptr<Graph> Builder::subgraph(const proto::Graph& proto, const Context& written, const Context& used) {
  const int depth = used.graph_depth + 1;
  if (depth > limits_.graph_depth)
    fail(Error::Kind::model, "subgraphs nest deeper than the limit of ", limits_.graph_depth);
  auto made = std::make_shared<Graph>();
  Level level{made.get(), used.scope.level, {}};
  Scope scope{&level, &written.scope, {}, {}};
  Context context{scope, written.call, depth, written.prefix};
  graph(proto, context);
  return made;
}

// --- Nodes ------------------------------------------------------------------------------------

std::string Builder::place(const proto::Node& proto, size_t index, const Context& context) const {
  std::string text = "node ";
  if (!proto.name.empty())
    text += cat('"', context.prefix, shortened(proto.name), '"');
  else
    text += cat('#', index, " -> \"", proto.output.empty() ? Text{} : shortened(proto.output[0]), '"');
  text += cat(" (", canonical(proto.domain), canonical(proto.domain).empty() ? "" : ".", shortened(proto.op_type));
  int opset = 0;
  try {
    opset = opset_of(proto.domain, context.call);
  } catch (const Error&) {
  }
  return opset ? cat(text, ", opset ", opset, ')') : cat(text, ')');
}

void Builder::nodes(const std::vector<proto::Node>& nodes, Context& context) {
  for (const size_t index : order_of(nodes)) {
    check_cancelled();
    try {
      node(nodes[index], context);
    } catch (const PlacedError&) {
      throw;
    } catch (const Error& error) {
      throw PlacedError(error.kind(), cat(place(nodes[index], index, context), ": ", error.what()));
    }
  }
}

const OpDef* Builder::find_definition(Text domain, Text name, int opset) const {
  return operators_ ? operators_->find(domain, name, opset) : find_op(domain, name, opset);
}

void Builder::node(const proto::Node& proto, Context& context) {
  if (++nodes_ > limits_.nodes) fail(Error::Kind::memory, "the model has more than ", limits_.nodes, " nodes");
  check_domain(proto.domain);
  if (const proto::Function* function = find_function(proto.domain, proto.op_type, proto.overload)) {
    inline_call(proto, *function, context);
    return;
  }
  if (proto.op_type == "Constant" && canonical(proto.domain).empty()) {
    constant_node(proto, context);
    return;
  }
  Node made;
  made.opset = opset_of(proto.domain, context.call);
  made.op = find_definition(canonical(proto.domain), proto.op_type, made.opset);
  made.name = proto.name.empty() ? std::string() : context.prefix + std::string(proto.name);
  made.in = inputs(proto, context);
  made.attrs = attributes(proto, made.op, made.opset, context);
  if (made.op && !made.op->formula.empty()) {
    write_formula(proto, made, context);
    return;
  }
  for (const Text name : proto.output) made.out.push_back(declare(name, context.scope, context.prefix));
  if (made.op) {
    trim(made.in, made.op->in.min);
    if (made.op->out.max != many) trim(made.out, made.op->out.min);
    check_against(*made.op, made);
    // Operators may rely on the outputs that they must have, wanted or not; and the number of parts tells their
    // lengths.
    const size_t relied = made.op->out.max == many ? made.out.size() : static_cast<size_t>(made.op->out.min);
    for (size_t i = 0; i < relied; ++i)
      if (made.out[i] == absent) made.out[i] = add_value(*context.scope.level->graph, {});
    if (made.op->create) made.state = made.op->create(made, constants_of(*context.scope.level->graph, made));
  } else {
    note_unsupported(proto, context);
  }
  context.scope.level->graph->nodes.push_back(std::move(made));
}

std::vector<ValueId> Builder::inputs(const proto::Node& proto, const Context& context) {
  std::vector<ValueId> ids;
  ids.reserve(proto.input.size());
  for (const Text name : proto.input) ids.push_back(find(name, context));
  return ids;
}

void Builder::note_unsupported(const proto::Node& proto, const Context& context) {
  const Text domain = canonical(proto.domain);
  const int opset = opset_of(domain, context.call);
  const Text reason = reason_of(domain, proto.op_type);
  const std::string op = cat(domain.empty() ? "ai.onnx" : shortened(domain), '.', shortened(proto.op_type), " (opset ",
                             opset, reason.empty() ? "" : "; ", reason, ')');
  const auto [at, fresh] = missing_index_.emplace(op, missing_.size());
  if (fresh) {
    const Text first = proto.output.empty() ? Text{} : proto.output[0];
    missing_.push_back({op, cat('"', context.prefix, shortened(proto.name.empty() ? first : proto.name), '"'), 0});
  }
  ++missing_[at->second].count;
}

void Builder::constant_node(const proto::Node& proto, Context& context) {
  const std::vector<Bound> bound = bind(proto, context);
  if (!proto.input.empty() || proto.output.size() != 1)
    fail(Error::Kind::model, "a constant has no inputs and one output");
  if (bound.size() != 1) fail(Error::Kind::model, "a constant has one attribute, this one ", bound.size());
  const AttrType type = type_of(*bound[0].attribute);
  check_standard_type(bound[0].name, *bound[0].attribute, type);
  Tensor tensor = constant_of(value_of(*bound[0].attribute, type, weights_));
  const ValueId id = declare(proto.output[0], context.scope, context.prefix);
  if (id == absent) return;
  Value& value = context.scope.level->graph->values[id];
  weight_bytes_ += tensor.type.bytes();
  value.type = tensor.type;
  value.ranked = true;
  value.constant = std::make_shared<const Tensor>(std::move(tensor));
}

// --- Attributes -------------------------------------------------------------------------------

std::vector<Bound> Builder::bind(const proto::Node& proto, const Context& context) const {
  std::vector<Bound> bound;
  for (const proto::Attribute& attribute : proto.attribute) {
    if (std::any_of(bound.begin(), bound.end(), [&](const Bound& b) { return b.name == attribute.name; }))
      fail(Error::Kind::model, "attribute \"", shortened(attribute.name), "\" is given twice");
    if (attribute.ref_attr_name.empty()) {
      bound.push_back({attribute.name, &attribute, &context});
      continue;
    }
    if (!context.call)
      fail(Error::Kind::model, "attribute \"", shortened(attribute.name), "\" refers to an attribute of a function, ",
           "but is not in one");
    const auto named = [&](const auto& entry) { return entry.name == attribute.ref_attr_name; };
    const auto& given = context.call->attributes;
    const auto& defaults = context.call->function->attribute_proto;
    if (const auto at = std::find_if(given.begin(), given.end(), named); at != given.end())
      bound.push_back({attribute.name, at->attribute, at->context});
    else if (const auto def = std::find_if(defaults.begin(), defaults.end(), named); def != defaults.end())
      bound.push_back({attribute.name, &*def, &context});
  }
  return bound;
}

std::shared_ptr<const Attrs> Builder::attributes(const proto::Node& proto, const OpDef* op, int opset,
                                                 const Context& context) {
  static const auto none = std::make_shared<const Attrs>();
  if (proto.attribute.empty()) return none;
  auto made = std::make_shared<Attrs>();
  for (const Bound& bound : bind(proto, context)) {
    if (!has_attr(op, bound.name, opset)) continue;
    const AttrType type = type_of(*bound.attribute);
    if (op && op->domain.empty()) check_standard_type(bound.name, *bound.attribute, type);
    if (type == AttrType::graph) {
      if (!bound.attribute->g) fail(Error::Kind::model, "attribute \"", bound.name, "\" holds no graph");
      made->emplace_back(bound.name, subgraph(*bound.attribute->g, *bound.context, context));
    } else {
      try {
        made->emplace_back(bound.name, value_of(*bound.attribute, type, weights_));
      } catch (const Error& error) {
        // Of an operator that tessera does not have, only the name will be reported.
        if (op || error.kind() != Error::Kind::unsupported) throw;
      }
    }
  }
  return made;
}

Loaded build(const proto::Model& model, Weights& weights, const Limits& limits,
             std::shared_ptr<const Operators> operators) {
  return Builder(model, weights, limits, std::move(operators)).build();
}

}  // namespace tessera::onnx
