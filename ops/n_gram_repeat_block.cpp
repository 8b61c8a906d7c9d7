// com.microsoft NGramRepeatBlock: tokens that would repeat n tokens in a row are made impossible.
#include "ops/n_grams.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_block(Infer& n) {
  const Shape &ids = n.shape(0), &scores = n.shape(1);
  if (ids.rank() != 2 || scores.rank() != 2 || ids[0] != scores[0])
    fail(Error::Kind::shape, "ids ", ids, " and scores ", scores);
  if (n.integer("ngram_size") < 1) fail(Error::Kind::model, "attribute \"ngram_size\" is ", n.integer("ngram_size"));
  n.set(0, scores);
}

void block_reference(const Args& a) {
  const int64_t length = a.in[0].shape()[1], vocabulary = a.in[1].shape()[1];
  const Read<int64_t> ids(a.in[0]);
  const Read<float> scores(a.in[1]);
  Write<float> y(a.out[0]);
  std::copy_n(scores.data(), scores.size(), y.data());
  for (const int64_t row : Steps(a.in[0].shape()[0]))
    repeating_tokens({ids.data() + row * length, static_cast<size_t>(length)}, a.integer("ngram_size"),
                     [&](int64_t token) {
                       if (token < 0 || token >= vocabulary)
                         fail(Error::Kind::shape, "token ", token, " of ", vocabulary);
                       y[row * vocabulary + token] = -std::numeric_limits<float>::infinity();
                     });
}

constexpr AttrDef attrs[] = {{.name = "ngram_size", .required = true}};
const OpDef defs[] = {{.name = "NGramRepeatBlock",
                       .domain = "com.microsoft",
                       .in = {2, 2},
                       .types = "T=float : int64, T -> T",
                       .attrs = attrs,
                       .infer = infer_block,
                       .reference = block_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile n_gram_repeat_block;
const OpFile n_gram_repeat_block{defs};

}  // namespace tessera::ops
