// com.microsoft MultiHeadAttention: attention over projected queries, keys and values, which may come
// packed together, with a bias, masks and a cache, which may have room for more and be of several beams.
#include <algorithm>

#include "ops/attend.h"
#include "ops/indices.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { q_in, k_in, v_in, bias_in, mask_in, scores_in, past_k_in, past_v_in, past_length_in, beam_of_in };
enum Out { y_out, k_out, v_out, scores_out };

// Where one of q, k, v lies in its input, and its part of the bias; -1: it has none. Keys and values that come by heads
// have had theirs.
struct Part {
  int input = 0;
  int64_t offset = 0, length = 0, depth = 0, bias = 0;
  int64_t batch = 0, head = 0, position = 0;  ///< strides
};

struct Parts {
  int64_t batch, heads, queries, past = 0;
  int64_t room = -1;  // positions of a cache that new ones are written into; -1: they are put behind it
  Part q, k, v;

  // `shape(i)` is the shape of input i, or null; `used`, how much of the cache is, where that is an input.
  template <class F>
  Parts(const AttrReader& n, F shape, int64_t used) : heads(n.integer("num_heads")) {
    const Shape* query = shape(q_in);
    const Shape* key = shape(k_in);
    const Shape* value = shape(v_in);
    if (heads < 1 || !query || query->rank() < 3) fail(Error::Kind::shape, "a query for ", heads, " heads");
    batch = (*query)[0];
    queries = (*query)[1];
    if (!key) {
      q = packed(*query, q_in, 0, 3), k = packed(*query, q_in, 1, 3), v = packed(*query, q_in, 2, 3);
    } else {
      q = flat(*query, q_in);
      if (key->rank() == 5) {
        k = packed(*key, k_in, 0, 2), v = packed(*key, k_in, 1, 2);
      } else {
        if (!value) fail(Error::Kind::model, "has keys without values");
        k = key->rank() == 4 ? split(*key, k_in) : flat(*key, k_in);
        v = value->rank() == 4 ? split(*value, v_in) : flat(*value, v_in);
      }
    }
    if (k.length != v.length || q.depth != k.depth)
      fail(Error::Kind::shape, "keys of ", k.length, " x ", k.depth, " and values of ", v.length, " for queries of ",
           q.depth);
    if (k.bias == 0) k.bias = heads * q.depth;
    if (v.bias == 0) v.bias = 2 * heads * q.depth;
    if (const Shape* old = shape(past_k_in)) {
      const Shape* other = shape(past_v_in);
      past = old->rank() == 4 ? (*old)[2] : -1;
      if (!other || !(*old == Shape{batch, heads, past, k.depth}) || !(*other == Shape{batch, heads, past, v.depth}))
        fail(Error::Kind::shape, "past keys ", *old, " do not fit");
      if (shape(past_length_in)) {
        room = past, past = used;
        if (past < 0 || k.length > room - past)
          fail(Error::Kind::shape, "a cache of ", room, " has no room for ", k.length, " behind ", past);
      }
    }
  }
  int64_t keys() const { return past + k.length; }
  int64_t kept() const { return room < 0 ? keys() : room; }  // positions of the cache that is given

 private:
  // [batch, length, heads, count, depth]
  Part packed(const Shape& s, int input, int64_t which, int64_t count) const {
    if (s.rank() != 5 || s[0] != batch || s[2] != heads || s[3] != count)
      fail(Error::Kind::shape, "a packed input ", s);
    const int64_t each = count * s[4];
    return {input, which * s[4], s[1], s[4], 0, s[1] * heads * each, each, heads * each};
  }
  // [batch, length, heads * depth]
  Part flat(const Shape& s, int input) const {
    if (s.rank() != 3 || s[0] != batch || s[2] % heads) fail(Error::Kind::shape, "input ", s, " for ", heads, " heads");
    return {input, 0, s[1], s[2] / heads, 0, s[1] * s[2], s[2] / heads, s[2]};
  }
  // [batch, heads, length, depth]
  Part split(const Shape& s, int input) const {
    if (s[0] != batch || s[1] != heads) fail(Error::Kind::shape, "input ", s, " for ", heads, " heads");
    return {input, 0, s[2], s[3], -1, heads * s[2] * s[3], s[2] * s[3], s[3]};
  }
};

// Lengths of keys, perhaps with their first places or with where sequences begin in a whole batch; or what is seen, by
// keys, by queries too, or of a whole triangle by places.
void check_mask(const Parts& p, const Shape& mask) {
  const int64_t places = mask.rank() == 4 ? mask[3] : 0;
  if (places >= p.keys() && p.k.length == p.queries && mask == Shape{p.batch, 1, places, places}) return;
  if (!(mask == Shape{p.batch}) && !(mask == Shape{2 * p.batch}) && !(mask == Shape{3 * p.batch + 2}) &&
      !(mask == Shape{p.batch, p.keys()}) && !(mask == Shape{p.batch, p.queries, p.keys()}))
    fail(Error::Kind::shape, "key padding mask ", mask);
}

void infer_mha(Infer& n) {
  // How much of a cache is used has a say in the shapes of masks and scores alone, which the run looks at then.
  const bool grows = !n.has_input(past_length_in);
  const Parts p(
      n, [&](int i) { return n.has_input(i) ? &n.shape(i) : nullptr; }, 0);
  if (n.has_input(bias_in) && n.shape(bias_in).elements() != p.heads * (2 * p.q.depth + p.v.depth))
    fail(Error::Kind::shape, "bias ", n.shape(bias_in));
  if (n.has_input(beam_of_in)) {
    const Shape& beams = n.shape(beam_of_in);
    if (grows || beams.rank() != 3 || beams[2] < p.room || checked_product(beams[0], beams[1]) != p.batch)
      fail(Error::Kind::shape, "cache indirection ", beams, " for ", p.batch, " sequences");
  }
  if (grows && n.has_input(mask_in)) check_mask(p, n.shape(mask_in));
  if (grows && n.has_input(scores_in)) check_broadcast(n.shape(scores_in), {p.batch, p.heads, p.queries, p.keys()});
  n.set(y_out, {p.batch, p.queries, p.heads * p.v.depth});
  n.set(k_out, {p.batch, p.heads, p.kept(), p.k.depth});
  n.set(v_out, {p.batch, p.heads, p.kept(), p.v.depth});
  const int64_t keys = grows || !n.wants(scores_out) ? p.keys() : checked_sum(n.integer_of(past_length_in), p.k.length);
  n.set(scores_out, {p.batch, p.heads, p.queries, keys});
}

// [batch, heads, past + length, depth] with the bias added to what is new.
RunVector<double> gathered(const Args& a, const Parts& p, const Part& part, size_t past_input) {
  const auto given = [&](size_t i) { return a.has_in(i) ? a.in[i] : View{}; };
  const Read<double> x(a.in[static_cast<size_t>(part.input)]), bias(part.bias < 0 ? View{} : given(bias_in));
  const Read<double> old(past_input ? given(past_input) : View{});
  const Read<int64_t> beam_of(given(beam_of_in));
  const int64_t before = old ? p.past : 0, total = before + part.length, rows = p.room < 0 ? before : p.room;
  const int64_t beams = beam_of ? a.in[beam_of_in].shape()[1] : 1, steps = beam_of ? a.in[beam_of_in].shape()[2] : 0;
  RunVector<double> all(static_cast<size_t>(p.batch * p.heads * total * part.depth));
  for (int64_t b = 0; b < p.batch; ++b)
    for (int64_t h = 0; h < p.heads; ++h) {
      double* to = all.data() + (b * p.heads + h) * total * part.depth;
      for (int64_t t = 0; t < before; ++t, to += part.depth) {
        const int64_t from = beam_of ? b / beams * beams + checked_index(beam_of[b * steps + t], beams) : b;
        std::copy_n(old.data() + ((from * p.heads + h) * rows + t) * part.depth, part.depth, to);
      }
      for (int64_t t = 0; t < part.length; ++t)
        for (int64_t d = 0; d < part.depth; ++d)
          *to++ = x[part.offset + b * part.batch + h * part.head + t * part.position + d] +
                  (bias ? bias[part.bias + h * part.depth + d] : 0);
    }
  return all;
}

bool key_visible(const Args& a, const Read<int64_t>& mask, const Parts& p, int64_t b, int64_t i, int64_t j) {
  if (!mask) return true;
  const Shape& shape = a.in[mask_in].shape();
  switch (shape.rank()) {
    case 1: return j < mask[b] && (mask.size() != 2 * p.batch || j >= mask[p.batch + b]);
    case 2: return mask[b * p.keys() + j] > 0;
    case 3: return mask[(b * p.queries + i) * p.keys() + j] > 0;
    default: return mask[(b * shape[3] + p.past + i) * shape[3] + j] > 0;
  }
}

// The cache as it is afterwards: with the new positions in it, or behind it.
void store(const Args& a, const Parts& p, size_t out, size_t past_input, const RunVector<double>& values) {
  if (out >= a.out.size() || !a.out[out]) return;
  Write<double> to(a.out[out]);
  if (p.room < 0) {
    std::copy(values.begin(), values.end(), to.data());
    return;
  }
  const Read<double> old(a.in[past_input]);
  std::copy_n(old.data(), old.size(), to.data());
  const int64_t depth = a.out[out].shape()[3], fresh = p.keys() - p.past;
  for (int64_t plane = 0; plane < p.batch * p.heads; ++plane)
    std::copy_n(values.data() + (plane * p.keys() + p.past) * depth, fresh * depth,
                to.data() + (plane * p.room + p.past) * depth);
}

void mha_reference(const Args& a) {
  const int64_t used = integer_or(a, past_length_in, 0);
  const Parts p(
      a, [&](size_t i) { return a.has_in(i) ? &a.in[i].shape() : nullptr; }, used);
  if (a.has_in(mask_in)) check_mask(p, a.in[mask_in].shape());
  const auto q = gathered(a, p, p.q, 0), k = gathered(a, p, p.k, past_k_in), v = gathered(a, p, p.v, past_v_in);
  store(a, p, k_out, past_k_in, k);
  store(a, p, v_out, past_v_in, v);
  AttentionShape s{p.batch, p.heads, p.heads, p.queries, p.keys(), p.q.depth, p.v.depth, 0, 0};
  s.scale = scale_of(a, p.q.depth);
  const auto heads = [&](const RunVector<double>& x, int64_t n, int64_t depth) {
    return Heads{x.data(), p.heads * n * depth, n * depth, depth};
  };
  const bool causal = a.integer("unidirectional") != 0;
  const double filter = static_cast<double>(a.real("mask_filter_value"));
  const Read<int64_t> mask(a.has_in(mask_in) ? a.in[mask_in] : View{});
  const Read<double> scores(a.has_in(scores_in) ? a.in[scores_in] : View{});
  std::vector<int64_t> offsets;
  if (scores) offsets = broadcast_offsets(a.in[scores_in].shape(), {p.batch, p.heads, p.queries, p.keys()});
  Write<double> y(a.out[y_out]), products(a.out.size() > scores_out ? a.out[scores_out] : View{});
  attend(
      s, heads(q, p.queries, p.q.depth), heads(k, p.keys(), p.k.depth), heads(v, p.keys(), p.v.depth),
      [&](int64_t b, int64_t h, int64_t i, int64_t j) {
        if (causal && j > p.past + i) return masked_score;
        const auto at = static_cast<size_t>(((b * p.heads + h) * p.queries + i) * p.keys() + j);
        return (scores ? scores[offsets[at]] : 0) + (key_visible(a, mask, p, b, i, j) ? 0 : filter);
      },
      [&](int64_t b, int64_t h, int64_t i, const RunVector<double>& sums) {
        std::copy(sums.begin(), sums.end(), y.data() + ((b * p.queries + i) * p.heads + h) * p.v.depth);
      },
      [&](int stage, int64_t b, int64_t h, int64_t i, const RunVector<double>& row) {
        if (products && stage == 2)
          std::copy(row.begin(), row.end(), products.data() + ((b * p.heads + h) * p.queries + i) * p.keys());
      });
}

constexpr AttrDef attrs[] = {
    {"num_heads", 0, {}, true}, {"unidirectional", 0}, {"mask_filter_value", -10000}, {"scale"}};
const OpDef defs[] = {{.name = "MultiHeadAttention",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {1, 10},
                       .out = {1, 4},
                       .types = "T=float : T, T, T, T, int32, T, T, T, int32, int32 -> T, T, T, T",
                       .attrs = attrs,
                       .infer = infer_mha,
                       .reference = mha_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile multi_head_attention;
const OpFile multi_head_attention{defs};

}  // namespace tessera::ops
