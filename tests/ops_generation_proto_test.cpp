// BeamSearch and Sampling over decoders that are a table of what follows what.
#include <gmock/gmock.h>

#include <cmath>

#include "tests/subjects.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

constexpr int64_t words = 4, end = 0;
const std::vector<double> table{0.1, 1.2, -0.3, 0.4, 0.9, -1.0, 1.1, 0.3, -0.2, 0.8, 0.1, 1.5, 1.3, 0.2, -0.7, 0.6};

double log_chance(int64_t before, int64_t word) {
  double sum = 0;
  for (int64_t i = 0; i < words; ++i) sum += std::exp(table[static_cast<size_t>(before * words + i)]);
  return table[static_cast<size_t>(before * words + word)] - std::log(sum);
}

// The logits of each word are the table's row of the word before.
Subject search(const std::string& op, const std::vector<std::pair<std::string, Tensor>>& in, size_t outputs,
               const Attrs& attrs) {
  Subject subject;
  subject.origin = op;
  subject.model.set_ir_version(8);
  import(subject.model, "", 17);
  import(subject.model, "com.microsoft", 1);
  GraphProto* graph = subject.model.mutable_graph();
  NodeProto* node = add_node(graph->mutable_node(), op, {}, {});
  node->set_domain("com.microsoft");
  for (const auto& [name, tensor] : in) {
    node->add_input(name);
    if (!name.empty()) subject.operands.push_back({name, tensor, false});
  }
  for (size_t i = 0; i < outputs; ++i) {
    node->add_output(cat("y", i));
    graph->add_output()->set_name(cat("y", i));
  }
  for (const auto& [name, attr] : attrs) {
    AttributeProto* made = node->add_attribute();
    made->set_name(name);
    set_value(made, attr);
  }
  GraphProto* decoder = add_attr(node, "decoder", AttributeProto::GRAPH)->mutable_g();
  for (const char* name : {"ids", "positions", "mask"}) {
    add_input(decoder, name, DType::int32);
    decoder->mutable_input(decoder->input_size() - 1)->mutable_type()->mutable_tensor_type()->clear_shape();
  }
  *decoder->add_initializer() = proto_of("table", tensor(DType::float32, {words, words}, table));
  add_node(decoder->mutable_node(), "Gather", {"table", "ids"}, {"logits"});
  decoder->add_output()->set_name("logits");
  return subject;
}

void declare(google::protobuf::RepeatedPtrField<::onnx::ValueInfoProto>* ports, const std::string& name, DType dtype,
             const std::vector<int64_t>& shape) {
  auto* port = ports->Add();
  port->set_name(name);
  auto* type = port->mutable_type()->mutable_tensor_type();
  type->set_elem_type(static_cast<int>(dtype));
  for (const int64_t extent : shape) {
    auto* dim = type->mutable_shape()->add_dim();
    if (extent >= 0) dim->set_dim_value(extent);
  }
}

// The same with an encoder that looks nothing up, and a decoder that passes its memories on; `says` makes it one that
// says the first word, too.
Subject search_of_source(const std::string& op, const std::vector<std::pair<std::string, Tensor>>& in, size_t outputs,
                         const Attrs& attrs, bool says, bool sound) {
  Subject subject = search(op, in, outputs, attrs);
  NodeProto* node = subject.model.mutable_graph()->mutable_node(0);
  GraphProto* decoder = node->mutable_attribute(node->attribute_size() - 1)->mutable_g();
  decoder->clear_input(), decoder->clear_node(), decoder->clear_output();
  GraphProto* encoder = add_attr(node, "encoder", AttributeProto::GRAPH)->mutable_g();
  const auto f32 = DType::float32, i32 = DType::int32;
  declare(encoder->mutable_input(), "encoder_input_ids", sound ? f32 : i32,
          sound ? std::vector<int64_t>{-1, -1, -1} : std::vector<int64_t>{-1, -1});
  if (!sound) declare(encoder->mutable_input(), "encoder_attention_mask", i32, {-1, -1});
  // Keys and values of one head of one number each: what the source has.
  *encoder->add_initializer() = proto_of("shape", tensor(DType::int64, {4}, {0, 1, -1, 1}));
  const std::string counted = sound ? "encoder_input_ids" : "both";
  if (!sound) add_node(encoder->mutable_node(), "Mul", {"encoder_input_ids", "encoder_attention_mask"}, {"both"});
  add_attr(add_node(encoder->mutable_node(), "Cast", {counted}, {"real"}), "to", AttributeProto::INT)->set_i(1);
  add_node(encoder->mutable_node(), "Reshape", {"real", "shape"}, {"cross"});
  if (says) {
    declare(encoder->mutable_input(), "decoder_input_ids", i32, {-1, -1});
    *encoder->add_initializer() = proto_of("table", tensor(f32, {words, words}, table));
    add_node(encoder->mutable_node(), "Gather", {"table", "decoder_input_ids"}, {"logits"});
    add_node(encoder->mutable_node(), "Identity", {"cross"}, {"encoder_hidden_states"});
    *encoder->add_initializer() = proto_of("own", tensor(DType::int64, {4}, {0, 1, -1, 1}));
    add_attr(add_node(encoder->mutable_node(), "Cast", {"decoder_input_ids"}, {"begun"}), "to", AttributeProto::INT)
        ->set_i(1);
    add_node(encoder->mutable_node(), "Reshape", {"begun", "own"}, {"present_key_self_0"});
    add_node(encoder->mutable_node(), "Identity", {"present_key_self_0"}, {"present_value_self_0"});
    for (const char* name : {"logits", "encoder_hidden_states", "present_key_self_0", "present_value_self_0"})
      declare(encoder->mutable_output(), name, f32, {});
  }
  for (const char* name : {"present_key_cross_0", "present_value_cross_0"}) {
    add_node(encoder->mutable_node(), "Identity", {"cross"}, {name});
    declare(encoder->mutable_output(), name, f32, {});
  }

  declare(decoder->mutable_input(), "input_ids", i32, {-1, 1});
  if (!sound) declare(decoder->mutable_input(), "encoder_attention_mask", i32, {-1, -1});
  if (says) declare(decoder->mutable_input(), "encoder_hidden_states", f32, {-1, 1, -1, 1});
  for (const char* name : {"past_key_self_0", "past_value_self_0", "past_key_cross_0", "past_value_cross_0"})
    declare(decoder->mutable_input(), name, f32, {-1, 1, -1, 1});
  *decoder->add_initializer() = proto_of("own", tensor(DType::int64, {4}, {0, 1, -1, 1}));
  add_attr(add_node(decoder->mutable_node(), "Cast", {"input_ids"}, {"real"}), "to", AttributeProto::INT)->set_i(1);
  add_node(decoder->mutable_node(), "Reshape", {"real", "own"}, {"new"});
  for (const char* kind : {"key", "value"})
    add_attr(add_node(decoder->mutable_node(), "Concat", {cat("past_", kind, "_self_0"), "new"},
                      {cat("present_", kind, "_self_0")}),
             "axis", AttributeProto::INT)
        ->set_i(2);
  // The word before is the last of the memory, and what the source has adds nothing in the end.
  add_node(decoder->mutable_node(), "Gather", {"table", "input_ids"}, {"plain"});
  add_node(decoder->mutable_node(), "Sub", {"past_key_cross_0", "past_value_cross_0"}, {"none"});
  *decoder->add_initializer() = proto_of("axes", tensor(DType::int64, {2}, {1, 3}));
  add_node(decoder->mutable_node(), "ReduceSum", {"none", "axes"}, {"summed"});
  add_attr(add_node(decoder->mutable_node(), "ReduceMax", {"summed"}, {"flat"}), "axes", AttributeProto::INTS)
      ->add_ints(2);
  *decoder->add_initializer() = proto_of("columns", tensor(DType::int64, {3}, {0, 1, 1}));
  add_node(decoder->mutable_node(), "Reshape", {"flat", "columns"}, {"nothing"});
  add_node(decoder->mutable_node(), "Add", {"plain", "nothing"}, {"logits"});
  for (const char* name : {"logits", "present_key_self_0", "present_value_self_0"})
    declare(decoder->mutable_output(), name, f32, {});
  return subject;
}

Tensor integer_tensor(const Shape& shape, const std::vector<double>& values) {
  return tensor(DType::int32, shape, values);
}

// The best text of three more words by trying all; its score is by length without the end.
std::pair<double, std::vector<int64_t>> best_text(int64_t prompt, double penalty) {
  std::pair<double, std::vector<int64_t>> best{-1e9, {}};
  const std::function<void(std::vector<int64_t>, double)> go = [&](const std::vector<int64_t>& text, double score) {
    const auto finish = [&](double sum) {
      const double value = sum / std::pow(static_cast<double>(text.size()), penalty);
      if (value > best.first) best = {value, text};
    };
    if (text.size() == 4) return finish(score);
    for (int64_t word = 0; word < words; ++word) {
      const double sum = score + log_chance(text.back(), word);
      if (word == end) {
        finish(sum);
        continue;
      }
      std::vector<int64_t> longer = text;
      longer.push_back(word);
      go(longer, sum);
    }
  };
  go({prompt}, 0);
  return best;
}

TEST(OpsGeneration, ManyBeamsFindTheBestText) {
  for (const double penalty : {0.0, 1.0, 2.0}) {
    const Subject subject = search("BeamSearch",
                                   {{"ids", integer_tensor({3, 1}, {1, 2, 3})},
                                    {"longest", integer_tensor({1}, {4})},
                                    {"", {}},
                                    {"beams", integer_tensor({1}, {32})},
                                    {"wanted", integer_tensor({1}, {2})},
                                    {"length", tensor(DType::float32, {1}, {penalty})}},
                                   2, {{"eos_token_id", end}, {"pad_token_id", int64_t{-1}}});
    const std::vector<Datum> actual = run_subject(subject);
    ASSERT_EQ(cat(actual[0].tensor.type), "int32[3,2,4]");
    for (int64_t p = 0; p < 3; ++p) {
      const auto [score, text] = best_text(p + 1, penalty);
      EXPECT_NEAR(actual[1].tensor.as<float>()[p * 2], score, 1e-5);
      EXPECT_GE(actual[1].tensor.as<float>()[p * 2], actual[1].tensor.as<float>()[p * 2 + 1]);
      for (size_t i = 0; i < 4; ++i)
        EXPECT_EQ(actual[0].tensor.as<int32_t>()[p * 8 + static_cast<int64_t>(i)], i < text.size() ? text[i] : -1);
    }
  }
}

// Texts of a source begin with a word of their own.
TEST(OpsGeneration, BeamsOfASourceFindTheBestText) {
  for (const bool says : {false, true})
    for (const bool sound : {false, true}) {
      const Tensor source = sound ? tensor(DType::float32, {2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
                                  : integer_tensor({2, 3}, {5, 6, 7, 8, 9, -1});
      const Subject subject = search_of_source(sound ? "WhisperBeamSearch" : "BeamSearch",
                                               {{"source", source},
                                                {"longest", integer_tensor({1}, {4})},
                                                {"", {}},
                                                {"beams", integer_tensor({1}, {32})},
                                                {"wanted", integer_tensor({1}, {1})},
                                                {"length", tensor(DType::float32, {1}, {1})}},
                                               3,
                                               {{"eos_token_id", end},
                                                {"pad_token_id", int64_t{-1}},
                                                {"decoder_start_token_id", int64_t{2}},
                                                {"model_type", int64_t{sound ? 2 : 1}}},
                                               says, sound);
      const std::vector<Datum> actual = run_subject(subject);
      ASSERT_EQ(cat(actual[0].tensor.type), "int32[2,1,4]");
      const auto [score, text] = best_text(2, 1);
      for (int64_t p = 0; p < 2; ++p) {
        EXPECT_NEAR(actual[1].tensor.as<float>()[p], score, 1e-5) << says << sound;
        for (size_t i = 0; i < 4; ++i)
          EXPECT_EQ(actual[0].tensor.as<int32_t>()[p * 4 + static_cast<int64_t>(i)], i < text.size() ? text[i] : -1);
      }
      // The first word's chances, of the first beam.
      ASSERT_EQ(cat(actual[2].tensor.type), "float32[3,2,32,4]");
      for (int64_t word = 0; word < words; ++word)
        EXPECT_NEAR(actual[2].tensor.as<float>()[word], log_chance(2, word), 1e-5);
    }
}

TEST(OpsGeneration, GreedySearchTellsOfASource) {
  const Subject subject = search_of_source(
      "GreedySearch", {{"source", integer_tensor({1, 2}, {5, 6})}, {"longest", integer_tensor({1}, {4})}}, 1,
      {{"eos_token_id", int64_t{-1}},
       {"pad_token_id", int64_t{-1}},
       {"decoder_start_token_id", int64_t{2}},
       {"model_type", int64_t{1}}},
      false, false);
  // The likeliest word behind each: 0 -> 1, 1 -> 2, 2 -> 3, 3 -> 0.
  EXPECT_TRUE(close(run_subject(subject)[0].tensor, integer_tensor({1, 4}, {2, 3, 0, 1}), 0, 0));
}

TEST(OpsGeneration, WhatASearchLacksIsTold) {
  const auto told = [](Attrs attrs, const std::string& op, size_t outputs) {
    attrs.insert(attrs.end(), {{"eos_token_id", end}, {"pad_token_id", int64_t{-1}}});
    const Tensor source =
        op == "BeamSearch" ? integer_tensor({1, 2}, {5, 6}) : tensor(DType::float32, {1, 2, 2}, {1, 2, 3, 4});
    try {
      run_subject(search_of_source(op,
                                   {{"source", source},
                                    {"longest", integer_tensor({1}, {4})},
                                    {"", {}},
                                    {"beams", integer_tensor({1}, {2})},
                                    {"wanted", integer_tensor({1}, {1})}},
                                   outputs, attrs, false, op != "BeamSearch"));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(told({{"model_type", int64_t{1}}}, "BeamSearch", 1), testing::HasSubstr("has no decoder_start_token_id"));
  EXPECT_THAT(told({{"model_type", int64_t{3}}}, "BeamSearch", 1), testing::HasSubstr("attribute \"model_type\" is 3"));
  EXPECT_THAT(told({{"decoder_start_token_id", int64_t{1}}}, "WhisperBeamSearch", 4),
              testing::HasSubstr("that is for devices"));
}

TEST(OpsGeneration, TellsHowLikelyNobodySpeaks) {
  Subject subject = search_of_source("WhisperBeamSearch",
                                     {{"source", tensor(DType::float32, {1, 2, 2}, {1, 2, 3, 4})},
                                      {"longest", integer_tensor({1}, {4})},
                                      {"", {}},
                                      {"beams", integer_tensor({1}, {2})},
                                      {"wanted", integer_tensor({1}, {1})}},
                                     5,
                                     {{"eos_token_id", end},
                                      {"pad_token_id", int64_t{-1}},
                                      {"decoder_start_token_id", int64_t{2}},
                                      {"no_speech_token_id", int64_t{3}}},
                                     true, true);
  subject.model.mutable_graph()->mutable_node(0)->set_output(3, "");
  subject.model.mutable_graph()->mutable_output()->DeleteSubrange(3, 1);
  EXPECT_NEAR(run_subject(subject)[3].tensor.as<float>()[0], std::exp(log_chance(2, 3)), 1e-6);
}

TEST(OpsGeneration, SamplingDrawsByChance) {
  constexpr int64_t rows = 4000;
  const auto shares = [](float top_p, float temperature) {
    const Subject subject = search(
        "Sampling",
        {{"ids", integer_tensor({rows, 1}, std::vector<double>(rows, 3))}, {"longest", integer_tensor({1}, {2})}}, 1,
        {{"eos_token_id", int64_t{-1}}, {"pad_token_id", int64_t{-1}}, {"top_p", top_p}, {"temperature", temperature}});
    const std::vector<Datum> actual = run_subject(subject);
    std::vector<double> counts(words);
    for (int64_t r = 0; r < rows; ++r)
      counts[static_cast<size_t>(actual[0].tensor.as<int32_t>()[r * 2 + 1])] += 1.0 / rows;
    return counts;
  };
  const auto chances = [](double temperature) {
    std::vector<double> p;
    double sum = 0;
    for (int64_t i = 0; i < words; ++i) sum += std::exp(table[static_cast<size_t>(3 * words + i)] / temperature);
    for (int64_t i = 0; i < words; ++i)
      p.push_back(std::exp(table[static_cast<size_t>(3 * words + i)] / temperature) / sum);
    return p;
  };
  const std::vector<double> all = shares(1, 0.5f), expected = chances(0.5);
  for (size_t i = 0; i < words; ++i) EXPECT_NEAR(all[i], expected[i], 6 * std::sqrt(0.25 / rows));
  // Words 0 and 3 have 0.76 of all chances together.
  const std::vector<double> few = shares(0.7f, 1), whole = chances(1);
  EXPECT_EQ(few[1] + few[2], 0);
  EXPECT_NEAR(few[0], whole[0] / (whole[0] + whole[3]), 6 * std::sqrt(0.25 / rows));
}

TEST(OpsGeneration, SamplingWithASeedIsTheSameEachTime) {
  const Subject subject = search("Sampling",
                                 {{"ids", integer_tensor({8, 1}, {1, 2, 3, 1, 2, 3, 1, 2})},
                                  {"longest", integer_tensor({1}, {9})},
                                  {"", {}},
                                  {"", {}},
                                  {"", {}},
                                  {"", {}},
                                  {"", {}},
                                  {"", {}},
                                  {"seed", integer_tensor({1}, {11})}},
                                 1, {{"eos_token_id", int64_t{-1}}, {"pad_token_id", int64_t{-1}}, {"top_p", 1.0f}});
  EXPECT_TRUE(close(run_subject(subject)[0].tensor, run_subject(subject)[0].tensor, 0, 0));
}

TEST(OpsGeneration, SamplingGivesWhatItDrewFrom) {
  const Subject subject =
      search("Sampling", {{"ids", integer_tensor({1, 1}, {3})}, {"longest", integer_tensor({1}, {2})}}, 2,
             {{"eos_token_id", int64_t{-1}}, {"pad_token_id", int64_t{-1}}, {"top_p", 0.7f}, {"filter_value", -9.0f}});
  EXPECT_TRUE(close(run_subject(subject)[1].tensor, tensor(DType::float32, {1, 4}, {1.3, -9, -9, 0.6}), 0, 1e-6));
}

}  // namespace
}  // namespace tessera::test
