// com.microsoft BeamSearch: a decoder's subgraph goes on with the few likeliest texts at once, and gives the best.
#include <numeric>

#include "ops/generate.h"

namespace tessera::ops {
namespace {

constexpr GenerationOrder order{2, 6, 7, 8, 9};
enum In { beams_in = 3, count_in, length_in };

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

// The likeliest continuations of a prompt's beams, twice as many as there are.
RunVector<Choice> choices(const Generation& g, const Tensor& logits, int64_t first, const Beams& beams) {
  RunVector<Choice> all;
  for (size_t i = 0; i < beams.scores.size(); ++i) {
    const int64_t row = first + static_cast<int64_t>(i);
    RunVector<double> scores = g.logits_of(logits, row);
    const double largest = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (const double score : scores) sum += std::exp(score - largest);
    for (double& score : scores) score -= largest + std::log(sum);
    g.judge(row, scores);
    for (size_t t = 0; t < scores.size(); ++t)
      all.push_back({scores[t] + beams.scores[i], row, static_cast<int64_t>(t)});
  }
  const auto count = static_cast<ptrdiff_t>(std::min(all.size(), 2 * beams.scores.size()));
  std::partial_sort(all.begin(), all.begin() + count, all.end(), [](const Choice& a, const Choice& b) {
    return a.score != b.score ? a.score > b.score : std::pair(a.beam, a.token) < std::pair(b.beam, b.token);
  });
  all.resize(static_cast<size_t>(count));
  return all;
}

// One more token for each beam of a prompt: which, and behind which beam.
void go_on(const Generation& g, const Tensor& logits, int64_t first, Beams& beams, std::vector<int64_t>& from,
           std::vector<int64_t>& tokens) {
  const size_t count = beams.scores.size(), begin = tokens.size();
  if (!beams.done) {
    const RunVector<Choice> best = choices(g, logits, first, beams);
    const auto length = static_cast<size_t>(g.spoken());
    RunVector<double> scores;
    for (size_t i = 0; i < best.size() && scores.size() < count; ++i) {
      const Choice& choice = best[i];
      if (choice.token == g.end) {
        if (i < count) beams.finish(g.said[static_cast<size_t>(choice.beam)], choice.score);
        continue;
      }
      scores.push_back(choice.score), from.push_back(choice.beam), tokens.push_back(choice.token);
    }
    scores.resize(count, never);
    beams.scores = scores;
    if (!best.empty()) beams.look(best[0].score, length);
  }
  while (tokens.size() < begin + count) tokens.push_back(g.pad), from.push_back(first);
}

void run_beams(Frame& f) {
  if (f.out.size() > 2) fail(Error::Kind::unsupported, "BeamSearch that gives the scores of all tokens");
  const int64_t count = only_integer(f.in[beams_in], "num_beams"),
                wanted = only_integer(f.in[count_in], "num_return_sequences");
  if (count < 1 || count > 1 << 10 || wanted < 1 || wanted > count)
    fail(Error::Kind::model, wanted, " of ", count, " beams");
  Generation g(f, order, count);
  const int64_t prompts = g.batch / count;
  std::vector<Beams> all(static_cast<size_t>(prompts),
                         Beams(count, g.number(length_in, 1), f.integer("early_stopping") != 0));
  while (g.spoken() < g.longest) {
    const Tensor logits = g.step(f);
    std::vector<int64_t> from, tokens;
    for (int64_t p = 0; p < prompts; ++p) go_on(g, logits, p * count, all[static_cast<size_t>(p)], from, tokens);
    g.reorder(from);
    g.say(tokens);
    if (std::all_of(all.begin(), all.end(), [](const Beams& beams) { return beams.done; })) break;
  }
  Tensor sequences = Tensor::make({DType::int32, {prompts, wanted, g.longest}});
  Tensor scores = Tensor::make({DType::float32, {prompts, wanted}});
  std::fill_n(sequences.as<int32_t>(), prompts * wanted * g.longest, static_cast<int32_t>(g.pad));
  for (int64_t p = 0; p < prompts; ++p) {
    Beams& beams = all[static_cast<size_t>(p)];
    for (int64_t i = 0; i < count && !beams.done; ++i)
      beams.finish(g.said[static_cast<size_t>(p * count + i)], beams.scores[static_cast<size_t>(i)]);
    for (int64_t i = 0; i < wanted; ++i) {
      const Finished& text = beams.finished[static_cast<size_t>(i)];
      std::transform(text.tokens.begin(), text.tokens.end(), sequences.as<int32_t>() + (p * wanted + i) * g.longest,
                     [](int64_t token) { return static_cast<int32_t>(token); });
      scores.as<float>()[p * wanted + i] = static_cast<float>(text.score);
    }
  }
  f.out[0] = datum_of(std::move(sequences));
  if (f.out.size() > 1) f.out[1] = datum_of(std::move(scores));
}

constexpr AttrDef attrs[] = {{"decoder", 0, {}, true},
                             {"model_type", 0},
                             {"no_repeat_ngram_size", 0},
                             {"eos_token_id", 0, {}, true},
                             {"pad_token_id", 0, {}, true},
                             {"vocab_size", -1},
                             {"encoder"},
                             {"init_decoder"},
                             {"decoder_start_token_id", -1},
                             {"early_stopping"}};
const OpDef defs[] = {{.name = "BeamSearch",
                       .domain = "com.microsoft",
                       .in = {5, 12},
                       .out = {1, 3},
                       .types = {},
                       .attrs = attrs,
                       .execute = run_beams}};

}  // namespace

extern const OpFile beam_search;
const OpFile beam_search{defs};

}  // namespace tessera::ops
