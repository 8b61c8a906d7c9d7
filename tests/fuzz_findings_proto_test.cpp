// What fuzzers found (tests/fuzz/), each as small as it shows: the right answer stays.
#include <gmock/gmock.h>

#include "tests/subjects.h"

namespace tessera::test {
namespace {

Subject example(Text op, Text domain = "") {
  for (const Case& each : file_examples())
    if (each.op == op && each.domain == domain) return subject_of(each);
  throw std::runtime_error(cat("no example of ", op));
}

NodeProto* node_of(Subject& subject) { return subject.model.mutable_graph()->mutable_node(0); }

std::string error_of(const Subject& subject, bool optimize) {
  try {
    run_subject(subject, optimize);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

// What a kernel reads of its attributes, inference has looked at: a kernel may not fail.
TEST(FuzzFindings, AttributesOfAKernelHaveTheirTypes) {
  for (const Text domain : {"", "com.microsoft"})
    for (const char* name : {"interleaved", "scale"}) {
      if (domain.empty() && std::string(name) == "scale") continue;
      Subject subject = example("RotaryEmbedding", domain);
      AttributeProto* attribute = node_of(subject)->add_attribute();
      for (AttributeProto& each : *node_of(subject)->mutable_attribute())
        if (each.name() == name) attribute = &each;
      attribute->Clear();
      attribute->set_name(name);
      attribute->set_type(AttributeProto::STRING);
      attribute->set_s("x");
      if (node_of(subject)->attribute().rbegin()->name().empty()) node_of(subject)->mutable_attribute()->RemoveLast();
      for (const bool optimize : {true, false})
        EXPECT_THAT(error_of(subject, optimize), testing::HasSubstr(cat("attribute \"", name, "\" is ")));
    }
}

// Operators rely on the outputs that they must have, also where a model leaves them out.
TEST(FuzzFindings, ARequiredOutputMayBeLeftOut) {
  for (const char* op : {"LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier"}) {
    Subject subject = example(op, "ai.onnx.ml");
    const auto all = run_subject(subject);
    node_of(subject)->set_output(0, "");
    subject.model.mutable_graph()->mutable_output()->DeleteSubrange(0, 1);
    for (const bool optimize : {true, false}) {
      const auto rest = run_subject(subject, optimize);
      ASSERT_EQ(rest.size(), 1u) << op;
      EXPECT_TRUE(close(rest[0].tensor, all[1].tensor)) << op;
    }
  }
}

// The lengths were read beyond their end.
TEST(FuzzFindings, SplitsWithoutLengthsAreRefused) {
  Subject subject = example("Split");
  for (Operand& operand : subject.operands)
    if (operand.tensor.type.dtype == DType::int64) operand.tensor = Tensor::make({DType::int64, {0}});
  if (subject.operands.size() < 2) {
    node_of(subject)->clear_attribute();
    node_of(subject)->add_input("lengths");
    subject.operands.push_back({"lengths", Tensor::make({DType::int64, {0}}), true});
    subject.model.mutable_opset_import(0)->set_version(13);
  }
  for (const bool optimize : {true, false})
    EXPECT_THAT(error_of(subject, optimize), testing::HasSubstr("do not fit axis")) << optimize;
}

// Written out as operators that take more types, they took them, too.
TEST(FuzzFindings, QuantizedOperatorsKeepTheirTypes) {
  for (const char* op : {"QLinearSigmoid", "QLinearLeakyRelu", "QLinearAdd", "QLinearMul"}) {
    Subject subject = example(op, "com.microsoft");
    for (Operand& operand : subject.operands)
      if (operand.tensor.type.dtype == DType::uint8)
        operand.tensor = Tensor::make({DType::int32, operand.tensor.type.shape});
    for (const bool optimize : {true, false})
      EXPECT_THAT(error_of(subject, optimize), testing::HasSubstr("must be uint8 or int8")) << op << optimize;
  }
}

// The reference of one gave 1, that of the other a number.
TEST(FuzzFindings, NaNsComeThroughKernelsAndReferencesAlike) {
  const Operand x{"x0", floats({3}, {NAN, -0.5, 0.5}), false};
  for (const char* op : {"HardSigmoid", "HardSwish", "Celu", "Softplus", "Mish"}) {
    Subject subject = example(op);
    subject.operands = {x};
    for (const bool constant : {false, true}) {  // folded by the reference
      subject.operands[0].constant = constant;
      const auto out = run_subject(subject);
      EXPECT_TRUE(std::isnan(out[0].tensor.as<float>()[0])) << op << constant;
      EXPECT_FALSE(std::isnan(out[0].tensor.as<float>()[1])) << op << constant;
    }
  }
  Subject celu = example("Celu");
  celu.operands = {x};
  node_of(celu)->mutable_attribute(0)->set_f(0);
  EXPECT_EQ(run_subject(celu)[0].tensor.as<float>()[2], 0.5f);
}

// Of several numbers the largest was the first NaN here, no NaN there.
TEST(FuzzFindings, ANaNIsTheLargestOfAWindow) {
  for (const char* op : {"GlobalMaxPool", "MaxPool"})
    for (const int64_t place : {0, 5, 17, 23}) {
      Subject subject = example(op);
      const Shape shape{1, 1, 4, 6};
      subject.operands = {{"x0", random_tensor(DType::float32, shape, 1), false}};
      subject.operands[0].tensor.as<float>()[place] = NAN;
      if (node_of(subject)->attribute_size()) {
        node_of(subject)->clear_attribute();
        auto* kernel = add_attr(node_of(subject), "kernel_shape", AttributeProto::INTS);
        kernel->add_ints(4);
        kernel->add_ints(6);
      }
      for (const bool constant : {false, true}) {  // folded by the reference
        subject.operands[0].constant = constant;
        EXPECT_TRUE(std::isnan(run_subject(subject)[0].tensor.as<float>()[0])) << op << place << constant;
      }
    }
}

// A kernel that found nothing to normalize left its statistics unwritten.
TEST(FuzzFindings, EmptyRowsHaveStatistics) {
  Subject subject = example("LayerNormalization");
  for (Operand& operand : subject.operands)
    operand.tensor = Tensor::make({DType::float32, operand.name == "x0" ? Shape{2, 3, 0} : Shape{0}});
  const auto out = run_subject(subject);
  ASSERT_EQ(out.size(), 3u);
  for (int64_t i = 0; i < 6; ++i) EXPECT_NEAR(out[2].tensor.as<float>()[i], 1 / std::sqrt(1e-5), 0.01);
}

// Before opset 13 an axis may be behind the last one: the rewrite that looks for attention refused it.
TEST(FuzzFindings, SoftmaxOverNoAxis) {
  for (const Case& each : file_examples()) {
    if (each.op != "Softmax" || each.opset != 1) continue;
    Subject subject = subject_of(each);
    node_of(subject)->mutable_attribute(0)->set_i(3);
    for (const bool optimize : {true, false}) {
      const auto out = run_subject(subject, optimize);
      EXPECT_TRUE(close(out[0].tensor, tensor(DType::float32, out[0].tensor.type.shape, {1})));
    }
  }
}

// In the words of others, an operator may ask for what these refuse: then it stays as it is.
TEST(FuzzFindings, NoModelIsRefusedForARewrite) {
  const auto same_as_written = [](const Subject& subject) {
    const auto as_written = run_subject(subject, false), rewritten = run_subject(subject, true);
    ASSERT_EQ(as_written.size(), rewritten.size());
    for (size_t i = 0; i < as_written.size(); ++i)
      EXPECT_TRUE(close(as_written[i].tensor, rewritten[i].tensor)) << subject.origin;
  };
  for (const Case& each : file_examples()) {
    Subject subject = subject_of(each);
    const auto attr = [&](const char* name) {
      for (AttributeProto& one : *node_of(subject)->mutable_attribute())
        if (one.name() == name) return &one;
      return node_of(subject)->add_attribute();
    };
    if (each.op == "LRN") {
      attr("size")->set_i(int64_t{1} << 31);
      same_as_written(subject);
    } else if ((each.op == "Hardmax" || each.op == "LogSoftmax") && each.opset < 13) {
      attr("axis")->set_i(3);
      same_as_written(subject);
    } else if (each.op == "QuantizeLinear" && each.opset == 21 && attr("block_size")->i() == 2) {
      attr("block_size")->set_i(0);  // its scales still have two axes
      same_as_written(subject);
    }
  }
}

// The parts behind one that nobody wants began too early; without the last one, there were fewer and longer parts.
TEST(FuzzFindings, PartsThatNobodyWants) {
  for (const int opset : {13, 18}) {
    Subject subject = example("Split");
    subject.model.mutable_opset_import(0)->set_version(opset);
    subject.operands = {{"x0", tensor(DType::uint64, {2, 6}, {0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15}), false}};
    NodeProto* node = node_of(subject);
    node->clear_attribute();
    node->clear_input();
    node->add_input("x0");
    add_attr(node, "axis", AttributeProto::INT)->set_i(1);
    if (opset == 18) add_attr(node, "num_outputs", AttributeProto::INT)->set_i(3);
    node->clear_output();
    subject.model.mutable_graph()->clear_output();
    for (const char* name : {"", "y", ""}) node->add_output(name);
    subject.model.mutable_graph()->add_output()->set_name("y");
    for (const bool optimize : {true, false}) {
      const auto out = run_subject(subject, optimize);
      EXPECT_TRUE(close(out[0].tensor, tensor(DType::uint64, {2, 2}, {2, 3, 12, 13}))) << opset << optimize;
    }
  }
}

// What a NaN becomes in bytes, and whether it counts in their range, depended on the kernel.
TEST(FuzzFindings, NaNsAmongNumbersThatAreQuantized) {
  for (const char* op : {"QuantizeLinear", "DynamicQuantizeLinear"}) {
    Subject subject = example(op);
    node_of(subject)->clear_attribute();
    std::vector<double> values(150);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 19) - 5;
    for (const size_t place : {0, 70, 149}) values[place] = NAN;
    subject.operands[0] = {"x0", floats({150}, values), false};
    if (subject.operands.size() > 1) {
      subject.operands[1].tensor = floats({}, {0.5});
      subject.operands[2].tensor = tensor(DType::uint8, {}, {7});
    }
    const auto as_written = run_subject(subject, false), fast = run_subject(subject, true);
    ASSERT_EQ(as_written.size(), fast.size());
    for (size_t i = 0; i < fast.size(); ++i) EXPECT_TRUE(close(fast[i].tensor, as_written[i].tensor)) << op << i;
    for (const size_t place : {0, 70, 149}) EXPECT_EQ(fast[0].tensor.as<uint8_t>()[place], 0) << op << place;
  }
}

// Of an infinite scale no zero point comes: 0. A window of padding alone has the least number of its type.
TEST(FuzzFindings, WhatIsNoNumberIsNotMadeAByte) {
  Subject infinite = example("DynamicQuantizeLinear");
  infinite.operands[0] = {"x0", floats({3}, {-INFINITY, 1, INFINITY}), false};
  Subject pool = example("MaxPool");
  node_of(pool)->clear_attribute();
  for (const auto& [name, values] :
       {std::pair("kernel_shape", std::vector<int64_t>{2, 2}), {"dilations", {2, 2}}, {"pads", {1, 1, 1, 1}}}) {
    auto* attribute = add_attr(node_of(pool), name, AttributeProto::INTS);
    for (const int64_t value : values) attribute->add_ints(value);
  }
  pool.operands = {{"x0", tensor(DType::int8, {1, 1, 1, 1}, {7}), false}};
  for (const bool optimize : {true, false}) {
    EXPECT_EQ(*run_subject(infinite, optimize)[2].tensor.as<uint8_t>(), 0);
    EXPECT_EQ(*run_subject(pool, optimize)[0].tensor.as<int8_t>(), -128);
  }
}

// 2^63 - 1 as a double is 2^63, of which no int64 is left.
TEST(FuzzFindings, FramesAfterMoreThanAnyStep) {
  Subject subject = example("STFT");
  for (Operand& operand : subject.operands)
    if (operand.name == "x1") operand.tensor.as<int64_t>()[0] = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(run_subject(subject)[0].tensor.type.shape[1], 1);
}

// Of the sums that it is rewritten as, no axes are all.
TEST(FuzzFindings, ANormOverNoAxes) {
  Subject subject = example("MeanVarianceNormalization");
  node_of(subject)->mutable_attribute(0)->clear_ints();
  const Tensor y = run_subject(subject)[0].tensor;
  for (int64_t i = 0; i < y.type.shape.elements(); ++i) EXPECT_EQ(y.as<float>()[i], 0);
}

// An attribute that is an empty text where a formula wants a number; a subgraph without the input that is asked for its
// type: std::out_of_range came of both.
TEST(FuzzFindings, WhatIsMissingInsideANodeIsAnErrorOfTheModel) {
  int formulas = 0;
  for (const Case& each : file_examples()) {
    const OpDef* op = find_op(each.domain, each.op, each.opset);
    if (!op || op->formula.empty()) continue;
    for (const AttrDef& attr : op->attrs) {
      Subject subject = subject_of(each);
      node_of(subject)->clear_attribute();
      add_attr(node_of(subject), std::string(attr.name), AttributeProto::STRING)->set_s("");
      error_of(subject, true);  // an error or none, but nothing else
      ++formulas;
    }
  }
  EXPECT_GT(formulas, 50);
  Subject flex;
  flex.model.set_ir_version(10);
  import(flex.model, "", 21);
  import(flex.model, "ai.onnx.preview", 1);
  for (const char* name : {"q", "k", "v"})
    flex.operands.push_back({name, random_tensor(DType::float32, {1, 1, 2, 4}, 1), false});
  flex.model.mutable_graph()->add_output()->set_name("y");
  add_node(flex.model.mutable_graph()->mutable_node(), "FlexAttention", {"q", "k", "v"}, {"y"})
      ->set_domain("ai.onnx.preview");
  auto* body = add_attr(node_of(flex), "score_mod", AttributeProto::GRAPH)->mutable_g();
  body->add_output()->set_name("score");
  add_node(body->mutable_node(), "Constant", {}, {"score"});
  add_attr(body->mutable_node(0), "value_float", AttributeProto::FLOAT)->set_f(1);
  EXPECT_THAT(error_of(flex, true), testing::HasSubstr("has no input"));
}

}  // namespace
}  // namespace tessera::test
