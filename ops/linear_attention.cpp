// LinearAttention: a recurrent state per head, written by outer products and read by queries. com.microsoft's may have
// fewer heads of queries and keys than of values, and the states after the last few positions.
#include <algorithm>

#include "ops/attend.h"
#include "ops/indices.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { q_in, k_in, v_in, past_in, decay_in, beta_in };

struct Sizes {
  int64_t batch, sequence, heads, key_heads, kv_heads, depth, value_depth, window;
  bool gated, delta;

  Sizes(const AttrReader& n, const Shape& q, const Shape& k, const Shape& v) {
    heads = n.integer("q_num_heads");
    kv_heads = n.integer("kv_num_heads");
    window = n.integer("state_window");
    if (window < 0 || window > 8) fail(Error::Kind::model, "attribute \"state_window\" is ", window);
    depth = heads > 0 && q.rank() == 3 ? q[2] / heads : 0;
    key_heads = depth > 0 && k.rank() == 3 ? k[2] / depth : kv_heads;
    if (q.rank() != 3 || k.rank() != 3 || v.rank() != 3 || heads < 1 || kv_heads < 1 || key_heads < 1 ||
        (heads % kv_heads && kv_heads % heads) || kv_heads % key_heads || q[2] % heads || k[2] != key_heads * depth ||
        v[2] % kv_heads || q[0] != k[0] || q[0] != v[0] || q[1] != k[1] || q[1] != v[1])
      fail(Error::Kind::shape, "query ", q, ", key ", k, " and value ", v, " do not fit ", heads, " and ", kv_heads,
           " heads");
    batch = q[0], sequence = q[1], value_depth = v[2] / kv_heads;
    const Text rule = n.text("update_rule");
    gated = rule == "gated" || rule == "gated_delta";
    delta = rule == "delta" || rule == "gated_delta";
    if (!gated && !delta && rule != "linear") fail(Error::Kind::model, "attribute \"update_rule\" is \"", rule, "\"");
  }
  Shape state() const {
    if (window) return {window, batch, kv_heads, depth, value_depth};
    return {batch, kv_heads, depth, value_depth};
  }
  int64_t results() const { return std::max(heads, kv_heads); }
};

void infer_linear(Infer& n) {
  const Sizes s(n, n.shape(q_in), n.shape(k_in), n.shape(v_in));
  const auto expect = [&](int i, int64_t wide, int64_t narrow) {
    const Shape& shape = n.shape(i);
    if (shape.rank() != 3 || shape[0] != s.batch || shape[1] != s.sequence || (shape[2] != wide && shape[2] != narrow))
      fail(Error::Kind::shape, "input ", i, " is ", shape);
  };
  if (s.gated) expect(decay_in, s.kv_heads * s.depth, s.kv_heads);
  if (s.delta) expect(beta_in, s.kv_heads, 1);
  if (n.has_input(past_in) && !(n.shape(past_in) == s.state()))
    fail(Error::Kind::shape, "past state ", n.shape(past_in), ", not ", s.state());
  n.set(0, {s.batch, s.sequence, checked_product(s.results(), s.value_depth)});
  n.set(1, n.in(n.has_input(past_in) ? past_in : q_in).dtype, s.state());
}

void linear_reference(const Args& a) {
  const Sizes s(a, a.in[q_in].shape(), a.in[k_in].shape(), a.in[v_in].shape());
  const auto optional = [&](size_t i, bool used) { return used && a.has_in(i) ? a.in[i] : View{}; };
  const Read<double> q(a.in[q_in]), k(a.in[k_in]), v(a.in[v_in]), past(optional(past_in, true));
  const Read<double> decay(optional(decay_in, s.gated)), beta(optional(beta_in, s.delta));
  const double scale = scale_of(a, s.depth);
  const int64_t group = s.results() / s.kv_heads, cells = s.depth * s.value_depth;
  const int64_t slots = std::max<int64_t>(s.window, 1), slot = s.batch * s.kv_heads * cells;  // the last is the newest
  const int64_t decays = decay ? a.in[decay_in].shape()[2] / s.kv_heads : 1,
                betas = beta ? a.in[beta_in].shape()[2] : 1;
  Write<double> y(a.out[0]), present(a.out.size() > 1 ? a.out[1] : View{});
  if (present) std::fill_n(present.data(), slots * slot, 0);
  RunVector<double> state(static_cast<size_t>(cells)), row(static_cast<size_t>(s.value_depth));
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.kv_heads; ++h) {
      for (int64_t i = 0; i < cells; ++i)
        state[static_cast<size_t>(i)] = past ? past[(slots - 1) * slot + (b * s.kv_heads + h) * cells + i] : 0;
      for (const int64_t t : Steps(s.sequence)) {
        const int64_t at = b * s.sequence + t;
        const double* key = k.data() + (at * s.key_heads + h * s.key_heads / s.kv_heads) * s.depth;
        const double* value = v.data() + (at * s.kv_heads + h) * s.value_depth;
        if (decay)
          for (int64_t i = 0; i < cells; ++i) {
            const int64_t d = decays == 1 ? 0 : i / s.value_depth;
            state[static_cast<size_t>(i)] *= std::exp(decay[(at * s.kv_heads + h) * decays + d]);
          }
        std::copy_n(value, s.value_depth, row.begin());
        if (s.delta) {
          const double rate = beta[at * betas + (betas == 1 ? 0 : h)];
          for (int64_t j = 0; j < s.value_depth; ++j) {
            double known = 0;
            for (int64_t d = 0; d < s.depth; ++d) known += state[static_cast<size_t>(d * s.value_depth + j)] * key[d];
            row[static_cast<size_t>(j)] = rate * (value[j] - known);
          }
        }
        for (int64_t i = 0; i < cells; ++i)
          state[static_cast<size_t>(i)] += key[i / s.value_depth] * row[static_cast<size_t>(i % s.value_depth)];
        for (int64_t g = 0; g < group; ++g) {
          const int64_t head = h * group + g, query = (at * s.heads + head * s.heads / s.results()) * s.depth;
          for (int64_t j = 0; j < s.value_depth; ++j) {
            double sum = 0;
            for (int64_t d = 0; d < s.depth; ++d)
              sum += q[query + d] * state[static_cast<size_t>(d * s.value_depth + j)];
            y[(at * s.results() + head) * s.value_depth + j] = scale * sum;
          }
        }
        if (present && t >= s.sequence - slots)
          std::copy(state.begin(), state.end(),
                    present.data() + (slots - s.sequence + t) * slot + (b * s.kv_heads + h) * cells);
      }
      if (present && s.sequence == 0)
        std::copy(state.begin(), state.end(), present.data() + (slots - 1) * slot + (b * s.kv_heads + h) * cells);
    }
}

constexpr AttrDef attrs[] = {{"q_num_heads", 0, {}, true},
                             {"kv_num_heads", 0, {}, true},
                             {"update_rule", 0, "gated_delta"},
                             {"scale"},
                             {"chunk_size"},
                             {"state_window"}};
constexpr OpDef linear(Text domain, int since, List<AttrDef> attrs) {
  OpDef made;
  made.name = "LinearAttention";
  made.domain = domain;
  made.since = since;
  made.in = {3, 6};
  made.out = {1, 2};
  made.types = "T=float; S=float : T, T, T, S, T, T -> T, T";
  made.attrs = attrs;
  made.infer = infer_linear;
  made.reference = linear_reference;
  made.reach = reach::not_followed;
  return made;
}
const OpDef defs[] = {linear("", 27, List<AttrDef>(attrs).first(5)), linear("com.microsoft", 1, attrs)};

}  // namespace

extern const OpFile linear_attention;
const OpFile linear_attention{defs};

}  // namespace tessera::ops
