// com.microsoft BeamSearch and WhisperBeamSearch: a decoder's subgraph goes on with the few likeliest texts at once,
// and gives the best.
#include <numeric>

#include "ops/generate.h"
#include "ops/timestamps.h"

namespace tessera::ops {
namespace {

constexpr GenerationOrder order{2, 6, 7, 8, 9, 10, 11, 12}, whisper_order{2, 6, 7, 8, 9, 10, 11, 14};
enum In { beams_in = 3, count_in, length_in };
enum Out { texts_out, text_scores_out, scores_out, cross_out, silence_out };

struct Finished {
  std::vector<int64_t> tokens;
  double score;
};

/// The texts of one prompt.
class Beams {
 public:
  Beams(int64_t count, double length_penalty, bool early)
      : scores(static_cast<size_t>(count), -1e9),
        count_(static_cast<size_t>(count)),
        penalty_(length_penalty),
        early_(early) {
    scores[0] = 0;  // all begin alike
  }

  void finish(const std::vector<int64_t>& tokens, double score) {
    score = by_length(score, tokens.size());
    const auto at = std::find_if(finished.begin(), finished.end(), [&](const Finished& f) { return f.score < score; });
    finished.insert(at, {tokens, score});
    if (finished.size() > count_) finished.pop_back();
  }

  // Whether nothing that goes on can become better.
  void look(double best, size_t length) {
    if (finished.size() < count_) return;
    done |= early_ || finished.back().score >= by_length(best, length);
  }

  RunVector<double> scores;        ///< of those that go on
  std::vector<Finished> finished;  ///< the best first
  bool done = false;

 private:
  double by_length(double score, size_t length) const {
    return score / std::pow(static_cast<double>(length), penalty_);
  }
  size_t count_;
  double penalty_;
  bool early_;
};

struct Choice {
  double score;
  int64_t beam, token;
};

class Search {
 public:
  Search(Frame& f, const GenerationOrder& order, Source source)
      : f_(f),
        count_(only_integer(f.in[beams_in], "num_beams")),
        wanted_(f.has_in(count_in) ? only_integer(f.in[count_in], "num_return_sequences") : 1),
        g_(f, order, checked(), source),
        prompts_(g_.batch / count_) {
    const int64_t processor = f.has_in(order.processor) ? only_integer(f.in[order.processor], "logits_processor") : 0;
    if (processor == 1) timestamps_ = std::make_unique<Timestamps>(f, g_.end);
    if (processor < 0 || processor > 1) fail(Error::Kind::unsupported, "logits_processor ", processor);
    all_.assign(static_cast<size_t>(prompts_),
                Beams(count_, g_.number(length_in, 1), f.integer("early_stopping") != 0));
  }

  void run() {
    const auto wants = [&](size_t out) { return f_.out.size() > out && f_.node().out[out] != absent; };
    if (wants(cross_out))
      fail(Error::Kind::unsupported, "gives what each word looked at in the source: that is for devices");
    while (g_.spoken() < g_.longest) {
      const Tensor logits = g_.step(f_);
      if (round_ == 0 && wants(silence_out)) f_.out[silence_out] = datum_of(silence(logits));
      if (wants(scores_out) && !scores_.bytes) {
        const auto words = static_cast<int64_t>(g_.logits_of(logits, 0).size());
        scores_ = Tensor::make({DType::float32, {g_.longest - g_.length, prompts_, count_, words}});
        std::fill_n(scores_.as<float>(), scores_.type.shape.elements(), 0.0f);
      }
      std::vector<int64_t> from, tokens;
      for (int64_t p = 0; p < prompts_; ++p) go_on(logits, p, from, tokens);
      ++round_;
      g_.reorder(from);
      g_.say(tokens);
      if (std::all_of(all_.begin(), all_.end(), [](const Beams& beams) { return beams.done; })) break;
    }
    write();
    if (wants(scores_out)) f_.out[scores_out] = datum_of(std::move(scores_));
  }

 private:
  int64_t checked() const {
    if (count_ < 1 || count_ > 1 << 10 || wanted_ < 1 || wanted_ > count_)
      fail(Error::Kind::model, wanted_, " of ", count_, " beams");
    return count_;
  }

  // The likeliest continuations of a prompt's beams, twice as many as there are.
  RunVector<Choice> choices(const Tensor& logits, int64_t first, const Beams& beams) {
    RunVector<Choice> all;
    for (size_t i = 0; i < beams.scores.size(); ++i) {
      const int64_t row = first + static_cast<int64_t>(i);
      RunVector<double> scores = g_.logits_of(logits, row);
      const double sum = log_sum(scores.begin(), scores.end());
      for (double& score : scores) score -= sum;
      g_.judge(row, scores);
      if (timestamps_) timestamps_->judge(g_.said[static_cast<size_t>(row)], scores);
      for (size_t t = 0; t < scores.size(); ++t) {
        const double score = scores[t] + beams.scores[i];
        all.push_back({score, row, static_cast<int64_t>(t)});
        if (scores_.bytes)
          scores_
              .as<float>()[(round_ * g_.batch + row) * static_cast<int64_t>(scores.size()) + static_cast<int64_t>(t)] =
              static_cast<float>(std::max(score, static_cast<double>(std::numeric_limits<float>::lowest())));
      }
    }
    const auto count = static_cast<ptrdiff_t>(std::min(all.size(), 2 * beams.scores.size()));
    std::partial_sort(all.begin(), all.begin() + count, all.end(), [](const Choice& a, const Choice& b) {
      return a.score != b.score ? a.score > b.score : std::pair(a.beam, a.token) < std::pair(b.beam, b.token);
    });
    all.resize(static_cast<size_t>(count));
    return all;
  }

  // One more token for each beam of a prompt: which, and behind which beam.
  void go_on(const Tensor& logits, int64_t prompt, std::vector<int64_t>& from, std::vector<int64_t>& tokens) {
    Beams& beams = all_[static_cast<size_t>(prompt)];
    const int64_t first = prompt * count_;
    const size_t count = beams.scores.size(), begin = tokens.size();
    if (!beams.done) {
      const RunVector<Choice> best = choices(logits, first, beams);
      const auto length = static_cast<size_t>(g_.spoken());
      RunVector<double> scores;
      for (size_t i = 0; i < best.size() && scores.size() < count; ++i) {
        const Choice& choice = best[i];
        if (choice.token == g_.end) {
          if (i < count) beams.finish(g_.said[static_cast<size_t>(choice.beam)], choice.score);
          continue;
        }
        scores.push_back(choice.score), from.push_back(choice.beam), tokens.push_back(choice.token);
      }
      scores.resize(count, never);
      beams.scores = scores;
      if (!best.empty()) beams.look(best[0].score, length);
    }
    while (tokens.size() < begin + count) tokens.push_back(g_.pad), from.push_back(first);
  }

  // The chance of the token that says that nobody speaks.
  Tensor silence(const Tensor& logits) const {
    const int64_t token = f_.integer("no_speech_token_id");
    Tensor chances = Tensor::make({logits.type.dtype, {prompts_}});
    for (int64_t p = 0; p < prompts_; ++p) {
      const RunVector<double> scores = g_.logits_of(logits, p * count_);
      if (token < 0 || token >= static_cast<int64_t>(scores.size()))
        fail(Error::Kind::model, "no_speech_token_id ", token, " is none of ", scores.size(), " words");
      const double sum = log_sum(scores.begin(), scores.end());
      set_element(chances.view(), p, std::exp(scores[static_cast<size_t>(token)] - sum));
    }
    return chances;
  }

  void write() {
    Tensor texts = Tensor::make({DType::int32, {prompts_, wanted_, g_.longest}});
    Tensor scores = Tensor::make({DType::float32, {prompts_, wanted_}});
    std::fill_n(texts.as<int32_t>(), prompts_ * wanted_ * g_.longest, static_cast<int32_t>(g_.pad));
    for (int64_t p = 0; p < prompts_; ++p) {
      Beams& beams = all_[static_cast<size_t>(p)];
      for (int64_t i = 0; i < count_ && !beams.done; ++i)
        beams.finish(g_.said[static_cast<size_t>(p * count_ + i)], beams.scores[static_cast<size_t>(i)]);
      for (int64_t i = 0; i < wanted_; ++i) {
        const Finished& text = beams.finished[static_cast<size_t>(i)];
        std::transform(text.tokens.begin(), text.tokens.end(), texts.as<int32_t>() + (p * wanted_ + i) * g_.longest,
                       [](int64_t token) { return static_cast<int32_t>(token); });
        scores.as<float>()[p * wanted_ + i] = static_cast<float>(text.score);
      }
    }
    f_.out[texts_out] = datum_of(std::move(texts));
    if (f_.out.size() > text_scores_out) f_.out[text_scores_out] = datum_of(std::move(scores));
  }

  Frame& f_;
  const int64_t count_, wanted_;
  Generation g_;
  const int64_t prompts_;
  std::vector<Beams> all_;
  std::unique_ptr<Timestamps> timestamps_;
  Tensor scores_;
  int64_t round_ = 0;
};

void run_beams(Frame& f) { Search(f, order, source_of(f)).run(); }
void run_whisper(Frame& f) { Search(f, whisper_order, Source::sound).run(); }

constexpr List<AttrDef> attrs(generation_attrs);
const OpDef defs[] = {{.name = "BeamSearch",
                       .domain = "com.microsoft",
                       .in = {5, 13},
                       .out = {1, 3},
                       .types = {},
                       .attrs = attrs.subspan(7, 10),
                       .execute = run_beams},
                      {.name = "WhisperBeamSearch",
                       .domain = "com.microsoft",
                       .in = {5, 15},
                       .out = {1, 5},
                       .types = {},
                       .attrs = attrs.first(16),
                       .execute = run_whisper}};

}  // namespace

extern const OpFile beam_search;
const OpFile beam_search{defs};

}  // namespace tessera::ops
