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

}  // namespace
}  // namespace tessera::test
