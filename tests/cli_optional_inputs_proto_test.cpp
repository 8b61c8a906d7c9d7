// Inputs with a default: what not to give them means, and giving them, through every door.
#include <gmock/gmock.h>

#include "include/tessera/tessera.hpp"
#include "tests/onnx_pen.h"
#include "tools/conformance.h"
#include "tools/inputs.h"

namespace tessera::test {
namespace {

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}
std::string bytes_of(const std::vector<int64_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int64_t)};
}

// y = x * k + s, reshaped to `shape`, if `flag` else as it is; k, s, the shape and one that no node reads have
// defaults.
struct Defaults : Pen {
  explicit Defaults(int ir_version = 8) {
    model.set_ir_version(ir_version);
    graph->clear_input();
    declare("unread", DType::float32, {3});
    declare("k", DType::float32, {-1});
    declare("x", DType::float32, {2});
    declare("shape", DType::int64, {-1});
    declare("s", DType::float32, {});
    *graph->add_initializer() = raw_tensor("k", DType::float32, {2}, bytes_of(std::vector<float>{2, 3}));
    *graph->add_initializer() = raw_tensor("s", DType::float32, {}, bytes_of(std::vector<float>{1}));
    *graph->add_initializer() = raw_tensor("shape", DType::int64, {2}, bytes_of(std::vector<int64_t>{1, -1}));
    *graph->add_initializer() = raw_tensor("unread", DType::float32, {3}, bytes_of(std::vector<float>{0, 0, 0}));
    node("Mul", {"x", "k"}, {"product"});
    node("Add", {"product", "s"}, {"sum"});
    node("Reshape", {"sum", "shape"}, {"y"});
    // The same k in a body.
    *graph->add_initializer() = raw_tensor("yes", DType::boolean, {}, std::string(1, '\1'));
    NodeProto* chosen = node("If", {"yes"}, {"z"});
    for (const char* name : {"then_branch", "else_branch"}) {
      auto* body = add_attr(chosen, name, AttributeProto::GRAPH)->mutable_g();
      add_node(body->mutable_node(), "Add", {"k", "k"}, {"twice"});
      body->add_output()->set_name("twice");
    }
    graph->add_output()->set_name("z");
  }

  void declare(const std::string& name, DType dtype, const std::vector<int64_t>& dims) {
    auto* input = graph->add_input();
    input->set_name(name);
    auto* type = input->mutable_type()->mutable_tensor_type();
    type->set_elem_type(static_cast<int>(dtype));
    auto* shape = type->mutable_shape();
    for (const int64_t dim : dims)
      if (auto* added = shape->add_dim(); dim >= 0) added->set_dim_value(dim);
  }

  std::string text() const { return model.SerializeAsString(); }
};

List<std::byte> bytes_view(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// unread, k, shape, s: the order of their declaration.
std::vector<Tensor> given(Tensor x, Tensor unread = {}, Tensor k = {}, Tensor shape = {}, Tensor s = {}) {
  return {std::move(x), std::move(unread), std::move(k), std::move(shape), std::move(s)};
}

using testing::ElementsAre;

TEST(OptionalInputs, AreGivenOrHaveTheirDefault) {
  const std::string text = Defaults().text();
  for (const bool optimize : {true, false}) {
    SessionOptions options;
    options.optimize = optimize;
    options.device = "cpu";
    const Session session(bytes_view(text), options);
    ASSERT_EQ(session.inputs().size(), 1u);
    std::vector<std::string> names;
    for (const Port& port : session.optional_inputs()) names.push_back(port.name);
    EXPECT_THAT(names, ElementsAre("unread", "k", "shape", "s"));
    EXPECT_EQ(cat(session.optional_inputs()[1].type), "float32[?]");

    const Tensor x = floats({2}, {10, 20});
    const auto run = [&](const std::vector<Tensor>& in) { return session.run(List<Tensor>(in)); };
    for (int again = 0; again < 2; ++again) {
      EXPECT_TRUE(close(run({x})[0], floats({1, 2}, {21, 61}), 0, 0));
      EXPECT_TRUE(close(run(given(x))[1], floats({2}, {4, 6}), 0, 0));
      const auto scaled = run(given(x, {}, floats({2}, {1, 0})));
      EXPECT_TRUE(close(scaled[0], floats({1, 2}, {11, 1}), 0, 0));
      EXPECT_TRUE(close(scaled[1], floats({2}, {2, 0}), 0, 0)) << "a body has it too";
      EXPECT_TRUE(close(run(given(x, floats({3}, {1, 2, 3}), floats({1}, {2}), tensor(DType::int64, {3}, {1, 2, 1}),
                                  floats({}, {5})))[0],
                        floats({1, 2, 1}, {25, 45}), 0, 0));
      EXPECT_TRUE(
          close(run(given(x, {}, {}, Tensor::of(std::vector<int64_t>{2, 1})))[0], floats({2, 1}, {21, 61}), 0, 0));
    }
    EXPECT_THROW(run({}), Error);
    EXPECT_THROW(run(given(x, floats({2}, {1, 2}))), Error) << "declared as three";
    EXPECT_THROW(run(given(x, {}, tensor(DType::int64, {2}, {1, 2}))), Error);
    EXPECT_THROW(run({x, {}, {}, {}, {}, {}}), Error);
    EXPECT_THROW(run(given({}, {}, floats({2}, {1, 0}))), Error) << "x has no default";
  }
}

TEST(OptionalInputs, BeforeVersion4InitializersAreConstants) {
  Defaults pen(3);
  const Session session(bytes_view(pen.text()), {});
  EXPECT_EQ(session.inputs().size(), 1u);
  EXPECT_TRUE(session.optional_inputs().empty());
}

TEST(OptionalInputs, NotGivenTheyFoldAsConstantsDo) {
  Pen pen;
  add_input(pen.graph, "k");
  *pen.graph->add_initializer() = raw_tensor("k", DType::float32, {2}, bytes_of(std::vector<float>{2, 3}));
  pen.node("Exp", {"k"}, {"e"});
  pen.node("Mul", {"x", "e"}, {"y"});
  SessionOptions options;
  options.device = "cpu";
  const std::string text = pen.model.SerializeAsString();
  const Session session(bytes_view(text), options);
  const Type two{DType::float32, {2}};
  EXPECT_EQ(session.steps(std::vector<Type>{two})[0].op, "Mul");
  EXPECT_EQ(session.steps(std::vector<Type>{two, two})[0].op, "Exp");
  EXPECT_EQ(session.output_types(std::vector<Type>{two, two})[0], two);
  EXPECT_EQ(session.output_types(std::vector<Type>{two, {}})[0], two);
}

TEST(OptionalInputs, TheWeightsOfAConvolution) {
  Pen pen;
  pen.graph->clear_input();
  const auto input = [&](const std::string& name) {
    add_input(pen.graph, name);
    pen.graph->mutable_input()->rbegin()->mutable_type()->mutable_tensor_type()->clear_shape();
  };
  input("w");
  input("x");
  *pen.graph->add_initializer() = raw_tensor("w", DType::float32, {1, 1, 1, 1}, bytes_of(std::vector<float>{2}));
  pen.node("Conv", {"x", "w"}, {"c"});
  pen.node("Relu", {"c"}, {"y"});
  const std::string text = pen.model.SerializeAsString();
  const Session session(bytes_view(text), {});
  const Tensor x = floats({1, 1, 1, 3}, {1, 2, 3});
  EXPECT_TRUE(close(session.run(std::vector<Tensor>{x})[0], floats({1, 1, 1, 3}, {2, 4, 6}), 0, 0));
  EXPECT_TRUE(close(session.run(std::vector<Tensor>{x, floats({2, 1, 1, 2}, {1, 1, 0, 2})})[0],
                    floats({1, 2, 1, 2}, {3, 5, 4, 6}), 0, 0));
}

TEST(OptionalInputs, TheCInterfaceNumbersThemOn) {
  const std::string text = Defaults().text();
  const api::Session session(bytes_view(text));
  ASSERT_EQ(session.inputs().size(), 1u);
  ASSERT_EQ(session.optional_inputs().size(), 4u);
  EXPECT_EQ(session.optional_inputs()[1].name, "k");
  tessera_port port;
  tessera_port_init(&port);
  tessera_status* status = tessera_session_input(session.c(), 5, &port);
  EXPECT_NE(status, nullptr);
  tessera_status_free(status);

  const float x[] = {10, 20}, k[] = {1, 0}, s = 5;
  const api::Tensor in(std::span<const float>(x), {2}), factor(std::span<const float>(k), {2});
  const api::Tensor shift(std::span<const float>(&s, 1), {});
  const auto first = [](const api::Result& result) {
    return std::vector<float>(result[0].elements<const float>().begin(), result[0].elements<const float>().end());
  };
  EXPECT_THAT(first(session.run(std::vector{in})), ElementsAre(21, 61));
  EXPECT_THAT(first(session.run(std::vector{in, api::Tensor(), factor})), ElementsAre(11, 1));
  EXPECT_THAT(first(session.run(std::vector{in, api::Tensor(), api::Tensor(), api::Tensor(), shift})),
              ElementsAre(25, 65));
  EXPECT_THROW(session.run(std::vector{api::Tensor()}), api::Failure);

  float y[2], z[2];
  const std::vector<api::Tensor> out{api::Tensor(std::span<float>(y), {1, 2}), api::Tensor(std::span<float>(z), {2})};
  session.run_into(std::vector{in, api::Tensor(), factor}, out);
  EXPECT_THAT(y, ElementsAre(11, 1));
  EXPECT_THAT(z, ElementsAre(2, 0));
  session.run_into(std::vector{in}, out);
  EXPECT_THAT(y, ElementsAre(21, 61));
}

TEST(OptionalInputs, OptionsNameThem) {
  const std::string text = Defaults().text();
  const Session session(bytes_view(text), {});
  tools::InputOptions options;
  options.shapes = {"k=1", "2"};
  const auto in = tools::make_inputs(tools::all_inputs(session), options);
  ASSERT_EQ(in.size(), 5u);
  EXPECT_EQ(cat(in[0].type), "float32[2]");
  EXPECT_EQ(cat(in[2].type), "float32[1]");
  EXPECT_FALSE(in[1].bytes || in[3].bytes || in[4].bytes);
}

TEST(OptionalInputs, TestsMayGiveThem) {
  TemporaryFolder folder;
  Defaults pen;
  const auto write = [&](const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories((folder.path() / name).parent_path());
    std::ofstream(folder.path() / name, std::ios::binary) << bytes;
  };
  const auto floats_file = [&](const std::string& name, const std::vector<int64_t>& dims, const std::vector<float>& v) {
    write(name, raw_tensor("", DType::float32, dims, bytes_of(v)).SerializeAsString());
  };
  write("one/model.onnx", pen.text());
  const std::string set = "one/test_data_set_0/";
  floats_file(set + "input_0.pb", {3}, {0, 0, 0});
  floats_file(set + "input_1.pb", {2}, {1, 0});
  floats_file(set + "input_2.pb", {2}, {10, 20});
  write(set + "input_3.pb", raw_tensor("", DType::int64, {1}, bytes_of(std::vector<int64_t>{2})).SerializeAsString());
  floats_file(set + "input_4.pb", {}, {5});
  floats_file(set + "output_0.pb", {2}, {15, 5});
  const auto run = [&] { return tools::run_case(tools::find_cases(folder.path())[0], {}).message; };
  EXPECT_EQ(run(), "");
  std::filesystem::remove(folder.path() / (set + "input_4.pb"));
  EXPECT_THAT(run(), testing::HasSubstr("has 4 inputs, but the model has 1 and 4 optional ones"));
  for (int i = 1; i < 4; ++i) std::filesystem::remove(folder.path() / (set + cat("input_", i, ".pb")));
  floats_file(set + "input_0.pb", {2}, {10, 20});
  floats_file(set + "output_0.pb", {1, 2}, {21, 61});
  EXPECT_EQ(run(), "");
}

}  // namespace
}  // namespace tessera::test
