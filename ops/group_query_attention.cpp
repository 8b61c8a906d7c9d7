// com.microsoft GroupQueryAttention: causal attention with fewer key heads than query heads, a cache,
// and rotary embedding inside.
#include <algorithm>

#include "ops/attend.h"
#include "ops/indices.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In {
  q_in,
  k_in,
  v_in,
  past_k_in,
  past_v_in,
  lengths_in,
  total_in,
  cos_in,
  sin_in,
  positions_in,
  scores_in,
  sink_in
};

struct Sizes {
  int64_t batch, sequence, heads, kv_heads, depth, past = 0, present;
  bool packed;

  template <class F>
  Sizes(const AttrReader& n, F shape, int64_t total)
      : heads(n.integer("num_heads")), kv_heads(n.integer("kv_num_heads")) {
    const Shape* q = shape(q_in);
    const Shape* k = shape(k_in);
    const Shape* v = shape(v_in);
    packed = !k;
    if (heads < 1 || kv_heads < 1 || heads % kv_heads || !q || q->rank() != 3)
      fail(Error::Kind::shape, "a query for ", heads, " heads and ", kv_heads, " key heads");
    batch = (*q)[0], sequence = (*q)[1];
    const int64_t units = packed ? checked_sum(heads, kv_heads, kv_heads) : heads;
    depth = (*q)[2] / units;
    const Shape kv{batch, sequence, checked_product(kv_heads, depth)};
    if ((*q)[2] % units || (!packed && (!v || !(*k == kv) || !(*v == kv))))
      fail(Error::Kind::shape, "query ", *q, " does not split into ", heads, " heads, or its keys do not fit");
    if (const Shape* old = shape(past_k_in)) {
      past = old->rank() == 4 ? (*old)[2] : -1;
      const Shape* other = shape(past_v_in);
      if (!(*old == Shape{batch, kv_heads, past, depth}) || !other || !(*old == *other))
        fail(Error::Kind::shape, "past keys ", *old, " do not fit");
    }
    if (total < sequence) fail(Error::Kind::shape, "a total length of ", total, " for ", sequence, " queries");
    present = std::max(past, total);
  }
  Shape cache() const { return {batch, kv_heads, present, depth}; }
};

void infer_gqa(Infer& n) {
  const Sizes s(
      n, [&](int i) { return n.has_input(i) ? &n.shape(i) : nullptr; }, n.integer_of(total_in));
  if (n.has_input(sink_in) || n.integer("smooth_softmax") > 0)
    fail(Error::Kind::unsupported, "GroupQueryAttention with a smooth softmax");
  if (n.has("k_quant_type") && n.text("k_quant_type") != "NONE")
    fail(Error::Kind::unsupported, "GroupQueryAttention with a quantized cache");
  if (n.shape(lengths_in).elements() != s.batch) fail(Error::Kind::shape, "lengths ", n.shape(lengths_in));
  if (n.integer("do_rotary") &&
      (n.rank(cos_in) != 2 || !(n.shape(cos_in) == n.shape(sin_in)) || n.shape(cos_in)[1] * 2 > s.depth))
    fail(Error::Kind::shape, "rotary tables ", n.shape(cos_in), " and ", n.shape(sin_in));
  if (n.has_input(scores_in)) check_broadcast(n.shape(scores_in), {s.batch, s.heads, s.sequence, s.present});
  n.set(0, {s.batch, s.sequence, s.heads * s.depth});
  n.set(1, s.cache());
  n.set(2, s.cache());
}

// Turns one head's features in place.
void turn(double* x, int64_t half, const double* cos, const double* sin, bool interleaved) {
  for (int64_t i = 0; i < half; ++i) {
    double &u = x[interleaved ? 2 * i : i], &v = x[interleaved ? 2 * i + 1 : i + half];
    const double turned = u * cos[i] - v * sin[i];
    v = v * cos[i] + u * sin[i];
    u = turned;
  }
}

class GroupQuery {
 public:
  GroupQuery(const Args& a, const Sizes& s) : a_(a), s_(s) {
    const Read<int64_t> lengths(a.in[lengths_in]);
    for (int64_t b = 0; b < s.batch; ++b) {
      // The first call may be padded behind each prompt; later ones append to what is cached.
      const int64_t before = lengths[b] + 1 - s.sequence;
      const bool prompt = s.past == 0 || (s.sequence > 1 && before < 0);
      past_.push_back(prompt ? 0 : before);
      if (past_.back() < 0 || past_.back() + s.sequence > s.present)
        fail(Error::Kind::shape, "a sequence that ends at ", lengths[b], " of ", s.present);
    }
  }

  int64_t past(int64_t b) const { return past_[static_cast<size_t>(b)]; }

  // [batch, heads, sequence, depth] of q, or of k and v in the places where the cache wants them.
  RunVector<double> read(int input, int64_t heads, int64_t first_head, bool rotary, int past_input) const {
    const bool cached = past_input > 0;
    const int64_t rows = cached ? s_.present : s_.sequence;
    const View& view = a_.in[static_cast<size_t>(s_.packed ? q_in : input)];
    const Read<double> x(view);
    const Read<double> old(cached && a_.has_in(static_cast<size_t>(past_input)) ? a_.in[static_cast<size_t>(past_input)]
                                                                                : View{});
    const Read<double> cos(rotary ? a_.in[cos_in] : View{}), sin(rotary ? a_.in[sin_in] : View{});
    const int64_t half = rotary ? a_.in[cos_in].shape()[1] : 0, width = view.shape()[2];
    const bool interleaved = a_.integer("rotary_interleaved") != 0;
    RunVector<double> all(static_cast<size_t>(s_.batch * heads * rows * s_.depth));
    for (int64_t b = 0; b < s_.batch; ++b)
      for (int64_t h = 0; h < heads; ++h) {
        double* plane = all.data() + (b * heads + h) * rows * s_.depth;
        if (old) std::copy_n(old.data() + (b * heads + h) * s_.past * s_.depth, s_.past * s_.depth, plane);
        for (int64_t t = 0; t < s_.sequence; ++t) {
          double* to = plane + (cached ? past(b) + t : t) * s_.depth;
          std::copy_n(x.data() + (b * s_.sequence + t) * width + (first_head + h) * s_.depth, s_.depth, to);
          if (!rotary) continue;
          const auto place =
              static_cast<int64_t>(number_or(a_, positions_in, static_cast<double>(past(b) + t), b * s_.sequence + t));
          const int64_t row = checked_index(place, a_.in[cos_in].shape()[0]) * half;
          turn(to, half, cos.data() + row, sin.data() + row, interleaved);
        }
      }
    return all;
  }

 private:
  const Args& a_;
  const Sizes& s_;
  std::vector<int64_t> past_;
};

void store(const Args& a, size_t out, const RunVector<double>& values) {
  if (out >= a.out.size() || !a.out[out]) return;
  Write<double> to(a.out[out]);
  std::copy(values.begin(), values.end(), to.data());
}

void gqa_reference(const Args& a) {
  const Sizes s(
      a, [&](size_t i) { return a.has_in(i) ? &a.in[i].shape() : nullptr; },
      static_cast<int64_t>(number_or(a, total_in, 0)));
  const GroupQuery gqa(a, s);
  const bool rotary = a.integer("do_rotary") != 0;
  const auto q = gqa.read(q_in, s.heads, 0, rotary, 0);
  const auto k = gqa.read(k_in, s.kv_heads, s.packed ? s.heads : 0, rotary, past_k_in);
  const auto v = gqa.read(v_in, s.kv_heads, s.packed ? s.heads + s.kv_heads : 0, false, past_v_in);
  store(a, 1, k);
  store(a, 2, v);
  AttentionShape shape{s.batch, s.heads, s.kv_heads, s.sequence, s.present, s.depth, s.depth, 0, 0};
  const double named = a.has("scale") ? static_cast<double>(a.real("scale")) : 0;
  shape.scale = named != 0 ? named : 1 / std::sqrt(static_cast<double>(s.depth));
  shape.softcap = static_cast<double>(a.real("softcap"));
  const auto heads = [&](const RunVector<double>& x, int64_t count, int64_t rows) {
    return Heads{x.data(), count * rows * s.depth, rows * s.depth, s.depth};
  };
  const int64_t window = a.integer("local_window_size");
  const Read<double> scores(a.has_in(scores_in) ? a.in[scores_in] : View{});
  std::vector<int64_t> offsets;
  if (scores) offsets = broadcast_offsets(a.in[scores_in].shape(), {s.batch, s.heads, s.sequence, s.present});
  Write<double> y(a.out[0]);
  attend(
      shape, heads(q, s.heads, s.sequence), heads(k, s.kv_heads, s.present), heads(v, s.kv_heads, s.present),
      [&](int64_t b, int64_t h, int64_t i, int64_t j) {
        const int64_t here = gqa.past(b) + i;
        if (j > here || (window > 0 && j <= here - window)) return -std::numeric_limits<double>::infinity();
        const auto at = static_cast<size_t>(((b * s.heads + h) * s.sequence + i) * s.present + j);
        return scores ? scores[offsets[at]] : 0;
      },
      [&](int64_t b, int64_t h, int64_t i, const RunVector<double>& sums) {
        std::copy(sums.begin(), sums.end(), y.data() + ((b * s.sequence + i) * s.heads + h) * s.depth);
      },
      unwatched);
}

constexpr AttrDef attrs[] = {{"num_heads", 0, {}, true}, {"kv_num_heads", 0, {}, true},
                             {"local_window_size", -1},  {"do_rotary"},
                             {"k_quant_type"},           {"v_quant_type"},
                             {"rotary_interleaved"},     {"scale"},
                             {"smooth_softmax"},         {"softcap"},
                             {"kv_cache_bit_width"},     {"qk_output"}};
const OpDef defs[] = {{.name = "GroupQueryAttention",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {1, 12},
                       .out = {1, 3},
                       .types = "T=float : T, T, T, T, T, int32, int32, T, T, int64, T, T -> T, T, T",
                       .attrs = attrs,
                       .infer = infer_gqa,
                       .reference = gqa_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile group_query_attention;
const OpFile group_query_attention{defs};

}  // namespace tessera::ops
