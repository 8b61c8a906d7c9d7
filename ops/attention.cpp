// Attention of the standard: grouped heads, masks, a cache of keys and values, softcap.
#include <algorithm>

#include "ops/attend.h"
#include "ops/indices.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { q_in, k_in, v_in, mask_in, past_k_in, past_v_in, lengths_in };

struct Operands {
  AttentionOperand q, k, v;
  int64_t past = 0;

  Operands(const AttrReader& n, const Shape& qs, const Shape& ks, const Shape& vs, const Shape* pk, const Shape* pv)
      : q(qs, n.integer("q_num_heads"), "Q"),
        k(ks, n.integer("kv_num_heads"), "K"),
        v(vs, n.integer("kv_num_heads"), "V") {
    if (q.batch != k.batch || q.batch != v.batch || q.depth != k.depth || k.heads != v.heads ||
        k.sequence != v.sequence || k.heads < 1 || q.heads % k.heads)
      fail(Error::Kind::shape, "Q ", qs, ", K ", ks, " and V ", vs, " do not fit together");
    if (!pk != !pv) fail(Error::Kind::model, "past keys and values come together");
    if (!pk) return;
    past = pk->rank() == 4 ? (*pk)[2] : -1;
    if (!(*pk == Shape{q.batch, k.heads, past, k.depth}) || !(*pv == Shape{q.batch, k.heads, past, v.depth}))
      fail(Error::Kind::shape, "past ", *pk, " and ", *pv, " do not fit K ", ks, " and V ", vs);
  }
  int64_t keys() const { return past + k.sequence; }
};

Operands operands_of(const AttrReader& n, const auto& shape) {
  return Operands(n, *shape(q_in), *shape(k_in), *shape(v_in), shape(past_k_in), shape(past_v_in));
}

// The mask's own shape with its last axis as long as there are keys: a shorter one hides the rest.
Shape full_mask(Shape mask, int64_t keys) {
  if (!mask.empty() && mask.back() != 1 && mask.back() < keys) mask[mask.size() - 1] = keys;
  return mask;
}

void infer_attention(Infer& n) {
  const Operands o = operands_of(n, [&](int i) { return n.has_input(i) ? &n.shape(i) : nullptr; });
  const Shape scores{o.q.batch, o.q.heads, o.q.sequence, o.keys()};
  if (n.has_input(mask_in) && n.rank(mask_in) == 0) fail(Error::Kind::shape, "the mask is a scalar");
  if (n.has_input(mask_in)) check_broadcast(full_mask(n.shape(mask_in), o.keys()), scores);
  if (n.has_input(lengths_in) && !(n.shape(lengths_in) == Shape{o.q.batch}))
    fail(Error::Kind::shape, "nonpad_kv_seqlen is ", n.shape(lengths_in));
  const DType type = n.in(q_in).dtype;
  if (o.q.flat)
    n.set(0, type, {o.q.batch, o.q.sequence, o.q.heads * o.v.depth});
  else
    n.set(0, type, {o.q.batch, o.q.heads, o.q.sequence, o.v.depth});
  n.set(1, n.in(k_in).dtype, {o.q.batch, o.k.heads, o.keys(), o.k.depth});
  n.set(2, n.in(v_in).dtype, {o.q.batch, o.k.heads, o.keys(), o.v.depth});
  n.set(3, type, scores);
}

// [batch, heads, past + sequence, depth]
RunVector<double> joined(const View& past, const Read<double>& now, const AttentionOperand& o, int64_t before) {
  const Read<double> old(past);
  const Heads from = o.heads_of(now.data());
  const int64_t keys = before + o.sequence;
  RunVector<double> all(static_cast<size_t>(o.batch * o.heads * keys * o.depth));
  for (int64_t b = 0; b < o.batch; ++b)
    for (int64_t h = 0; h < o.heads; ++h) {
      const int64_t plane = b * o.heads + h;
      double* to = all.data() + plane * keys * o.depth;
      if (old) std::copy_n(old.data() + plane * before * o.depth, before * o.depth, to);
      for (int64_t t = 0; t < o.sequence; ++t) std::copy_n(from.at(b, h, t), o.depth, to + (before + t) * o.depth);
    }
  return all;
}

void store(const Args& a, size_t out, const RunVector<double>& values) {
  if (out >= a.out.size() || !a.out[out]) return;
  Write<double> to(a.out[out]);
  std::copy(values.begin(), values.end(), to.data());
}

// What is added to the score of a key: the mask, the causal triangle, and each batch's own length.
class Bias {
 public:
  Bias(const Args& a, const Operands& o) : keys_(o.keys()), causal_(a.integer("is_causal") != 0) {
    if (a.has_in(mask_in)) {
      const View& mask = a.in[mask_in];
      values_ = Read<double>(mask);
      boolean_ = mask.type.dtype == DType::boolean;
      const Shape& shape = mask.shape();
      extent_ = shape.back() == 1 ? keys_ : shape.back();
      const Shape strides = broadcast_strides(shape, shape);
      for (size_t i = 0; i < shape.size(); ++i)
        if (shape[i] != 1) stride_[4 - shape.size() + i] = strides[i];
    }
    for (int64_t b = 0; b < o.q.batch; ++b) {
      const bool own = a.has_in(lengths_in);
      const int64_t length = own ? integer_or(a, lengths_in, 0, b) : keys_;
      lengths_.push_back(length);
      offsets_.push_back(own ? length - o.q.sequence : o.past);
    }
  }

  const int64_t* lengths() const { return lengths_.data(); }

  double operator()(int64_t b, int64_t h, int64_t i, int64_t j) const {
    constexpr double never = -std::numeric_limits<double>::infinity();
    const auto batch = static_cast<size_t>(b);
    if (j >= lengths_[batch] || (causal_ && j > i + offsets_[batch])) return never;
    if (!values_) return 0;
    if (j >= extent_) return never;
    const double value = values_[b * stride_[0] + h * stride_[1] + i * stride_[2] + j * stride_[3]];
    return boolean_ ? (value != 0 ? 0 : never) : value;
  }

 private:
  int64_t keys_;
  bool causal_, boolean_ = false;
  Read<double> values_;
  int64_t extent_ = 0;
  int64_t stride_[4] = {0, 0, 0, 0};
  std::vector<int64_t> lengths_, offsets_;
};

void attention_reference(const Args& a) {
  const Operands o = operands_of(a, [&](size_t i) { return a.has_in(i) ? &a.in[i].shape() : nullptr; });
  const Read<double> q(a.in[q_in]), k(a.in[k_in]), v(a.in[v_in]);
  const auto optional = [&](size_t i) { return a.has_in(i) ? a.in[i] : View{}; };
  const auto keys = joined(optional(past_k_in), k, o.k, o.past);
  const auto values = joined(optional(past_v_in), v, o.v, o.past);
  store(a, 1, keys);
  store(a, 2, values);
  AttentionShape s{o.q.batch, o.q.heads, o.k.heads, o.q.sequence, o.keys(), o.q.depth, o.v.depth, 0, 0};
  s.scale = a.has("scale") ? static_cast<double>(a.real("scale")) : 1 / std::sqrt(static_cast<double>(o.q.depth));
  s.softcap = static_cast<double>(a.real("softcap"));
  const Bias bias(a, o);
  s.lengths = bias.lengths();
  Write<double> y(a.out[0]);
  RunVector<double> watched(a.out.size() > 3 && a.out[3] ? static_cast<size_t>(a.out[3].elements()) : 0);
  const int mode = static_cast<int>(a.integer("qk_matmul_output_mode"));
  const auto plane = [](const AttentionOperand& x, int64_t n) {
    return Heads{nullptr, x.heads * n * x.depth, n * x.depth, x.depth};
  };
  Heads ks = plane(o.k, o.keys()), vs = plane(o.v, o.keys());
  ks.data = keys.data();
  vs.data = values.data();
  attend(
      s, o.q.heads_of(q.data()), ks, vs, bias,
      [&](int64_t b, int64_t h, int64_t i, const RunVector<double>& sums) {
        const int64_t at = o.q.flat ? (b * s.queries + i) * s.heads + h : (b * s.heads + h) * s.queries + i;
        std::copy(sums.begin(), sums.end(), y.data() + at * s.value_depth);
      },
      [&](int stage, int64_t b, int64_t h, int64_t i, const RunVector<double>& row) {
        if (stage != mode || watched.empty()) return;
        std::copy(row.begin(), row.end(), watched.begin() + ((b * s.heads + h) * s.queries + i) * s.keys);
      });
  store(a, 3, watched);
}

double attention_work(const AttrReader& n, List<Type> in, List<Type> out) {
  const auto shape = [&](size_t i) {
    return i < in.size() && in[i].dtype != DType::undefined ? &in[i].shape : nullptr;
  };
  const int64_t keys = operands_of(n, shape).keys();
  return sums(in[q_in], keys) + sums(out[0], keys);  // scores, and sums of values by them
}

constexpr AttrDef attrs[] = {
    {"is_causal", 0}, {"softcap", 0}, {"qk_matmul_output_mode", 0}, {"softmax_precision", 0}, {"kv_num_heads"},
    {"q_num_heads"},  {"scale"}};
const OpDef defs[] = {{.name = "Attention",
                       .since = 23,
                       .in = {3, 7},
                       .out = {1, 4},
                       .types = "T=float; V=float; M=float|integer|boolean : T, T, V, M, T, V, int64",
                       .attrs = attrs,
                       .infer = infer_attention,
                       .reference = attention_reference,
                       .reach = reach::not_followed,
                       .work = attention_work}};

}  // namespace

extern const OpFile attention;
const OpFile attention{defs};

}  // namespace tessera::ops
