// com.microsoft MoE and QMoE: each token goes through the few experts that its router likes best, two or three products
// with a curve between them. QMoE's weights have 2, 4 or 8 bits and a scale for each row, or for each block of it.
#include <algorithm>
#include <functional>
#include <optional>

#include "ops/elements.h"
#include "ops/numbers.h"
#include "runtime/base/checked.h"
#include "runtime/base/threads.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

/// Where a product's weights and bias, and what quantized ones have beside them, are among the inputs.
struct Inputs {
  int weights, bias, scales = -1, zeros = -1;
};
struct Order {
  Inputs first, second, third;
  int choice = -1;  ///< weights of experts beside the router's numbers
};
constexpr int x_in = 0, router_in = 1;
constexpr Order plain{{2, 3}, {4, 5}, {6, 7}}, quantized_order{{2, 4, 3, 11}, {5, 7, 6, 12}, {8, 10, 9, 13}, 14};

enum class Curve { relu, gelu, silu, identity, swiglu };

Curve curve_of(const AttrReader& n) {
  constexpr Text names[] = {"relu", "gelu", "silu", "identity", "swiglu"};
  const Text given = n.text("activation_type");
  const auto* found = std::find(std::begin(names), std::end(names), given);
  if (found == std::end(names)) fail(Error::Kind::model, "attribute \"activation_type\" is \"", given, '"');
  return static_cast<Curve>(found - names);
}

struct Sizes {
  int64_t tokens, width, experts, inner, fused, chosen;

  /// `shape(i)` is the shape of input i, or null.
  template <class F>
  Sizes(const AttrReader& n, const Order& order, const F& shape) {
    const Shape &x = *shape(x_in), &router = *shape(router_in);
    if (x.rank() != 2 && x.rank() != 3) fail(Error::Kind::shape, "input ", x, " must have 2 or 3 axes");
    width = x.back(), tokens = x.elements(0, x.size() - 1);
    if (router.rank() != 2 || router[0] != tokens)
      fail(Error::Kind::shape, "router ", router, " for ", tokens, " tokens");
    experts = router[1], chosen = n.integer("k");
    if (chosen < 1 || chosen > experts) fail(Error::Kind::model, chosen, " of ", experts, " experts");
    fused = curve_of(n) == Curve::swiglu && n.integer("swiglu_fusion") ? 2 : 1;
    const Shape& first = *shape(order.first.weights);
    inner = first.rank() == 3 ? first[1] / fused : 0;
  }
};

struct Bits {
  int64_t bits, block;

  explicit Bits(const AttrReader& n) : bits(n.integer("expert_weight_bits")), block(n.integer("block_size")) {
    if ((bits != 2 && bits != 4 && bits != 8) || block < 0)
      fail(Error::Kind::model, "weights of ", bits, " bits in blocks of ", block);
  }
  int64_t packed(int64_t count) const { return (count * bits + 7) / 8; }
  int64_t blocks(int64_t columns) const { return block ? (columns + block - 1) / block : 1; }
  float field(const uint8_t* bytes, int64_t i) const {
    const int64_t each = 8 / bits;
    return static_cast<float>(bytes[i / each] >> (i % each * bits) & ((1 << bits) - 1));
  }
};

void check_product(Infer& n, const Inputs& in, int64_t experts, int64_t rows, int64_t columns) {
  const auto check = [&](int i, const Shape& wanted) {
    if (i >= 0 && n.has_input(i) && n.shape(i).elements() != checked_product(wanted[0], wanted[1], wanted[2]))
      fail(Error::Kind::shape, "input ", i, " is ", n.shape(i), ", but must be ", wanted);
  };
  if (n.rank(in.weights) != 3) fail(Error::Kind::shape, "weights ", n.shape(in.weights));
  check(in.bias, {experts, rows, 1});
  if (in.scales < 0) return check(in.weights, {experts, rows, columns});
  const Bits bits(n);
  check(in.weights, {experts, rows, bits.packed(columns)});
  if (!n.has_input(in.scales)) fail(Error::Kind::model, "has weights without scales");
  check(in.scales, {experts, rows, bits.blocks(columns)});
  check(in.zeros,
        bits.block ? Shape{experts, rows, bits.packed(bits.blocks(columns))} : Shape{experts, bits.packed(rows), 1});
}

template <const Order& order>
void infer_experts(Infer& n) {
  const Sizes s(n, order, [&](int i) { return &n.shape(i); });
  if (n.integer("use_sparse_mixer") && s.chosen != 2)
    fail(Error::Kind::model, s.chosen, " experts behind a sparse mixer, which takes two");
  if (const Text type = n.text("quant_type"); !type.empty() && type != "int")
    fail(Error::Kind::unsupported, "experts with weights of type \"", type, '"');
  check_product(n, order.first, s.experts, checked_product(s.inner, s.fused), s.width);
  check_product(n, order.second, s.experts, s.width, s.inner);
  if (n.has_input(order.third.weights)) check_product(n, order.third, s.experts, s.inner, s.width);
  if (order.choice >= 0 && n.has_input(order.choice) && !(n.shape(order.choice) == n.shape(router_in)))
    fail(Error::Kind::shape, "router weights ", n.shape(order.choice));
  if (curve_of(n) == Curve::swiglu && s.fused == 1 && !n.has_input(order.third.weights))
    fail(Error::Kind::model, "swiglu without the third product's weights");
  n.set(0, n.shape(x_in));
}

/// A token on its way through an expert.
struct Visit {
  int64_t token;
  float weight;
};

// A sparse mixer takes the likeliest and the next: each weighs as in a softmax over those that are hardly less likely,
// of which none is counted again.
void mix_sparsely(const float* row, const Sizes& s, RunVector<std::pair<float, int64_t>>& ranks) {
  constexpr float near = 0.02f;
  for (int64_t i = 0; i < s.chosen; ++i) {
    const auto taken = [&](int64_t e) { return i > 0 && e == ranks[0].second; };
    int64_t best = -1;
    for (int64_t e = 0; e < s.experts; ++e)
      if (!taken(e) && (best < 0 || row[e] > row[best])) best = e;
    float sum = 0;
    for (int64_t e = 0; e < s.experts; ++e)
      if (!taken(e) && row[best] - row[e] <= near * std::max(std::abs(row[e]), row[best]))
        sum += std::exp(row[e] - row[best]);
    ranks[static_cast<size_t>(i)] = {1 / std::max(sum, 1.0f), best};
  }
}

// For each expert those who visit it: the likeliest of a softmax, of QMoE over the chosen alone.
RunVector<RunVector<Visit>> visits_of(const Args& a, const Order& order, const Sizes& s) {
  const Read<float> router(a.in[router_in]);
  const Read<float> chosen(order.choice >= 0 && a.has_in(static_cast<size_t>(order.choice))
                               ? a.in[static_cast<size_t>(order.choice)]
                               : View{});
  const bool whole = a.integer("normalize_routing_weights") != 0 || (order.choice >= 0 && !chosen);
  RunVector<RunVector<Visit>> visits(static_cast<size_t>(s.experts));
  const bool sparse = a.integer("use_sparse_mixer") != 0;
  RunVector<std::pair<float, int64_t>> ranks(static_cast<size_t>(s.experts));
  // How the chosen ones' weights are to be scaled.
  const auto rank = [&](const float* row, int64_t t) {
    const float largest = *std::max_element(row, row + s.experts);
    float sum = 0;
    for (int64_t e = 0; e < s.experts; ++e) {
      ranks[static_cast<size_t>(e)] = {std::exp(row[e] - largest), e};
      sum += ranks[static_cast<size_t>(e)].first;
    }
    std::partial_sort(ranks.begin(), ranks.begin() + s.chosen, ranks.end(), std::greater<>());
    float used = 0;
    for (int64_t i = 0; i < s.chosen; ++i) {
      auto& [weight, e] = ranks[static_cast<size_t>(i)];
      weight = chosen ? chosen[t * s.experts + e] : weight / sum;
      used += weight;
    }
    return whole && used != 0 ? 1 / used : 1;
  };
  for (const int64_t t : Steps(s.tokens)) {
    const float* row = router.data() + t * s.experts;
    if (sparse) mix_sparsely(row, s, ranks);
    const float scale = sparse ? 1 : rank(row, t);
    for (int64_t i = 0; i < s.chosen; ++i) {
      const auto [weight, e] = ranks[static_cast<size_t>(i)];
      visits[static_cast<size_t>(e)].push_back({t, weight * scale});
    }
  }
  return visits;
}

/// One product of all experts: rows of weights as floats.
class Product {
 public:
  Product(const Args& a, const Inputs& in, int64_t rows, int64_t columns) : rows_(rows), columns_(columns) {
    const auto given = [&](int i) {
      return i >= 0 && a.has_in(static_cast<size_t>(i)) ? a.in[static_cast<size_t>(i)] : View{};
    };
    bias_ = Read<float>(given(in.bias));
    if (in.scales < 0) {
      weights_ = Read<float>(given(in.weights));
      return;
    }
    packed_ = given(in.weights).as<const uint8_t>();
    scales_ = Read<float>(given(in.scales));
    if (const View zeros = given(in.zeros)) zeros_ = zeros.as<const uint8_t>();
    bits_ = Bits(a);
  }

  /// y[visit, row] of the expert, for inputs x[visit, column].
  void run(int64_t expert, int64_t count, const float* x, float* y, Threads* threads) const {
    const auto part = [&](int64_t begin, int64_t end, int) {
      RunVector<float> unpacked(static_cast<size_t>(packed_ ? columns_ : 0));
      for (int64_t r = begin; r < end; ++r) {
        check_cancelled();
        const float* row = packed_ ? unpacked.data() : weights_.data() + (expert * rows_ + r) * columns_;
        if (packed_) unpack(expert, r, unpacked.data());
        const float bias = bias_ ? bias_[expert * rows_ + r] : 0;
        for (int64_t v = 0; v < count; ++v) y[v * rows_ + r] = bias + dot(row, x + v * columns_);
      }
    };
    if (threads)
      threads->parallel(rows_, 16, part);
    else
      part(0, rows_, 0);
  }

 private:
  void unpack(int64_t expert, int64_t r, float* to) const {
    const Bits& bits = *bits_;
    const int64_t at = expert * rows_ + r, blocks = bits.blocks(columns_), size = bits.block ? bits.block : columns_;
    const uint8_t* from = packed_ + at * bits.packed(columns_);
    for (int64_t b = 0; b < blocks; ++b) {
      float zero = static_cast<float>(1 << (bits.bits - 1));
      if (zeros_)
        zero = bits.block ? bits.field(zeros_ + at * bits.packed(blocks), b)
                          : bits.field(zeros_ + expert * bits.packed(rows_), r);
      const float scale = scales_[at * blocks + b];
      for (int64_t i = b * size; i < std::min(columns_, (b + 1) * size); ++i)
        to[i] = (bits.field(from, i) - zero) * scale;
    }
  }

  // Eight sums at a time, which compilers turn into vectors.
  float dot(const float* a, const float* b) const {
    float sums[8] = {};
    int64_t i = 0;
    for (; i + 8 <= columns_; i += 8)
      for (int64_t j = 0; j < 8; ++j) sums[j] += a[i + j] * b[i + j];
    for (; i < columns_; ++i) sums[0] += a[i] * b[i];
    return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
  }

  int64_t rows_, columns_;
  Read<float> weights_, bias_, scales_;
  const uint8_t* packed_ = nullptr;
  const uint8_t* zeros_ = nullptr;
  std::optional<Bits> bits_;
};

// The first product's result becomes the second one's operand. `gates` and `lines` are what curves bend and what they
// are multiplied by; both are in one where they come from one product.
class Bend {
 public:
  Bend(const Args& a, const Sizes& s)
      : curve_(curve_of(a)),
        alpha_(a.real("activation_alpha")),
        beta_(a.real("activation_beta")),
        limit_(a.has("swiglu_limit") ? a.real("swiglu_limit") : std::numeric_limits<float>::infinity()),
        fused_(s.fused == 2),
        step_(fused_ && a.integer("swiglu_fusion") == 1 ? 2 : 1),
        line_(step_ == 2 ? 1 : s.inner) {}

  void run(const float* gates, const float* lines, float* to, int64_t count) const {
    for (int64_t i = 0; i < count; ++i) {
      const float gate = gates[i * step_];
      if (curve_ == Curve::swiglu)
        to[i] = swiglu(gate, fused_ ? gates[line_ + i * step_] : lines[i]);
      else
        to[i] = plain(gate) * (lines ? lines[i] : 1);
    }
  }

 private:
  float swiglu(float gate, float line) const {
    gate = std::min(gate, limit_), line = std::clamp(line, -limit_, limit_);
    return gate / (1 + std::exp(-alpha_ * gate)) * (line + beta_);
  }
  float plain(float x) const {
    switch (curve_) {
      case Curve::relu: return std::max(x, 0.0f);
      case Curve::gelu: return 0.5f * x * (1 + std::tanh(0.7978845608f * (x + 0.044715f * x * x * x)));
      case Curve::silu: return x / (1 + std::exp(-x));
      default: return x;
    }
  }

  Curve curve_;
  float alpha_, beta_, limit_;
  bool fused_;
  int64_t step_, line_;
};

template <const Order& order>
void run_experts(const Args& a) {
  const Sizes s(a, order, [&](int i) { return &a.in[static_cast<size_t>(i)].shape(); });
  const bool gated = a.has_in(static_cast<size_t>(order.third.weights));
  const Product first(a, order.first, s.inner * s.fused, s.width), second(a, order.second, s.width, s.inner);
  std::optional<Product> third;
  if (gated) third.emplace(a, order.third, s.inner, s.width);
  const Bend bend(a, s);
  const auto visits = visits_of(a, order, s);
  const Read<float> x(a.in[x_in]);
  Write<float> y(a.out[0]);
  std::fill_n(y.data(), s.tokens * s.width, 0.0f);
  for (const int64_t e : Steps(s.experts)) {
    const auto& guests = visits[static_cast<size_t>(e)];
    const auto count = static_cast<int64_t>(guests.size());
    if (!count) continue;
    const auto room = [&](int64_t each) { return RunVector<float>(static_cast<size_t>(count * each)); };
    RunVector<float> in = room(s.width), hidden = room(s.inner * s.fused), bent = room(s.inner), out = room(s.width);
    RunVector<float> lines = room(gated ? s.inner : 0);
    for (int64_t v = 0; v < count; ++v)
      std::copy_n(x.data() + guests[static_cast<size_t>(v)].token * s.width, s.width, in.data() + v * s.width);
    first.run(e, count, in.data(), hidden.data(), a.threads);
    if (third) third->run(e, count, in.data(), lines.data(), a.threads);
    for (int64_t v = 0; v < count; ++v)
      bend.run(hidden.data() + v * s.inner * s.fused, gated ? lines.data() + v * s.inner : nullptr,
               bent.data() + v * s.inner, s.inner);
    second.run(e, count, bent.data(), out.data(), a.threads);
    for (int64_t v = 0; v < count; ++v) {
      const auto [token, weight] = guests[static_cast<size_t>(v)];
      for (int64_t i = 0; i < s.width; ++i)
        y[token * s.width + i] += weight * out[static_cast<size_t>(v * s.width + i)];
    }
  }
}

constexpr AttrDef attrs[] = {{"activation_type", 0, "relu"},
                             {"k", 1},
                             {"normalize_routing_weights"},
                             {"use_sparse_mixer"},
                             {"activation_alpha", 1},
                             {"activation_beta"},
                             {"swiglu_fusion"},
                             {"swiglu_limit"},
                             {"expert_weight_bits", 4},
                             {"block_size"},
                             {"quant_type", 0, "int"},
                             {"accuracy_level"},
                             {"weights_prepacked", -1}};
const OpDef defs[] = {
    {.name = "MoE",
     .domain = "com.microsoft",
     .in = {3, 8},
     .types = "T=float : T, T, T, T, T, T, T, T -> T",
     .attrs = List<AttrDef>(attrs).first(8),
     .infer = infer_experts<plain>,
     .reference = run_experts<plain>,
     .reach = reach::not_followed},
    {.name = "QMoE",
     .domain = "com.microsoft",
     .in = {3, 15},
     .types = "T=float; S=float : T, T, uint8, S, T, uint8, S, T, uint8, S, T, uint8, uint8, uint8, T -> T",
     .attrs = attrs,
     .infer = infer_experts<quantized_order>,
     .reference = run_experts<quantized_order>,
     .reach = reach::not_followed}};

}  // namespace

extern const OpFile moe;
const OpFile moe{defs};

}  // namespace tessera::ops
