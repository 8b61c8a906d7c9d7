// The census over the whole registry: each operator's example, whose extents that mean one thing are made large
// together; and what examples do not reach, as graphs. An operator that is in none of the tables is a failure.
#include <set>

#include "tests/census.h"

namespace tessera::test {
namespace {

using namespace census;

// Operators that nothing here makes grow, and why that is no gap.
struct Reason {
  Text op, why;
};
constexpr Reason reasons[] = {
    {"Constant", "it is in the file"},
    {"Reshape", "its result is what it is given"},
    {"GreedySearch", "its results are tensors, and its decoder runs as any body does"},
    {"Sampling", "as GreedySearch"},
    {"BeamSearch", "as GreedySearch"},
    {"WhisperBeamSearch", "as GreedySearch"},
    {"CastMap", "a row as long as the map or `max_map`, which Tensor::make counts"},
    {"DictVectorizer", "a row as long as the vocabulary, which is in the file"},
    {"Optional", "its result is what it is given"},
    {"OptionalGetElement", "its result is what it is given"},
    {"OptionalHasElement", "one boolean"},
    {"SequenceConstruct", "its result is what it is given"},
    {"SequenceAt", "its result is part of what it is given"},
    {"SequenceErase", "its result is part of what it is given"},
    {"SequenceLength", "one number"},
};

/// The subject with all extents of `from` changed into `to`.
Subject grown(const Subject& subject, int64_t from, int64_t to) {
  Subject made = subject;
  made.origin += cat(", extents of ", from, " are ", to);
  for (Operand& operand : made.operands) {
    Shape shape = operand.tensor.type.shape;
    std::replace(shape.begin(), shape.end(), from, to);
    if (shape != operand.tensor.type.shape) operand.tensor = reshaped(operand.tensor, shape);
  }
  return made;
}

/// The largest extent with which all operands take no more than this.
int64_t extent_for(const Subject& subject, int64_t from, int64_t most_bytes) {
  const auto bytes_with = [&](int64_t to) {
    double bytes = 0;
    for (const Operand& operand : subject.operands) {
      double each = std::max(8, bits_of(operand.tensor.type.dtype)) / 8.0;
      for (const int64_t extent : operand.tensor.type.shape) each *= static_cast<double>(extent == from ? to : extent);
      bytes += each;
    }
    return bytes;
  };
  int64_t to = from;
  while (to < most_bytes && bytes_with(2 * to) <= static_cast<double>(most_bytes)) to *= 2;
  return to;
}

// What an extent may become a little larger in, and still be understood.
std::vector<int64_t> meanings(const Subject& subject) {
  std::set<int64_t> extents;
  for (const Operand& operand : subject.operands)
    extents.insert(operand.tensor.type.shape.begin(), operand.tensor.type.shape.end());
  std::vector<int64_t> understood;
  for (const int64_t extent : extents) {
    if (extent == 0) continue;
    try {
      run_subject(grown(subject, extent, 2 * extent));
      understood.push_back(extent);
    } catch (const Error&) {
    }
  }
  return understood;
}

struct Growing {
  const OpDef* op;
  Subject subject;
  std::vector<int64_t> meanings;
};

std::vector<Growing> growing() {
  std::vector<Growing> found;
  for (const Case& example : file_examples()) {
    Growing one{find_op(example.domain, example.op, example.opset), subject_of(example), {}};
    one.meanings = meanings(one.subject);
    if (!one.meanings.empty()) found.push_back(std::move(one));
  }
  return found;
}

// --- Graphs -------------------------------------------------------------------------------------

struct Bomb {
  std::vector<Text> ops;
  Subject subject;
};

Tensor wholes(std::vector<int64_t> values) { return Tensor::of(values); }
Tensor zeros(const Shape& shape) { return Tensor::make({DType::float32, shape}); }

Bomb bomb_of(std::vector<Text> ops, std::vector<Operand> operands) {
  Bomb bomb{std::move(ops), {}};
  bomb.subject.origin = cat(bomb.ops.front(), " in a graph");
  bomb.subject.model.set_ir_version(10);
  import(bomb.subject.model, "", 17);
  import(bomb.subject.model, "ai.onnx.ml", 3);
  bomb.subject.operands = std::move(operands);
  bomb.subject.model.mutable_graph()->add_output()->set_name("y");
  return bomb;
}

NodeProto* node_in(Bomb& bomb, const std::string& op, const std::vector<std::string>& in,
                   const std::vector<std::string>& out) {
  return add_node(bomb.subject.model.mutable_graph()->mutable_node(), op, in, out);
}

GraphProto* body_in(NodeProto* node, const std::string& name) {
  GraphProto* body = add_attr(node, name, AttributeProto::GRAPH)->mutable_g();
  body->set_name(name);
  return body;
}

// The body of a loop, which goes on for ever.
GraphProto* loop_in(Bomb& bomb, const std::vector<std::string>& in, const std::vector<std::string>& out) {
  GraphProto* body = body_in(node_in(bomb, "Loop", in, out), "body");
  for (const char* name : {"i", "go"}) {
    add_input(body, name, name[0] == 'i' ? DType::int64 : DType::boolean);
    body->mutable_input(body->input_size() - 1)->mutable_type()->mutable_tensor_type()->mutable_shape()->clear_dim();
  }
  add_node(body->mutable_node(), "Identity", {"go"}, {"on"});
  body->add_output()->set_name("on");
  return body;
}

void add_any(GraphProto* body, const std::string& name) {
  auto* type = body->add_input();
  type->set_name(name);
  type->mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(DType::float32));
}

void set_int(NodeProto* node, const std::string& name, int64_t value) {
  add_attr(node, name, AttributeProto::INT)->set_i(value);
}

std::vector<Bomb> graph_bombs() {
  std::vector<Bomb> made;
  {
    // What each round gives is kept.
    Bomb b = bomb_of({"Loop"}, {{"x", zeros({1}), false}, {"shape", wholes({1000, 1000}), true}});
    GraphProto* body = loop_in(b, {"", ""}, {"y"});
    add_node(body->mutable_node(), "Expand", {"x", "shape"}, {"part"});
    body->add_output()->set_name("part");
    made.push_back(std::move(b));
  }
  {
    // A state that becomes twice as long in each round: another plan for each.
    Bomb b = bomb_of({"Loop"}, {{"x", zeros({1}), false}});
    GraphProto* body = loop_in(b, {"", "", "x"}, {"y"});
    add_any(body, "state");
    set_int(add_node(body->mutable_node(), "Concat", {"state", "state"}, {"longer"}), "axis", 0);
    body->add_output()->set_name("longer");
    made.push_back(std::move(b));
  }
  {
    // A state that becomes a little longer in each round.
    Bomb b = bomb_of({"Loop"}, {{"x", zeros({1}), false}});
    GraphProto* body = loop_in(b, {"", "", "x"}, {"y"});
    add_any(body, "state");
    set_int(add_node(body->mutable_node(), "Concat", {"state", "x"}, {"longer"}), "axis", 0);
    body->add_output()->set_name("longer");
    made.push_back(std::move(b));
  }
  for (const int64_t side : {1, 300}) {
    // A sequence that grows.
    Bomb b =
        bomb_of({"SequenceInsert", "SequenceEmpty"}, {{"x", zeros({1}), false}, {"shape", wholes({side, side}), true}});
    node_in(b, "SequenceEmpty", {}, {"none"});
    GraphProto* body = loop_in(b, {"", "", "none"}, {"all"});
    auto* state = body->add_input();
    state->set_name("state");
    state->mutable_type()->mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type()->set_elem_type(
        static_cast<int>(DType::float32));
    add_node(body->mutable_node(), "Expand", {"x", "shape"}, {"part"});
    add_node(body->mutable_node(), "SequenceInsert", {"state", "part"}, {"longer"});
    body->add_output()->set_name("longer");
    node_in(b, "SequenceLength", {"all"}, {"y"});
    made.push_back(std::move(b));
  }
  {
    // What each step gives is put together.
    Bomb b = bomb_of({"Scan"}, {{"x", zeros({100'000, 1}), false}, {"shape", wholes({1000}), true}});
    NodeProto* scan = node_in(b, "Scan", {"x"}, {"y"});
    set_int(scan, "num_scan_inputs", 1);
    GraphProto* body = body_in(scan, "body");
    add_any(body, "row");
    add_node(body->mutable_node(), "Expand", {"row", "shape"}, {"wide"});
    body->add_output()->set_name("wide");
    made.push_back(std::move(b));
  }
  {
    // As many tensors as elements, and what is made of each.
    Bomb b = bomb_of({"SplitToSequence", "ConcatFromSequence"}, {{"x", zeros({1'000'000}), false}});
    set_int(node_in(b, "SplitToSequence", {"x"}, {"parts"}), "keepdims", 1);
    set_int(node_in(b, "ConcatFromSequence", {"parts"}, {"y"}), "axis", 0);
    made.push_back(std::move(b));
  }
  {
    Bomb b = bomb_of({"SequenceMap"}, {{"x", zeros({1000}), false}, {"shape", wholes({1000, 100}), true}});
    set_int(node_in(b, "SplitToSequence", {"x"}, {"parts"}), "keepdims", 1);
    GraphProto* body = body_in(node_in(b, "SequenceMap", {"parts"}, {"all"}), "body");
    add_any(body, "part");
    add_node(body->mutable_node(), "Expand", {"part", "shape"}, {"wide"});
    body->add_output()->set_name("wide");
    node_in(b, "SequenceLength", {"all"}, {"y"});
    made.push_back(std::move(b));
  }
  {
    Bomb b = bomb_of({"If"}, {{"x", zeros({1}), false}, {"shape", wholes({20'000, 20'000}), true}});
    node_in(b, "Not", {"no"}, {"yes"});
    b.subject.operands.push_back({"no", Tensor::make({DType::boolean, {}}), false});
    NodeProto* choice = node_in(b, "If", {"yes"}, {"y"});
    for (const char* name : {"then_branch", "else_branch"}) {
      GraphProto* branch = body_in(choice, name);
      add_node(branch->mutable_node(), "Expand", {"x", "shape"}, {name});
      branch->add_output()->set_name(name);
    }
    made.push_back(std::move(b));
  }
  {
    Bomb b = bomb_of({"ZipMap"}, {{"x", zeros({300'000, 3}), false}});
    NodeProto* zip = node_in(b, "ZipMap", {"x"}, {"y"});
    zip->set_domain("ai.onnx.ml");
    auto* labels = add_attr(zip, "classlabels_int64s", AttributeProto::INTS);
    for (const int64_t label : {1, 2, 3}) labels->add_ints(label);
    made.push_back(std::move(b));
  }
  {
    // Scores of all pairs.
    const Tensor x = zeros({1, 1, 4000, 4});
    Bomb b = bomb_of({"FlexAttention"}, {{"q", x, false}, {"k", x, false}, {"v", x, false}});
    import(b.subject.model, "ai.onnx.preview", 1);
    node_in(b, "FlexAttention", {"q", "k", "v"}, {"y"})->set_domain("ai.onnx.preview");
    made.push_back(std::move(b));
  }
  return made;
}

TEST(Census, KnowsEveryOperator) {
  const auto known = growing();
  std::set<const OpDef*> grows;
  for (const Growing& one : known) grows.insert(one.op);
  std::set<Text> names;
  for (const Reason& reason : reasons) names.insert(reason.op);
  for (const Bomb& bomb : graph_bombs()) names.insert(bomb.ops.begin(), bomb.ops.end());
  for (const Text row : bombs()) {
    const Text op = row.substr(0, row.find(' '));
    names.insert(op.substr(op.find(':') + 1));  // npos + 1 is 0
  }
  for (const OpDef* op : all_ops())
    EXPECT_TRUE(op->domain == internal_domain || grows.contains(op) || names.contains(op->name))
        << op->domain << '.' << op->name << ' ' << op->since << " is in no table of this test";
}

// Each of an operator's meanings; without TESSERA_CENSUS a sample.
TEST(Census, GrownExamplesStayWithinLimits) {
  constexpr size_t sample = 12;
  Totals totals;
  size_t index = 0;
  for (const Growing& one : growing())
    for (const int64_t extent : one.meanings) {
      if (++index % sample && !is_report()) continue;
      const Subject bomb = grown(one.subject, extent, extent_for(one.subject, extent, 24 * mebibyte));
      judge(bomb.origin, measure([&](const auto& options, const auto& cancel) { run_bomb(bomb, options, cancel); }),
            totals, true);
    }
}

TEST(Census, GraphsStayWithinLimits) {
  Totals totals;
  for (const Bomb& bomb : graph_bombs())
    judge(bomb.subject.origin,
          measure([&](const auto& options, const auto& cancel) { run_bomb(bomb.subject, options, cancel); }), totals);
}

}  // namespace
}  // namespace tessera::test
