// StridedAttention (domain tessera): softmax(scale q k' + biases) v of every head, with q, k and v read
// and y written by strides. What exporters spell out in a dozen nodes becomes this one, and the
// transpositions around them become strides.
#include "ops/strided_attention.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

#include <algorithm>
#include <cmath>

namespace tessera::ops {
namespace {

StridedHeads heads_of(const AttrReader& n, Text name) {
  const List<int64_t> s = n.integers(name);
  if (s.size() != 5) fail(Error::Kind::model, name, " has ", s.size(), " values");
  return {s[0], s[1], s[2], s[3], s[4]};
}

// Fails unless every place lies within `elements`: the first is at `offset`, the last a stride per count further.
void check_places(Text name, int64_t elements, int64_t offset,
                  std::initializer_list<std::pair<int64_t, int64_t>> axes) {
  int64_t last = offset;
  bool sound = offset >= 0, empty = false;
  for (const auto& [count, stride] : axes) {
    empty |= count == 0;
    sound &= count >= 0 && stride >= 0;
    if (sound && count > 0) last = checked_sum(last, checked_product(count - 1, stride));
  }
  if (!sound || (!empty && last >= elements))
    fail(Error::Kind::shape, name, " reaches to element ", last, " of ", elements);
}

void infer_attention(Infer& n) {
  const StridedAttention a(n);
  const Shape out(n.integers("shape"));
  const auto check = [&](Text name, int64_t elements, const StridedHeads& s, int64_t positions, int64_t channels) {
    check_places(name, elements, s.offset,
                 {{a.batch, s.batch}, {a.heads, s.head}, {positions, s.position}, {channels, s.channel}});
  };
  check("q", n.shape(0).elements(), a.q, a.queries, a.depth);
  check("k", n.shape(1).elements(), a.k, a.keys, a.depth);
  check("v", n.shape(2).elements(), a.v, a.keys, a.value_depth);
  check("y", out.elements(), a.y, a.queries, a.value_depth);
  for (int i = 0; i < StridedAttention::max_biases; ++i) {
    const StridedBias& b = a.bias[i];
    if (b.period < 1) fail(Error::Kind::shape, "a bias repeats every ", b.period, " batches");
    if (const int in = StridedAttention::first_bias + i; n.has_input(in))
      check_places("a bias", n.shape(in).elements(), 0,
                   {{std::min(a.batch, b.period), b.batch}, {a.heads, b.head}, {a.queries, b.query}, {a.keys, b.key}});
  }
  n.set(0, out);
}

void attention_reference(const Args& args) {
  const StridedAttention a(args);
  const auto *q = args.in[0].as<const float>(), *k = args.in[1].as<const float>(), *v = args.in[2].as<const float>();
  auto* y = args.out[0].as<float>();
  RunVector<double> row(static_cast<size_t>(a.keys));
  for (int64_t b = 0; b < a.batch; ++b)
    for (int64_t h = 0; h < a.heads; ++h)
      for (const int64_t i : Steps(a.queries)) {
        double largest = -INFINITY, total = 0;
        for (int64_t j = 0; j < a.keys; ++j) {
          double score = 0;
          for (int64_t d = 0; d < a.depth; ++d)
            score += static_cast<double>(q[a.q.at(b, h) + i * a.q.position + d * a.q.channel]) *
                     static_cast<double>(k[a.k.at(b, h) + j * a.k.position + d * a.k.channel]);
          score *= static_cast<double>(a.scale);
          for (size_t s = 0; s < StridedAttention::max_biases; ++s)
            if (const size_t in = StridedAttention::first_bias + s; args.has_in(in))
              score += static_cast<double>(
                  args.in[in].as<const float>()[a.bias[s].at(b, h) + i * a.bias[s].query + j * a.bias[s].key]);
          largest = std::max(largest, row[static_cast<size_t>(j)] = score);
        }
        for (double& score : row) total += score = std::exp(score - largest);
        for (int64_t e = 0; e < a.value_depth; ++e) {
          double sum = 0;
          for (int64_t j = 0; j < a.keys; ++j)
            sum +=
                row[static_cast<size_t>(j)] * static_cast<double>(v[a.v.at(b, h) + j * a.v.position + e * a.v.channel]);
          y[a.y.at(b, h) + i * a.y.position + e * a.y.channel] = static_cast<float>(sum / total);
        }
      }
}

double attention_work(const AttrReader& n, List<Type>, List<Type>) {
  const StridedAttention a(n);
  const auto of = [](int64_t count) { return static_cast<double>(count); };
  return 2 * of(a.batch) * of(a.heads) * of(a.queries) * of(a.keys) * of(a.depth + a.value_depth);
}

constexpr AttrDef attrs[] = {{"scale", 1}, {"biases"}, {"k"}, {"q"}, {"shape"}, {"sizes"}, {"v"}, {"y"}};
const OpDef defs[] = {{.name = "StridedAttention",
                       .domain = "tessera",
                       .in = {3, 5},
                       .types = "T=float32 : T, T, T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_attention,
                       .reference = attention_reference,
                       .reach = reach::not_followed,
                       .work = attention_work}};

}  // namespace

StridedAttention::StridedAttention(const AttrReader& n)
    : q(heads_of(n, "q")), k(heads_of(n, "k")), v(heads_of(n, "v")), y(heads_of(n, "y")), scale(n.real("scale")) {
  const List<int64_t> sizes = n.integers("sizes");
  if (sizes.size() != 6) fail(Error::Kind::model, "sizes has ", sizes.size(), " values");
  batch = sizes[0], heads = sizes[1], queries = sizes[2], keys = sizes[3], depth = sizes[4], value_depth = sizes[5];
  const List<int64_t> biases = n.integers("biases");
  for (size_t i = 0; i < biases.size() / 5 && i < max_biases; ++i) {
    const int64_t* s = biases.data() + i * 5;
    bias[i] = {s[0], s[1], s[2], s[3], s[4]};
  }
}

extern const OpFile strided_attention;
const OpFile strided_attention{defs};

}  // namespace tessera::ops
