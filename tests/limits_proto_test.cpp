// What a run may take: memory up to its limit, and time until its caller has had enough.

#include <thread>

#include "runtime/session/session.h"
#include "tests/allocations.h"
#include "tests/onnx_pen.h"
#include "tests/statuses.h"

namespace tessera::test {
namespace {

constexpr int64_t mebibyte = int64_t{1} << 20;

void set_shape(::onnx::ValueInfoProto* value, const std::vector<int64_t>& dims) {
  auto* shape = value->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->clear_dim();
  for (const int64_t dim : dims) shape->add_dim()->set_dim_value(dim);
}

void add_integers(Pen& pen, const std::string& name, const std::vector<int64_t>& values, bool scalar = false) {
  const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int64_t));
  const std::vector<int64_t> dims{static_cast<int64_t>(values.size())};
  *pen.graph->add_initializer() = raw_tensor(name, DType::int64, scalar ? std::vector<int64_t>{} : dims, bytes);
}

void add_floats(Pen& pen, const std::string& name, const std::vector<int64_t>& dims) {
  const Tensor tensor = random_tensor(DType::float32, Shape(List<int64_t>(dims)), 1);
  const std::string bytes(reinterpret_cast<const char*>(tensor.bytes.get()), static_cast<size_t>(tensor.type.bytes()));
  *pen.graph->add_initializer() = raw_tensor(name, DType::float32, dims, bytes);
}

void set_ints(NodeProto* node, const std::string& name, const std::vector<int64_t>& values) {
  auto* attribute = add_attr(node, name, AttributeProto::INTS);
  for (const int64_t value : values) attribute->add_ints(value);
}

void set_int(NodeProto* node, const std::string& name, int64_t value) {
  add_attr(node, name, AttributeProto::INT)->set_i(value);
}

std::unique_ptr<Session> session_of(const Pen& pen, SessionOptions options) {
  const std::string bytes = pen.model.SerializeAsString();
  options.device = "cpu";
  options.threads = 2;
  return std::make_unique<Session>(List<std::byte>(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()),
                                   options);
}

std::unique_ptr<Session> session_of(const Pen& pen, int64_t memory_limit, bool optimize = true) {
  SessionOptions options;
  options.memory_limit = memory_limit;
  options.optimize = optimize;
  return session_of(pen, options);
}

// A loop whose body gets the condition as "go", and may read the graph's values.
GraphProto* add_loop(Pen& pen, const std::vector<std::string>& in, const std::vector<std::string>& out) {
  GraphProto* body = add_attr(pen.node("Loop", in, out), "body", AttributeProto::GRAPH)->mutable_g();
  body->set_name("body");
  add_input(body, "i", DType::int64);
  add_input(body, "go", DType::boolean);
  for (int i = 0; i < 2; ++i) set_shape(body->mutable_input(i), {});
  add_node(body->mutable_node(), "Identity", {"go"}, {"on"});
  body->add_output()->set_name("on");
  return body;
}

// --- Memory ----------------------------------------------------------------------------------

std::string refusal(const Pen& pen, const Tensor& in, int64_t limit) {
  const auto session = session_of(pen, limit);
  try {
    session->run(List<Tensor>(&in, 1));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::memory) << error.what();
    return error.what();
  }
  return "";
}

TEST(Limits, OutputsCount) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {4});
  add_integers(pen, "shape", {16 * mebibyte, 4});
  pen.node("Expand", {"x", "shape"}, {"y"});
  const Tensor in = random_tensor(DType::float32, {4}, 1);
  EXPECT_NE(refusal(pen, in, 200 * mebibyte).find("the limit is 200 MiB"), std::string::npos);
  EXPECT_EQ(refusal(pen, in, 300 * mebibyte), "");
}

TEST(Limits, PadsOfConvolutionsCount) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {1, 1, 4, 4});
  add_floats(pen, "w", {1, 1, 3, 3});
  set_ints(pen.node("Conv", {"x", "w"}, {"y"}), "pads", {8192, 8192, 8192, 8192});
  EXPECT_NE(refusal(pen, random_tensor(DType::float32, {1, 1, 4, 4}, 1), 256 * mebibyte), "");
}

// Each round gives 1 MiB, which is kept, then put together: twice the rounds.
TEST(Limits, WhatLoopsCollectCounts) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {4});
  add_integers(pen, "rounds", {40}, true);
  add_integers(pen, "shape", {65536, 4});
  GraphProto* body = add_loop(pen, {"rounds", ""}, {"y"});
  add_node(body->mutable_node(), "Expand", {"x", "shape"}, {"part"});
  body->add_output()->set_name("part");
  const Tensor in = random_tensor(DType::float32, {4}, 1);
  EXPECT_NE(refusal(pen, in, 30 * mebibyte).find("the limit is 30 MiB"), std::string::npos);
  EXPECT_NE(refusal(pen, in, 60 * mebibyte), "");
  EXPECT_EQ(refusal(pen, in, 100 * mebibyte), "");
}

TEST(Limits, CharactersOfStringsCount) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {4});
  TensorProto* text = pen.graph->add_initializer();
  text->set_name("text");
  text->set_data_type(static_cast<int>(DType::string));
  text->add_dims(1);
  text->add_string_data(std::string(mebibyte, 'a'));
  add_integers(pen, "shape", {40});
  pen.node("Expand", {"text", "shape"}, {"y"});
  const Tensor in = random_tensor(DType::float32, {4}, 1);
  EXPECT_NE(refusal(pen, in, 30 * mebibyte).find("the limit is 30 MiB"), std::string::npos);
  EXPECT_EQ(refusal(pen, in, 200 * mebibyte), "");
}

// What lies idle, and plans of other shapes, make room for a run that needs it.
TEST(Limits, WhatIsKeptGivesWay) {
  Pen pen;
  pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param(
      "n");
  add_integers(pen, "times", {2});
  pen.node("Neg", {"x"}, {"minus"});
  pen.node("Tile", {"minus", "times"}, {"twice"});
  pen.node("Neg", {"twice"}, {"y"});
  const auto session = session_of(pen, 48 * mebibyte);
  for (const int64_t mebibytes : {6, 7, 8, 9, 8, 7, 9, 6}) {
    const Tensor in = Tensor::make({DType::float32, {mebibytes * mebibyte / 4}});
    EXPECT_EQ(session->run(List<Tensor>(&in, 1))[0].type.shape, (Shape{mebibytes * mebibyte / 2}));
  }
}

// 2^31 products of nothing: inference and the run need no table of them.
TEST(Limits, InferenceAllocatesNothingByExtents) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {int64_t{1} << 31, 0, 3});
  add_floats(pen, "b", {3});
  pen.node("MatMul", {"x", "b"}, {"y"});
  const Tensor in = Tensor::make({DType::float32, {int64_t{1} << 31, 0, 3}});
  for (const bool optimize : {true, false}) {
    const auto out = session_of(pen, 64 * mebibyte, optimize)->run(List<Tensor>(&in, 1));
    EXPECT_EQ(out[0].type.shape, (Shape{int64_t{1} << 31, 0}));
  }
}

// What a run gave back, and what others took, is not this run's: many runs fit where one does.
TEST(Limits, HoldForEachRun) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {4});
  add_integers(pen, "shape", {mebibyte, 4});
  pen.node("Expand", {"x", "shape"}, {"y"});
  const auto session = session_of(pen, 24 * mebibyte);
  const Tensor in = random_tensor(DType::float32, {4}, 1);
  std::vector<Tensor> kept;
  for (int i = 0; i < 5; ++i) kept.push_back(session->run(List<Tensor>(&in, 1))[0]);
  EXPECT_EQ(kept.back().type.shape, (Shape{mebibyte, 4}));
}

// What loading computes is the session's, and counts in its runs.
TEST(Limits, FoldedConstantsCount) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {4});
  add_integers(pen, "shape", {mebibyte / 4}, false);
  pen.node("ConstantOfShape", {"shape"}, {"zeros0"});
  for (int i = 0; i < 4; ++i) {
    add_integers(pen, cat("times", i), {4});
    pen.node("Tile", {cat("zeros", i), cat("times", i)}, {cat("zeros", i + 1)});
  }
  pen.node("ReduceSum", {"zeros4"}, {"sum"});
  pen.node("Add", {"x", "sum"}, {"y"});
  const Tensor in = random_tensor(DType::float32, {4}, 1);
  EXPECT_NE(refusal(pen, in, 64 * mebibyte), "");
}

// Bodies whose state has another shape in every round: what is kept for all of them is bounded together.
TEST(Limits, PlansOfBodiesAreBounded) {
  const auto kept_by = [](int loops) {
    constexpr int64_t rounds = 80;
    Pen pen;
    set_shape(pen.graph->mutable_input(0), {1});
    add_integers(pen, "rounds", {rounds}, true);
    std::vector<std::string> rows;
    for (int i = 0; i < loops; ++i) {
      rows.push_back(cat("row", i));
      GraphProto* body = add_loop(pen, {"rounds", "", "x"}, {rows.back()});
      add_input(body, "so_far", DType::float32);
      body->mutable_input(2)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->clear_dim_value();
      set_int(add_node(body->mutable_node(), "Concat", {"so_far", "x"}, {"longer"}), "axis", 0);
      body->add_output()->set_name("longer");
    }
    pen.node("Sum", rows, {"y"});
    SessionOptions options;
    options.most_plans = 16;
    const auto session = session_of(pen, options);
    const int64_t before = living_allocations;
    const Tensor in = random_tensor(DType::float32, {1}, 1);
    EXPECT_EQ(session->run(List<Tensor>(&in, 1))[0].type.shape, (Shape{rounds + 1}));
    return living_allocations - before;
  };
  const int64_t one = kept_by(1), four = kept_by(4);
  EXPECT_LT(four, 2 * one);
}

// --- Time ------------------------------------------------------------------------------------

// Would run for many seconds; asked to stop after a moment, it does.
void expect_to_stop(const Pen& pen, const std::vector<Tensor>& in, bool optimize = true) {
  const auto session = session_of(pen, 0, optimize);
  std::atomic<bool> cancel{false};
  std::chrono::steady_clock::time_point asked;
  std::jthread caller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    asked = std::chrono::steady_clock::now();
    cancel = true;
  });
  const Text op = session->model().graph.nodes.empty() ? Text("?") : session->model().graph.nodes[0].op->name;
  try {
    session->run(List<Tensor>(in), {nullptr, &cancel});
    ADD_FAILURE() << op << " was done before it was asked to stop: this tests nothing";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::cancelled) << op << ": " << error.what();
  }
  // A second is promised; machines that run tests may be slow.
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - asked).count(), 3) << op;
}

Pen one_node(const std::string& op, const std::vector<int64_t>& dims, const std::vector<std::string>& more = {}) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), dims);
  std::vector<std::string> in{"x"};
  in.insert(in.end(), more.begin(), more.end());
  pen.node(op, in, {"y"});
  return pen;
}

Tensor picture(const Shape& shape) { return Tensor::make({DType::float32, shape}); }

// Ends with Error::deadline, and says this.
void expect_deadline(const Pen& pen, const SessionOptions& options, const std::string& said) {
  const Tensor in = random_tensor(DType::float32, {4}, 1);
  try {
    session_of(pen, options)->run(List<Tensor>(&in, 1));
    ADD_FAILURE() << "it ended by itself";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::deadline) << error.what();
    EXPECT_NE(std::string(error.what()).find(said), std::string::npos) << error.what();
  }
}

TEST(Deadline, LoopsEnd) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {4});
  add_loop(pen, {"", ""}, {});
  pen.node("Identity", {"x"}, {"y"});
  pen.graph->mutable_node(0)->set_name("for ever");
  add_node(pen.graph->mutable_node(0)->mutable_attribute(0)->mutable_g()->mutable_node(), "Neg", {"x"}, {"part"});
  pen.graph->mutable_node(0)->mutable_attribute(0)->mutable_g()->add_output()->set_name("part");
  pen.graph->mutable_node(0)->add_output("parts");
  pen.graph->add_output()->set_name("parts");
  SessionOptions rounds, time;
  rounds.most_rounds = 50;
  expect_deadline(pen, rounds, "node \"for ever\" (Loop");
  time.milliseconds = 50;
  expect_deadline(pen, time, "longer than the 50 ms");
}

TEST(Deadline, HasAStatus) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {4});
  GraphProto* body = add_loop(pen, {"", ""}, {"y"});
  add_node(body->mutable_node(), "Neg", {"x"}, {"part"});
  body->add_output()->set_name("part");
  const std::string file = pen.model.SerializeAsString();
  tessera_options options;
  tessera_options_init(&options);
  options.device = "cpu";
  options.most_rounds = 10;
  tessera_session* session = nullptr;
  expect_success(tessera_session_load_memory(file.data(), file.size(), &options, &session));
  float numbers[4] = {};
  const int64_t dims[] = {4};
  const tessera_tensor in{TESSERA_FLOAT32, 1, dims, numbers, sizeof numbers};
  tessera_result* result = nullptr;
  expect_failure(tessera_run(session, &in, 1, nullptr, &result), TESSERA_DEADLINE, "rounds");
  tessera_session_free(session);
}

TEST(Deadline, RunsEnd) {
  Pen pen;
  set_shape(pen.graph->mutable_input(0), {4});
  add_integers(pen, "shape", {3000, 3000});
  pen.node("Expand", {"one", "shape"}, {"zeros"});
  add_floats(pen, "one", {1});
  set_int(pen.node("RandomNormalLike", {"zeros"}, {"a"}), "dtype", 11);
  pen.node("MatMul", {"a", "a"}, {"product"});
  set_int(pen.node("Cast", {"product"}, {"floats"}), "to", static_cast<int64_t>(DType::float32));
  pen.node("ReduceSum", {"floats"}, {"sum"});
  pen.node("Add", {"x", "sum"}, {"y"});
  SessionOptions options;
  options.milliseconds = 100;
  expect_deadline(pen, options, "longer than the 100 ms");
}

// What has no end before anything runs: constants.
TEST(Cancel, Loading) {
  Pen pen;
  add_floats(pen, "w", {400, 400});
  pen.node("MatMul", {"w", "w"}, {"p0"});
  for (int i = 0; i < 200; ++i) pen.node("MatMul", {cat("p", i), "w"}, {cat("p", i + 1)});
  pen.node("Add", {"p200", "x"}, {"y"});
  std::atomic<bool> cancel{false};
  SessionOptions options;
  options.cancel = &cancel;
  std::jthread caller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    cancel = true;
  });
  try {
    session_of(pen, options);
    ADD_FAILURE() << "it was loaded before it was asked to stop: this tests nothing";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::cancelled) << error.what();
  }
}

TEST(Cancel, PoolsOfLargeWindows) {
  for (const char* op : {"AveragePool", "MaxPool", "LpPool"}) {
    Pen pen = one_node(op, {1, 1, 2000, 2000});
    NodeProto* node = pen.graph->mutable_node(0);
    set_ints(node, "kernel_shape", {1999, 1999});
    set_ints(node, "pads", {1998, 1998, 1998, 1998});
    expect_to_stop(pen, {picture({1, 1, 2000, 2000})});
    expect_to_stop(pen, {picture({1, 1, 2000, 2000})}, false);
  }
}

TEST(Cancel, Convolutions) {
  for (const char* op : {"Conv", "ConvTranspose"}) {
    Pen pen = one_node(op, {1, 64, 1024, 1024}, {"w"});
    add_floats(pen, "w", {64, 64, 7, 7});
    expect_to_stop(pen, {picture({1, 64, 1024, 1024})});
  }
}

TEST(Cancel, Products) {
  Pen pen = one_node("MatMul", {6144, 6144}, {"x"});
  expect_to_stop(pen, {picture({6144, 6144})});
}

TEST(Cancel, Draws) {
  Pen pen = one_node("Multinomial", {1, 64});
  set_int(pen.graph->mutable_node(0), "sample_size", 300'000'000);
  expect_to_stop(pen, {picture({1, 64})});
}

TEST(Cancel, Regions) {
  Pen pen = one_node("RoiAlign", {1, 64, 64, 64}, {"rois", "pictures"});
  NodeProto* node = pen.graph->mutable_node(0);
  set_int(node, "output_height", 512);
  set_int(node, "output_width", 512);
  set_int(node, "sampling_ratio", 64);
  add_floats(pen, "rois", {4, 4});
  add_integers(pen, "pictures", {0, 0, 0, 0});
  expect_to_stop(pen, {picture({1, 64, 64, 64})});
}

}  // namespace
}  // namespace tessera::test
