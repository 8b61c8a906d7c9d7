// A real decoder's texts by beams, beside ONNX Runtime (TESSERA_ORT).
#include <random>

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

void declare(google::protobuf::RepeatedPtrField<::onnx::ValueInfoProto>* ports, const std::string& name, DType dtype,
             const std::vector<int64_t>& shape) {
  auto* port = ports->Add();
  port->set_name(name);
  auto* type = port->mutable_type()->mutable_tensor_type();
  type->set_elem_type(static_cast<int>(dtype));
  auto* dims = type->mutable_shape();
  for (const int64_t extent : shape) {
    auto* dim = dims->add_dim();
    if (extent >= 0)
      dim->set_dim_value(extent);
    else
      dim->set_dim_param(cat("of_", name, dims->dim_size()));
  }
}

Tensor drawn(const Shape& shape, unsigned seed, float low, float high) {
  Tensor tensor = Tensor::make({DType::float32, shape});
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  for (int64_t i = 0; i < shape.elements(); ++i) tensor.as<float>()[i] = uniform(engine);
  return tensor;
}

constexpr int64_t words = 120, width = 8;

void look_up(GraphProto* graph, const std::string& ids) {
  *graph->add_initializer() = proto_of("words", drawn({words, width}, 5, -1, 1));
  add_node(graph->mutable_node(), "Gather", {"words", ids}, {"here"});
}

// What each word is, what the source is, and what has been said, in one vector; its products with all words.
void add_logits(GraphProto* graph, const std::string& said, const std::string& source) {
  *graph->add_initializer() = proto_of("head", drawn({width, words}, 6, -1, 1));
  *graph->add_initializer() = proto_of("row", tensor(DType::int64, {3}, {0, 1, width}));
  for (const auto& [from, to] : {std::pair{said, "said_mean"}, {source, "source_mean"}})
    add_attr(add_node(graph->mutable_node(), "ReduceMean", {from}, {to}), "axes", AttributeProto::INTS)->add_ints(2);
  add_node(graph->mutable_node(), "Add", {"said_mean", "source_mean"}, {"mean"});
  add_node(graph->mutable_node(), "Reshape", {"mean", "row"}, {"context"});
  add_node(graph->mutable_node(), "Add", {"here", "context"}, {"state"});
  add_node(graph->mutable_node(), "MatMul", {"state", "head"}, {"logits"});
}

// A model of an encoder and a decoder, which are no more than means of what they see.
ModelProto source_model(const std::string& op, bool sound, const Attrs& attrs, const std::vector<std::string>& ins) {
  const auto f32 = DType::float32, i32 = DType::int32;
  ModelProto model;
  model.set_ir_version(8);
  import(model, "", 17);
  import(model, "com.microsoft", 1);
  GraphProto* graph = model.mutable_graph();
  graph->set_name("search");
  NodeProto* node = add_node(graph->mutable_node(), op, ins, {"texts", "scores"});
  node->set_domain("com.microsoft");
  declare(graph->mutable_output(), "texts", i32, {-1, -1, -1});
  declare(graph->mutable_output(), "scores", f32, {-1, -1});
  for (const auto& [name, attr] : attrs) {
    AttributeProto* made = node->add_attribute();
    made->set_name(name);
    set_value(made, attr);
  }
  const std::vector<int64_t> cache{-1, 1, -1, width};

  GraphProto* encoder = add_attr(node, "encoder", AttributeProto::GRAPH)->mutable_g();
  encoder->set_name("encoder");
  const auto keys = [](GraphProto* to, const std::string& from, const std::string& name) {
    *to->add_initializer() = proto_of(name + "_shape", tensor(DType::int64, {4}, {0, 1, -1, width}));
    add_node(to->mutable_node(), "Reshape", {from, name + "_shape"}, {name});
  };
  if (sound) {
    declare(encoder->mutable_input(), "encoder_input_ids", f32, {-1, width, -1});
    declare(encoder->mutable_input(), "decoder_input_ids", i32, {-1, -1});
    auto* perm = add_attr(add_node(encoder->mutable_node(), "Transpose", {"encoder_input_ids"}, {"hidden"}), "perm",
                          AttributeProto::INTS);
    for (const int64_t axis : {0, 2, 1}) perm->add_ints(axis);
  } else {
    declare(encoder->mutable_input(), "encoder_input_ids", i32, {-1, -1});
    declare(encoder->mutable_input(), "encoder_attention_mask", i32, {-1, -1});
    declare(encoder->mutable_input(), "decoder_input_ids", i32, {-1, -1});
    *encoder->add_initializer() = proto_of("source_words", drawn({words, width}, 7, -1, 1));
    add_node(encoder->mutable_node(), "Gather", {"source_words", "encoder_input_ids"}, {"all"});
    *encoder->add_initializer() = proto_of("last", tensor(DType::int64, {1}, {-1}));
    add_attr(add_node(encoder->mutable_node(), "Cast", {"encoder_attention_mask"}, {"seen"}), "to", AttributeProto::INT)
        ->set_i(1);
    add_node(encoder->mutable_node(), "Unsqueeze", {"seen", "last"}, {"each"});
    add_node(encoder->mutable_node(), "Mul", {"all", "each"}, {"hidden"});
  }
  keys(encoder, "hidden", "cross");
  look_up(encoder, "decoder_input_ids");
  keys(encoder, "here", "own");
  add_logits(encoder, "own", "cross");
  add_node(encoder->mutable_node(), "Identity", {"hidden"}, {"encoder_hidden_states"});
  declare(encoder->mutable_output(), "logits", f32, {-1, -1, words});
  declare(encoder->mutable_output(), "encoder_hidden_states", f32, {-1, -1, width});
  for (const auto& [name, from] : {std::pair{"present_key_self_0", "own"},
                                   {"present_value_self_0", "own"},
                                   {"present_key_cross_0", "cross"},
                                   {"present_value_cross_0", "cross"}}) {
    add_node(encoder->mutable_node(), "Identity", {from}, {name});
    declare(encoder->mutable_output(), name, f32, cache);
  }

  GraphProto* decoder = add_attr(node, "decoder", AttributeProto::GRAPH)->mutable_g();
  decoder->set_name("decoder");
  declare(decoder->mutable_input(), "input_ids", i32, {-1, 1});
  if (!sound) declare(decoder->mutable_input(), "encoder_attention_mask", i32, {-1, -1});
  declare(decoder->mutable_input(), "encoder_hidden_states", f32, {-1, -1, width});
  for (const char* name : {"past_key_self_0", "past_value_self_0", "past_key_cross_0", "past_value_cross_0"})
    declare(decoder->mutable_input(), name, f32, cache);
  look_up(decoder, "input_ids");
  keys(decoder, "here", "new");
  for (const char* kind : {"key", "value"})
    add_attr(add_node(decoder->mutable_node(), "Concat", {cat("past_", kind, "_self_0"), "new"},
                      {cat("present_", kind, "_self_0")}),
             "axis", AttributeProto::INT)
        ->set_i(2);
  add_logits(decoder, "present_key_self_0", "past_value_cross_0");
  declare(decoder->mutable_output(), "logits", f32, {-1, 1, words});
  for (const char* name : {"present_key_self_0", "present_value_self_0"})
    declare(decoder->mutable_output(), name, f32, cache);
  return model;
}

// As those of convert_generation and of Whisper's chains: an encoder that says the first word, and a decoder.
TEST(OrtGeneration, BeamsOfASourceAreThoseOfOnnxRuntime) {
  const std::string library = peers::Ort::find(binary_dir() + "/ort");
  if (library.empty()) GTEST_SKIP() << "skipped: no ONNX Runtime (set TESSERA_ORT)";
  const peers::Ort ort(library);
  struct Row {
    const char* what;
    bool sound = false, times = false, begun = false;
    double temperature = 1;
  };
  for (const Row& row : {Row{"a text"}, Row{"a sound", true}, Row{"times", true, true, true},
                         Row{"warm words", true, false, true, 1.5}}) {
    std::vector<std::pair<std::string, Tensor>> given{
        {"source", row.sound ? drawn({2, width, 5}, 8, -2, 2) : integer_tensor({2, 4}, {7, 8, 9, 10, 11, 12, 13, 1})},
        {"longest", integer_tensor({1}, {12})},
        {"least", integer_tensor({1}, {2})},
        {"beams", integer_tensor({1}, {3})},
        {"wanted", integer_tensor({1}, {2})},
        {"length_penalty", tensor(DType::float32, {1}, {0.8})},
        {"repetition", tensor(DType::float32, {1}, {1.1})}};
    std::vector<std::string> ins;
    for (const auto& [name, value] : given) ins.push_back(name);
    const auto add = [&](size_t place, const std::string& name, const Tensor& value) {
      ins.resize(std::max(ins.size(), place + 1));
      ins[place] = name;
      given.emplace_back(name, value);
    };
    if (row.begun) add(10, "begun", integer_tensor({2, 2}, {3, 4, 3, 5}));
    if (row.times) add(11, "processor", integer_tensor({1}, {1}));
    if (row.temperature != 1) add(14, "temperature", tensor(DType::float32, {1}, {row.temperature}));
    Attrs attrs{{"eos_token_id", int64_t{2}},
                {"pad_token_id", int64_t{1}},
                {"decoder_start_token_id", int64_t{3}},
                {"model_type", int64_t{row.sound ? 2 : 1}}};
    if (row.sound)
      attrs.insert(attrs.end(), {{"translate_token_id", int64_t{50}},
                                 {"transcribe_token_id", int64_t{51}},
                                 {"start_of_lm_token_id", int64_t{52}},
                                 {"no_timestamps_token_id", int64_t{53}},
                                 {"beginning_timestamp_token_id", int64_t{100}}});
    ModelProto model = source_model(row.sound ? "WhisperBeamSearch" : "BeamSearch", row.sound, attrs, ins);
    std::vector<Tensor> in;
    for (const auto& [name, value] : given) {
      declare(model.mutable_graph()->mutable_input(), name, value.type.dtype,
              {value.type.shape.begin(), value.type.shape.end()});
      in.push_back(value);
    }
    const TemporaryFolder folder;
    const std::string path = (folder.path() / "source.onnx").string();
    std::ofstream(path, std::ios::binary) << model.SerializeAsString();
    const std::vector<Tensor> expected = peers::OrtSession(ort, path, 1).run(in);
    SessionOptions options;
    options.device = "cpu";
    const std::vector<Tensor> actual = Session(path, options).run(List<Tensor>(in));
    EXPECT_TRUE(close(actual[0], expected[0], 0, 0)) << row.what;
    EXPECT_TRUE(close(actual[1], expected[1], 1e-4, 1e-4)) << row.what;
  }
}

}  // namespace
}  // namespace tessera::test
