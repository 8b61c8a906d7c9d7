// Operators of a program's own through the C interface.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "include/tessera/tessera.hpp"
#include "tests/onnx_pen.h"

namespace tessera {
namespace {

using test::AttributeProto;
using testing::HasSubstr;

struct Counts {
  std::atomic<int> released{0}, created{0}, destroyed{0}, tasks{0};
};

// y = factor * x, z = -y if the node has it; the factor is an attribute, and input 1, if given, is added.
struct Scale {
  Counts* counts;
  float factor;
};

Counts& counts_of(void* user) { return *static_cast<Counts*>(user); }

tessera_status* create(void* user, const tessera_node* node, void** state) {
  tessera_attribute factor;
  TESSERA_INIT(&factor);
  if (tessera_status* status = tessera_node_attribute(node, "factor", &factor)) return status;
  if (factor.kind != TESSERA_REAL) return tessera_status_create(TESSERA_MODEL, "attribute \"factor\" is missing");
  ++counts_of(user).created;
  *state = new Scale{&counts_of(user), *factor.reals};
  return nullptr;
}

void destroy(void* user, void* state) {
  ++counts_of(user).destroyed;
  delete static_cast<Scale*>(state);
}

tessera_status* infer(void*, void*, const tessera_node*, tessera_inference* inference) {
  tessera_tensor x;
  if (tessera_status* status = tessera_inference_input(inference, 0, &x)) return status;
  if (x.rank != 1) return tessera_status_create(TESSERA_SHAPE, "x is no row");
  for (const size_t i : {0, 1}) {
    tessera_status* status = tessera_inference_set(inference, i, TESSERA_UNDEFINED, x.dims, x.rank);
    if (i == 0 && status) return status;
    tessera_status_free(status);  // there need not be an output 1
  }
  return nullptr;
}

tessera_status* run(void* user, void* state, const tessera_node*, tessera_call* call) {
  tessera_tensor x, added, y, z;
  tessera_status* status = tessera_call_input(call, 0, &x);
  if (!status) status = tessera_call_input(call, 1, &added);
  if (!status) status = tessera_call_output(call, 0, TESSERA_UNDEFINED, nullptr, 0, &y);
  if (!status) status = tessera_call_output(call, 1, TESSERA_UNDEFINED, nullptr, 0, &z);
  if (status) return status;
  struct Work {
    const float *x, *added;
    float *y, *z, factor;
    Counts* counts;
  } work{static_cast<float*>(x.data), static_cast<float*>(added.data),    static_cast<float*>(y.data),
         static_cast<float*>(z.data), static_cast<Scale*>(state)->factor, &counts_of(user)};
  if (work.x[0] > 100) return tessera_status_create(TESSERA_TYPE, "x is too large");
  const auto task = [](void* argument, size_t i) {
    const Work& w = *static_cast<Work*>(argument);
    ++w.counts->tasks;
    w.y[i] = w.factor * w.x[i] + (w.added ? w.added[i] : 0);
    if (w.z) w.z[i] = -w.y[i];
  };
  tessera_call_parallel(call, x.bytes / sizeof(float), task, &work);
  return nullptr;
}

tessera_operator scale_operator(Counts& counts) {
  tessera_operator scale;
  TESSERA_INIT(&scale);
  scale.domain = "my.domain";
  scale.name = "Scale";
  scale.version = 1;
  scale.types = "T=float32|float64 : T, T -> T, T";
  scale.min_inputs = scale.min_outputs = 1;
  scale.max_inputs = scale.max_outputs = 2;
  scale.user = &counts;
  scale.release = [](void* user) { ++counts_of(user).released; };
  scale.create = create;
  scale.destroy = destroy;
  scale.infer = infer;
  scale.run = run;
  return scale;
}

test::NodeProto* add(test::Pen& pen, const std::string& op, const std::vector<std::string>& in,
                     const std::vector<std::string>& out) {
  if (pen.model.opset_import_size() == 1) {
    auto* set = pen.model.add_opset_import();
    set->set_domain("my.domain");
    set->set_version(1);
  }
  auto* node = pen.node(op, in, out);
  node->set_domain("my.domain");
  node->set_name("the node");
  return node;
}

void set_factor(test::NodeProto* node, float factor) {
  test::add_attr(node, "factor", AttributeProto::FLOAT)->set_f(factor);
}

api::Session load(const test::Pen& pen, const tessera_operators* operators) {
  const std::string bytes = pen.model.SerializeAsString();
  api::Options options;
  options.device = "cpu";
  options.threads = 2;
  options.operators = operators;
  return api::Session(std::as_bytes(std::span(bytes)), options);
}

std::string failure(const test::Pen& pen, const tessera_operators* operators, tessera_code code) {
  try {
    load(pen, operators);
  } catch (const api::Failure& failure) {
    EXPECT_EQ(failure.code(), code) << failure.what();
    return failure.what();
  }
  return "";
}

std::vector<float> result(const api::Session& session, std::vector<float> x, size_t output = 0) {
  const std::vector<api::Tensor> in{api::Tensor(std::span(x), {static_cast<int64_t>(x.size())})};
  const api::Result result = session.run(in);
  const api::Tensor tensor = result[output];
  const auto elements = tensor.elements<const float>();
  return {elements.begin(), elements.end()};
}

TEST(OwnOperators, RunBesideTesserasOwnAndLiveAsLongAsTheSession) {
  Counts counts;
  {
    test::Pen pen;
    set_factor(add(pen, "Scale", {"x"}, {"a", "b"}), 2);
    pen.node("Abs", {"b"}, {"c"});
    set_factor(add(pen, "Scale", {"c", "a"}, {"y"}), 0.5);
    auto operators = std::make_unique<api::Operators>();
    operators->add(scale_operator(counts));
    const api::Session session = load(pen, operators->c());
    operators.reset();
    EXPECT_EQ(counts.created, 2);
    EXPECT_EQ(counts.released, 0);
    EXPECT_THAT(result(session, {3, -4}), testing::ElementsAre(9, -4));
    EXPECT_EQ(counts.tasks, 4);
    std::thread other([&] { EXPECT_THAT(result(session, {1, 1}), testing::ElementsAre(3, 3)); });
    EXPECT_THAT(result(session, {-1, 0}), testing::ElementsAre(-1, 0));
    other.join();
    EXPECT_EQ(counts.destroyed, 0);
  }
  EXPECT_EQ(counts.destroyed, 2);
  EXPECT_EQ(counts.released, 1);
}

TEST(OwnOperators, FailuresNameTheNodeAndSayWhatTheOperatorSays) {
  Counts counts;
  api::Operators operators;
  operators.add(scale_operator(counts));
  test::Pen without;
  add(without, "Scale", {"x"}, {"y"});
  EXPECT_THAT(failure(without, operators.c(), TESSERA_MODEL),
              HasSubstr("node \"the node\" (my.domain.Scale, opset 1): attribute \"factor\" is missing"));
  EXPECT_EQ(counts.created, 0);
  test::Pen many;
  set_factor(add(many, "Scale", {"x", "x", "x"}, {"y"}), 1);
  EXPECT_THAT(failure(many, operators.c(), TESSERA_MODEL), HasSubstr("takes at most 2"));

  test::Pen good;
  set_factor(add(good, "Scale", {"x"}, {"y"}), 1);
  EXPECT_THAT(failure(good, nullptr, TESSERA_UNSUPPORTED), HasSubstr("tessera_operators_add"));
  const api::Session session = load(good, operators.c());
  try {
    result(session, {101, 0});
    FAIL();
  } catch (const api::Failure& failure) {
    EXPECT_EQ(failure.code(), TESSERA_TYPE);
    EXPECT_THAT(failure.what(), HasSubstr("x is too large"));
    EXPECT_THAT(failure.what(), HasSubstr("the node"));
  }
  EXPECT_THAT(result(session, {1, 2}), testing::ElementsAre(1, 2));
}

TEST(OwnOperators, DefinitionsThatCannotBeAreRefused) {
  Counts counts;
  api::Operators operators;
  const auto refusal = [&](void (*change)(tessera_operator&)) {
    tessera_operator definition = scale_operator(counts);
    change(definition);
    try {
      operators.add(definition);
    } catch (const api::Failure& failure) {
      EXPECT_EQ(failure.code(), TESSERA_USAGE);
      return std::string(failure.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal([](tessera_operator& d) { d.run = nullptr; }), HasSubstr("has no run function"));
  EXPECT_THAT(refusal([](tessera_operator& d) { d.name = nullptr; }), HasSubstr("has no name"));
  EXPECT_THAT(refusal([](tessera_operator& d) { d.types = "T=flaot : T -> T"; }), HasSubstr("\"T\" is no data type"));
  EXPECT_THAT(refusal([](tessera_operator& d) { d.types = "T=float : U -> T"; }), HasSubstr("\"U\" is no data type"));
  EXPECT_THAT(refusal([](tessera_operator& d) { d.min_inputs = 3; }), HasSubstr("counts of inputs"));
  EXPECT_THAT(refusal([](tessera_operator& d) { d.domain = "", d.name = "Relu"; }), HasSubstr("tessera's own"));
  EXPECT_EQ(counts.released, 0);
  EXPECT_EQ(refusal([](tessera_operator&) {}), "");
  EXPECT_THAT(refusal([](tessera_operator&) {}), HasSubstr("was added before"));
}

// Words: splits the text of an attribute; what it gives is known only when it has run.
tessera_status* split(void*, void*, const tessera_node* node, tessera_call* call) {
  const char* text = nullptr;
  size_t length = 0;
  if (tessera_status* status = tessera_node_attribute_text(node, "text", 0, &text, &length)) return status;
  std::vector<std::string> words(1);
  for (size_t i = 0; i < length; ++i) {
    if (text[i] == ' ')
      words.emplace_back();
    else
      words.back().push_back(text[i]);
  }
  std::vector<const char*> pointers;
  for (const std::string& word : words) pointers.push_back(word.c_str());
  const auto count = static_cast<int64_t>(words.size());
  tessera_value* value = nullptr;
  tessera_status* status = tessera_value_create_strings(pointers.data(), nullptr, &count, 1, &value);
  if (!status) status = tessera_call_set_output(call, 0, value);
  tessera_value_free(value);
  tessera_tensor sizes;
  if (!status) status = tessera_call_output(call, 1, TESSERA_INT64, &count, 1, &sizes);
  if (status) return status;
  for (size_t i = 0; i < words.size(); ++i)
    static_cast<int64_t*>(sizes.data)[i] = static_cast<int64_t>(words[i].size());
  return nullptr;
}

TEST(OwnOperators, WithoutInferenceAnOperatorMakesOutputsOfAnyShapeAndStrings) {
  tessera_operator words;
  TESSERA_INIT(&words);
  words.domain = "my.domain";
  words.name = "Words";
  words.version = 1;
  words.max_inputs = 1;
  words.min_outputs = 1;
  words.max_outputs = 2;
  words.run = split;
  api::Operators operators;
  operators.add(words);
  test::Pen pen;
  test::add_attr(add(pen, "Words", {"x"}, {"words", "sizes"}), "text", AttributeProto::STRING)->set_s("a bc def");
  auto* cast = pen.node("Cast", {"sizes"}, {"as_float"});
  test::add_attr(cast, "to", AttributeProto::INT)->set_i(1);
  pen.node("ReduceSum", {"as_float"}, {"y"});
  pen.graph->add_output()->set_name("words");
  const api::Session session = load(pen, operators.c());
  EXPECT_THAT(result(session, {0, 0}), testing::ElementsAre(6));
}

// Twice its input, as a class.
struct Twice {
  explicit Twice(const tessera_node* node) {
    if (tessera_node_attribute_count(node)) throw std::runtime_error("has attributes");
  }
  void infer(tessera_inference* inference) const {
    tessera_tensor x;
    api::check(tessera_inference_input(inference, 0, &x));
    api::check(tessera_inference_set(inference, 0, TESSERA_UNDEFINED, x.dims, x.rank));
  }
  void run(tessera_call* call) const {
    tessera_tensor x, y;
    api::check(tessera_call_input(call, 0, &x));
    api::check(tessera_call_output(call, 0, TESSERA_UNDEFINED, nullptr, 0, &y));
    const auto from = api::Tensor(x).elements<const float>();
    std::transform(from.begin(), from.end(), static_cast<float*>(y.data), [](float v) { return 2 * v; });
  }
};

TEST(OwnOperators, MayBeClasses) {
  tessera_operator twice = api::operator_of<Twice>("my.domain", "Twice", "T=float : T -> T");
  twice.max_inputs = twice.max_outputs = 1;
  api::Operators operators;
  operators.add(twice);
  test::Pen pen;
  auto* node = add(pen, "Twice", {"x"}, {"y"});
  EXPECT_THAT(result(load(pen, operators.c()), {1, 2}), testing::ElementsAre(2, 4));
  set_factor(node, 1);
  EXPECT_THAT(failure(pen, operators.c(), TESSERA_MODEL), HasSubstr("has attributes"));
}

// Fill: as many numbers as input 1 says, all of input 0.
tessera_status* infer_fill(void*, void*, const tessera_node*, tessera_inference* inference) {
  tessera_value* count = nullptr;
  if (tessera_status* status = tessera_inference_value(inference, 1, &count)) return status;
  tessera_tensor tensor;
  tessera_status* status = tessera_value_tensor(count, &tensor);
  if (!status)
    status = tessera_inference_set(inference, 0, TESSERA_FLOAT32, static_cast<const int64_t*>(tensor.data), 1);
  tessera_value_free(count);
  return status;
}

tessera_status* fill(void*, void*, const tessera_node*, tessera_call* call) {
  tessera_tensor x, y;
  tessera_status* status = tessera_call_input(call, 0, &x);
  if (!status) status = tessera_call_output(call, 0, TESSERA_UNDEFINED, nullptr, 0, &y);
  if (!status) std::fill_n(static_cast<float*>(y.data), y.bytes / sizeof(float), *static_cast<const float*>(x.data));
  return status;
}

TEST(OwnOperators, InferenceMayAskForAValueThatComesInTheRun) {
  tessera_operator definition;
  TESSERA_INIT(&definition);
  definition.domain = "my.domain";
  definition.name = "Fill";
  definition.version = 1;
  definition.types = "float32, int64 -> float32";
  definition.min_inputs = definition.max_inputs = 2;
  definition.min_outputs = definition.max_outputs = 1;
  definition.infer = infer_fill;
  definition.run = fill;
  api::Operators operators;
  operators.add(definition);
  test::Pen pen;
  pen.node("ReduceMax", {"x"}, {"most"});
  auto* cast = pen.node("Cast", {"most"}, {"count"});
  test::add_attr(cast, "to", AttributeProto::INT)->set_i(7);
  add(pen, "Fill", {"x", "count"}, {"y"});
  const api::Session session = load(pen, operators.c());
  EXPECT_THAT(result(session, {3, 1}), testing::ElementsAre(3, 3, 3));
  EXPECT_THAT(result(session, {2, -1}), testing::ElementsAre(2, 2));
}

TEST(OwnOperators, ReadAttributesOfAllKindsAndConstants) {
  tessera_operator definition;
  TESSERA_INIT(&definition);
  definition.domain = "my.domain";
  definition.name = "Reader";
  definition.version = 1;
  definition.types = "float32, float32 -> float32";
  definition.min_inputs = definition.max_inputs = 2;
  definition.min_outputs = definition.max_outputs = 1;
  definition.create = [](void*, const tessera_node* node, void**) -> tessera_status* {
    EXPECT_STREQ(tessera_node_name(node), "the node");
    EXPECT_EQ(tessera_node_version(node), 1);
    EXPECT_EQ(tessera_node_input_count(node), 2u);
    EXPECT_TRUE(tessera_node_has_input(node, 1) && tessera_node_has_output(node, 0));
    EXPECT_FALSE(tessera_node_has_input(node, 2) || tessera_node_has_output(node, 1));
    EXPECT_EQ(tessera_node_attribute_count(node), 5u);
    tessera_attribute a;
    TESSERA_INIT(&a);
    api::check(tessera_node_attribute_at(node, 0, &a));
    EXPECT_STREQ(a.name, "ints");
    EXPECT_EQ(a.kind, TESSERA_INTEGERS);
    EXPECT_THAT(std::vector(a.integers, a.integers + a.count), testing::ElementsAre(3, 4));
    api::check(tessera_node_attribute(node, "floats", &a));
    EXPECT_THAT(std::vector(a.reals, a.reals + a.count), testing::ElementsAre(0.5f));
    EXPECT_EQ(a.integers, nullptr);
    api::check(tessera_node_attribute(node, "int", &a));
    EXPECT_EQ(a.kind, TESSERA_INTEGER);
    EXPECT_EQ(*a.integers, -1);
    api::check(tessera_node_attribute(node, "texts", &a));
    EXPECT_EQ(a.count, 2u);
    const char* text = nullptr;
    api::check(tessera_node_attribute_text(node, "texts", 1, &text, nullptr));
    EXPECT_STREQ(text, "b");
    api::check(tessera_node_attribute(node, "tensor", &a));
    EXPECT_EQ(a.tensor.dtype, TESSERA_INT64);
    EXPECT_EQ(*static_cast<const int64_t*>(a.tensor.data), 7);
    api::check(tessera_node_attribute(node, "nothing", &a));
    EXPECT_EQ(a.kind, TESSERA_NO_ATTRIBUTE);
    tessera_value* value = nullptr;
    api::check(tessera_node_constant(node, 0, &value));
    EXPECT_EQ(value, nullptr);
    api::check(tessera_node_constant(node, 1, &value));
    EXPECT_EQ(tessera_value_count(value), 1u);
    tessera_value_free(value);
    return tessera_status_create(TESSERA_FILE, "that was all");
  };
  definition.run = fill;
  api::Operators operators;
  operators.add(definition);
  test::Pen pen;
  auto* node = add(pen, "Reader", {"x", "c"}, {"y"});
  auto* constant = pen.graph->add_initializer();
  constant->set_name("c");
  constant->set_data_type(1);
  constant->add_dims(1);
  constant->add_float_data(5);
  auto* ints = test::add_attr(node, "ints", AttributeProto::INTS);
  ints->add_ints(3);
  ints->add_ints(4);
  test::add_attr(node, "floats", AttributeProto::FLOATS)->add_floats(0.5);
  test::add_attr(node, "int", AttributeProto::INT)->set_i(-1);
  auto* texts = test::add_attr(node, "texts", AttributeProto::STRINGS);
  texts->add_strings("a");
  texts->add_strings("b");
  auto* tensor = test::add_attr(node, "tensor", AttributeProto::TENSOR)->mutable_t();
  tensor->set_data_type(7);
  tensor->add_int64_data(7);
  EXPECT_THAT(failure(pen, operators.c(), TESSERA_FILE), HasSubstr("that was all"));
}

}  // namespace
}  // namespace tessera
