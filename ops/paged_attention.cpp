// com.microsoft PagedAttention: sequences of different lengths behind each other, whose keys and values lie in blocks
// of a cache that all share.
#include <algorithm>
#include <cstring>

#include "ops/attend.h"
#include "ops/indices.h"
#include "ops/key_cache.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In {
  q_in,
  k_in,
  v_in,
  k_cache_in,
  v_cache_in,
  ends_in,
  past_in,
  table_in,
  cos_in,
  sin_in,
  slots_in,
  sink_in,
  q_norm_in,
  k_norm_in,
  k_scale_in,
  v_scale_in
};
enum Out { y_out, k_out, v_out };

struct Sizes {
  int64_t tokens, heads, kv_heads, depth, blocks, block, batch, table, turned = 0, offset;
  Quanta quanta;
  bool packed;

  template <class F>
  Sizes(const AttrReader& n, F shape)
      : heads(n.integer("num_heads")),
        kv_heads(n.integer("kv_num_heads")),
        offset(n.integer("rotary_offset")),
        quanta(quanta_of(n, 8)) {
    const Text layout = n.text("kv_cache_layout");
    if (!layout.empty() && layout != "SEPARATE") fail(Error::Kind::unsupported, "a cache of layout \"", layout, '"');
    const Shape *q = shape(q_in), *k = shape(k_in), *v = shape(v_in), *cache = shape(k_cache_in);
    packed = !k;
    if (heads < 1 || kv_heads < 1 || heads % kv_heads || q->rank() != 2)
      fail(Error::Kind::shape, "a query ", *q, " for ", heads, " heads and ", kv_heads, " key heads");
    tokens = (*q)[0];
    const int64_t units = packed ? checked_sum(heads, kv_heads, kv_heads) : heads;
    depth = (*q)[1] / units;
    const Shape kv{tokens, checked_product(kv_heads, depth)};
    if ((*q)[1] % units || (!packed && (!v || !(*k == kv) || !(*v == kv))))
      fail(Error::Kind::shape, "query ", *q, " does not split into ", heads, " heads, or its keys do not fit");
    blocks = (*cache)[0], block = cache->rank() == 4 ? (*cache)[1] : 0;
    if (!(*cache == Shape{blocks, block, kv_heads, depth}) || !shape(v_cache_in) || !(*shape(v_cache_in) == *cache))
      fail(Error::Kind::shape, "a cache ", *cache, " for ", kv_heads, " heads of ", depth);
    const Shape *ends = shape(ends_in), *rows = shape(table_in);
    batch = ends->elements() - 1, table = rows->rank() == 2 ? (*rows)[1] : 0;
    if (batch < 0 || !(*shape(past_in) == Shape{batch}) || !(*rows == Shape{batch, table}))
      fail(Error::Kind::shape, "ends ", *ends, ", lengths ", *shape(past_in), " and blocks ", *rows);
    if (!n.integer("do_rotary")) return;
    const Shape *cos = shape(cos_in), *sin = shape(sin_in);
    turned = cos && cos->rank() == 2 ? 2 * (*cos)[1] : 0;
    if (!cos || !sin || cos->rank() != 2 || !(*cos == *sin) || offset < 0 || turned > depth || offset > depth - turned)
      fail(Error::Kind::shape, "rotary tables for heads of ", depth);
  }
};

void infer_paged(Infer& n) {
  const Sizes s(n, [&](int i) { return n.has_input(i) ? &n.shape(i) : nullptr; });
  const DType stored = n.in(k_cache_in).dtype;
  if ((s.quanta == Quanta::none) != (stored == n.in(q_in).dtype))
    fail(Error::Kind::type, "a cache of ", name_of(stored), " that is quantized \"", n.text("k_quant_type"), '"');
  const auto expect = [&](int i, bool wanted, int64_t elements) {
    if ((wanted && !n.has_input(i)) || (n.has_input(i) && n.shape(i).elements() != elements))
      fail(Error::Kind::shape, "input ", i, " must have ", elements, " elements");
  };
  for (const int i : {k_scale_in, v_scale_in}) expect(i, s.quanta != Quanta::none, scales_of(n, s.kv_heads, s.depth));
  for (const int i : {q_norm_in, k_norm_in}) expect(i, n.has_input(q_norm_in) || n.has_input(k_norm_in), s.depth);
  expect(slots_in, false, s.tokens);
  expect(sink_in, false, s.heads);
  n.set(y_out, {s.tokens, s.heads * s.depth});
  n.set(k_out, n.shape(k_cache_in));
  n.set(v_out, n.shape(k_cache_in));
}

class Paged {
 public:
  explicit Paged(const Args& a)
      : a_(a),
        s_(a, [&](size_t i) { return a.has_in(i) ? &a.in[i].shape() : nullptr; }),
        ends_(a.in[ends_in]),
        past_(a.in[past_in]),
        table_(a.in[table_in]),
        slots_(given(slots_in)),
        cos_(s_.turned ? a.in[cos_in] : View{}),
        sin_(s_.turned ? a.in[sin_in] : View{}),
        sinks_(given(sink_in)),
        y_(a.out[y_out]) {}

  void run() {
    caches_[0] = copied(k_cache_in, k_out), caches_[1] = copied(v_cache_in, v_out);
    const Cache keys(s_.depth, s_.quanta, a_.in[k_cache_in], given(k_scale_in));
    const Cache values(s_.depth, s_.quanta, a_.in[v_cache_in], given(v_scale_in));
    for (int64_t b = 0; b < s_.batch; ++b) {
      const int64_t begin = ends_[b], count = ends_[b + 1] - begin, before = past_[b];
      if (begin < 0 || count < 0 || begin > s_.tokens - count || before < 0 || before > s_.table * s_.block - count)
        fail(Error::Kind::shape, "a sequence of ", before, " and ", count, " positions from token ", begin, " on");
      const auto q = fresh(q_in, 0, s_.heads, b, q_norm_in, true);
      write(keys, 0, b, fresh(k_in, s_.heads, s_.kv_heads, b, k_norm_in, true));
      write(values, 1, b, fresh(v_in, s_.heads + s_.kv_heads, s_.kv_heads, b, 0, false));
      attend_to(b, q, cached(keys, 0, b), cached(values, 1, b));
    }
  }

 private:
  View given(size_t i) const { return i && a_.has_in(i) ? a_.in[i] : View{}; }
  // The cache as it will be: an output, or a copy of its own.
  View copied(size_t in, size_t out) {
    View to;
    if (out < a_.out.size() && a_.out[out]) {
      to = a_.out[out];
    } else {
      own_.push_back(Tensor::make(a_.in[in].type));
      to = own_.back().view();
    }
    std::memcpy(to.data, a_.in[in].data, static_cast<size_t>(to.type.bytes()));
    return to;
  }
  int64_t slot(int64_t b, int64_t place) const {
    return checked_index(table_[b * s_.table + place / s_.block], s_.blocks) * s_.block + place % s_.block;
  }

  // [heads, count, depth] of what is new.
  RunVector<double> fresh(size_t input, int64_t first_head, int64_t heads, int64_t b, size_t norm_input,
                          bool turns) const {
    const View& view = a_.in[s_.packed ? size_t{q_in} : input];
    const Read<double> x(view), norm(given(norm_input));
    const int64_t begin = ends_[b], count = ends_[b + 1] - begin, width = view.shape()[1];
    const int64_t skipped = s_.packed ? first_head : 0, half = s_.turned / 2;
    RunVector<double> all(static_cast<size_t>(heads * count * s_.depth));
    for (int64_t h = 0; h < heads; ++h)
      for (const int64_t t : Steps(count)) {
        double* to = all.data() + (h * count + t) * s_.depth;
        std::copy_n(x.data() + (begin + t) * width + (skipped + h) * s_.depth, s_.depth, to);
        if (norm) normalize(to, s_.depth, norm.data(), static_cast<double>(a_.real("qk_norm_epsilon")));
        if (!turns || !half) continue;
        const int64_t row = checked_index(past_[b] + t, a_.in[cos_in].shape()[0]) * half;
        turn(to + s_.offset, half, cos_.data() + row, sin_.data() + row, a_.integer("rotary_interleaved") != 0);
      }
    return all;
  }

  void write(const Cache& cache, int which, int64_t b, RunVector<double> x) {
    const int64_t begin = ends_[b], count = ends_[b + 1] - begin;
    for (int64_t t = 0; t < count; ++t) {
      if (slots_ && slots_[begin + t] == -1) continue;
      const int64_t to = slots_ ? checked_index(slots_[begin + t], s_.blocks * s_.block) : slot(b, past_[b] + t);
      for (int64_t h = 0; h < s_.kv_heads; ++h) {
        double* row = x.data() + (h * count + t) * s_.depth;
        cache.round(h, row);
        cache.write(row, to * s_.kv_heads + h, h, caches_[which]);
      }
    }
  }

  // [kv_heads, past + count, depth]
  RunVector<double> cached(const Cache& cache, int which, int64_t b) const {
    const int64_t length = past_[b] + ends_[b + 1] - ends_[b];
    RunVector<double> all(static_cast<size_t>(s_.kv_heads * length * s_.depth));
    for (const int64_t t : Steps(length))
      for (int64_t h = 0; h < s_.kv_heads; ++h)
        cache.read(caches_[which], slot(b, t) * s_.kv_heads + h, h, all.data() + (h * length + t) * s_.depth);
    return all;
  }

  void attend_to(int64_t b, const RunVector<double>& q, const RunVector<double>& k, const RunVector<double>& v) {
    const int64_t begin = ends_[b], count = ends_[b + 1] - begin, before = past_[b], length = before + count;
    AttentionShape shape{1, s_.heads, s_.kv_heads, count, length, s_.depth, s_.depth};
    shape.scale = scale_of(a_, s_.depth);
    shape.softcap = static_cast<double>(a_.real("softcap"));
    if (sinks_) shape.sinks = sinks_.data();
    const bool causal = a_.integer("is_causal") != 0;
    const int64_t window = a_.integer("local_window_size");
    attend(
        shape, {q.data(), 0, count * s_.depth, s_.depth}, {k.data(), 0, length * s_.depth, s_.depth},
        {v.data(), 0, length * s_.depth, s_.depth},
        [&](int64_t, int64_t, int64_t i, int64_t j) {
          const bool hidden = (causal && j > before + i) || (window > 0 && j <= before + i - window);
          return hidden ? -std::numeric_limits<double>::infinity() : 0.0;
        },
        [&](int64_t, int64_t h, int64_t i, const RunVector<double>& sums) {
          std::copy(sums.begin(), sums.end(), y_.data() + ((begin + i) * s_.heads + h) * s_.depth);
        },
        unwatched);
  }

  const Args& a_;
  const Sizes s_;
  const Read<int64_t> ends_, past_, table_, slots_;
  const Read<double> cos_, sin_, sinks_;
  Write<double> y_;
  View caches_[2];
  std::vector<Tensor> own_;
};

void paged_reference(const Args& a) {
  // Tokens of no sequence stay zero.
  std::memset(a.out[y_out].data, 0, static_cast<size_t>(a.out[y_out].type.bytes()));
  Paged(a).run();
}

constexpr AttrDef attrs[] = {{.name = "num_heads", .required = true},
                             {.name = "kv_num_heads", .required = true},
                             {"scale"},
                             {"softcap"},
                             {"local_window_size", -1},
                             {"is_causal", 1},
                             {"do_rotary"},
                             {"rotary_interleaved"},
                             {"rotary_offset"},
                             {"qk_norm_epsilon", 1e-6},
                             {"k_quant_type"},
                             {"v_quant_type"},
                             {"k_cache_dtype"},
                             {"v_cache_dtype"},
                             {"kv_cache_layout"},
                             {"v_head_size"}};
const OpDef defs[] = {{.name = "PagedAttention",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {8, 17},
                       .out = {1, 3},
                       .types = "T=float; C=float|int8|float8e4m3fn : T, T, T, C, C, int32, int32, int32, T, T, int32, "
                                "T, T, T, float32, float32, int32 -> T, C, C",
                       .attrs = attrs,
                       .infer = infer_paged,
                       .reference = paged_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile paged_attention;
const OpFile paged_attention{defs};

}  // namespace tessera::ops
