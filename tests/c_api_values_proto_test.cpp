// Strings, sequences, optionals and maps through the C interface, and the types that a model declares.
#include <gmock/gmock.h>

#include <thread>

#include "include/tessera/tessera.h"
#include "tests/onnx_pen.h"
#include "tests/statuses.h"

namespace tessera {
namespace {

using ::onnx::TypeProto;
using test::expect_failure;
using test::expect_success;
using testing::ElementsAre;
using testing::HasSubstr;

struct Session {
  tessera_session* c = nullptr;
  explicit Session(const test::Pen& pen) {
    const std::string bytes = pen.model.SerializeAsString();
    tessera_options options;
    tessera_options_init(&options);
    options.device = "cpu";
    expect_success(tessera_session_load_memory(bytes.data(), bytes.size(), &options, &c));
  }
  Session(const Session&) = delete;
  ~Session() { tessera_session_free(c); }
};

/// A handle, freed at its end.
struct Value {
  tessera_value* c = nullptr;
  Value() = default;
  Value(Value&& other) noexcept : c(std::exchange(other.c, nullptr)) {}
  ~Value() { tessera_value_free(c); }

  static Value floats(const std::vector<float>& values, std::vector<int64_t> dims = {}) {
    if (dims.empty()) dims = {static_cast<int64_t>(values.size())};
    const tessera_tensor tensor{TESSERA_FLOAT32, dims.size(), dims.data(), const_cast<float*>(values.data()),
                                values.size() * sizeof(float)};
    Value value;
    expect_success(tessera_value_create_tensor(&tensor, &value.c));
    return value;
  }
  static Value integers(const std::vector<int64_t>& values) {
    const auto count = static_cast<int64_t>(values.size());
    const tessera_tensor tensor{TESSERA_INT64, 1, &count, const_cast<int64_t*>(values.data()), values.size() * 8};
    Value value;
    expect_success(tessera_value_create_tensor(&tensor, &value.c));
    return value;
  }
  static Value strings(const std::vector<const char*>& texts) {
    const auto count = static_cast<int64_t>(texts.size());
    Value value;
    expect_success(tessera_value_create_strings(texts.data(), nullptr, &count, 1, &value.c));
    return value;
  }
  static Value sequence(const std::vector<const tessera_value*>& items) {
    Value value;
    expect_success(tessera_value_create_sequence(TESSERA_FLOAT32, items.data(), items.size(), &value.c));
    return value;
  }
  Value item(size_t i) const {
    Value value;
    expect_success(tessera_value_item(c, i, &value.c));
    return value;
  }
  std::vector<float> as_floats() const {
    tessera_tensor tensor{};
    expect_success(tessera_value_tensor(c, &tensor));
    EXPECT_EQ(tensor.dtype, TESSERA_FLOAT32);
    const auto* first = static_cast<const float*>(tensor.data);
    return {first, first + tensor.bytes / sizeof(float)};
  }
  std::vector<std::string> as_strings() const {
    std::vector<std::string> texts;
    for (size_t i = 0; i < tessera_value_count(c); ++i) {
      const char* text = nullptr;
      size_t length = 0;
      expect_success(tessera_value_string(c, i, &text, &length));
      texts.emplace_back(text, length);
    }
    return texts;
  }
};

/// The outputs of a run, which the handles outlive.
std::vector<Value> run(const Session& session, const std::vector<const tessera_value*>& in) {
  tessera_result* result = nullptr;
  expect_success(tessera_run_values(session.c, in.data(), in.size(), nullptr, &result));
  std::vector<Value> out(tessera_result_count(result));
  for (size_t i = 0; i < out.size(); ++i) expect_success(tessera_result_value(result, i, &out[i].c));
  tessera_result_free(result);
  return out;
}

/// An input or output without a type, whose type is to be filled.
TypeProto* declare(google::protobuf::RepeatedPtrField<::onnx::ValueInfoProto>* list, const std::string& name) {
  auto* info = list->Add();
  info->set_name(name);
  return info->mutable_type();
}

void make_tensor(TypeProto* type, DType dtype) { type->mutable_tensor_type()->set_elem_type(static_cast<int>(dtype)); }

test::Pen empty_pen() {
  test::Pen pen;
  pen.graph->clear_input();
  pen.graph->clear_output();
  pen.model.mutable_opset_import(0)->set_version(20);
  return pen;
}

test::Pen string_pen() {
  test::Pen pen = empty_pen();
  for (const char* name : {"a", "b"}) make_tensor(declare(pen.graph->mutable_input(), name), DType::string);
  make_tensor(declare(pen.graph->mutable_output(), "y"), DType::string);
  pen.node("StringConcat", {"a", "b"}, {"y"});
  return pen;
}

TEST(CApiValues, StringsGoInAndOut) {
  const Session session(string_pen());
  const Value a = Value::strings({"grün", "", "x"}), b = Value::strings({"e", "blau", "yz"});
  const std::vector<Value> out = run(session, {a.c, b.c});
  ASSERT_EQ(out.size(), 1u);
  EXPECT_THAT(out[0].as_strings(), ElementsAre("grüne", "blau", "xyz"));
  EXPECT_EQ(tessera_value_kind(out[0].c), TESSERA_TENSOR);
  EXPECT_EQ(tessera_value_dtype(out[0].c), TESSERA_STRING);
  tessera_tensor tensor{};
  expect_success(tessera_value_tensor(out[0].c, &tensor));
  EXPECT_EQ(tensor.data, nullptr);
  EXPECT_EQ(tensor.bytes, 0u);
  ASSERT_EQ(tensor.rank, 1u);
  EXPECT_EQ(tensor.dims[0], 3);
  // Bytes of 0 are bytes like others.
  const char* const texts[] = {"a\0b"};
  const size_t lengths[] = {3};
  const int64_t one = 1;
  Value odd;
  expect_success(tessera_value_create_strings(texts, lengths, &one, 1, &odd.c));
  EXPECT_THAT(run(session, {odd.c, odd.c})[0].as_strings(), ElementsAre(std::string("a\0ba\0b", 6)));
}

TEST(CApiValues, StringsAreNoDenseTensors) {
  const Session session(string_pen());
  const Value a = Value::strings({"x"});
  tessera_result* result = nullptr;
  const tessera_value* const in[] = {a.c, a.c};
  expect_success(tessera_run_values(session.c, in, 2, nullptr, &result));
  tessera_tensor tensor{};
  expect_failure(tessera_result_tensor(result, 0, &tensor), TESSERA_UNSUPPORTED, "use tessera_result_value");
  tessera_result_free(result);
  tensor.dtype = TESSERA_STRING;
  expect_failure(tessera_run(session.c, &tensor, 1, nullptr, &result), TESSERA_UNSUPPORTED, "tessera_run_values");
  EXPECT_EQ(result, nullptr);
}

/// s -> s with x behind it, and the item of s at 0.
test::Pen sequence_pen() {
  test::Pen pen = empty_pen();
  TypeProto* held = declare(pen.graph->mutable_input(), "s")->mutable_sequence_type()->mutable_elem_type();
  make_tensor(held, DType::float32);
  held->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_param("letters");
  make_tensor(declare(pen.graph->mutable_input(), "x"), DType::float32);
  make_tensor(declare(pen.graph->mutable_output(), "longer")->mutable_sequence_type()->mutable_elem_type(),
              DType::float32);
  make_tensor(declare(pen.graph->mutable_output(), "first"), DType::float32);
  const int64_t zero = 0;
  *pen.graph->add_initializer() =
      test::raw_tensor("zero", DType::int64, {}, {reinterpret_cast<const char*>(&zero), sizeof zero});
  pen.node("SequenceInsert", {"s", "x"}, {"longer"});
  pen.node("SequenceAt", {"longer", "zero"}, {"first"});
  return pen;
}

TEST(CApiValues, SequencesGoInAndOut) {
  const Session session(sequence_pen());
  const Value a = Value::floats({1, 2}), b = Value::floats({3, 4, 5}), x = Value::floats({6});
  const Value s = Value::sequence({a.c, b.c});
  EXPECT_EQ(tessera_value_count(s.c), 2u);
  EXPECT_EQ(tessera_value_dtype(s.c), TESSERA_FLOAT32);
  const std::vector<Value> out = run(session, {s.c, x.c});
  ASSERT_EQ(tessera_value_kind(out[0].c), TESSERA_SEQUENCE);
  ASSERT_EQ(tessera_value_count(out[0].c), 3u);
  EXPECT_THAT(out[0].item(1).as_floats(), ElementsAre(3, 4, 5));
  EXPECT_THAT(out[0].item(2).as_floats(), ElementsAre(6));
  EXPECT_THAT(out[1].as_floats(), ElementsAre(1, 2));
  const std::vector<Value> of_none = run(session, {Value::sequence({}).c, x.c});
  EXPECT_THAT(of_none[1].as_floats(), ElementsAre(6));
}

TEST(CApiValues, SequencesAreHeldAgainstTheModel) {
  const Session session(sequence_pen());
  const Value x = Value::floats({6}), i = Value::integers({1}), s = Value::sequence({x.c});
  Value integers, none;
  const tessera_value* const items[] = {i.c};
  expect_success(tessera_value_create_sequence(TESSERA_UNDEFINED, items, 1, &integers.c));
  expect_success(tessera_value_create_sequence(TESSERA_INT64, nullptr, 0, &none.c));
  tessera_result* result = nullptr;
  const auto expect = [&](const tessera_value* first, const tessera_value* second, const char* text) {
    const tessera_value* const in[] = {first, second};
    expect_failure(tessera_run_values(session.c, in, 2, nullptr, &result), TESSERA_TYPE, text);
  };
  expect(integers.c, x.c, "input \"s\" must hold float32, not int64");
  expect(none.c, x.c, "input \"s\" must hold float32, not int64");
  expect(x.c, x.c, "input \"s\" is the wrong kind");
  expect(s.c, s.c, "input \"x\" is the wrong kind");
  expect(nullptr, x.c, "input \"s\" is the wrong kind");
  const tessera_tensor tensor{TESSERA_UNDEFINED, 0, nullptr, nullptr, 0};
  expect_failure(tessera_run(session.c, &tensor, 1, nullptr, &result), TESSERA_USAGE, "2 inputs");
}

// What a container holds of the caller's tensors is copied, where they are no values.
TEST(CApiValues, ResultsOutliveTheInputs) {
  test::Pen pen = empty_pen();
  make_tensor(declare(pen.graph->mutable_input(), "x"), DType::float32);
  make_tensor(declare(pen.graph->mutable_output(), "s")->mutable_sequence_type()->mutable_elem_type(), DType::float32);
  pen.node("SequenceConstruct", {"x", "x"}, {"s"});
  const Session session(pen);
  auto numbers = std::make_unique<std::vector<float>>(std::vector<float>{1, 2, 3});
  const int64_t three = 3;
  const tessera_tensor tensor{TESSERA_FLOAT32, 1, &three, numbers->data(), 12};
  tessera_result* result = nullptr;
  expect_success(tessera_run(session.c, &tensor, 1, nullptr, &result));
  std::fill(numbers->begin(), numbers->end(), -1.0f);
  numbers.reset();
  Value value;
  expect_success(tessera_result_value(result, 0, &value.c));
  tessera_tensor told{};
  expect_failure(tessera_result_tensor(result, 0, &told), TESSERA_UNSUPPORTED, "output 0 is no tensor");
  tessera_result_free(result);
  EXPECT_THAT(value.item(0).as_floats(), ElementsAre(1, 2, 3));
  EXPECT_THAT(value.item(1).as_floats(), ElementsAre(1, 2, 3));
}

TEST(CApiValues, OptionalsGoInAndOut) {
  test::Pen pen = empty_pen();
  make_tensor(declare(pen.graph->mutable_input(), "o")->mutable_optional_type()->mutable_elem_type(), DType::float32);
  make_tensor(declare(pen.graph->mutable_input(), "x"), DType::float32);
  make_tensor(declare(pen.graph->mutable_output(), "there"), DType::boolean);
  make_tensor(declare(pen.graph->mutable_output(), "made")->mutable_optional_type()->mutable_elem_type(),
              DType::float32);
  declare(pen.graph->mutable_output(), "o");
  pen.node("OptionalHasElement", {"o"}, {"there"});
  pen.node("Optional", {"x"}, {"made"});
  const Session session(pen);
  const Value x = Value::floats({1, 2});
  Value full, none;
  expect_success(tessera_value_create_optional(x.c, &full.c));
  expect_success(tessera_value_create_optional(nullptr, &none.c));
  EXPECT_EQ(tessera_value_count(none.c), 0u);
  const auto there = [&](const tessera_value* o) {
    const std::vector<Value> out = run(session, {o, x.c});
    EXPECT_EQ(tessera_value_kind(out[1].c), TESSERA_OPTIONAL);
    EXPECT_THAT(out[1].item(0).as_floats(), ElementsAre(1, 2));
    EXPECT_EQ(tessera_value_kind(out[2].c), TESSERA_OPTIONAL);
    tessera_tensor tensor{};
    expect_success(tessera_value_tensor(out[0].c, &tensor));
    EXPECT_EQ(tessera_value_count(out[2].c), *static_cast<const unsigned char*>(tensor.data));
    return *static_cast<const unsigned char*>(tensor.data) == 1;
  };
  EXPECT_TRUE(there(full.c));
  EXPECT_TRUE(there(x.c)) << "a value itself stands for an optional that has it";
  EXPECT_FALSE(there(none.c));
  EXPECT_FALSE(there(nullptr));
  const Value wrong = Value::integers({1});
  tessera_result* result = nullptr;
  const tessera_value* const in[] = {wrong.c, x.c};
  expect_failure(tessera_run_values(session.c, in, 2, nullptr, &result), TESSERA_TYPE, "must hold float32, not int64");
}

TEST(CApiValues, MapsGoInAndOut) {
  test::Pen pen = empty_pen();
  auto* ml = pen.model.add_opset_import();
  ml->set_domain("ai.onnx.ml");
  ml->set_version(1);
  make_tensor(declare(pen.graph->mutable_input(), "x"), DType::float32);
  auto* map = declare(pen.graph->mutable_input(), "m")->mutable_map_type();
  map->set_key_type(TESSERA_STRING);
  make_tensor(map->mutable_value_type(), DType::float32);
  declare(pen.graph->mutable_output(), "z");
  declare(pen.graph->mutable_output(), "m");
  auto* zip = pen.node("ZipMap", {"x"}, {"z"});
  zip->set_domain("ai.onnx.ml");
  auto* labels = zip->add_attribute();
  labels->set_name("classlabels_strings");
  labels->set_type(test::AttributeProto::STRINGS);
  labels->add_strings("cat");
  labels->add_strings("dog");
  const Session session(pen);
  const Value x = Value::floats({1, 2, 3, 4}, {2, 2}), keys = Value::strings({"p", "q", "r"}),
              values = Value::floats({7, 8, 9});
  Value given;
  expect_success(tessera_value_create_map(keys.c, values.c, &given.c));
  EXPECT_EQ(tessera_value_dtype(given.c), TESSERA_STRING);
  const std::vector<Value> out = run(session, {x.c, given.c});
  const auto entries = [](const Value& map, const std::vector<std::string>& keys, const std::vector<float>& values) {
    EXPECT_EQ(tessera_value_kind(map.c), TESSERA_MAP);
    Value k, v;
    expect_success(tessera_value_keys(map.c, &k.c));
    expect_success(tessera_value_values(map.c, &v.c));
    EXPECT_EQ(k.as_strings(), keys);
    EXPECT_EQ(v.as_floats(), values);
    EXPECT_THAT(map.item(1).as_floats(), ElementsAre(values[1]));
  };
  ASSERT_EQ(tessera_value_count(out[0].c), 2u);
  entries(out[0].item(0), {"cat", "dog"}, {1, 2});
  entries(out[0].item(1), {"cat", "dog"}, {3, 4});
  entries(out[1], {"p", "q", "r"}, {7, 8, 9});

  const Value numbers = Value::integers({1, 2});
  const Value two = Value::floats({7, 8});
  Value by_number;
  expect_success(tessera_value_create_map(numbers.c, two.c, &by_number.c));
  tessera_result* result = nullptr;
  const tessera_value* const in[] = {x.c, by_number.c};
  expect_failure(tessera_run_values(session.c, in, 2, nullptr, &result), TESSERA_TYPE,
                 "input \"m\" must have keys that are string, not int64");
}

// What goes through as it is, though all else is one plan, or nothing is to be done.
TEST(CApiValues, ContainersPassThrough) {
  for (const bool alone : {false, true})
    for (const bool identity : {false, true}) {
      test::Pen pen = empty_pen();
      make_tensor(declare(pen.graph->mutable_input(), "x"), DType::float32);
      const auto fill = [](TypeProto* map) {
        map->mutable_map_type()->set_key_type(TESSERA_INT64);
        make_tensor(map->mutable_map_type()->mutable_value_type(), DType::float32);
      };
      fill(declare(pen.graph->mutable_input(), "m"));
      make_tensor(declare(pen.graph->mutable_input(), "s")->mutable_sequence_type()->mutable_elem_type(),
                  DType::float32);
      make_tensor(declare(pen.graph->mutable_input(), "o")->mutable_optional_type()->mutable_elem_type(),
                  DType::float32);
      for (const char* name : {"m", "s", "o"}) {
        declare(pen.graph->mutable_output(), identity ? cat(name, "2") : name);
        if (identity) pen.node("Identity", {name}, {cat(name, "2")});
      }
      declare(pen.graph->mutable_output(), alone ? "x" : "y");
      if (!alone) pen.node("Neg", {"x"}, {"y"});
      const Session session(pen);
      const Value x = Value::floats({1, 2}), keys = Value::integers({5, 6}), s = Value::sequence({x.c});
      Value map, optional;
      expect_success(tessera_value_create_map(keys.c, x.c, &map.c));
      expect_success(tessera_value_create_optional(x.c, &optional.c));
      for (int round = 0; round < 2; ++round) {
        const std::vector<Value> out = run(session, {x.c, map.c, s.c, optional.c});
        ASSERT_EQ(out.size(), 4u);
        EXPECT_EQ(tessera_value_kind(out[0].c), TESSERA_MAP);
        Value k, v;
        expect_success(tessera_value_keys(out[0].c, &k.c));
        expect_success(tessera_value_values(out[0].c, &v.c));
        EXPECT_THAT(v.as_floats(), ElementsAre(1, 2));
        tessera_tensor given{}, got{};
        expect_success(tessera_value_tensor(k.c, &got));
        expect_success(tessera_value_tensor(keys.c, &given));
        ASSERT_EQ(got.bytes, 16u);
        EXPECT_EQ(static_cast<const int64_t*>(got.data)[1], 6);
        EXPECT_NE(got.data, given.data) << "an output has keys of its own";
        EXPECT_EQ(tessera_value_kind(out[1].c), TESSERA_SEQUENCE);
        EXPECT_THAT(out[1].item(0).as_floats(), ElementsAre(1, 2));
        EXPECT_EQ(tessera_value_kind(out[2].c), TESSERA_OPTIONAL);
        EXPECT_THAT(out[2].item(0).as_floats(), ElementsAre(1, 2));
        const float sign = alone ? 1 : -1;
        EXPECT_THAT(out[3].as_floats(), ElementsAre(sign, 2 * sign));
      }
      // A run into buffers says that it has none for them, whatever was known before.
      float y[2] = {};
      const int64_t two = 2;
      const tessera_tensor tensor{TESSERA_FLOAT32, 1, &two, y, sizeof y}, four[4] = {tensor, tensor, tensor, tensor};
      tessera_status* status = tessera_run_into(session.c, four, 4, four, 4, nullptr);
      EXPECT_NE(status, nullptr);
      tessera_status_free(status);
    }
}

TEST(CApiValues, WhatCannotBeIsRefused) {
  const Value x = Value::floats({1, 2}), i = Value::integers({1, 1}), t = Value::strings({"a", "b"}),
              square = Value::floats({1}, {1, 1}), s = Value::sequence({x.c});
  tessera_value* made = x.c;
  const auto usage = [&](tessera_status* status, tessera_code code, const char* text) {
    expect_failure(status, code, text);
    EXPECT_EQ(made, nullptr);
  };
  usage(tessera_value_create_tensor(nullptr, &made), TESSERA_USAGE, "NULL");
  const int64_t dims[] = {2, -1}, huge[] = {INT64_MAX / 4, 16};
  tessera_tensor tensor{TESSERA_FLOAT32, 2, dims, nullptr, 0};
  usage(tessera_value_create_tensor(&tensor, &made), TESSERA_SHAPE, "[2,");
  tensor.dims = huge;
  usage(tessera_value_create_around(&tensor, nullptr, nullptr, &made), TESSERA_SHAPE, "");
  usage(tessera_value_create_strings(nullptr, nullptr, huge, 2, &made), TESSERA_SHAPE, "");
  usage(tessera_value_create_strings(nullptr, nullptr, huge, 65, &made), TESSERA_SHAPE, "rank 65");
  const int64_t one = 1;
  usage(tessera_value_create_strings(nullptr, nullptr, &one, 1, &made), TESSERA_USAGE, "NULL");
  const char* const missing[] = {nullptr};
  usage(tessera_value_create_strings(missing, nullptr, &one, 1, &made), TESSERA_USAGE, "NULL");
  const tessera_value* const mixed[] = {x.c, s.c};
  usage(tessera_value_create_sequence(TESSERA_UNDEFINED, mixed, 2, &made), TESSERA_TYPE, "a tensor and a sequence");
  const tessera_value* const types[] = {x.c, i.c};
  usage(tessera_value_create_sequence(TESSERA_UNDEFINED, types, 2, &made), TESSERA_TYPE, "holds int64");
  usage(tessera_value_create_sequence(TESSERA_UNDEFINED, nullptr, 2, &made), TESSERA_USAGE, "NULL");
  usage(tessera_value_create_sequence(static_cast<tessera_dtype>(99), nullptr, 0, &made), TESSERA_TYPE, "99");
  usage(tessera_value_create_map(i.c, x.c, &made), TESSERA_USAGE, "a key twice");
  usage(tessera_value_create_map(x.c, x.c, &made), TESSERA_TYPE, "not float32");
  usage(tessera_value_create_map(s.c, x.c, &made), TESSERA_TYPE, "a sequence, not a tensor");
  usage(tessera_value_create_map(square.c, x.c, &made), TESSERA_SHAPE, "one row");
  usage(tessera_value_create_map(t.c, square.c, &made), TESSERA_SHAPE, "one row");
  usage(tessera_value_create_map(t.c, s.c, &made), TESSERA_SHAPE, "2 keys, but 1 values");
  usage(tessera_value_create_map(t.c, nullptr, &made), TESSERA_USAGE, "NULL");
  usage(tessera_value_item(x.c, 0, &made), TESSERA_TYPE, "no items");
  usage(tessera_value_item(s.c, 1, &made), TESSERA_USAGE, "no item 1");
  usage(tessera_value_item(nullptr, 1, &made), TESSERA_USAGE, "NULL");
  usage(tessera_value_keys(s.c, &made), TESSERA_TYPE, "a sequence, not a map");
  usage(tessera_value_values(x.c, &made), TESSERA_TYPE, "a tensor, not a map");
  usage(tessera_value_share(nullptr, &made), TESSERA_USAGE, "NULL");
  usage(tessera_result_value(nullptr, 0, &made), TESSERA_USAGE, "NULL");
  expect_failure(tessera_value_create_optional(nullptr, nullptr), TESSERA_USAGE, "NULL");
  expect_failure(tessera_value_tensor(s.c, &tensor), TESSERA_TYPE, "a sequence, not a tensor");
  const char* text = nullptr;
  expect_failure(tessera_value_string(t.c, 2, &text, nullptr), TESSERA_USAGE, "no element 2");
  expect_failure(tessera_value_string(x.c, 0, &text, nullptr), TESSERA_TYPE, "not of strings");
  expect_failure(tessera_run_values(nullptr, nullptr, 0, nullptr, nullptr), TESSERA_USAGE, "NULL");
  EXPECT_EQ(tessera_value_count(nullptr), 0u);
  EXPECT_EQ(tessera_value_kind(nullptr), TESSERA_TENSOR);
  EXPECT_EQ(tessera_value_dtype(nullptr), TESSERA_UNDEFINED);
  tessera_value_free(nullptr);
}

// The caller's memory is given back when the last who refers to it is gone.
TEST(CApiValues, ElementsMayStayTheCallers) {
  const Session session(sequence_pen());
  std::vector<float> numbers{1, 2, 3};
  const int64_t three = 3;
  const tessera_tensor tensor{TESSERA_FLOAT32, 1, &three, numbers.data(), 12};
  int released = 0;
  const auto release = [](void* context) { ++*static_cast<int*>(context); };
  tessera_value *value = nullptr, *other = nullptr, *sequence = nullptr;
  expect_success(tessera_value_create_around(&tensor, release, &released, &value));
  tessera_tensor told{};
  expect_success(tessera_value_tensor(value, &told));
  EXPECT_EQ(told.data, numbers.data());
  expect_success(tessera_value_share(value, &other));
  tessera_value_free(value);
  EXPECT_EQ(released, 0);
  expect_success(tessera_value_create_sequence(TESSERA_UNDEFINED, &other, 1, &sequence));
  tessera_value_free(other);
  {
    const Value x = Value::floats({4});
    const std::vector<Value> out = run(session, {sequence, x.c});
    tessera_value_free(sequence);
    EXPECT_THAT(out[1].as_floats(), ElementsAre(1, 2, 3));
  }
  EXPECT_EQ(released, 1);
  tessera_tensor wrong = tensor;
  wrong.bytes = 11;
  expect_failure(tessera_value_create_around(&wrong, release, &released, &value), TESSERA_USAGE, "takes 12 bytes");
  EXPECT_EQ(released, 1);
}

TEST(CApiValues, ManyThreadsReadOne) {
  const Session session(sequence_pen());
  const Value a = Value::floats({1, 2}), x = Value::floats({6}), s = Value::sequence({a.c, a.c});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const std::vector<Value> out = run(session, {s.c, x.c});
        EXPECT_EQ(tessera_value_count(out[0].c), 3u);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(CApiValues, TypesAreToldWithWhatContainersHold) {
  test::Pen pen = sequence_pen();
  auto* map = declare(pen.graph->mutable_input(), "m")
                  ->mutable_optional_type()
                  ->mutable_elem_type()
                  ->mutable_sequence_type()
                  ->mutable_elem_type()
                  ->mutable_map_type();
  map->set_key_type(TESSERA_INT64);
  make_tensor(map->mutable_value_type(), DType::float64);
  const Session session(pen);
  tessera_port port;
  TESSERA_INIT(&port);
  const auto facts = [](const tessera_type* type) {
    tessera_type_facts facts;
    TESSERA_INIT(&facts);
    expect_success(tessera_type_get(type, &facts));
    return facts;
  };
  expect_success(tessera_session_input(session.c, 0, &port));
  EXPECT_EQ(port.kind, TESSERA_SEQUENCE);
  EXPECT_EQ(port.optional, 0);
  tessera_type_facts told = facts(port.type);
  EXPECT_EQ(told.kind, TESSERA_SEQUENCE);
  ASSERT_NE(told.item, nullptr);
  EXPECT_STREQ(tessera_type_dim_name(told.item, 0), "letters");
  EXPECT_STREQ(tessera_type_dim_name(told.item, 1), "");
  told = facts(told.item);
  EXPECT_EQ(told.kind, TESSERA_TENSOR);
  EXPECT_EQ(told.dtype, TESSERA_FLOAT32);
  ASSERT_EQ(told.rank, 1u);
  EXPECT_EQ(told.dims[0], -1);
  EXPECT_EQ(told.item, nullptr);

  expect_success(tessera_session_input(session.c, 2, &port));
  EXPECT_EQ(port.place, 2u);
  told = facts(port.type);
  EXPECT_EQ(told.kind, TESSERA_OPTIONAL);
  told = facts(told.item);
  EXPECT_EQ(told.kind, TESSERA_SEQUENCE);
  told = facts(told.item);
  EXPECT_EQ(told.kind, TESSERA_MAP);
  EXPECT_EQ(told.dtype, TESSERA_INT64);
  told = facts(told.item);
  EXPECT_EQ(told.dtype, TESSERA_FLOAT64);
  EXPECT_EQ(told.ranked, 0);

  expect_success(tessera_session_output(session.c, 0, &port));
  EXPECT_EQ(facts(facts(port.type).item).dtype, TESSERA_FLOAT32);
  expect_failure(tessera_type_get(nullptr, &told), TESSERA_USAGE, "NULL");
  EXPECT_STREQ(tessera_type_dim_name(nullptr, 0), "");
}

// x + bias, where bias has a default of {10, 20}.
TEST(CApiValues, InputsWithADefaultMayBeGiven) {
  test::Pen pen;
  pen.graph->clear_input();
  test::add_input(pen.graph, "bias");
  test::add_input(pen.graph, "x");
  const float bias[] = {10, 20};
  *pen.graph->add_initializer() =
      test::raw_tensor("bias", DType::float32, {2}, {reinterpret_cast<const char*>(bias), sizeof bias});
  pen.node("Add", {"x", "bias"}, {"y"});
  const Session session(pen);
  ASSERT_EQ(tessera_session_input_count(session.c), 1u);
  ASSERT_EQ(tessera_session_optional_input_count(session.c), 1u);
  tessera_port port;
  TESSERA_INIT(&port);
  expect_success(tessera_session_input(session.c, 0, &port));
  EXPECT_STREQ(port.name, "x");
  EXPECT_EQ(port.place, 1u);
  EXPECT_EQ(port.optional, 0);
  expect_success(tessera_session_input(session.c, 1, &port));
  EXPECT_STREQ(port.name, "bias");
  EXPECT_EQ(port.place, 0u);
  EXPECT_EQ(port.optional, 1);
  EXPECT_EQ(port.dtype, TESSERA_FLOAT32);
  const Value x = Value::floats({1, 2}), other = Value::floats({100, 200});
  EXPECT_THAT(run(session, {x.c})[0].as_floats(), ElementsAre(11, 22));
  EXPECT_THAT(run(session, {x.c, other.c})[0].as_floats(), ElementsAre(101, 202));
  EXPECT_THAT(run(session, {x.c, nullptr})[0].as_floats(), ElementsAre(11, 22));
}

// Masks of other libraries are 0 and 255.
TEST(CApiValues, AnyByteButZeroIsTrue) {
  test::Pen pen;
  pen.graph->clear_input();
  test::add_input(pen.graph, "x", DType::boolean);
  auto* to = pen.node("Cast", {"x"}, {"y"})->add_attribute();
  to->set_name("to");
  to->set_type(::onnx::AttributeProto::INT);
  to->set_i(static_cast<int>(DType::int64));
  const Session session(pen);
  unsigned char mask[] = {255, 0};
  const int64_t dims[] = {2};
  const tessera_tensor x{TESSERA_BOOL, 1, dims, mask, sizeof mask};
  const auto expect_one_and_none = [](const void* data) {
    const auto* numbers = static_cast<const int64_t*>(data);
    EXPECT_EQ(numbers[0], 1);
    EXPECT_EQ(numbers[1], 0);
  };

  tessera_result* result = nullptr;
  tessera_tensor y;
  expect_success(tessera_run(session.c, &x, 1, nullptr, &result));
  expect_success(tessera_result_tensor(result, 0, &y));
  expect_one_and_none(y.data);
  tessera_result_free(result);

  int64_t numbers[2] = {};
  const tessera_tensor into{TESSERA_INT64, 1, dims, numbers, sizeof numbers};
  expect_success(tessera_run_into(session.c, &x, 1, &into, 1, nullptr));
  expect_one_and_none(numbers);

  numbers[0] = 0;
  tessera_buffer *from = nullptr, *out = nullptr;
  expect_success(tessera_buffer_create_around(&x, &from));
  expect_success(tessera_buffer_create_around(&into, &out));
  expect_success(tessera_run_buffers(session.c, &from, 1, &out, 1, nullptr));
  expect_one_and_none(numbers);
  EXPECT_EQ(mask[0], 255);  // the caller's stay as they are

  tessera_buffer* written = nullptr;
  expect_success(tessera_buffer_create("cpu", &x, 0, &written));
  expect_success(tessera_buffer_write(written, mask, sizeof mask));
  unsigned char read[2] = {};
  expect_success(tessera_buffer_read(written, read, sizeof read));
  EXPECT_EQ(read[0], 1);
  for (tessera_buffer* buffer : {from, out, written}) tessera_buffer_free(buffer);
}

TEST(CApiValues, InitializersAreTheProgramsIfItGivesThem) {
  test::Pen pen;
  const float bias[] = {10, 20};
  *pen.graph->add_initializer() =
      test::raw_tensor("bias", DType::float32, {2}, {reinterpret_cast<const char*>(bias), sizeof bias});
  pen.node("Add", {"x", "bias"}, {"y"});
  const std::string bytes = pen.model.SerializeAsString();
  tessera_environment_options around;
  TESSERA_INIT(&around);
  around.share_models = 1;
  tessera_environment* environment = nullptr;
  expect_success(tessera_environment_create(&around, &environment));
  const auto load = [&](const Value& value, tessera_session** session, const char* name = "bias") {
    const tessera_initializer initializer{name, value.c};
    tessera_options options;
    tessera_options_init(&options);
    options.device = "cpu";
    options.environment = environment;
    options.initializers = &initializer;
    options.initializer_count = 1;
    return tessera_session_load_memory(bytes.data(), bytes.size(), &options, session);
  };
  const Value x = Value::floats({1, 2});
  tessera_session *one = nullptr, *two = nullptr, *none = nullptr;
  {
    const Value first = Value::floats({100, 200}), second = Value::floats({5, 6});
    expect_success(load(first, &one));
    expect_success(load(second, &two));
  }
  for (const auto& [session, expected] : {std::pair(one, 101.0f), std::pair(two, 6.0f)}) {
    tessera_result* result = nullptr;
    expect_success(tessera_run_values(session, &x.c, 1, nullptr, &result));
    tessera_tensor tensor;
    expect_success(tessera_result_tensor(result, 0, &tensor));
    EXPECT_EQ(static_cast<const float*>(tensor.data)[0], expected);
    tessera_result_free(result);
    tessera_session_free(session);
  }
  expect_failure(load(Value::floats({1, 2, 3}), &none), TESSERA_TYPE,
                 "\"bias\" is float32[2], and is given float32[3]");
  expect_failure(load(Value::integers({1, 2}), &none), TESSERA_TYPE, "is given int64[2]");
  expect_failure(load(x, &none, "x"), TESSERA_USAGE, "no initializer \"x\"");
  expect_failure(load(x, &none, "z"), TESSERA_USAGE, "no initializer \"z\"");
  tessera_environment_free(environment);
}

}  // namespace
}  // namespace tessera
