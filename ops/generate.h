// Text made token by token by a decoder's subgraph: what GreedySearch, Sampling and BeamSearch share.
#pragma once

#include <algorithm>

#include "ops/decoders.h"
#include "ops/n_grams.h"

namespace tessera::ops {

/// Which inputs are what; they have ids and the greatest length at first, all of them. Zero: none.
struct GenerationOrder {
  size_t shortest, penalty, vocabulary, prefix, attention, start = 0, processor = 0, temperature = 0;
};

/// What the operators of this kind are told: those of each are a piece of the table.
constexpr AttrDef generation_attrs[] = {{"decoder_output_cross_qk"},
                                        {"no_speech_token_id", -1},
                                        {"translate_token_id", -1},
                                        {"transcribe_token_id", -1},
                                        {"start_of_lm_token_id", -1},
                                        {"no_timestamps_token_id", -1},
                                        {"beginning_timestamp_token_id", -1},
                                        {"early_stopping"},
                                        {"decoder", 0, {}, true},
                                        {"model_type", 0},
                                        {"no_repeat_ngram_size", 0},
                                        {"eos_token_id", 0, {}, true},
                                        {"pad_token_id", 0, {}, true},
                                        {"vocab_size", -1},
                                        {"encoder"},
                                        {"decoder_start_token_id", -1},
                                        {"init_decoder"},
                                        {"temperature", 1},
                                        {"top_p"},
                                        {"min_tokens_to_keep"},
                                        {"filter_value", -1e20},
                                        {"presence_penalty"},
                                        {"custom"}};

enum class Source { prompt, text, sound };  ///< attribute model_type

inline constexpr double never = -std::numeric_limits<double>::infinity();

/// What has been said so far, in `rows` for each prompt, and what may follow.
class Generation {
 public:
  Generation(const Frame& f, const GenerationOrder& order, int64_t rows, Source source)
      : f_(f), order_(order), rows_(rows), source_(source) {
    const Tensor& given = tensor_in(f, 0);
    if (given.type.shape.rank() != (source == Source::sound ? 3 : 2))
      fail(Error::Kind::shape, source == Source::sound ? "input features are " : "input ids are ", given.type);
    const int64_t prompts = given.type.shape[0];
    batch = checked_product(prompts, rows);
    longest = only_integer(f.in[1], "max_length");
    shortest_ = f.has_in(order.shortest) ? only_integer(f.in[order.shortest], "min_length") : 0;
    penalty_ = number(order.penalty, 1);
    if (!(penalty_ > 0)) fail(Error::Kind::model, "repetition_penalty is ", penalty_);
    if (order.temperature) temperature_ = number(order.temperature, 1);
    if (!(temperature_ > 0)) fail(Error::Kind::model, "temperature is ", temperature_);
    end = f.integer("eos_token_id"), pad = f.integer("pad_token_id");
    begin(prompts);
    length = said.empty() ? 0 : static_cast<int64_t>(said[0].size());
    if (longest <= length || longest > 1 << 20)
      fail(Error::Kind::model, "max_length ", longest, " for a prompt of ", length);
    make_decoder(given);
  }

  /// The decoder's logits for the last tokens.
  Tensor step(Frame& f) {
    f.check_cancelled();
    return decoder_->step(f, said);
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
    if (temperature_ != 1)
      for (double& score : scores) score /= temperature_;
  }

  /// Every row says another token.
  void say(const std::vector<int64_t>& tokens) {
    for (size_t b = 0; b < said.size(); ++b) said[b].push_back(tokens[b]);
    first_ = false;
  }

  /// Row b goes on from what row from[b] was.
  void reorder(const std::vector<int64_t>& from) {
    const Said old = said;
    for (size_t b = 0; b < from.size(); ++b) said[b] = old[static_cast<size_t>(from[b])];
    decoder_->reorder(from);
  }

  int64_t spoken() const { return said.empty() ? longest : static_cast<int64_t>(said[0].size()); }
  double number(size_t input, double otherwise) const {
    return f_.has_in(input) ? element_as_double(tensor_in(f_, input).view(), 0) : otherwise;
  }

  int64_t batch = 0, longest = 0, length = 0, end = 0, pad = 0;
  Said said;

 private:
  // What each row begins with: the prompt, what is given to say first, or the token that texts begin with.
  void begin(int64_t prompts) {
    if (source_ != Source::prompt && !(order_.start && f_.has_in(order_.start))) {
      said.assign(static_cast<size_t>(batch), {f_.integer("decoder_start_token_id")});
      if (f_.integer("decoder_start_token_id") < 0) fail(Error::Kind::model, "has no decoder_start_token_id");
      return;
    }
    const Tensor& ids = tensor_in(f_, source_ == Source::prompt ? 0 : order_.start);
    if (ids.type.shape.rank() != 2 || ids.type.shape[0] != prompts)
      fail(Error::Kind::shape, "the decoder's input ids are ", ids.type);
    const std::vector<int64_t> tokens = as_integers(ids.view());
    const int64_t columns = ids.type.shape[1];
    for (int64_t b = 0; b < batch; ++b)
      said.emplace_back(tokens.begin() + b / rows_ * columns, tokens.begin() + (b / rows_ + 1) * columns);
  }

  // The mask that is given, or what is no padding of the ids.
  void make_decoder(const Tensor& given) {
    std::vector<int64_t> seen;
    if (f_.has_in(order_.attention)) seen = as_integers(tensor_in(f_, order_.attention).view());
    const auto count = static_cast<size_t>(given.type.shape.elements());
    if (!seen.empty() && seen.size() != count && source_ != Source::sound)
      fail(Error::Kind::shape, "the attention mask does not fit the ids");
    if (source_ == Source::sound) {
      Tensor mask = f_.has_in(order_.attention) ? tensor_in(f_, order_.attention) : Tensor{};
      decoder_ = std::make_unique<SourceDecoder>(f_, given, std::move(mask), rows_);
      return;
    }
    // Of a source only the padding before its first word is hidden.
    if (seen.empty()) {
      seen = as_integers(given.view());
      const auto columns = static_cast<size_t>(given.type.shape[1]);
      for (size_t i = 0; i < seen.size(); ++i)
        seen[i] = seen[i] != pad || (source_ == Source::text && i % columns != 0 && seen[i - 1] != 0);
    }
    if (source_ == Source::text) {
      Tensor mask = Tensor::make({DType::int32, given.type.shape});
      std::copy(seen.begin(), seen.end(), mask.as<int32_t>());
      decoder_ = std::make_unique<SourceDecoder>(f_, given, std::move(mask), rows_);
      return;
    }
    std::vector<std::vector<int32_t>> masks;
    for (int64_t b = 0; b < batch; ++b)
      masks.emplace_back(seen.begin() + b / rows_ * length, seen.begin() + (b / rows_ + 1) * length);
    decoder_ = std::make_unique<PromptDecoder>(f_, std::move(masks));
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
  int64_t rows_, shortest_ = 0;
  const Source source_;
  double penalty_ = 1, temperature_ = 1;
  bool first_ = true;
  std::unique_ptr<Decoder> decoder_;
};

/// What the node's attribute says that it goes on from.
inline Source source_of(const Frame& f) {
  const int64_t type = f.integer("model_type");
  if (type < 0 || type > 2) fail(Error::Kind::model, "attribute \"model_type\" is ", type);
  return static_cast<Source>(type);
}

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
