// com.microsoft GroupQueryAttention: causal attention with fewer key heads than query heads, norms and rotary embedding
// inside, and a cache, which may be quantized and may be no longer than what a window needs; and SparseAttention, which
// is that over some blocks of keys.
#include <algorithm>
#include <cstring>

#include "ops/attend.h"
#include "ops/group_query.h"
#include "ops/indices.h"
#include "ops/key_cache.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

using namespace group_query;

enum SparseIn {
  sparse_rows_in = 5,
  sparse_columns_in,
  sparse_total_in,
  sparse_lengths_in,
  sparse_cos_in,
  sparse_sin_in
};

struct Sizes {
  int64_t batch, sequence, fresh, heads, kv_heads, depth, past = 0, present;  // fresh: keys beside those of the past
  Quanta quanta;
  bool packed, windowed, prompt;

  template <class F>
  Sizes(const AttrReader& n, F shape, int64_t total)
      : heads(n.integer("num_heads")),
        kv_heads(n.integer("kv_num_heads")),
        quanta(quanta_of(n, n.integer("kv_cache_bit_width"))),
        windowed(n.integer("sliding_window_cache") != 0) {
    const Shape* q = shape(q_in);
    const Shape* k = shape(k_in);
    const Shape* v = shape(v_in);
    packed = !k;
    if (heads < 1 || kv_heads < 1 || heads % kv_heads || !q || q->rank() != 3)
      fail(Error::Kind::shape, "a query for ", heads, " heads and ", kv_heads, " key heads");
    batch = (*q)[0], sequence = (*q)[1];
    const int64_t units = packed ? checked_sum(heads, kv_heads, kv_heads) : heads;
    depth = (*q)[2] / units;
    fresh = packed || k->rank() != 3 || (*k)[1] != 0 ? sequence : 0;
    const Shape kv{batch, fresh, checked_product(kv_heads, depth)};
    if ((*q)[2] % units || (!packed && (!v || !(*k == kv) || !(*v == kv))))
      fail(Error::Kind::shape, "query ", *q, " does not split into ", heads, " heads, or its keys do not fit");
    if (const Shape* old = shape(past_k_in)) {
      past = old->rank() == 4 ? (*old)[2] : -1;
      const Shape* other = shape(past_v_in);
      present = past;
      if (!(*old == cache()) || !other || !(*old == *other))
        fail(Error::Kind::shape, "past keys ", *old, " do not fit");
    }
    if (total < sequence || (fresh == 0 && total > past))
      fail(Error::Kind::shape, "a total length of ", total, " for ", sequence, " queries and ", past + fresh, " keys");
    prompt = total == sequence;
    const int64_t window = windowed ? n.integer("local_window_size") : 0;
    if (windowed && (window < 1 || past < window))
      fail(Error::Kind::shape, "a cache of ", past, " for a window of ", window);
    present = windowed ? past : std::max(past, total);
  }
  Shape cache() const { return {batch, kv_heads, present, quanta == Quanta::halves ? (depth + 1) / 2 : depth}; }
};

void check_quanta(const Infer& n, const Sizes& s) {
  const bool quantized = s.quanta != Quanta::none;
  if (quantized && (!n.has_input(past_k_in) || !n.has_input(k_scale_in) || !n.has_input(v_scale_in)))
    fail(Error::Kind::model, "a quantized cache without a past or scales");
  for (const int i : {past_k_in, past_v_in}) {
    if (!n.has_input(i)) continue;
    const DType type = n.in(i).dtype;
    const bool fits = s.quanta == Quanta::none     ? type == n.in(q_in).dtype
                      : s.quanta == Quanta::halves ? type == DType::uint8
                                                   : bits_of(type) == 8;
    if (!fits) fail(Error::Kind::type, "a cache of ", name_of(type));
  }
  const int64_t scales = scales_of(n, s.kv_heads, s.depth);
  for (const int i : {k_scale_in, v_scale_in})
    if (n.has_input(i) && (!quantized || n.shape(i).elements() != scales))
      fail(Error::Kind::shape, "scales ", n.shape(i), " of a cache that wants ", quantized ? scales : 0);
  for (const int i : {q_norm_in, k_norm_in})
    if (n.has_input(q_norm_in) != n.has_input(k_norm_in) || (n.has_input(i) && !(n.shape(i) == Shape{s.depth})))
      fail(Error::Kind::shape, "norms of queries and keys do not fit heads of ", s.depth);
  if (s.windowed && (n.has_input(scores_in) || n.wants(scores_out) || n.integer("causal") == 0 || s.fresh == 0))
    fail(Error::Kind::unsupported, "scores, keys of the future or no new keys beside a cache of a window's size");
}

void infer_gqa(Infer& n) {
  const Sizes s(
      n, [&](int i) { return n.has_input(i) ? &n.shape(i) : nullptr; }, n.integer_of(total_in));
  check_quanta(n, s);
  if (n.has_input(sink_in) && !(n.shape(sink_in) == Shape{s.heads}))
    fail(Error::Kind::shape, "sinks ", n.shape(sink_in), " for ", s.heads, " heads");
  if (n.shape(lengths_in).elements() != s.batch) fail(Error::Kind::shape, "lengths ", n.shape(lengths_in));
  if (n.integer("do_rotary") &&
      (n.rank(cos_in) != 2 || !(n.shape(cos_in) == n.shape(sin_in)) || n.shape(cos_in)[1] * 2 > s.depth))
    fail(Error::Kind::shape, "rotary tables ", n.shape(cos_in), " and ", n.shape(sin_in));
  if (n.has_input(scores_in)) check_broadcast(n.shape(scores_in), {s.batch, s.heads, s.sequence, s.present});
  n.set(y_out, {s.batch, s.sequence, s.heads * s.depth});
  const DType stored = n.in(n.has_input(past_k_in) ? past_k_in : q_in).dtype;
  n.set(k_out, stored, s.cache());
  n.set(v_out, stored, s.cache());
  n.set(scores_out, {s.batch, s.heads, s.sequence, s.present});
}

class GroupQuery {
 public:
  GroupQuery(const Args& a, const Sizes& s)
      : a_(a), s_(s), gap_(s.past - a.integer("local_window_size") + 1), rows_(s.windowed ? 0 : s.present) {
    const Read<int64_t> lengths(a.in[lengths_in]);
    for (int64_t b = 0; b < s.batch; ++b) {
      // The first call may be padded behind each prompt; later ones append to what is cached.
      const int64_t before = lengths[b] + 1 - s.sequence;
      const bool prompt = !s.windowed && (s.past == 0 || (s.sequence > 1 && before < 0));
      first_.push_back(prompt ? 0 : before);
      if (first_.back() < 0 || (!s.windowed && first_.back() + s.sequence > s.present))
        fail(Error::Kind::shape, "a sequence that ends at ", lengths[b], " of ", s.present);
      if (s.windowed) rows_ = std::max(rows_, past(b) + s.sequence);
    }
  }

  /// How many of the rows that lie in the cache come before the first query; of keys as read() has them.
  int64_t past(int64_t b) const { return resident(first_[static_cast<size_t>(b)]); }
  int64_t rows() const { return rows_; }

  // [batch, heads, sequence, depth] of q, or [batch, heads, rows, depth] of k and v: a cache and what is new in it.
  RunVector<double> read(int input, int64_t heads, int64_t first_head, bool rotary, size_t norm_input, int past_input,
                         const Cache* cache) const {
    const int64_t rows = cache ? rows_ : s_.sequence;
    const View& view = a_.in[static_cast<size_t>(s_.packed ? q_in : input)];
    const auto given = [&](size_t i) { return i && a_.has_in(i) ? a_.in[i] : View{}; };
    const View old = given(static_cast<size_t>(past_input));
    const Read<double> x(view), norm(given(norm_input));
    const Read<double> cos(rotary ? a_.in[cos_in] : View{}), sin(rotary ? a_.in[sin_in] : View{});
    const int64_t half = rotary ? a_.in[cos_in].shape()[1] : 0, width = view.shape()[2];
    const bool interleaved = a_.integer("rotary_interleaved") != 0;
    RunVector<double> all(static_cast<size_t>(s_.batch * heads * rows * s_.depth));
    for (int64_t b = 0; b < s_.batch; ++b)
      for (int64_t h = 0; h < heads; ++h) {
        double* plane = all.data() + (b * heads + h) * rows * s_.depth;
        for (int64_t t = 0; old && t < (s_.windowed ? past(b) : s_.past); ++t)
          cache->read(old, (b * heads + h) * s_.past + t, h, plane + t * s_.depth);
        for (int64_t t = 0; t < (cache ? s_.fresh : s_.sequence); ++t) {
          double* to = plane + (cache ? past(b) + t : t) * s_.depth;
          std::copy_n(x.data() + (b * s_.sequence + t) * width + (first_head + h) * s_.depth, s_.depth, to);
          if (norm) normalize(to, s_.depth, norm.data(), static_cast<double>(a_.real("qk_norm_epsilon")));
          if (rotary) {
            const int64_t place = position(b, t);
            const int64_t row = checked_index(place, a_.in[cos_in].shape()[0]) * half;
            turn(to, half, cos.data() + row, sin.data() + row, interleaved);
          }
          if (cache) cache->round(h, to);
        }
      }
    return all;
  }

  /// A cache of a window's size gives up its first rows.
  void store(size_t out, const RunVector<double>& values, const Cache& cache) const {
    if (out >= a_.out.size() || !a_.out[out]) return;
    const View& to = a_.out[out];
    std::memset(to.data, 0, static_cast<size_t>(to.type.bytes()));
    for (int64_t b = 0; b < s_.batch; ++b) {
      const int64_t end = past(b) + s_.sequence,
                    kept = s_.windowed ? resident(first_[static_cast<size_t>(b)] + s_.sequence) : s_.present;
      const int64_t dropped = s_.windowed ? end - kept : 0;
      for (int64_t h = 0; h < s_.kv_heads; ++h)
        for (int64_t t = 0; t < kept; ++t)
          cache.write(values.data() + ((b * s_.kv_heads + h) * rows_ + dropped + t) * s_.depth,
                      (b * s_.kv_heads + h) * s_.present + t, h, to);
    }
  }

 private:
  // Of a first prompt, the first is told for all.
  int64_t position(int64_t b, int64_t t) const {
    const int64_t place = first_[static_cast<size_t>(b)] + t, i = s_.prompt ? 0 : b * s_.sequence + t;
    const int64_t told = integer_or(a_, positions_in, place, i);
    return s_.prompt && a_.has_in(positions_in) ? told + t : told;
  }
  // Rows in a cache after so many positions: as it is full, it gives up as many at once as the window does not need.
  int64_t resident(int64_t positions) const {
    if (!s_.windowed || positions <= s_.past) return positions;
    return positions - (positions - s_.past + gap_ - 1) / gap_ * gap_;
  }

  const Args& a_;
  const Sizes& s_;
  const int64_t gap_;
  int64_t rows_;
  std::vector<int64_t> first_;
};

// `hidden(h, query, key)`, of places in a sequence: what is out of sight beside the future.
template <class Hidden>
void run_queries(const Args& a, const Hidden& hidden) {
  const Sizes s(
      a, [&](size_t i) { return a.has_in(i) ? &a.in[i].shape() : nullptr; }, integer_or(a, total_in, 0));
  const GroupQuery gqa(a, s);
  const bool rotary = a.integer("do_rotary") != 0;
  const auto given = [&](size_t i) { return a.has_in(i) ? a.in[i] : View{}; };
  const Cache keys(s.depth, s.quanta, given(past_k_in), given(k_scale_in));
  const Cache values(s.depth, s.quanta, given(past_v_in), given(v_scale_in));
  const auto q = gqa.read(q_in, s.heads, 0, rotary, q_norm_in, 0, nullptr);
  const auto k = gqa.read(k_in, s.kv_heads, s.packed ? s.heads : 0, rotary, k_norm_in, past_k_in, &keys);
  const auto v = gqa.read(v_in, s.kv_heads, s.packed ? s.heads + s.kv_heads : 0, false, 0, past_v_in, &values);
  gqa.store(k_out, k, keys);
  gqa.store(v_out, v, values);
  AttentionShape shape{s.batch, s.heads, s.kv_heads, s.sequence, gqa.rows(), s.depth, s.depth, 0, 0, nullptr};
  shape.scale = scale_of(a, s.depth);
  shape.softcap = static_cast<double>(a.real("softcap"));
  const Read<double> scores(given(scores_in)), sinks(given(sink_in));
  RunVector<int64_t> ends;
  for (int64_t b = 0; b < s.batch; ++b) ends.push_back(gqa.past(b) + s.sequence);
  shape.lengths = ends.data();
  const RunVector<double> smooth(static_cast<size_t>(s.heads));
  shape.sinks = sinks ? sinks.data() : a.integer("smooth_softmax") > 0 ? smooth.data() : nullptr;
  const auto heads = [&](const RunVector<double>& x, int64_t count, int64_t rows) {
    return Heads{x.data(), count * rows * s.depth, rows * s.depth, s.depth};
  };
  std::vector<int64_t> offsets;
  if (scores) offsets = broadcast_offsets(a.in[scores_in].shape(), {s.batch, s.heads, s.sequence, s.present});
  const int64_t stage = a.integer("qk_output") == 2 ? 3 : 2;
  Write<double> y(a.out[y_out]), products(a.out.size() > scores_out ? a.out[scores_out] : View{});
  const auto row_at = [&](int64_t b, int64_t h, int64_t i) { return ((b * s.heads + h) * s.sequence + i) * s.present; };
  attend(
      shape, heads(q, s.heads, s.sequence), heads(k, s.kv_heads, gqa.rows()), heads(v, s.kv_heads, gqa.rows()),
      [&](int64_t b, int64_t h, int64_t i, int64_t j) {
        if (j >= ends[static_cast<size_t>(b)] || hidden(b, h, gqa.past(b) + i, j))
          return -std::numeric_limits<double>::infinity();
        return scores ? scores[offsets[static_cast<size_t>(row_at(b, h, i) + j)]] : 0;
      },
      [&](int64_t b, int64_t h, int64_t i, const RunVector<double>& sums) {
        std::copy(sums.begin(), sums.end(), y.data() + ((b * s.sequence + i) * s.heads + h) * s.depth);
      },
      [&](int at, int64_t b, int64_t h, int64_t i, const RunVector<double>& row) {
        if (!products || at != stage) return;
        // What is out of sight has no score.
        std::transform(row.begin(), row.end(), products.data() + row_at(b, h, i),
                       [](double score) { return std::isinf(score) ? 0 : score; });
      });
}

void gqa_reference(const Args& a) {
  const int64_t window = a.integer("local_window_size");
  const bool causal = a.integer("causal") != 0;
  const Read<int64_t> lengths(a.in[lengths_in]);
  run_queries(a, [&](int64_t b, int64_t, int64_t here, int64_t j) {
    return causal ? j > here || (window > 0 && j <= here - window) : j > lengths[b];
  });
}

// --- SparseAttention: its inputs in the order above ------------------------------------------------

int64_t block_of(const AttrReader& n) {
  const int64_t block = n.integer("sparse_block_size");
  if (block < 1) fail(Error::Kind::model, "attribute \"sparse_block_size\" is ", block);
  return block;
}

constexpr int sparse_order[] = {
    q_in, k_in, v_in, past_k_in, past_v_in, sparse_lengths_in, sparse_total_in, sparse_cos_in, sparse_sin_in};

void infer_sparse(Infer& n) {
  const Sizes s(
      n, [&](int i) { return n.has_input(sparse_order[i]) ? &n.shape(sparse_order[i]) : nullptr; },
      n.integer_of(sparse_total_in));
  const Shape &rows = n.shape(sparse_rows_in), &columns = n.shape(sparse_columns_in);
  if (rows.rank() != 2 || columns.rank() != 2 || rows[0] != columns[0] || rows[0] < 1 || s.heads % rows[0] ||
      rows[1] - 1 < (s.present - 1) / block_of(n) + 1)
    fail(Error::Kind::shape, "rows ", rows, " and columns ", columns, " of blocks for ", s.present, " keys");
  if (n.shape(sparse_lengths_in).elements() != s.batch)
    fail(Error::Kind::shape, "lengths ", n.shape(sparse_lengths_in));
  if (n.integer("do_rotary") &&
      (!n.has_input(sparse_cos_in) || !n.has_input(sparse_sin_in) || n.rank(sparse_cos_in) != 2 ||
       !(n.shape(sparse_cos_in) == n.shape(sparse_sin_in)) || n.shape(sparse_cos_in)[1] * 2 > s.depth))
    fail(Error::Kind::shape, "the rotary tables do not fit heads of ", s.depth);
  n.set(y_out, {s.batch, s.sequence, s.heads * s.depth});
  n.set(k_out, s.cache());
  n.set(v_out, s.cache());
}

void sparse_reference(const Args& a) {
  std::vector<View> in;
  for (const int i : sparse_order)
    in.push_back(a.has_in(static_cast<size_t>(i)) ? a.in[static_cast<size_t>(i)] : View{});
  Tensor lengths = Tensor::make(in[lengths_in].type);
  const Read<int64_t> given(in[lengths_in]);
  for (int64_t b = 0; b < given.size(); ++b) set_element(lengths.view(), b, static_cast<double>(given[b] - 1));
  in[lengths_in] = lengths.view();
  const Read<int64_t> rows(a.in[sparse_rows_in]), columns(a.in[sparse_columns_in]);
  const int64_t layouts = a.in[sparse_rows_in].shape()[0], row_count = a.in[sparse_rows_in].shape()[1],
                column_count = a.in[sparse_columns_in].shape()[1], block = block_of(a);
  run_queries(Args(a.node(), in, a.out), [&](int64_t, int64_t h, int64_t here, int64_t j) {
    if (j > here) return true;
    const int64_t layout = h % layouts, at = layout * row_count + here / block;
    const int64_t begin = std::max<int64_t>(rows[at], 0), end = std::min(rows[at + 1], column_count);
    for (int64_t i = begin; i < end; ++i)
      if (columns[layout * column_count + i] == j / block) return false;
    return true;
  });
}

constexpr AttrDef attrs[] = {{"num_heads", 0, {}, true},
                             {"kv_num_heads", 0, {}, true},
                             {"local_window_size", -1},
                             {"do_rotary"},
                             {"k_quant_type"},
                             {"v_quant_type"},
                             {"rotary_interleaved"},
                             {"scale"},
                             {"smooth_softmax"},
                             {"softcap"},
                             {"kv_cache_bit_width"},
                             {"qk_output"},
                             {"causal", 1},
                             {"sliding_window_cache"},
                             {"qk_norm_epsilon", 1e-6}};
constexpr AttrDef sparse_attrs[] = {
    {"num_heads", 0, {}, true},        {"kv_num_heads", 0, {}, true}, {"do_rotary"}, {"rotary_interleaved"}, {"scale"},
    {"sparse_block_size", 0, {}, true}};
const OpDef defs[] = {{.name = "GroupQueryAttention",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {1, 16},
                       .out = {1, 4},
                       .types = "T=float; C=float|int8|uint8|float8e4m3fn : T, T, T, C, C, int32, int32, T, T, int64, "
                                "T, T, float32, float32, T, T -> T, C, C, T",
                       .attrs = attrs,
                       .infer = infer_gqa,
                       .reference = gqa_reference,
                       .reach = reach::not_followed},
                      {.name = "SparseAttention",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {1, 11},
                       .out = {3, 3},
                       .types = "T=float : T, T, T, T, T, int32, int32, int32, int32, T, T -> T, T, T",
                       .attrs = sparse_attrs,
                       .infer = infer_sparse,
                       .reference = sparse_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile group_query_attention;
const OpFile group_query_attention{defs};

}  // namespace tessera::ops
