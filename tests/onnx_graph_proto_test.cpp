// From models written with protobuf to graphs: versions, inputs and initializers, constants, order,
// names, subgraphs, functions, and the checks of every node against its operator.
#include <gmock/gmock.h>

#include <set>

#include "runtime/graph/op.h"
#include "tests/onnx_pen.h"

namespace tessera::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> names(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<std::string> found;
  for (const ValueId id : ids) found.push_back(id == absent ? "-" : graph.values[id].name);
  return found;
}

/// "Add(a,b)->c" for every node.
std::vector<std::string> listing(const Graph& graph) {
  std::vector<std::string> lines;
  for (const Node& node : graph.nodes) {
    std::string line = cat(node.op ? node.op->name : "?", '(');
    for (const std::string& name : names(graph, node.in)) line += cat(line.back() == '(' ? "" : ",", name);
    line += ")->";
    for (const std::string& name : names(graph, node.out)) line += cat(line.back() == '>' ? "" : ",", name);
    lines.push_back(line);
  }
  return lines;
}

const Graph& body_of(const Node& node, Text name) {
  return *std::get<std::shared_ptr<Graph>>(*find_attr(*node.attrs, name));
}

void add_float(GraphProto* graph, const std::string& name, float value) {
  *graph->add_initializer() = raw_tensor(name, DType::float32, {1}, {reinterpret_cast<const char*>(&value), 4});
}

// --- Versions and the head of the file --------------------------------------------------------

TEST(OnnxGraph, Versions) {
  Pen pen;
  pen.node("Relu", {"x"}, {"y"});
  for (const int version : {3, 4, 7, 10, 13}) {
    pen.model.set_ir_version(version);
    EXPECT_EQ(pen.error(), "") << version;
  }
  for (const int64_t version : {int64_t{0}, int64_t{-1}, int64_t{99999}, int64_t{1} << 40}) {
    pen.model.set_ir_version(version);
    EXPECT_THAT(pen.error(), HasSubstr("IR version")) << version;
  }
}

TEST(OnnxGraph, OpsetImports) {
  Pen pen;
  pen.node("Relu", {"x"}, {"y"});
  auto* foreign = pen.model.add_opset_import();
  foreign->set_domain("com.example.unused");
  foreign->set_version(3);
  const onnx::Loaded loaded = pen.load();
  EXPECT_EQ(loaded.model.graph.nodes[0].opset, 17);
  EXPECT_EQ(loaded.model.opsets.size(), 2u);
  foreign->set_domain("ai.onnx");
  EXPECT_THAT(pen.error(), HasSubstr("in two versions"));
  pen.model.clear_opset_import();
  EXPECT_THAT(pen.error(), HasSubstr("opset_import"));
  pen.model.add_opset_import()->set_version(9999);
  EXPECT_THAT(pen.error(), HasSubstr("opset 9999"));
  pen.model.mutable_opset_import(0)->set_version(-5);
  EXPECT_THAT(pen.error(), HasSubstr("opset -5"));
}

TEST(OnnxGraph, AnOpsetNewerThanAnyKnownTakesTheNewestRow) {
  Pen pen;
  pen.model.mutable_opset_import(0)->set_version(999);
  pen.node("Relu", {"x"}, {"y"});
  EXPECT_NE(pen.load().model.graph.nodes[0].op, nullptr);
}

TEST(OnnxGraph, ThingsThatAreNoModels) {
  const auto error = [](const std::string& bytes) -> std::string {
    try {
      onnx::load({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, nullptr, "f");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(error(""), HasSubstr("empty"));
  EXPECT_THAT(error("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(error("<!DOCTYPE html>"), HasSubstr("web page"));
  EXPECT_THAT(error(std::string("PK\3\4abc")), HasSubstr("ZIP"));
  EXPECT_THAT(error("\x08\x08"), HasSubstr("no graph"));
  EXPECT_THAT(error("\x3a\x7f"), HasSubstr("download it again"));
  try {
    onnx::load("/nonexistent/model.onnx");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::file);
    EXPECT_THAT(error.what(), HasSubstr("No such file"));
  }
}

TEST(OnnxGraph, Metadata) {
  Pen pen;
  pen.model.set_producer_name("pytorch");
  pen.model.set_producer_version("2.1");
  auto* entry = pen.model.add_metadata_props();
  entry->set_key("license");
  entry->set_value("CC0");
  pen.node("Relu", {"x"}, {"y"});
  const Model model = pen.load().model;
  EXPECT_EQ(model.producer, "pytorch 2.1");
  EXPECT_EQ(model.path, "pen.onnx");
  EXPECT_EQ(model.metadata.at(0).second, "CC0");
}

// --- Inputs, initializers, constants ----------------------------------------------------------

TEST(OnnxGraph, InputTypes) {
  Pen pen;
  pen.node("Relu", {"x"}, {"y"});
  auto* shape = pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->add_dim()->set_dim_param("batch");
  shape->add_dim();
  shape->add_dim()->set_dim_value(-1);
  auto* bare = pen.graph->add_input();
  bare->set_name("bare");
  bare->mutable_type()->mutable_tensor_type()->set_elem_type(TensorProto::INT64);
  auto* list = pen.graph->add_input();
  list->set_name("list");
  list->mutable_type()->mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type();
  auto* maybe = pen.graph->add_input();
  maybe->set_name("maybe");
  maybe->mutable_type()->mutable_optional_type()->mutable_elem_type()->mutable_tensor_type();
  auto* map = pen.graph->add_input();
  map->set_name("map");
  map->mutable_type()->mutable_map_type()->set_key_type(TensorProto::INT64);
  pen.graph->add_input()->set_name("untyped");

  const Graph graph = pen.load().model.graph;
  EXPECT_THAT(names(graph, graph.inputs), ElementsAre("x", "bare", "list", "maybe", "map", "untyped"));
  const Value& x = value_named(graph, "x");
  EXPECT_EQ(x.type, (Type{DType::float32, {2, -1, -1, -1}}));
  EXPECT_TRUE(x.ranked);
  EXPECT_THAT(x.dim_names, ElementsAre("", "batch", "", ""));
  EXPECT_EQ(value_named(graph, "bare").type.dtype, DType::int64);
  EXPECT_FALSE(value_named(graph, "bare").ranked);
  EXPECT_EQ(value_named(graph, "list").kind, Kind::sequence);
  EXPECT_EQ(value_named(graph, "maybe").kind, Kind::optional);
  EXPECT_EQ(value_named(graph, "map").kind, Kind::map);
  EXPECT_EQ(value_named(graph, "untyped").type.dtype, DType::undefined);
}

TEST(OnnxGraph, InputNonsense) {
  Pen pen;
  pen.node("Relu", {"x"}, {"y"});
  auto* tensor = pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(88);
  EXPECT_THAT(pen.error(), AllOf(HasSubstr("input \"x\""), HasSubstr("data type 88")));
  tensor->set_elem_type(1);
  for (int i = 0; i < 80; ++i) tensor->mutable_shape()->add_dim();
  EXPECT_THAT(pen.error(), HasSubstr("81 dimensions"));
  pen.graph->mutable_input(0)->clear_type();
  EXPECT_EQ(pen.error(), "");
  pen.graph->add_input();
  EXPECT_THAT(pen.error(), HasSubstr("no name"));
}

TEST(OnnxGraph, AnInitializerThatIsAlsoAnInputIsAConstant) {
  for (const int version : {3, 8}) {
    Pen pen;
    pen.model.set_ir_version(version);
    add_input(pen.graph, "w");
    add_float(pen.graph, "w", 3);
    pen.node("Add", {"x", "w"}, {"y"});
    const Graph graph = pen.load().model.graph;
    EXPECT_THAT(names(graph, graph.inputs), ElementsAre("x"));
    EXPECT_THAT(elements(*value_named(graph, "w").constant), ElementsAre(3));
  }
}

TEST(OnnxGraph, FromIrVersion4OnADefaultMayBeReplaced) {
  for (const int version : {3, 4, 8}) {
    Pen pen;
    pen.model.set_ir_version(version);
    add_input(pen.graph, "w");
    add_float(pen.graph, "w", 3);
    pen.node("Add", {"x", "w"}, {"y"});
    EXPECT_EQ(pen.load().optional_inputs.size(), version < 4 ? 0u : 1u) << version;
  }
}

// The model, its graph, an input and its type are four messages; a sequence is one, the type of its items another.
TEST(OnnxGraph, MessagesNestAtMostHundredTimes) {
  const auto error = [](int sequences) {
    Pen pen;
    pen.node("Relu", {"x"}, {"y"});
    ::onnx::TypeProto* type = pen.graph->add_input()->mutable_type();
    pen.graph->mutable_input(1)->set_name("deep");
    for (int i = 0; i < sequences; ++i) type = type->mutable_sequence_type()->mutable_elem_type();
    return pen.error();
  };
  EXPECT_THAT(error(48), testing::Not(HasSubstr("nest deeper")));
  EXPECT_THAT(error(49), HasSubstr("nest deeper than 100"));
}

TEST(OnnxGraph, AMessageEndsWithinTheOneAroundIt) {
  // A graph of four bytes that holds a name of five, in a file that has as many.
  const std::string file(
      "\x08\x08\x3a\x04\x12\x05"
      "ab"
      "\x42\x02\x10\x11"
      "cdefgh",
      18);
  const auto bytes = std::make_shared<const std::string>(file);
  try {
    onnx::load({reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()}, bytes, "askew.onnx", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("malformed at byte 6 "));
    EXPECT_THAT(error.what(), HasSubstr("a length reaches beyond the message around it"));
  }
}

TEST(OnnxGraph, ConstantNodesBecomeValues) {
  Pen pen;
  const auto constant = [&](const std::string& name, AttributeProto::AttributeType type) {
    return add_attr(pen.node("Constant", {}, {name}), name, type);
  };
  *constant("value", AttributeProto::TENSOR)->mutable_t() = raw_tensor("", DType::int8, {2}, "\1\2");
  constant("value_float", AttributeProto::FLOAT)->set_f(2.5f);
  constant("value_int", AttributeProto::INT)->set_i(-7);
  constant("value_string", AttributeProto::STRING)->set_s("hi");
  auto* floats = constant("value_floats", AttributeProto::FLOATS);
  floats->add_floats(1);
  floats->add_floats(2);
  constant("value_ints", AttributeProto::INTS)->add_ints(9);
  constant("value_strings", AttributeProto::STRINGS)->add_strings("there");
  auto* sparse = constant("sparse_value", AttributeProto::SPARSE_TENSOR)->mutable_sparse_tensor();
  sparse->add_dims(3);
  *sparse->mutable_values() = raw_tensor("", DType::int8, {1}, "\5");
  *sparse->mutable_indices() = raw_tensor("", DType::int64, {1}, std::string("\2\0\0\0\0\0\0\0", 8));
  pen.node("Relu", {"x"}, {"y"});

  const Graph graph = pen.load().model.graph;
  EXPECT_EQ(graph.nodes.size(), 1u);
  const auto tensor = [&](const char* name) -> const Tensor& { return *value_named(graph, name).constant; };
  EXPECT_THAT(elements(tensor("value")), ElementsAre(1, 2));
  EXPECT_EQ(tensor("value_float").type, (Type{DType::float32, {}}));
  EXPECT_THAT(elements(tensor("value_float")), ElementsAre(2.5));
  EXPECT_EQ(tensor("value_int").type, (Type{DType::int64, {}}));
  EXPECT_THAT(elements(tensor("value_int")), ElementsAre(-7));
  EXPECT_EQ(*tensor("value_string").as<String>(), "hi");
  EXPECT_EQ(tensor("value_floats").type, (Type{DType::float32, {2}}));
  EXPECT_EQ(tensor("value_ints").type, (Type{DType::int64, {1}}));
  EXPECT_EQ(tensor("value_strings").as<String>()[0], "there");
  EXPECT_THAT(elements(tensor("sparse_value")), ElementsAre(0, 0, 5));
}

TEST(OnnxGraph, ConstantsWithoutOneValueAreRefused) {
  Pen pen;
  NodeProto* node = pen.node("Constant", {}, {"y"});
  EXPECT_THAT(pen.error(), HasSubstr("one attribute, this one 0"));
  add_attr(node, "value_int", AttributeProto::INT)->set_i(1);
  EXPECT_EQ(pen.error(), "");
  add_attr(node, "value_float", AttributeProto::FLOAT)->set_f(1);
  EXPECT_THAT(pen.error(), HasSubstr("this one 2"));
  node->mutable_attribute()->RemoveLast();
  node->mutable_attribute(0)->set_name("value");
  EXPECT_THAT(pen.error(), HasSubstr("must be a float or a tensor"));
}

// --- Order and names --------------------------------------------------------------------------

TEST(OnnxGraph, NodesAreSorted) {
  Pen pen;
  pen.node("Relu", {"b"}, {"y"});
  pen.node("Relu", {"a"}, {"b"});
  pen.node("Relu", {"x"}, {"c"});
  pen.node("Relu", {"x"}, {"a"});
  EXPECT_THAT(listing(pen.load().model.graph), ElementsAre("Relu(x)->c", "Relu(x)->a", "Relu(a)->b", "Relu(b)->y"));
}

TEST(OnnxGraph, CyclesAreRefused) {
  Pen pen;
  pen.node("Relu", {"x"}, {"fine"});
  pen.node("Relu", {"a"}, {"waits"});
  pen.node("Add", {"x", "b"}, {"a"})->set_name("one");
  pen.node("Relu", {"a"}, {"b"})->set_name("two");
  pen.node("Relu", {"b"}, {"y"});
  EXPECT_THAT(pen.error(), AllOf(HasSubstr("cycle"), testing::AnyOf(HasSubstr("\"one\""), HasSubstr("\"two\""))));
  Pen self;
  self.node("Add", {"x", "y"}, {"y"});
  EXPECT_THAT(self.error(), HasSubstr("cycle"));
}

TEST(OnnxGraph, NamesAreDefinedOnceAndBeforeTheirUse) {
  Pen twice;
  twice.node("Relu", {"x"}, {"y"});
  twice.node("Relu", {"x"}, {"y"});
  EXPECT_THAT(twice.error(), HasSubstr("\"y\" is defined twice"));
  Pen input;
  input.node("Relu", {"x"}, {"x"});
  EXPECT_NE(input.error(), "");
  Pen initializer;
  add_float(initializer.graph, "y", 1);
  initializer.node("Relu", {"x"}, {"y"});
  EXPECT_THAT(initializer.error(), HasSubstr("defined twice"));
  Pen unknown;
  unknown.node("Add", {"x", "ghost"}, {"y"})->set_name("/layer.0/Add");
  EXPECT_EQ(unknown.error(),
            "pen.onnx: node \"/layer.0/Add\" (Add, opset 17): uses value \"ghost\", which nothing defines");
  Pen output;
  output.node("Relu", {"x"}, {"z"});
  EXPECT_THAT(output.error(), HasSubstr("output \"y\" uses value \"y\""));
}

TEST(OnnxGraph, ANodeWithoutANameIsNumbered) {
  Pen pen;
  pen.node("Relu", {"x"}, {"a"});
  pen.node("Relu", {"ghost"}, {"y"});
  EXPECT_THAT(pen.error(), StartsWith("pen.onnx: node #1 -> \"y\" (Relu, opset 17): "));
}

TEST(OnnxGraph, OutputsMayBeInputsAndConstants) {
  Pen pen;
  pen.graph->add_output()->set_name("x");
  pen.graph->add_output()->set_name("w");
  add_float(pen.graph, "w", 1);
  pen.node("Relu", {"x"}, {"y"});
  const Graph graph = pen.load().model.graph;
  EXPECT_THAT(names(graph, graph.outputs), ElementsAre("y", "x", "w"));
}

// --- Nodes against their operators ------------------------------------------------------------

TEST(OnnxGraph, EmptyNamesAreAbsentAndTrailingOnesDropped) {
  Pen pen;
  pen.node("Clip", {"x", "", "top"}, {"a"});
  pen.node("Clip", {"a", "", ""}, {"y", ""});
  add_float(pen.graph, "top", 1);
  EXPECT_THAT(listing(pen.load().model.graph), ElementsAre("Clip(x,-,top)->a", "Clip(a)->y"));
}

TEST(OnnxGraph, Arity) {
  const auto error = [](const std::vector<std::string>& in, const std::vector<std::string>& out) {
    Pen pen;
    pen.node("Add", in, out);
    return pen.error();
  };
  EXPECT_EQ(error({"x", "x"}, {"y"}), "");
  EXPECT_THAT(error({"x"}, {"y"}), HasSubstr("has 1 inputs, but needs at least 2"));
  EXPECT_THAT(error({"x", "x", "x"}, {"y"}), HasSubstr("has 3 inputs, but takes at most 2"));
  EXPECT_THAT(error({"x", "x"}, {"y", "z"}), HasSubstr("has 2 outputs, but takes at most 1"));
  EXPECT_THAT(error({"x", ""}, {"y"}), HasSubstr("input 1 is required"));
}

TEST(OnnxGraph, RequiredAttributes) {
  Pen pen;
  NodeProto* node = pen.node("Concat", {"x"}, {"y"});
  EXPECT_THAT(pen.error(), HasSubstr("attribute \"axis\" is required"));
  add_attr(node, "axis", AttributeProto::INT)->set_i(0);
  EXPECT_EQ(pen.error(), "");
}

TEST(OnnxGraph, AttributesOfTheWrongKind) {
  const auto error = [](AttributeProto::AttributeType type, const auto& fill) {
    Pen pen;
    fill(add_attr(pen.node("Concat", {"x"}, {"y"}), "axis", type));
    return pen.error();
  };
  const auto nothing = [](AttributeProto*) {};
  EXPECT_EQ(error(AttributeProto::INT, [](auto* a) { a->set_i(0); }), "");
  EXPECT_EQ(error(AttributeProto::UNDEFINED, [](auto* a) { a->set_i(0); }), "") << "early models do not say";
  EXPECT_EQ(error(AttributeProto::INT, nothing), "") << "proto3 writers leave zeros out";
  EXPECT_THAT(error(AttributeProto::STRING, [](auto* a) { a->set_s("0"); }),
              HasSubstr("\"axis\" is a string, but must be an integer"));
  EXPECT_THAT(error(AttributeProto::INT, [](auto* a) { a->add_floats(1); }),
              HasSubstr("says it is an integer, but holds a list of floats"));
  EXPECT_THAT(error(AttributeProto::UNDEFINED, [](auto* a) { a->set_i(1), a->set_f(2); }),
              HasSubstr("does not say what it is"));
  EXPECT_THAT(error(static_cast<AttributeProto::AttributeType>(0), [](auto* a) { a->set_type(99); }),
              HasSubstr("unknown kind 99"));
  EXPECT_THAT(error(AttributeProto::GRAPH, nothing), HasSubstr("axis"));
  Pen twice;
  NodeProto* node = twice.node("Concat", {"x"}, {"y"});
  add_attr(node, "axis", AttributeProto::INT)->set_i(0);
  add_attr(node, "axis", AttributeProto::INT)->set_i(1);
  EXPECT_THAT(twice.error(), HasSubstr("given twice"));
}

TEST(OnnxGraph, UnsupportedOperatorsAreCounted) {
  Pen pen;
  pen.node("NoSuchOperator", {"x"}, {"a"});
  pen.node("NoSuchOperator", {"a"}, {"b"})->set_name("second");
  NodeProto* foreign = pen.node("Magic", {"b", ""}, {"c"});
  foreign->set_domain("com.example");
  foreign->set_name("wand");
  add_attr(foreign, "types", AttributeProto::TYPE_PROTOS)->add_type_protos();
  pen.node("Relu", {"c"}, {"y"});
  const onnx::Loaded loaded = pen.load();
  EXPECT_THAT(loaded.unsupported, ElementsAre("ai.onnx.NoSuchOperator (opset 17), 2 nodes, first \"a\"",
                                              "com.example.Magic (opset 1), 1 node, first \"wand\""));
  EXPECT_THAT(listing(loaded.model.graph), ElementsAre("?(x)->a", "?(a)->b", "?(b,-)->c", "Relu(c)->y"));
}

TEST(OnnxGraph, SaysWhatOthersOperatorsAre) {
  Pen pen;
  pen.node("QOrderedMatMul", {"x", "x"}, {"y"})->set_domain("com.microsoft");
  EXPECT_THAT(
      pen.load().unsupported,
      ElementsAre("com.microsoft.QOrderedMatMul (opset 1; numbers in the order of a device's units), 1 node, first "
                  "\"y\""));
}

TEST(OnnxGraph, Budgets) {
  Pen pen;
  pen.node("Relu", {"x"}, {"a"});
  pen.node("Relu", {"a"}, {"y"});
  onnx::Limits limits;
  limits.nodes = 1;
  EXPECT_THAT(pen.error(limits), HasSubstr("more than 1 nodes"));
  limits = {};
  limits.values = 2;
  EXPECT_THAT(pen.error(limits), HasSubstr("more than 2 values"));
}

// --- Subgraphs --------------------------------------------------------------------------------

/// An If node whose branches apply `op` to these names and give the result.
NodeProto* add_if(google::protobuf::RepeatedPtrField<NodeProto>* nodes, const std::vector<std::string>& in,
                  const std::string& out) {
  NodeProto* node = add_node(nodes, "If", {"x"}, {out});
  for (const char* name : {"then_branch", "else_branch"}) {
    GraphProto* branch = add_attr(node, name, AttributeProto::GRAPH)->mutable_g();
    add_node(branch->mutable_node(), "Add", in, {"r"});
    branch->add_output()->set_name("r");
  }
  return node;
}

TEST(OnnxGraph, SubgraphsCaptureWhatTheyUse) {
  Pen pen;
  add_float(pen.graph, "w", 1);
  add_if(pen.graph->mutable_node(), {"late", "w"}, "y");
  pen.node("Relu", {"x"}, {"late"});  // sorted before the If that uses it inside only
  const Graph graph = pen.load().model.graph;
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.values[graph.nodes[0].out[0]].name, "late");
  const Graph& body = body_of(graph.nodes[1], "then_branch");
  EXPECT_THAT(listing(body), ElementsAre("Add(late,w)->r"));
  ASSERT_EQ(body.captures.size(), 1u) << "constants are not captured";
  EXPECT_EQ(graph.values[body.captures[0].first].name, "late");
  EXPECT_EQ(body.values[body.captures[0].second].name, "late");
  EXPECT_EQ(value_named(body, "w").constant, value_named(graph, "w").constant);
}

TEST(OnnxGraph, CapturesPassThroughEveryLevel) {
  Pen pen;
  NodeProto* outer = pen.node("If", {"x"}, {"y"});
  for (const char* name : {"then_branch", "else_branch"}) {
    GraphProto* branch = add_attr(outer, name, AttributeProto::GRAPH)->mutable_g();
    add_if(branch->mutable_node(), {"x", "x"}, "q");
    branch->add_output()->set_name("q");
  }
  const Graph graph = pen.load().model.graph;
  const Graph& middle = body_of(graph.nodes[0], "then_branch");
  const Graph& inner = body_of(middle.nodes[0], "else_branch");
  ASSERT_EQ(middle.captures.size(), 1u);
  ASSERT_EQ(inner.captures.size(), 1u);
  EXPECT_EQ(inner.captures[0].first, middle.captures[0].second);
  EXPECT_EQ(graph.values[middle.captures[0].first].name, "x");
}

TEST(OnnxGraph, ASubgraphMayHideOuterNamesAndGiveThemOut) {
  Pen pen;
  NodeProto* node = add_if(pen.graph->mutable_node(), {"x", "x"}, "y");
  GraphProto* branch = node->mutable_attribute(0)->mutable_g();
  branch->mutable_node(0)->set_output(0, "x2");
  branch->mutable_output(0)->set_name("x");
  const Graph graph = pen.load().model.graph;
  const Graph& body = body_of(graph.nodes[0], "then_branch");
  EXPECT_EQ(body.outputs[0], body.captures.at(0).second);
  branch->mutable_node(0)->set_output(0, "y");  // the name of the If's own output is free inside
  branch->mutable_output(0)->set_name("y");
  EXPECT_EQ(pen.error(), "");
}

TEST(OnnxGraph, BodyInputsStayInputs) {
  for (const int version : {3, 8}) {
    Pen pen;
    pen.model.set_ir_version(version);
    NodeProto* node = add_if(pen.graph->mutable_node(), {"x", "w"}, "y");
    GraphProto* branch = node->mutable_attribute(0)->mutable_g();
    add_input(branch, "w");
    add_float(branch, "w", 1);
    node->mutable_attribute(1)->mutable_g()->mutable_node(0)->set_input(1, "x");
    const Graph graph = pen.load().model.graph;
    const Graph& body = body_of(graph.nodes[0], "then_branch");
    EXPECT_EQ(body.inputs.size(), version < 4 ? 0u : 1u);
    EXPECT_EQ(value_named(body, "w").constant != nullptr, version < 4);
  }
}

TEST(OnnxGraph, NestingHasALimit) {
  Pen pen;
  GraphProto* graph = pen.graph;
  for (int depth = 0; depth < 20; ++depth) {
    NodeProto* node = add_node(graph->mutable_node(), "If", {"x"}, {depth ? "r" : "y"});
    GraphProto* last = add_attr(node, "else_branch", AttributeProto::GRAPH)->mutable_g();
    add_node(last->mutable_node(), "Relu", {"x"}, {"r"});
    last->add_output()->set_name("r");
    graph = add_attr(node, "then_branch", AttributeProto::GRAPH)->mutable_g();
    graph->add_output()->set_name("r");
  }
  add_node(graph->mutable_node(), "Relu", {"x"}, {"r"});
  EXPECT_EQ(pen.error(), "");
  onnx::Limits limits;
  limits.graph_depth = 19;
  EXPECT_THAT(pen.error(limits), HasSubstr("nest deeper than the limit of 19"));
}

// --- Functions --------------------------------------------------------------------------------

TEST(OnnxGraph, FunctionsAreInlined) {
  Pen pen;
  FunctionProto* twice = pen.function("Twice", {"a"}, {"b"});
  add_node(twice->mutable_node(), "Relu", {"t"}, {"b"});  // unsorted
  add_node(twice->mutable_node(), "Add", {"a", "a"}, {"t"});
  pen.call("Twice", {"x"}, {"m"})->set_name("first");
  pen.call("Twice", {"m"}, {"y"})->set_name("second");
  const onnx::Loaded loaded = pen.load();
  EXPECT_THAT(loaded.unsupported, testing::IsEmpty());
  EXPECT_THAT(listing(loaded.model.graph),
              ElementsAre("Add(x,x)->first/t", "Relu(first/t)->m", "Add(m,m)->second/t", "Relu(second/t)->y"));
}

TEST(OnnxGraph, InlinedNamesStayUnique) {
  Pen pen;
  FunctionProto* twice = pen.function("Twice", {"a"}, {"b"});
  add_node(twice->mutable_node(), "Add", {"a", "a"}, {"t"});
  add_node(twice->mutable_node(), "Relu", {"t"}, {"b"});
  pen.node("Relu", {"x"}, {"Twice/t"});
  pen.call("Twice", {"Twice/t"}, {"m"});
  pen.call("Twice", {"m"}, {"y"});
  const Graph graph = pen.load().model.graph;
  std::set<std::string> seen;
  for (const Value& value : graph.values) EXPECT_TRUE(seen.insert(value.name).second) << value.name;
}

TEST(OnnxGraph, FunctionAttributesAreSubstituted) {
  Pen pen;
  FunctionProto* inner = pen.function("Inner", {"a"}, {"b"});
  inner->add_attribute("kind");
  NodeProto* cast = add_node(inner->mutable_node(), "Flatten", {"a"}, {"b"});
  add_attr(cast, "axis", AttributeProto::INT)->set_ref_attr_name("kind");
  FunctionProto* outer = pen.function("Outer", {"a"}, {"b"});
  AttributeProto* fallback = outer->add_attribute_proto();
  fallback->set_name("target");
  fallback->set_type(AttributeProto::INT);
  fallback->set_i(6);
  NodeProto* call = add_node(outer->mutable_node(), "Inner", {"a"}, {"b"});
  call->set_domain("local");
  add_attr(call, "kind", AttributeProto::INT)->set_ref_attr_name("target");

  pen.call("Outer", {"x"}, {"m"});
  add_attr(pen.call("Outer", {"m"}, {"y"}), "target", AttributeProto::INT)->set_i(7);
  const Graph graph = pen.load().model.graph;
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(std::get<int64_t>(*find_attr(*graph.nodes[0].attrs, "axis")), 6);
  EXPECT_EQ(std::get<int64_t>(*find_attr(*graph.nodes[1].attrs, "axis")), 7);
  // Without a value or a default the attribute is left out.
  outer->clear_attribute_proto();
  const Graph bare = pen.load().model.graph;
  EXPECT_EQ(find_attr(*bare.nodes[0].attrs, "axis"), nullptr);
  EXPECT_NE(find_attr(*bare.nodes[1].attrs, "axis"), nullptr);
}

TEST(OnnxGraph, AFunctionMayTakeAGraphThatUsesItsCallersValues) {
  Pen pen;
  FunctionProto* choose = pen.function("Choose", {"c"}, {"b"});
  NodeProto* node = add_node(choose->mutable_node(), "If", {"c"}, {"b"});
  add_attr(node, "then_branch", AttributeProto::GRAPH)->set_ref_attr_name("body");
  add_attr(node, "else_branch", AttributeProto::GRAPH)->set_ref_attr_name("body");
  pen.node("Relu", {"x"}, {"mine"});
  NodeProto* call = pen.call("Choose", {"x"}, {"y"});
  GraphProto* body = add_attr(call, "body", AttributeProto::GRAPH)->mutable_g();
  add_node(body->mutable_node(), "Relu", {"mine"}, {"r"});
  body->add_output()->set_name("r");
  const Graph graph = pen.load().model.graph;
  EXPECT_THAT(listing(body_of(graph.nodes[1], "else_branch")), ElementsAre("Relu(mine)->r"));
}

TEST(OnnxGraph, FunctionsSeeNothingAroundThem) {
  Pen pen;
  FunctionProto* peek = pen.function("Peek", {"a"}, {"b"});
  add_node(peek->mutable_node(), "Add", {"a", "x"}, {"b"});
  pen.call("Peek", {"x"}, {"y"});
  EXPECT_THAT(pen.error(), HasSubstr("uses value \"x\""));
}

TEST(OnnxGraph, FunctionInputsAndOutputsMayBeLeftOut) {
  Pen pen;
  FunctionProto* clip = pen.function("MyClip", {"a", "low", "high"}, {"b", "extra"});
  add_node(clip->mutable_node(), "Clip", {"a", "low", "high"}, {"b"});
  add_node(clip->mutable_node(), "Relu", {"a"}, {"extra"});
  add_float(pen.graph, "top", 1);
  pen.call("MyClip", {"x", "", "top"}, {"m"});
  pen.call("MyClip", {"m"}, {"", "y"});
  EXPECT_THAT(listing(pen.load().model.graph),
              ElementsAre("Clip(x,-,top)->m", "Relu(x)->MyClip/extra", "Clip(m)->MyClip#2/b", "Relu(m)->y"));
}

TEST(OnnxGraph, AFunctionThatReturnsItsInputCopies) {
  Pen pen;
  FunctionProto* same = pen.function("Same", {"a"}, {"a"});
  same->mutable_node();
  pen.call("Same", {"x"}, {"y"});
  EXPECT_THAT(listing(pen.load().model.graph), ElementsAre("Identity(x)->y"));
}

TEST(OnnxGraph, FunctionNonsense) {
  Pen never;
  never.function("Never", {"a"}, {"b"});
  never.call("Never", {"x"}, {"y"});
  EXPECT_THAT(never.error(), HasSubstr("never makes its output \"b\""));

  Pen loop;
  for (const char* name : {"F", "G"}) {
    FunctionProto* f = loop.function(name, {"a"}, {"b"});
    add_node(f->mutable_node(), *name == 'F' ? "G" : "F", {"a"}, {"b"})->set_domain("local");
  }
  loop.call("F", {"x"}, {"y"});
  EXPECT_THAT(loop.error(), HasSubstr("calls itself"));

  Pen twice;
  twice.function("F", {"a"}, {"b"});
  twice.function("F", {"a"}, {"b"});
  EXPECT_THAT(twice.error(), HasSubstr("\"F\" twice"));

  Pen arity;
  add_node(arity.function("F", {"a"}, {"b"})->mutable_node(), "Relu", {"a"}, {"b"});
  arity.call("F", {"x", "x"}, {"y"});
  EXPECT_THAT(arity.error(), HasSubstr("takes at most 1"));

  Pen outside;
  add_attr(outside.node("Concat", {"x"}, {"y"}), "axis", AttributeProto::INT)->set_ref_attr_name("k");
  EXPECT_THAT(outside.error(), HasSubstr("refers to an attribute of a function"));
}

TEST(OnnxGraph, AFunctionBombIsRefusedInTime) {
  Pen pen;
  for (int i = 0; i < 30; ++i) {  // each calls the next one twice: 2^30 nodes
    FunctionProto* f = pen.function(cat('F', i), {"a"}, {"b"});
    const std::string next = i == 29 ? "Relu" : cat('F', i + 1);
    NodeProto* first = add_node(f->mutable_node(), next, {"a"}, {"t"});
    NodeProto* second = add_node(f->mutable_node(), next, {"t"}, {"b"});
    if (i < 29) first->set_domain("local"), second->set_domain("local");
  }
  pen.call("F0", {"x"}, {"y"});
  EXPECT_THAT(pen.error(), HasSubstr("become more than 1000000 nodes"));
  onnx::Limits limits;
  limits.nodes = int64_t{1} << 40;
  limits.function_depth = 20;
  EXPECT_THAT(pen.error(limits), HasSubstr("deeper than the limit of 20"));
}

}  // namespace
}  // namespace tessera::test
