// com.microsoft GroupQueryAttention: the new keys and values go into the cache where its lengths say, then every query
// attends to what lies before it.
#include <cmath>

#include "ops/group_query.h"
#include "optimizer/spelling.h"

namespace tessera::optimizer {
namespace {

using namespace ops::group_query;

constexpr int64_t most_scores = int64_t{1} << 24;  // of a triangle that is a constant

class GroupQuery {
 public:
  explicit GroupQuery(Spelling& s)
      : s_(s),
        attrs_(s.node()),
        query_(s.shape(s.in(q_in))),
        heads_(attrs_.integer("num_heads")),
        groups_(attrs_.integer("kv_num_heads")),
        packed_(!s.has(k_in)),
        batch_(query_[0]),
        queries_(query_[1]),
        depth_(query_[2] / (packed_ ? heads_ + 2 * groups_ : heads_)),
        past_(s.has(past_k_in) ? s.shape(s.in(past_k_in))[2] : 0),
        window_(attrs_.integer("local_window_size")) {
    const Tensor* total = s.value(s.in(total_in));
    const int64_t length = total ? static_cast<int64_t>(element_as_double(total->view(), 0)) : 0;
    keys_ = total ? std::max(past_, length) : 0;
    prompt_ = length == queries_;  // of which the first position is told for all
  }

  bool spell() {
    const bool plain = s_.node().op_inputs() <= sink_in && !s_.wants(scores_out) &&
                       attrs_.integer("smooth_softmax") <= 0 && attrs_.integer("sliding_window_cache") == 0;
    const Shape out = s_.shape(s_.node().out[y_out]);
    if (!plain || attrs_.integer("causal") == 0 || keys_ == 0 || out.elements() == 0) return false;
    if (past_ == 0 && queries_ * keys_ > most_scores) return false;
    if (!packed_ && s_.shape(s_.in(k_in))[1] != queries_) return false;
    if (s_.has(positions_in) && s_.shape(s_.in(positions_in)).elements() != batch_ * queries_) return false;
    find_places();
    const ValueId q = by_heads(turned(part(q_in, 0, heads_), heads_), heads_);
    const ValueId k = by_heads(turned(part(k_in, heads_, groups_), groups_), groups_);
    const ValueId v = by_heads(part(v_in, heads_ + groups_, groups_), groups_);
    const ValueId keys = cached(k, past_k_in), values = cached(v, past_v_in);
    ValueId y = attend(q, read(keys), read(values));
    y = s_.reshape(s_.transpose(y, {0, 2, 1, 3}), out);
    s_.becomes(y_out, y);
    if (s_.wants(k_out)) s_.becomes(k_out, keys);
    if (s_.wants(v_out)) s_.becomes(v_out, values);
    return true;
  }

 private:
  ValueId whole(int64_t number) { return s_.reshape(s_.integers({number}), {}); }
  ValueId plus(ValueId a, ValueId b) { return s_.op("Add", 14, {a, b}); }

  // How many keys lie before the first query: the first call may be padded behind each prompt, later ones append. A
  // length that does not fit is an index outside of its axis.
  void find_places() {
    if (past_ == 0) return;
    before_ = s_.cast(s_.reshape(s_.in(lengths_in), {batch_}), DType::int64);
    before_ = plus(before_, whole(1 - queries_));
    const int64_t room = keys_ - queries_ + 1;
    before_ = queries_ > 1 ? s_.op("Max", 13, {before_, whole(0)})
                           : s_.op("Where", 16, {s_.op("Less", 13, {before_, whole(0)}), whole(room), before_});
    before_ = s_.op("Gather", 13, {s_.counted({room}), before_});
  }

  // [batch, 1, queries, 1], where there is a past.
  ValueId places() { return plus(s_.reshape(before_, {batch_, 1, 1, 1}), s_.counted({1, 1, queries_, 1})); }

  // [batch, queries, heads * depth]
  ValueId part(size_t input, int64_t first, int64_t count) {
    if (!packed_) return s_.in(input);
    return s_.slice(s_.in(q_in), 2, first * depth_, (first + count) * depth_);
  }

  ValueId turned(ValueId x, int64_t heads) {
    if (attrs_.integer("do_rotary") == 0) return x;
    const int64_t width = 2 * s_.shape(s_.in(cos_in))[1];
    ValueId positions = absent;
    if (s_.has(positions_in) && prompt_)
      positions =
          s_.op("Expand", 13,
                {plus(s_.reshape(s_.slice(s_.reshape(s_.in(positions_in), {batch_ * queries_}), 0, 0, 1), {1, 1}),
                      s_.counted({1, queries_})),
                 s_.integers({batch_, queries_})});
    else if (s_.has(positions_in))
      positions = s_.reshape(s_.in(positions_in), {batch_, queries_});
    else if (past_ > 0)
      positions = s_.reshape(places(), {batch_, queries_});
    else
      positions = s_.op("Expand", 13, {s_.counted({1, queries_}), s_.integers({batch_, queries_})});
    return s_.op("RotaryEmbedding", 23, {x, s_.in(cos_in), s_.in(sin_in), positions},
                 {{"interleaved", int64_t{attrs_.integer("rotary_interleaved") != 0}},
                  {"num_heads", heads},
                  {"rotary_embedding_dim", width == depth_ ? int64_t{0} : width}});
  }

  ValueId by_heads(ValueId x, int64_t heads) {
    return s_.transpose(s_.reshape(x, {batch_, queries_, heads, depth_}), {0, 2, 1, 3});
  }

  ValueId filled_up(ValueId rows) {
    const int64_t missing = keys_ - s_.shape(rows)[2];
    if (missing == 0) return rows;
    Tensor zeros = Tensor::make({DType::float32, {batch_, groups_, missing, depth_}});
    std::fill_n(zeros.as<float>(), zeros.type.shape.elements(), 0.0f);
    return s_.op("Concat", 13, {rows, s_.constant(std::move(zeros))}, {{"axis", int64_t{2}}});
  }

  // The cache with the new rows in their places.
  ValueId cached(ValueId fresh, size_t past_input) {
    if (past_ == 0) return filled_up(fresh);
    Tensor rows = Tensor::make({DType::int64, {batch_, groups_, queries_, 3}});
    auto* to = rows.as<int64_t>();
    for (int64_t b = 0; b < batch_; ++b)
      for (int64_t h = 0; h < groups_; ++h)
        for (int64_t i = 0; i < queries_; ++i) *to++ = b, *to++ = h, *to++ = i;
    const ValueId shift = s_.op("Mul", 14, {s_.reshape(before_, {batch_, 1, 1, 1}), s_.integers({0, 0, 1})});
    return s_.op("ScatterND", 13, {filled_up(s_.in(past_input)), plus(s_.constant(std::move(rows)), shift), fresh});
  }

  // Zeros in place of what lies behind the last query: it may be anything.
  ValueId read(ValueId cache) {
    if (past_ == 0) return cache;
    const ValueId end = plus(s_.reshape(before_, {batch_, 1, 1, 1}), whole(queries_));
    return s_.op("Where", 16, {s_.op("Less", 13, {s_.counted({1, 1, keys_, 1}), end}), cache, s_.number(0)});
  }

  bool hides(int64_t place, int64_t key) const { return key > place || (window_ > 0 && key <= place - window_); }

  // What is added to the score of a key that is out of sight.
  ValueId hidden() {
    constexpr float never = -std::numeric_limits<float>::infinity();
    if (past_ == 0) {
      Tensor bias = Tensor::make({DType::float32, {queries_, keys_}});
      for (int64_t i = 0; i < queries_; ++i)
        for (int64_t j = 0; j < keys_; ++j) bias.as<float>()[i * keys_ + j] = hides(i, j) ? never : 0;
      return s_.constant(std::move(bias));
    }
    const ValueId keys = s_.counted({1, 1, 1, keys_});
    ValueId seen = s_.op("LessOrEqual", 16, {keys, places()});
    if (window_ > 0) seen = s_.op("And", 7, {seen, s_.op("Greater", 13, {keys, plus(places(), whole(-window_))})});
    return s_.op("Where", 16, {seen, s_.number(0), s_.number(never)});
  }

  // Queries that share keys are rows of one product.
  ValueId attend(ValueId q, ValueId k, ValueId v) {
    const int64_t each = heads_ / groups_;
    const float named = attrs_.has("scale") ? attrs_.real("scale") : 0, cap = attrs_.real("softcap");
    const float scale = named != 0 ? named : 1 / std::sqrt(static_cast<float>(depth_));
    const Shape rows{batch_, groups_, each * queries_, depth_}, scored{batch_, groups_, each * queries_, keys_};
    ValueId scores = s_.op("MatMul", 13, {s_.reshape(q, rows), s_.transpose(k, {0, 1, 3, 2})});
    scores = s_.reshape(scores, {batch_, heads_, queries_, keys_});
    scores = s_.op("Mul", 14, {scores, s_.number(cap > 0 ? scale / cap : scale)});
    if (cap > 0) scores = s_.op("Mul", 14, {s_.op("Tanh", 13, {scores}), s_.number(cap)});
    scores = plus(scores, hidden());
    if (s_.has(scores_in)) scores = plus(scores, s_.in(scores_in));
    const ValueId weights = s_.op("Softmax", 13, {scores}, {{"axis", int64_t{-1}}});
    return s_.reshape(s_.op("MatMul", 13, {s_.reshape(weights, scored), v}), {batch_, heads_, queries_, depth_});
  }

  Spelling& s_;
  const AttrReader attrs_;
  const Shape query_;
  const int64_t heads_, groups_;
  const bool packed_;
  const int64_t batch_, queries_, depth_, past_, window_;
  int64_t keys_;
  bool prompt_;
  ValueId before_ = absent;  // [batch], where there is a past
};

}  // namespace

bool spell_group_query_attention(Spelling& s) { return GroupQuery(s).spell(); }

}  // namespace tessera::optimizer
