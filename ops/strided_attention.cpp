// StridedAttention (domain tessera): softmax(scale q k' + biases) v of every head, with q, k and v read
// and y written by strides. What exporters spell out in a dozen nodes becomes this one, and the
// transpositions around them become strides.
#include "ops/strided_attention.h"

#include <cmath>

namespace tessera::ops {
namespace {

StridedHeads heads_of(const AttrReader& n, Text name) {
  const List<int64_t> s = n.integers(name);
  if (s.size() != 5) fail(Error::Kind::model, name, " has ", s.size(), " values");
  return {s[0], s[1], s[2], s[3], s[4]};
}

void infer_attention(Infer& n) {
  const StridedAttention a(n);
  n.set(0, Shape(n.integers("shape")));
}

void attention_reference(const Args& args) {
  const StridedAttention a(args);
  const auto *q = args.in[0].as<const float>(), *k = args.in[1].as<const float>(), *v = args.in[2].as<const float>();
  auto* y = args.out[0].as<float>();
  std::vector<double> row(static_cast<size_t>(a.keys));
  for (int64_t b = 0; b < a.batch; ++b)
    for (int64_t h = 0; h < a.heads; ++h)
      for (int64_t i = 0; i < a.queries; ++i) {
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

constexpr AttrDef attrs[] = {{"scale", 1}};
const OpDef rows[] = {{.name = "StridedAttention",
                       .domain = "tessera",
                       .in = {3, 5},
                       .types = "T=float32 : T, T, T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_attention,
                       .reference = attention_reference}};

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
const OpFile strided_attention{rows};

}  // namespace tessera::ops
