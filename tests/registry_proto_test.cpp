// The whole registry: every operator's example as it is, with attributes of other versions, and with empty extents.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "tests/subjects.h"

namespace tessera::test {
namespace {

/// An Error's text; empty for an answer. Whatever else is thrown is a failure.
std::string outcome(const Subject& subject) {
  try {
    run_subject(subject);
    return "";
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& other) {
    ADD_FAILURE() << subject.origin << ": " << other.what();
    return other.what();
  }
}

TEST(Cases, EveryOperatorHasOneThatRuns) {
  std::set<const OpDef*> seen;
  for (const Case& example : file_examples()) {
    const OpDef* op = find_op(example.domain, example.op, example.opset);
    ASSERT_NE(op, nullptr) << example.op;
    seen.insert(op);
    EXPECT_EQ(outcome(subject_of(example)), "") << example.op << ' ' << example.opset;
  }
  for (const OpDef* op : all_ops())
    EXPECT_TRUE(seen.contains(op) || is_beyond_examples(*op)) << op->domain << '.' << op->name << ' ' << op->since;
}

// --- Attributes ----------------------------------------------------------------------------------

bool has_attr(const OpDef& op, Text name, int opset) {
  return std::any_of(op.attrs.begin(), op.attrs.end(),
                     [&](const AttrDef& def) { return def.name == name && def.since <= opset && opset <= def.last; });
}

// Every version of every operator, given all attributes that any of its versions has.
TEST(LoaderAttributes, ANodeHasThoseOfItsOwnVersionOnly) {
  std::map<std::pair<Text, Text>, std::pair<std::set<Text>, std::set<int>>> families;  // attributes; versions
  for (const OpDef* op : all_ops()) {
    // What a formula becomes is other nodes.
    if (op->domain == internal_domain || op->name == "Constant" || !op->formula.empty()) continue;
    auto& [names, versions] = families[{op->domain, op->name}];
    versions.insert(op->since);
    for (const AttrDef& def : op->attrs) {
      names.insert(def.name);
      versions.insert(def.since);
      if (def.last < 100) versions.insert(def.last + 1);
    }
  }
  int dropped = 0;
  for (const auto& [family, known] : families)
    for (const int version : known.second) {
      const OpDef* op = find_op(family.first, family.second, version);
      if (!op) continue;
      Pen pen;
      pen.model.clear_opset_import();
      import(pen.model, std::string(family.first), version);
      if (!family.first.empty()) import(pen.model, "", 17);
      NodeProto* node = pen.node(std::string(family.second), {}, {"y"});
      node->set_domain(std::string(family.first));
      for (int i = 0; i < op->in.min; ++i) node->add_input(std::string("x"));
      for (int i = 1; i < op->out.min; ++i) node->add_output(cat("y", i));
      // Empty lists of the right kind are values for nearly every attribute; graphs need one of their own.
      std::set<Text> given = known.first;
      given.insert("left_over");
      for (const Text name : given) {
        AttributeProto* attribute = node->add_attribute();
        attribute->set_name(std::string(name));
        if (name == "body" || name.ends_with("_branch") || name.ends_with("decoder") || name == "encoder" ||
            name.ends_with("_mod")) {
          attribute->set_type(AttributeProto::GRAPH);
          attribute->mutable_g();
        }
      }
      const onnx::Loaded loaded = [&] {
        // Of what the version has, some are of another kind than an empty list: those are given up one by one.
        for (;;) {
          try {
            return pen.load();
          } catch (const Error& error) {
            const std::string text = error.what();
            const auto at = text.find("attribute \"");
            if (at == std::string::npos) throw;
            const std::string name = text.substr(at + 11, text.find('"', at + 11) - at - 11);
            EXPECT_TRUE(has_attr(*op, name, version)) << op->name << ' ' << version << ": " << text;
            auto* attributes = node->mutable_attribute();
            const auto found = std::find_if(attributes->begin(), attributes->end(),
                                            [&](const AttributeProto& a) { return a.name() == name; });
            if (found == attributes->end()) throw;
            if (found->has_i()) {  // no number either
              attributes->erase(found);
              continue;
            }
            found->set_type(text.find("float") != std::string::npos    ? AttributeProto::FLOAT
                            : text.find("string") != std::string::npos ? AttributeProto::STRING
                                                                       : AttributeProto::INT);
            if (found->type() == AttributeProto::INT) found->set_i(1);
            if (found->type() == AttributeProto::FLOAT) found->set_f(1);
            if (found->type() == AttributeProto::STRING) found->set_s("x");
          }
        }
      }();
      for (const auto& [name, attr] : *loaded.model.graph.nodes.at(0).attrs)
        EXPECT_TRUE(has_attr(*op, name, version)) << op->name << ' ' << version << " was given " << name;
      dropped += node->attribute_size() - static_cast<int>(loaded.model.graph.nodes[0].attrs->size());
    }
  EXPECT_GT(dropped, 500);
}

// What an older kernel would read, and a newer operator has not: the answer is the same without it.
TEST(LoaderAttributes, LeftOversChangeNoAnswer) {
  const std::pair<const char*, Attr> left_over[] = {{"axes", std::vector<int64_t>{-1000, 1000}},
                                                    {"scales", std::vector<float>{0.0f, NAN, 1e30f, -1.0f}},
                                                    {"pads", std::vector<int64_t>(8, 1000)},
                                                    {"starts", std::vector<int64_t>{1000}},
                                                    {"ends", std::vector<int64_t>{-1000}},
                                                    {"split", std::vector<int64_t>{1000}},
                                                    {"height_scale", 1e9f},
                                                    {"width_scale", 1e9f},
                                                    {"min", 1.0f},
                                                    {"max", -1.0f},
                                                    {"k", int64_t{1000}},
                                                    {"ratio", 0.9f},
                                                    {"broadcast", int64_t{1}},
                                                    {"spatial", int64_t{0}},
                                                    {"quantized", int64_t{1}},
                                                    {"blocksize", int64_t{1000}},
                                                    {"layout", int64_t{1}},
                                                    {"num_outputs", int64_t{1000}},
                                                    {"allowzero", int64_t{1}},
                                                    {"shape", std::vector<int64_t>{-5}},
                                                    {"antialias", int64_t{1}},
                                                    {"block_size", int64_t{1000}}};
  for (const Case& example : file_examples()) {
    const OpDef& op = *find_op(example.domain, example.op, example.opset);
    if (!op.folds || example.op == "Constant") continue;
    const Subject plain = subject_of(example);
    Subject laden = plain;
    for (const auto& [name, attr] : left_over) {
      if (has_attr(op, name, example.opset)) continue;
      AttributeProto* made = laden.model.mutable_graph()->mutable_node(0)->add_attribute();
      made->set_name(name);
      set_value(made, attr);
    }
    SCOPED_TRACE(plain.origin);
    const auto expected = run_subject(plain), got = run_subject(laden);
    for (size_t i = 0; i < expected.size(); ++i) {
      const bool numbers = expected[i].tensor.type.dtype != DType::string;
      EXPECT_TRUE(!numbers || close(got[i].tensor, expected[i].tensor, 0, 0));
    }
  }
}

TEST(LoaderDomains, OursIsRefusedWhereverAFileNamesIt) {
  const auto error = [](const auto& change) {
    Pen pen;
    NodeProto* node = pen.node("Relu", {"x"}, {"y"});
    change(pen, node);
    return pen.error();
  };
  const auto refused = testing::HasSubstr("uses domain \"tessera\", which is tessera's own");
  EXPECT_EQ(error([](Pen&, NodeProto*) {}), "");
  EXPECT_THAT(error([](Pen&, NodeProto* node) { node->set_domain("tessera"); }), refused);
  EXPECT_THAT(error([](Pen& pen, NodeProto*) { import(pen.model, "tessera", 1); }), refused);
  EXPECT_THAT(error([](Pen& pen, NodeProto*) { pen.function("Gate", {"a"}, {"b"})->set_domain("tessera"); }), refused);
}

TEST(LoaderDomains, MayBeImportedTwiceInOneVersion) {
  Pen pen;
  pen.node("Relu", {"x"}, {"y"});
  import(pen.model, "ai.onnx", 17);
  EXPECT_EQ(pen.error(), "");
  import(pen.model, "", 18);
  EXPECT_THAT(pen.error(), testing::HasSubstr("in two versions"));
}

// --- Extents of zero -----------------------------------------------------------------------------

// Every extent of every operand, and all extents that are alike; as written, and with what is known exchanged for
// what is fed.
std::vector<Subject> emptied() {
  std::vector<Subject> subjects;
  const auto add = [&](const Subject& subject) {
    subjects.push_back(subject);
    subjects.push_back(subject);
    for (Operand& operand : subjects.back().operands) operand.constant = !operand.constant;
  };
  for (const Case& example : file_examples()) {
    const Subject whole = subject_of(example);
    std::set<int64_t> extents;
    for (size_t i = 0; i < whole.operands.size(); ++i) {
      const Shape& shape = whole.operands[i].tensor.type.shape;
      extents.insert(shape.begin(), shape.end());
      for (size_t d = 0; d < shape.size(); ++d) {
        Subject one = whole;
        Shape changed = shape;
        changed[d] = 0;
        one.origin += cat(", input ", i, " is ", changed);
        one.operands[i].tensor = reshaped(whole.operands[i].tensor, changed);
        add(one);
      }
    }
    for (const int64_t extent : extents) {
      Subject all = whole;
      all.origin += cat(", extents of ", extent, " are 0");
      for (Operand& operand : all.operands) {
        Shape changed = operand.tensor.type.shape;
        std::replace(changed.begin(), changed.end(), extent, int64_t{0});
        operand.tensor = reshaped(operand.tensor, changed);
      }
      add(all);
    }
  }
  return subjects;
}

TEST(Cases, EveryExtentMayBeZero) {
  const std::vector<Subject> subjects = emptied();
  run_apart(
      0, static_cast<int64_t>(subjects.size()), [&](int64_t index) { return subjects[static_cast<size_t>(index)]; },
      [](const Outcomes& outcomes) {
        EXPECT_GT(outcomes.answers, 400);
        EXPECT_GT(outcomes.errors, 200);
        EXPECT_EQ(outcomes.slow, 0);
      });
}

// --- Models that once ended the process ------------------------------------------------------------

// The model's inputs become operands; open extents are 3.
Subject subject_at(const std::filesystem::path& path) {
  Subject subject;
  subject.origin = path.filename().string();
  const auto bytes = read_bytes(path);
  EXPECT_TRUE(subject.model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) << path;
  for (const auto& input : subject.model.graph().input()) {
    const auto& type = input.type().tensor_type();
    Shape shape;
    for (const auto& dim : type.shape().dim()) shape.push_back(dim.has_dim_value() ? dim.dim_value() : 3);
    for (int64_t& extent : shape)
      if (extent > 1 << 20) extent = 0;  // no test has room for it
    subject.operands.push_back(
        {input.name(), random_tensor(static_cast<DType>(type.elem_type()), shape, 1, 0, 2), false});
  }
  subject.model.mutable_graph()->clear_input();
  return subject;
}

TEST(Reliability, GivenModelsGiveAnAnswerOrAnError) {
  TESSERA_REQUIRE_SHARED(data);
  const std::filesystem::path folder = data.parent_path() / "cases/reliability";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << "skipped: the given models are not on this machine";
  // Those are about how much memory and time a run may take.
  const std::set<std::string> limits{"expand_out_2g",      "loop_scan_acc",  "conv_padhuge",
                                     "matmul_infer_16gib", "avgpool_kernel", "plan_cache_three_cuts"};
  std::vector<Subject> subjects;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".onnx" && !limits.contains(entry.path().stem().string())) {
      subjects.push_back(subject_at(entry.path()));
      try {
        Session(entry.path().string(), {});  // with the shapes that the file declares
      } catch (const Error&) {
      }
    }
  // An odd number of times each: as it is and without rewrites.
  const auto count = static_cast<int64_t>(subjects.size());
  run_apart(
      0, 5 * count, [&](int64_t index) { return subjects[static_cast<size_t>(index % count)]; },
      [&](const Outcomes& outcomes) {
        EXPECT_GT(outcomes.answers, 0);
        EXPECT_EQ(outcomes.slow, 0);
      });
  for (const char* name : {"sa_leak", "sa_write_far"})
    EXPECT_THAT(outcome(subject_at(folder / cat(name, ".onnx"))), testing::HasSubstr("which is tessera's own"));
  for (const char* name : {"qdq_slice_24", "qs_16_64", "reduce_attr_far", "reduce_attr_conflict2"}) {
    const Subject subject = subject_at(folder / cat(name, ".onnx"));
    SCOPED_TRACE(name);
    EXPECT_EQ(outcome(subject), "");
    const auto fast = run_subject(subject), plain = run_subject(subject, false);
    EXPECT_TRUE(close(fast[0].tensor, plain[0].tensor, 0, 0.34));
  }
}

}  // namespace
}  // namespace tessera::test
