// Text made token by token by a decoder's subgraph: what GreedySearch, Sampling and BeamSearch share.
#pragma once

#include <algorithm>

#include "ops/containers.h"
#include "ops/n_grams.h"

namespace tessera::ops {

/// Which inputs are what; they have ids and the greatest length at first, all of them.
struct GenerationOrder {
  size_t shortest, penalty, vocabulary, prefix, attention;
};

inline constexpr double never = -std::numeric_limits<double>::infinity();

/// What the decoder is fed, and what has been said so far, in `rows` for each prompt.
class Generation {
 public:
  Generation(const Frame& f, const GenerationOrder& order, int64_t rows) : f_(f), order_(order), rows_(rows) {
    const Tensor& ids = tensor_in(f, 0);
    if (ids.type.shape.rank() != 2) fail(Error::Kind::shape, "input ids are ", ids.type);
    if (f.integer("model_type") != 0)
      fail(Error::Kind::unsupported, f.node().op->name, " over a model with an encoder");
    const int64_t prompts = ids.type.shape[0];
    batch = checked_product(prompts, rows), length_ = ids.type.shape[1];
    longest = only_integer(f.in[1], "max_length");
    shortest_ = f.has_in(order.shortest) ? only_integer(f.in[order.shortest], "min_length") : 0;
    if (longest <= length_ || longest > 1 << 20)
      fail(Error::Kind::model, "max_length ", longest, " for a prompt of ", length_);
    penalty_ = number(order.penalty, 1);
    if (!(penalty_ > 0)) fail(Error::Kind::model, "repetition_penalty is ", penalty_);
    end = f.integer("eos_token_id"), pad = f.integer("pad_token_id");
    const std::vector<int64_t> tokens = as_integers(ids.view());
    std::vector<int64_t> given;
    if (f.has_in(order.attention)) given = as_integers(tensor_in(f, order.attention).view());
    if (!given.empty() && given.size() != tokens.size())
      fail(Error::Kind::shape, "the attention mask does not fit the ids");
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t from = b / rows * length_;
      said.emplace_back(tokens.begin() + from, tokens.begin() + from + length_);
      std::vector<int32_t> mask;
      for (int64_t t = 0; t < length_; ++t) {
        const auto at = static_cast<size_t>(from + t);
        mask.push_back(given.empty() ? tokens[at] != pad : static_cast<int32_t>(given[at]));
      }
      attention_.push_back(std::move(mask));
    }
    next_position_.assign(static_cast<size_t>(batch), 0);
    past_ = empty_past(f.graph("decoder"));
  }

  /// The decoder's logits for the last tokens, and its memory of all so far.
  Tensor step(Frame& f) {
    f.check_cancelled();
    std::vector<Datum> in = decoder_inputs();
    for (Datum& datum : past_) in.push_back(std::move(datum));
    std::vector<Datum> out = f.run(first_ && f.has("init_decoder") ? "init_decoder" : "decoder", std::move(in));
    if (out.size() < 1 + past_.size()) expect_outputs(out, 1 + past_.size());
    for (size_t i = 0; i < past_.size(); ++i) past_[i] = std::move(out[1 + i]);
    const Shape& shape = out[0].tensor.type.shape;
    if (out[0].kind != Kind::tensor || shape.rank() != 3 || shape[0] != batch || shape[1] < 1)
      fail(Error::Kind::shape, "the decoder's logits are ", out[0].tensor.type);
    return std::move(out[0].tensor);
  }

  /// Row b of what `step` gave.
  RunVector<double> logits_of(const Tensor& logits, int64_t b) const {
    const Shape& shape = logits.type.shape;
    const int64_t named = f_.integer("vocab_size"), count = named > 0 && named <= shape[2] ? named : shape[2];
    RunVector<double> scores(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i)
      scores[static_cast<size_t>(i)] = element_as_double(logits.view(), ((b + 1) * shape[1] - 1) * shape[2] + i);
    return scores;
  }

  /// What the node's inputs and attributes say about tokens.
  void judge(int64_t b, RunVector<double>& scores) const {
    const std::vector<int64_t>& words = said[static_cast<size_t>(b)];
    const auto count = static_cast<int64_t>(scores.size());
    std::vector<int64_t> known = words;
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    for (const int64_t token : known) {
      if (penalty_ == 1 || token < 0 || token >= count) continue;
      double& score = scores[static_cast<size_t>(token)];
      score = score < 0 ? score * penalty_ : score / penalty_;
    }
    repeating_tokens(words, f_.integer("no_repeat_ngram_size"), [&](int64_t token) {
      if (token >= 0 && token < count) scores[static_cast<size_t>(token)] = never;
    });
    mask(order_.vocabulary, 0, scores);
    if (first_) mask(order_.prefix, b / rows_ * count, scores);
    if (static_cast<int64_t>(words.size()) < shortest_ && end >= 0 && end < count)
      scores[static_cast<size_t>(end)] = never;
  }

  /// Every row says another token.
  void say(const std::vector<int64_t>& tokens) {
    for (size_t b = 0; b < said.size(); ++b) said[b].push_back(tokens[b]), attention_[b].push_back(1);
    first_ = false;
  }

  /// Row b goes on from what row from[b] was.
  void reorder(const std::vector<int64_t>& from) {
    const auto pick = [&](auto& rows) {
      auto old = rows;
      for (size_t b = 0; b < from.size(); ++b) rows[b] = old[static_cast<size_t>(from[b])];
    };
    pick(said), pick(attention_), pick(next_position_);
    for (Datum& datum : past_) {
      const Shape& shape = datum.tensor.type.shape;
      if (shape.rank() != 5 || shape[1] != batch) fail(Error::Kind::shape, "the decoder's past is ", datum.tensor.type);
      Tensor turned = Tensor::make(datum.tensor.type);
      const int64_t row = shape.elements() ? datum.tensor.type.bytes() / (2 * batch) : 0;
      for (int64_t half = 0; half < 2; ++half)
        for (int64_t b = 0; b < batch; ++b)
          std::copy_n(datum.tensor.bytes.get() + (half * batch + from[static_cast<size_t>(b)]) * row, row,
                      turned.bytes.get() + (half * batch + b) * row);
      datum.tensor = std::move(turned);
    }
  }

  int64_t spoken() const { return said.empty() ? longest : static_cast<int64_t>(said[0].size()); }
  double number(size_t input, double otherwise) const {
    return f_.has_in(input) ? element_as_double(tensor_in(f_, input).view(), 0) : otherwise;
  }

  int64_t batch = 0, longest = 0, end = 0, pad = 0;
  std::vector<std::vector<int64_t>> said;

 private:
  // The first round feeds the whole prompt, later ones the last token of each row.
  std::vector<Datum> decoder_inputs() {
    const int64_t columns = first_ ? length_ : 1;
    const auto matrix = [&](int64_t width) { return Tensor::make({DType::int32, {batch, width}}); };
    Tensor ids = matrix(columns), positions = matrix(columns);
    Tensor mask = matrix(static_cast<int64_t>(attention_.empty() ? 0 : attention_[0].size()));
    for (size_t b = 0; b < said.size(); ++b) {
      const auto& row = said[b];
      const auto& seen = attention_[b];
      for (int64_t c = 0; c < columns; ++c) {
        const auto at = static_cast<int64_t>(b) * columns + c;
        ids.as<int32_t>()[at] = static_cast<int32_t>(row[row.size() - static_cast<size_t>(columns - c)]);
        const bool counts = !first_ || seen[static_cast<size_t>(c)] != 0;
        positions.as<int32_t>()[at] = counts ? next_position_[b]++ : 0;
      }
      std::copy(seen.begin(), seen.end(), mask.as<int32_t>() + static_cast<int64_t>(b * seen.size()));
    }
    return {datum_of(ids), datum_of(positions), datum_of(mask)};
  }

  // Empty keys and values of the first round: the decoder's own declaration, with no past.
  std::vector<Datum> empty_past(const Graph& decoder) const {
    std::vector<Datum> past;
    for (size_t i = 3; i < decoder.inputs.size(); ++i) {
      const Value& value = decoder.values[decoder.inputs[i]];
      const Shape& declared = value.type.shape;
      if (declared.rank() != 5 || declared[2] < 0 || declared[4] < 0)
        fail(Error::Kind::unsupported, "decoder input \"", value.name, "\" is ", value.type,
             ", not past keys and values");
      past.push_back(datum_of(Tensor::make({value.type.dtype, {2, batch, declared[2], 0, declared[4]}})));
    }
    return past;
  }

  void mask(size_t input, int64_t offset, RunVector<double>& scores) const {
    if (!f_.has_in(input)) return;
    const View view = tensor_in(f_, input).view();
    const auto count = static_cast<int64_t>(scores.size());
    if (view.elements() < offset + count) fail(Error::Kind::shape, "a vocabulary mask ", view.type);
    for (int64_t i = 0; i < count; ++i)
      if (element_as_double(view, offset + i) == 0) scores[static_cast<size_t>(i)] = never;
  }

  const Frame& f_;
  const GenerationOrder order_;
  int64_t rows_, length_ = 0, shortest_ = 0;
  double penalty_ = 1;
  bool first_ = true;
  std::vector<std::vector<int32_t>> attention_;
  std::vector<int32_t> next_position_;
  std::vector<Datum> past_;
};

/// Each row goes its own way until it ends: choose(row, scores) is its next token.
template <class Choose>
void generate_each(Frame& f, Generation& g, const Choose& choose) {
  std::vector<bool> done(static_cast<size_t>(g.batch));
  while (g.spoken() < g.longest) {
    const Tensor logits = g.step(f);
    std::vector<int64_t> tokens;
    for (int64_t b = 0; b < g.batch; ++b) {
      RunVector<double> scores = g.logits_of(logits, b);
      g.judge(b, scores);
      const int64_t token = choose(b, scores);
      const auto row = static_cast<size_t>(b);
      done[row] = done[row] || token == g.end;
      tokens.push_back(done[row] ? g.pad : token);
    }
    g.say(tokens);
    if (std::find(done.begin(), done.end(), false) == done.end()) break;
  }
  Tensor sequences = Tensor::make({DType::int32, {g.batch, g.longest}});
  std::fill_n(sequences.as<int32_t>(), g.batch * g.longest, static_cast<int32_t>(g.pad));
  for (int64_t b = 0; b < g.batch; ++b) {
    const auto& row = g.said[static_cast<size_t>(b)];
    std::transform(row.begin(), row.end(), sequences.as<int32_t>() + b * g.longest,
                   [](int64_t token) { return static_cast<int32_t>(token); });
  }
  f.out[0] = datum_of(std::move(sequences));
}

}  // namespace tessera::ops
