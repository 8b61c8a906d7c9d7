// com.microsoft GreedySearch and Sampling: a decoder's subgraph says token by token, the likeliest each time, or one
// drawn from those that are likely.
#include <numeric>

#include "ops/generate.h"
#include "ops/random.h"

namespace tessera::ops {
namespace {

constexpr GenerationOrder order{2, 3, 4, 5, 6};
enum In { presence_in = 7, seed_in };

void run_greedy(Frame& f) {
  Generation g(f, order, 1, source_of(f));
  generate_each(f, g, [](int64_t, const RunVector<double>& scores) {
    return std::max_element(scores.begin(), scores.end()) - scores.begin();
  });
}

// Of the likeliest tokens, which have this share of all chances together, one by its chance. The scores of all others
// become `lost`.
int64_t draw(RunVector<double>& logits, double share, size_t least, double point, double lost) {
  RunVector<double> scores = logits;
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& score : scores) sum += score = largest == never ? 1 : std::exp(score - largest);
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto chance = [&](int64_t token) { return scores[static_cast<size_t>(token)] / sum; };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return chance(a) > chance(b); });
  double kept = 0;
  size_t count = 0;
  while (count < order.size() && (count < least || kept < share)) kept += chance(order[count++]);
  for (size_t i = count; i < order.size(); ++i) logits[static_cast<size_t>(order[i])] = lost;
  for (size_t i = 0; i < count; ++i)
    if ((point -= chance(order[i]) / kept) < 0) return order[i];
  return order[count ? count - 1 : 0];
}

void run_sampling(Frame& f) {
  const double temperature = static_cast<double>(f.real("temperature")), share = static_cast<double>(f.real("top_p")),
               presence = static_cast<double>(f.real("presence_penalty"));
  if (!(temperature > 0)) fail(Error::Kind::model, "attribute \"temperature\" is ", temperature);
  const auto least = static_cast<size_t>(std::max<int64_t>(f.integer("min_tokens_to_keep"), 1));
  Generation g(f, order, 1, source_of(f));
  Random random(f);
  if (f.has_in(seed_in)) random = Random(static_cast<uint64_t>(only_integer(f.in[seed_in], "seed")));
  const View penalized = f.has_in(presence_in) ? tensor_in(f, presence_in).view() : View{};
  Tensor filtered;
  generate_each(f, g, [&](int64_t b, RunVector<double>& scores) {
    const auto count = static_cast<int64_t>(scores.size());
    if (penalized && penalized.elements() != g.batch * count)
      fail(Error::Kind::shape, "a presence mask ", penalized.type);
    for (int64_t i = 0; i < count; ++i) {
      double& score = scores[static_cast<size_t>(i)];
      score /= temperature;
      if (penalized) score -= presence * element_as_double(penalized, b * count + i);
    }
    const int64_t token = draw(scores, share, least, random.uniform(), static_cast<double>(f.real("filter_value")));
    if (!filtered.bytes) filtered = Tensor::make({DType::float32, {g.batch, count}});
    std::copy(scores.begin(), scores.end(), filtered.as<float>() + b * count);
    return token;
  });
  if (f.out.size() > 1) f.out[1] = datum_of(std::move(filtered));
}

constexpr List<AttrDef> attrs(generation_attrs);
const OpDef defs[] = {{.name = "GreedySearch",
                       .domain = "com.microsoft",
                       .in = {2, 7},
                       .types = {},
                       .attrs = attrs.subspan(8, 9),
                       .execute = run_greedy},
                      {.name = "Sampling",
                       .domain = "com.microsoft",
                       .in = {2, 9},
                       .out = {1, 2},
                       .types = {},
                       .attrs = attrs.subspan(8),
                       .execute = run_sampling,
                       .folds = false}};

}  // namespace

extern const OpFile greedy_search;
const OpFile greedy_search{defs};

}  // namespace tessera::ops
