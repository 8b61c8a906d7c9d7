// com.microsoft Attention: projection to q, k, v by one weight matrix, then multi-head attention.
#include <algorithm>

#include "ops/attend.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { x_in, weights_in, bias_in, mask_in, past_in, scores_in, past_length_in };

struct Sizes {
  int64_t batch, sequence, input, heads, past, total;
  int64_t q_hidden, k_hidden, v_hidden;

  Sizes(const AttrReader& n, const Shape& x, const Shape& w, const Shape& past_shape) {
    if (x.rank() != 3 || w.rank() != 2 || w[0] != x[2])
      fail(Error::Kind::shape, "input ", x, " and weights ", w, " do not fit");
    batch = x[0], sequence = x[1], input = x[2];
    heads = n.integer("num_heads");
    const auto sizes = n.integers("qkv_hidden_sizes");
    if (!sizes.empty() && sizes.size() != 3) fail(Error::Kind::model, "qkv_hidden_sizes has ", sizes.size(), " values");
    q_hidden = sizes.empty() ? w[1] / 3 : sizes[0];
    k_hidden = sizes.empty() ? w[1] / 3 : sizes[1];
    v_hidden = sizes.empty() ? w[1] / 3 : sizes[2];
    if (heads < 1 || q_hidden < 0 || v_hidden < 0 || q_hidden != k_hidden ||
        checked_sum(q_hidden, k_hidden, v_hidden) != w[1] || q_hidden % heads || v_hidden % heads)
      fail(Error::Kind::shape, "weights ", w, " do not split into q, k, v of ", heads, " heads");
    past = 0;
    if (!past_shape.empty()) {
      if (past_shape.rank() != 5 || past_shape[0] != 2 || past_shape[1] != batch || past_shape[2] != heads ||
          past_shape[4] != q_hidden / heads || q_hidden != v_hidden)
        fail(Error::Kind::shape, "past ", past_shape, " does not fit ", heads, " heads of ", q_hidden / heads);
      past = past_shape[3];
    }
    total = past + sequence;
  }
};

void infer_attention(Infer& n) {
  if (n.integer("do_rotary")) fail(Error::Kind::unsupported, "rotary embedding inside Attention");
  const Sizes s(n, n.shape(x_in), n.shape(weights_in), n.has_input(past_in) ? n.shape(past_in) : Shape{});
  if (n.has_input(bias_in) && !(n.shape(bias_in) == Shape{n.shape(weights_in)[1]}))
    fail(Error::Kind::shape, "bias ", n.shape(bias_in), " for weights ", n.shape(weights_in));
  if (n.has_input(scores_in)) {
    const Shape& added = n.shape(scores_in);
    if (added.rank() != 4 || (added[0] != 1 && added[0] != s.batch) || (added[1] != 1 && added[1] != s.heads) ||
        added[2] != s.sequence || added[3] != s.total)
      fail(Error::Kind::shape, "attention bias ", added, " for scores ", Shape{s.batch, s.heads, s.sequence, s.total});
  }
  n.set(0, {s.batch, s.sequence, s.v_hidden});
  n.set(1, {2, s.batch, s.heads, s.total, s.q_hidden / s.heads});
}

// What the mask says of key j for query i; its meaning depends on its shape.
class KeyMask {
 public:
  KeyMask(const Args& a, const Sizes& s) : s_(s) {
    if (!a.has_in(mask_in)) return;
    values_ = Read<int64_t>(a.in[mask_in]);
    rank_ = a.in[mask_in].shape().rank();
    const Shape& shape = a.in[mask_in].shape();
    const int64_t b = s.batch;
    if (rank_ == 1 && (shape[0] == b || shape[0] == 2 * b || shape[0] == 3 * b + 2)) return;
    if (rank_ == 2 && shape == Shape{b, s.total}) return;
    if (rank_ == 3 && shape == Shape{b, s.sequence, s.total}) return;
    if (rank_ == 4 && shape[0] == b && shape[1] == 1 && shape[2] == shape[3] && shape[2] >= s.total) {
      extent_ = shape[3];
      return;
    }
    fail(Error::Kind::shape, "mask ", shape, " for batch ", b, " and ", s.total, " keys");
  }

  bool visible(int64_t b, int64_t i, int64_t j) const {
    switch (values_ ? rank_ : 0) {
      case 0: return true;
      case 1: return j < values_[b] && (values_.size() != 2 * s_.batch || j >= values_[s_.batch + b]);
      case 2: return values_[b * s_.total + j] > 0;
      case 3: return values_[(b * s_.sequence + i) * s_.total + j] > 0;
      default: return values_[(b * extent_ + s_.past + i) * extent_ + j] > 0;
    }
  }

 private:
  const Sizes& s_;
  Read<int64_t> values_;
  int rank_ = 0;
  int64_t extent_ = 0;
};

// [batch, sequence, columns of w] = x * w + bias
RunVector<double> project(const Args& a, const Sizes& s, int64_t columns) {
  const Read<float> x(a.in[x_in]), w(a.in[weights_in]);
  const Read<double> bias(a.has_in(bias_in) ? a.in[bias_in] : View{});
  RunVector<double> out(static_cast<size_t>(s.batch * s.sequence * columns));
  for (int64_t r = 0; r < s.batch * s.sequence; ++r) {
    double* row = out.data() + r * columns;
    for (int64_t c = 0; c < columns; ++c) row[c] = bias ? bias[c] : 0;
    for (int64_t l = 0; l < s.input; ++l) {
      const double scale = static_cast<double>(x[r * s.input + l]);
      for (int64_t c = 0; c < columns; ++c) row[c] += scale * static_cast<double>(w[l * columns + c]);
    }
  }
  return out;
}

// [2, batch, heads, past + sequence, depth]: the past, then the new keys and values.
RunVector<double> with_past(const Args& a, const Sizes& s, const RunVector<double>& qkv, int64_t columns) {
  const int64_t depth = s.q_hidden / s.heads, planes = s.batch * s.heads;
  const Read<double> past(a.has_in(past_in) ? a.in[past_in] : View{});
  RunVector<double> all(static_cast<size_t>(2 * planes * s.total * depth));
  for (int64_t which = 0; which < 2; ++which)
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t h = 0; h < s.heads; ++h) {
        const int64_t plane = which * planes + b * s.heads + h;
        double* to = all.data() + plane * s.total * depth;
        if (past) std::copy_n(past.data() + plane * s.past * depth, s.past * depth, to);
        for (int64_t t = 0; t < s.sequence; ++t)
          std::copy_n(qkv.data() + (b * s.sequence + t) * columns + s.q_hidden * (which + 1) + h * depth, depth,
                      to + (s.past + t) * depth);
      }
  return all;
}

void attention_reference(const Args& a) {
  const Sizes s(a, a.in[x_in].shape(), a.in[weights_in].shape(), a.has_in(past_in) ? a.in[past_in].shape() : Shape{});
  const int64_t columns = s.q_hidden + s.k_hidden + s.v_hidden;
  const int64_t depth = s.q_hidden / s.heads, value_depth = s.v_hidden / s.heads;
  const RunVector<double> qkv = project(a, s, columns);
  AttentionShape shape{s.batch, s.heads, s.heads, s.sequence, s.total, depth, value_depth, 0, 0};
  shape.scale = a.has("scale") && a.real("scale") != 0 ? static_cast<double>(a.real("scale"))
                                                       : 1 / std::sqrt(static_cast<double>(depth));
  const int64_t row = s.sequence * columns;
  const Heads q{qkv.data(), row, depth, columns};
  Heads k{qkv.data() + s.q_hidden, row, depth, columns};
  Heads v{qkv.data() + s.q_hidden + s.k_hidden, row, value_depth, columns};
  RunVector<double> all;
  const bool wants_present = a.out.size() > 1 && a.out[1];
  if (a.has_in(past_in) || wants_present) {
    all = with_past(a, s, qkv, columns);
    k = {all.data(), s.heads * s.total * depth, s.total * depth, depth};
    v = {all.data() + all.size() / 2, k.batch, k.head, k.position};
  }
  if (wants_present) {
    Write<float> present(a.out[1]);
    for (size_t i = 0; i < all.size(); ++i) present[static_cast<int64_t>(i)] = static_cast<float>(all[i]);
  }
  const KeyMask mask(a, s);
  const bool causal = a.integer("unidirectional") != 0;
  const double filter = static_cast<double>(a.real("mask_filter_value"));
  const Read<double> scores(a.has_in(scores_in) ? a.in[scores_in] : View{});
  const Shape added = scores ? a.in[scores_in].shape() : Shape{1, 1, 1, 1};
  Write<float> y(a.out[0]);
  attend(
      shape, q, k, v,
      [&](int64_t b, int64_t h, int64_t i, int64_t j) {
        if (causal && j > s.past + i) return masked_score;
        const double extra =
            !scores ? 0 : scores[((b % added[0] * added[1] + h % added[1]) * s.sequence + i) * s.total + j];
        return extra + (mask.visible(b, i, j) ? 0 : filter);
      },
      [&](int64_t b, int64_t h, int64_t i, const RunVector<double>& sums) {
        for (int64_t d = 0; d < value_depth; ++d)
          y[(b * s.sequence + i) * s.v_hidden + h * value_depth + d] = static_cast<float>(sums[static_cast<size_t>(d)]);
      },
      unwatched);
}

constexpr AttrDef attrs[] = {{"num_heads", 0, {}, true},    {"unidirectional", 0},   {"do_rotary", 0},
                             {"mask_filter_value", -10000}, {"qkv_hidden_sizes"},    {"scale"},
                             {"past_present_share_buffer"}, {"rotary_embedding_dim"}};
const OpDef defs[] = {{.name = "Attention",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {2, 7},
                       .out = {1, 2},
                       .types = "T=float : T, T, T, int32, T, T, int32 -> T, T",
                       .attrs = attrs,
                       .infer = infer_attention,
                       .reference = attention_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile ms_attention;
const OpFile ms_attention{defs};

}  // namespace tessera::ops
