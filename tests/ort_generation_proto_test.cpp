// A real decoder's texts by beams, beside ONNX Runtime (TESSERA_ORT).
#include "bench/peers/ort.h"
#include "tests/subjects.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

Tensor integer_tensor(const Shape& shape, const std::vector<double>& values) {
  return tensor(DType::int32, shape, values);
}

// A model of GreedySearch, made one of beams.
TEST(OrtGeneration, BeamsAreThoseOfOnnxRuntime) {
  TESSERA_REQUIRE_SHARED(data);
  const std::string library = peers::Ort::find(binary_dir() + "/ort");
  if (library.empty()) GTEST_SKIP() << "skipped: no ONNX Runtime (set TESSERA_ORT)";
  const auto bytes = read_bytes(data / "models/nlp/ort_tiny_gpt2_greedysearch_with_init_decoder.onnx");
  ModelProto model;
  ASSERT_TRUE(model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  GraphProto* graph = model.mutable_graph();
  NodeProto* node = nullptr;
  for (NodeProto& each : *graph->mutable_node())
    if (each.op_type() == "GreedySearch") node = &each;
  ASSERT_NE(node, nullptr);
  node->set_op_type("BeamSearch");
  const std::string ids = node->input(0), longest = node->input(1), least = node->input(2), repetition = node->input(3);
  node->clear_input();
  const auto constant = [&](const std::string& name, const Tensor& value) {
    *graph->add_initializer() = proto_of(name, value);
    return name;
  };
  for (const std::string& name :
       {ids, longest, least, constant("beams", integer_tensor({1}, {4})), constant("wanted", integer_tensor({1}, {3})),
        constant("length_penalty", tensor(DType::float32, {1}, {0.7})), repetition})
    node->add_input(name);
  node->add_output("scores");
  auto* type = graph->add_output();
  type->set_name("scores");
  type->mutable_type()->mutable_tensor_type()->set_elem_type(static_cast<int>(DType::float32));
  for (auto& output : *graph->mutable_output()) output.mutable_type()->mutable_tensor_type()->clear_shape();
  add_attr(node, "early_stopping", AttributeProto::INT)->set_i(0);

  const TemporaryFolder folder;
  const std::string path = (folder.path() / "beams.onnx").string();
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
  std::vector<Tensor> in;
  for (const auto& input : graph->input())
    in.push_back(input.name() == ids          ? integer_tensor({2, 5}, {9, 8, 7, 6, 5, 0, 0, 3, 4, 11})
                 : input.name() == repetition ? tensor(DType::float32, {1}, {1.2})
                                              : integer_tensor({1}, {input.name() == longest ? 14.0 : 8.0}));
  const peers::Ort ort(library);
  const std::vector<Tensor> expected = peers::OrtSession(ort, path, 1).run(in);
  SessionOptions options;
  options.device = "cpu";
  std::vector<Datum> given(in.size());
  for (size_t i = 0; i < in.size(); ++i) given[i].tensor = in[i];
  const std::vector<Datum> actual = Session(path, options).run(given);
  EXPECT_TRUE(close(actual[0].tensor, expected[0], 0, 0));
  EXPECT_TRUE(close(actual[1].tensor, expected[1], 1e-3, 1e-3));
}

}  // namespace
}  // namespace tessera::test
