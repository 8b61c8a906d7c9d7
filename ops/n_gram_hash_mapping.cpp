// com.microsoft NGramHashMapping: of each position numbers of rows in tables, by hashes of the tokens that end there.
#include <algorithm>

#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { tokens_in, factors_in, tables_in, past_in };

struct Sizes {
  int64_t longest, heads;

  explicit Sizes(const AttrReader& n) : longest(n.integer("max_ngram_size")), heads(n.integer("n_head_per_ngram")) {
    if (longest < 2 || heads < 1) fail(Error::Kind::model, heads, " hashes of n-grams of up to ", longest, " tokens");
  }
  int64_t hashes() const { return checked_product(longest - 1, heads); }
};

void infer_hashes(Infer& n) {
  const Sizes s(n);
  const Shape& tokens = n.shape(tokens_in);
  if (tokens.rank() != 2) fail(Error::Kind::shape, "tokens ", tokens, " must have 2 axes");
  const Shape kept{tokens[0], s.longest - 1};
  if (!(n.shape(factors_in) == Shape{s.longest}) || !(n.shape(tables_in) == Shape{s.hashes()}) ||
      (n.has_input(past_in) && !(n.shape(past_in) == kept)))
    fail(Error::Kind::shape, "factors ", n.shape(factors_in), " and sizes ", n.shape(tables_in), " for ", s.hashes(),
         " hashes of ", s.longest, " tokens");
  n.set(0, {tokens[0], tokens[1], s.hashes()});
  n.set(1, kept);
}

// Products wrap, as integers of that type do.
template <class T>
void hash(const Args& a, const Sizes& s) {
  using Bits = std::make_unsigned_t<T>;
  const Shape& shape = a.in[tokens_in].shape();
  const int64_t count = shape[1], kept = s.longest - 1;
  const T* tokens = a.in[tokens_in].as<const T>();
  const T* past = a.has_in(past_in) ? a.in[past_in].as<const T>() : nullptr;
  const T *factors = a.in[factors_in].as<const T>(), *tables = a.in[tables_in].as<const T>();
  for (int64_t h = 0; h < s.hashes(); ++h)
    if (tables[h] < 1) fail(Error::Kind::model, "a table of ", tables[h], " rows");
  const T pad = static_cast<T>(a.integer("pad_id"));
  const bool ends = a.has("eos_token_id");
  const T end = static_cast<T>(ends ? a.integer("eos_token_id") : 0);
  const auto token = [&](int64_t b, int64_t t) {
    if (t >= 0) return tokens[b * count + t];
    return past ? past[b * kept + kept + t] : pad;
  };
  T* y = a.out[0].as<T>();
  for (const int64_t at : Steps(shape[0] * count)) {
    const int64_t b = at / count, t = at % count;
    Bits mix = 0;
    bool ended = false;  // what lies before a text's end belongs to another
    for (int64_t k = 0; k < s.longest; ++k) {
      T found = token(b, t - k);
      ended |= k > 0 && ends && found == end;
      if (ended) found = pad;
      mix ^= static_cast<Bits>(static_cast<Bits>(found) * static_cast<Bits>(factors[k]));
      for (int64_t h = 0; k > 0 && h < s.heads; ++h) {
        const T size = tables[(k - 1) * s.heads + h], left = static_cast<T>(static_cast<T>(mix) % size);
        *y++ = static_cast<T>(left < 0 ? left + size : left);
      }
    }
  }
  if (a.out.size() < 2 || !a.out[1]) return;
  for (int64_t b = 0; b < shape[0]; ++b)
    for (int64_t j = 0; j < kept; ++j) a.out[1].as<T>()[b * kept + j] = token(b, count - kept + j);
}

void hash_reference(const Args& a) {
  const Sizes s(a);
  if (a.in[tokens_in].type.dtype == DType::int32)
    hash<int32_t>(a, s);
  else
    hash<int64_t>(a, s);
}

constexpr AttrDef attrs[] = {{.name = "max_ngram_size", .required = true},
                             {.name = "n_head_per_ngram", .required = true},
                             {.name = "pad_id", .required = true},
                             {"eos_token_id"}};
const OpDef defs[] = {{.name = "NGramHashMapping",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {3, 4},
                       .out = {1, 2},
                       .types = "T=int32|int64 : T, T, T, T -> T, T",
                       .attrs = attrs,
                       .infer = infer_hashes,
                       .reference = hash_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile n_gram_hash_mapping;
const OpFile n_gram_hash_mapping{defs};

}  // namespace tessera::ops
