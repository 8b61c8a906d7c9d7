// com.microsoft GreedySearch: runs a decoder subgraph token by token and takes the likeliest each time.
#include <algorithm>

#include "ops/containers.h"

namespace tessera::ops {
namespace {

enum In { ids_in, max_in, min_in, penalty_in, vocabulary_in, prefix_in, attention_in };

// What the decoder is fed and what has been said so far.
struct Search {
  int64_t batch = 0, length = 0, longest = 0, shortest = 0;
  int64_t end = 0, pad = 0, ngram = 0;
  double penalty = 1;
  std::vector<std::vector<int64_t>> said;
  std::vector<std::vector<int32_t>> attention;
  std::vector<int32_t> next_position;
  std::vector<bool> done;
};

Tensor int32_matrix(int64_t rows, int64_t columns) { return Tensor::make({DType::int32, {rows, columns}}); }

Search read_search(const Frame& f) {
  Search s;
  const Tensor& ids = tensor_in(f, ids_in);
  if (ids.type.shape.rank() != 2) fail(Error::Kind::shape, "input ids are ", ids.type);
  s.batch = ids.type.shape[0];
  s.length = ids.type.shape[1];
  s.longest = only_integer(f.in[max_in], "max_length");
  s.shortest = f.has_in(min_in) ? only_integer(f.in[min_in], "min_length") : 0;
  if (s.longest <= s.length || s.longest > 1 << 20)
    fail(Error::Kind::model, "max_length ", s.longest, " for a prompt of ", s.length);
  if (f.has_in(penalty_in)) s.penalty = element_as_double(tensor_in(f, penalty_in).view(), 0);
  if (!(s.penalty > 0)) fail(Error::Kind::model, "repetition_penalty is ", s.penalty);
  s.end = f.integer("eos_token_id");
  s.pad = f.integer("pad_token_id");
  s.ngram = f.integer("no_repeat_ngram_size");
  const std::vector<int64_t> tokens = as_integers(ids.view());
  std::vector<int64_t> given;
  if (f.has_in(attention_in)) given = as_integers(tensor_in(f, attention_in).view());
  if (!given.empty() && given.size() != tokens.size())
    fail(Error::Kind::shape, "the attention mask does not fit the ids");
  for (int64_t b = 0; b < s.batch; ++b) {
    const auto row = tokens.begin() + b * s.length;
    s.said.emplace_back(row, row + s.length);
    std::vector<int32_t> mask;
    for (int64_t t = 0; t < s.length; ++t) {
      const auto at = static_cast<size_t>(b * s.length + t);
      mask.push_back(given.empty() ? tokens[at] != s.pad : static_cast<int32_t>(given[at]));
    }
    s.attention.push_back(std::move(mask));
  }
  s.next_position.assign(static_cast<size_t>(s.batch), 0);
  s.done.assign(static_cast<size_t>(s.batch), false);
  return s;
}

// The first round feeds the whole prompt, later ones the last token of each row.
std::vector<Datum> decoder_inputs(Search& s, bool first) {
  const int64_t columns = first ? s.length : 1;
  Tensor ids = int32_matrix(s.batch, columns), positions = int32_matrix(s.batch, columns);
  Tensor mask = int32_matrix(s.batch, static_cast<int64_t>(s.attention.empty() ? 0 : s.attention[0].size()));
  for (size_t b = 0; b < s.said.size(); ++b) {
    const auto& row = s.said[b];
    const auto& seen = s.attention[b];
    for (int64_t c = 0; c < columns; ++c) {
      const auto at = static_cast<int64_t>(b) * columns + c;
      ids.as<int32_t>()[at] = static_cast<int32_t>(row[row.size() - static_cast<size_t>(columns - c)]);
      const bool counts = !first || seen[static_cast<size_t>(c)] != 0;
      positions.as<int32_t>()[at] = counts ? s.next_position[b]++ : 0;
    }
    std::copy(seen.begin(), seen.end(), mask.as<int32_t>() + static_cast<int64_t>(b * seen.size()));
  }
  return {datum_of(ids), datum_of(positions), datum_of(mask)};
}

// Empty keys and values of the first round: the decoder's own declaration, with no past.
std::vector<Datum> empty_past(const Graph& decoder, int64_t batch) {
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

// Tokens that would repeat an n-gram already said.
void forbid_repeats(const std::vector<int64_t>& said, int64_t ngram, RunVector<double>& scores) {
  const auto size = static_cast<size_t>(ngram);
  if (ngram < 1 || said.size() + 1 < size) return;
  const auto tail = said.end() - static_cast<ptrdiff_t>(size - 1);
  for (size_t i = 0; i + size <= said.size(); ++i) {
    const auto begin = said.begin() + static_cast<ptrdiff_t>(i);
    if (!std::equal(tail, said.end(), begin)) continue;
    const int64_t token = said[i + size - 1];
    if (token >= 0 && token < static_cast<int64_t>(scores.size()))
      scores[static_cast<size_t>(token)] = -std::numeric_limits<double>::infinity();
  }
}

int64_t choose(const Search& s, const Frame& f, size_t b, bool first, RunVector<double>& scores) {
  const double never = -std::numeric_limits<double>::infinity();
  const auto vocabulary = static_cast<int64_t>(scores.size());
  std::vector<int64_t> known = s.said[b];
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  for (const int64_t token : known) {
    if (s.penalty == 1 || token < 0 || token >= vocabulary) continue;
    double& score = scores[static_cast<size_t>(token)];
    score = score < 0 ? score * s.penalty : score / s.penalty;
  }
  forbid_repeats(s.said[b], s.ngram, scores);
  const auto apply = [&](size_t input, int64_t offset) {
    const View mask = tensor_in(f, input).view();
    if (mask.elements() < offset + vocabulary) fail(Error::Kind::shape, "a vocabulary mask ", mask.type);
    for (int64_t i = 0; i < vocabulary; ++i)
      if (element_as_double(mask, offset + i) == 0) scores[static_cast<size_t>(i)] = never;
  };
  if (f.has_in(vocabulary_in)) apply(vocabulary_in, 0);
  if (first && f.has_in(prefix_in)) apply(prefix_in, static_cast<int64_t>(b) * vocabulary);
  if (static_cast<int64_t>(s.said[b].size()) < s.shortest && s.end >= 0 && s.end < vocabulary)
    scores[static_cast<size_t>(s.end)] = never;
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

// Appends one token to each row from the last position of the logits.
void append_tokens(Search& s, const Frame& f, const View& logits, bool first) {
  const Shape& shape = logits.shape();
  if (shape.rank() != 3 || shape[0] != s.batch || shape[1] < 1)
    fail(Error::Kind::shape, "the decoder's logits are ", logits.type);
  const int64_t named = f.integer("vocab_size");
  const int64_t vocabulary = named > 0 && named <= shape[2] ? named : shape[2];
  RunVector<double> scores(static_cast<size_t>(vocabulary));
  for (int64_t b = 0; b < s.batch; ++b) {
    const int64_t from = ((b + 1) * shape[1] - 1) * shape[2];
    for (int64_t i = 0; i < vocabulary; ++i) scores[static_cast<size_t>(i)] = element_as_double(logits, from + i);
    const auto row = static_cast<size_t>(b);
    const int64_t token = choose(s, f, row, first, scores);
    s.done[row] = s.done[row] || token == s.end;
    s.said[row].push_back(s.done[row] ? s.pad : token);
    s.attention[row].push_back(1);
  }
}

void run_search(Frame& f) {
  Search s = read_search(f);
  if (f.integer("model_type") != 0) fail(Error::Kind::unsupported, "GreedySearch over an encoder-decoder model");
  const Graph& decoder = f.graph("decoder");
  std::vector<Datum> past = empty_past(decoder, s.batch);
  for (bool first = true; static_cast<int64_t>(s.batch ? s.said[0].size() : 0) < s.longest; first = false) {
    f.check_cancelled();
    std::vector<Datum> in = decoder_inputs(s, first);
    for (Datum& datum : past) in.push_back(std::move(datum));
    std::vector<Datum> out = f.run(first && f.has("init_decoder") ? "init_decoder" : "decoder", std::move(in));
    if (out.size() < 1 + past.size()) expect_outputs(out, 1 + past.size());
    append_tokens(s, f, out[0].tensor.view(), first);
    for (size_t i = 0; i < past.size(); ++i) past[i] = std::move(out[1 + i]);
    if (std::find(s.done.begin(), s.done.end(), false) == s.done.end()) break;
  }
  Tensor sequences = int32_matrix(s.batch, s.longest);
  std::fill_n(sequences.as<int32_t>(), s.batch * s.longest, static_cast<int32_t>(s.pad));
  for (int64_t b = 0; b < s.batch; ++b) {
    const auto& row = s.said[static_cast<size_t>(b)];
    std::transform(row.begin(), row.end(), sequences.as<int32_t>() + b * s.longest,
                   [](int64_t token) { return static_cast<int32_t>(token); });
  }
  f.out[0] = datum_of(std::move(sequences));
}

constexpr AttrDef attrs[] = {{"decoder", 0, {}, true},
                             {"model_type", 0},
                             {"no_repeat_ngram_size", 0},
                             {"eos_token_id", -1},
                             {"pad_token_id", 0},
                             {"vocab_size", -1},
                             {"encoder"},
                             {"init_decoder"},
                             {"decoder_start_token_id"}};
const OpDef defs[] = {{.name = "GreedySearch",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {2, 7},
                       .types = {},
                       .attrs = attrs,
                       .execute = run_search}};

}  // namespace

extern const OpFile greedy_search;
const OpFile greedy_search{defs};

}  // namespace tessera::ops
