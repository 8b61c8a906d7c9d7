// Random operators by statistics: moments, Kolmogorov's and Smirnov's distance, chi-squares; seeds, and that no two
// nodes draw the same numbers. Every bound is one that chance passes in fewer than one of a million seeds; the seeds
// are fixed.
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "tests/graph_builder.h"
#include "tests/ops_tensor.h"

namespace tessera::test {
namespace {

constexpr int64_t count = 200'000;

struct Moments {
  double mean = 0, variance = 0, skew = 0, tail = 0, next = 0;  ///< next: how much a number tells of the one behind it
};

Moments moments_of(const std::vector<double>& values) {
  Moments m;
  const auto n = static_cast<double>(values.size());
  for (const double v : values) m.mean += v / n;
  for (const double v : values) m.variance += (v - m.mean) * (v - m.mean) / n;
  const double unit = std::sqrt(m.variance);
  for (size_t i = 0; i < values.size(); ++i) {
    const double z = (values[i] - m.mean) / unit;
    m.skew += z * z * z / n;
    m.tail += z * z * z * z / n;
    if (i) m.next += z * (values[i - 1] - m.mean) / unit / n;
  }
  return m;
}

// How far the share of values below each value is from the distribution, times the root of their number.
double distance_of(std::vector<double> values, const std::function<double(double)>& below) {
  std::sort(values.begin(), values.end());
  double worst = 0;
  const auto n = static_cast<double>(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double exact = below(values[i]), before = static_cast<double>(i) / n;
    worst = std::max({worst, std::abs(exact - before), std::abs(exact - before - 1 / n)});
  }
  return worst * std::sqrt(n);
}
constexpr double far = 2.7;  // beyond, by chance: once in a million

Attrs seeded(float seed, Attrs more = {}) {
  more.emplace_back("seed", seed);
  return more;
}

std::vector<double> drawn(const OpCall& call) { return elements(run_op(call).at(0)); }

TEST(RandomOperators, UniformNumbersFillTheirRangeEvenly) {
  for (const float seed : {0.0f, 1.0f, 7.5f}) {
    const Attrs attrs = seeded(seed, {{"shape", std::vector<int64_t>{count}}, {"low", -3.0f}, {"high", 5.0f}});
    const std::vector<double> values = drawn({"RandomUniform", 22, {}, attrs});
    EXPECT_GE(*std::min_element(values.begin(), values.end()), -3);
    EXPECT_LE(*std::max_element(values.begin(), values.end()), 5);
    const Moments m = moments_of(values);
    EXPECT_NEAR(m.mean, 1, 0.03);
    EXPECT_NEAR(m.variance, 64.0 / 12, 0.06);
    EXPECT_NEAR(m.tail, 1.8, 0.02);
    EXPECT_NEAR(m.next, 0, 0.012);
    EXPECT_LT(distance_of(values, [](double v) { return (v + 3) / 8; }), far);
  }
}

TEST(RandomOperators, NormalNumbersAreNormal) {
  for (const float seed : {0.0f, 3.0f, 1e9f}) {
    const Attrs attrs = seeded(seed, {{"shape", std::vector<int64_t>{count}}, {"mean", 2.0f}, {"scale", 0.5f}});
    const std::vector<double> values = drawn({"RandomNormal", 22, {}, attrs});
    const Moments m = moments_of(values);
    EXPECT_NEAR(m.mean, 2, 0.006);
    EXPECT_NEAR(m.variance, 0.25, 0.004);
    EXPECT_NEAR(m.skew, 0, 0.03);
    EXPECT_NEAR(m.tail, 3, 0.06);
    EXPECT_NEAR(m.next, 0, 0.012);
    EXPECT_LT(distance_of(values, [](double v) { return 0.5 * std::erfc((2 - v) / 0.5 * std::sqrt(0.5)); }), far);
  }
}

TEST(RandomOperators, LikeAnotherTensorMeansItsShapeAndType) {
  const Tensor like = tensor(DType::float16, {3, 5}, std::vector<double>(15, 0.0));
  for (const char* op : {"RandomNormalLike", "RandomUniformLike"}) {
    const Tensor made = run_op({op, 22, {like}, seeded(2)}).at(0);
    EXPECT_EQ(cat(made.type), "float16[3,5]") << op;
    const auto values = elements(made);
    EXPECT_GT(std::set<double>(values.begin(), values.end()).size(), 10u) << op;
    EXPECT_EQ(cat(run_op({op, 22, {like}, seeded(2, {{"dtype", int64_t{11}}})}).at(0).type), "float64[3,5]") << op;
  }
}

TEST(RandomOperators, BernoulliHasTheProbabilitiesOfItsInput) {
  const double chances[] = {0, 0.001, 0.3, 0.5, 0.99, 1};
  for (const double chance : chances) {
    const Tensor x = tensor(DType::float32, {count}, std::vector<double>(count, chance));
    const std::vector<double> values = drawn({"Bernoulli", 22, {x}, seeded(5)});
    const Moments m = moments_of(values);
    EXPECT_NEAR(m.mean, chance, 1e-9 + 5 * std::sqrt(chance * (1 - chance) / count));
    if (chance > 0 && chance < 1) {
      EXPECT_NEAR(m.next, 0, 0.012);
    }
  }
}

// The sum of squared differences from what is expected, each by what is expected.
double chi_square(const std::vector<double>& draws, const std::vector<double>& shares) {
  std::vector<double> seen(shares.size());
  for (const double draw : draws) ++seen.at(static_cast<size_t>(draw));
  double sum = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    const double expected = shares[i] * static_cast<double>(draws.size());
    sum += (seen[i] - expected) * (seen[i] - expected) / expected;
  }
  return sum;
}

TEST(RandomOperators, MultinomialDrawsEachClassByItsShare) {
  const std::vector<double> shares{0.1, 0.2, 0.05, 0.6, 0.05}, other{0.2, 0.2, 0.2, 0.2, 0.2};
  std::vector<double> scores;
  for (const auto* row : {&shares, &other})
    for (const double share : *row) scores.push_back(std::log(share) + 3);  // not normalized
  const Tensor x = tensor(DType::float32, {2, 5}, scores);
  const std::vector<double> draws = drawn({"Multinomial", 22, {x}, seeded(4, {{"sample_size", count}})});
  ASSERT_EQ(draws.size(), 2 * count);
  constexpr double limit = 34;  // of four degrees of freedom, once in a million
  EXPECT_LT(chi_square({draws.begin(), draws.begin() + count}, shares), limit);
  EXPECT_LT(chi_square({draws.begin() + count, draws.end()}, other), limit);
}

TEST(RandomOperators, DropoutKeepsTheMean) {
  const Tensor x = tensor(DType::float32, {count}, std::vector<double>(count, 3));
  for (const double ratio : {0.1, 0.5, 0.9}) {
    const OpCall call{"Dropout", 13, {x, floats({}, {ratio}), bools({}, {1})}, {{"seed", int64_t{9}}}, 2};
    const std::vector<Tensor> out = run_op(call);
    const std::vector<double> values = elements(out[0]), mask = elements(out[1]);
    for (size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], mask[i] ? 3 / (1 - ratio) : 0, 1e-4);
    const Moments kept = moments_of(mask);
    EXPECT_NEAR(kept.mean, 1 - ratio, 5 * std::sqrt(ratio * (1 - ratio) / count));
    EXPECT_NEAR(kept.next, 0, 0.012);
    EXPECT_NEAR(moments_of(values).mean, 3, 15 * std::sqrt(ratio / (1 - ratio) / count));
  }
}

// A model with two nodes of each random operator.
std::vector<Tensor> run_pairs(bool with_seed, std::vector<float> seeds) {
  GraphBuilder b;
  const ValueId chances = b.input("p", {DType::float32, {64}}), scores = b.input("s", {DType::float32, {1, 7}});
  for (const float seed : seeds) {
    const auto attrs = [&](Attrs more) { return with_seed ? seeded(seed, more) : more; };
    b.output(b.node("RandomNormal", {}, attrs({{"shape", std::vector<int64_t>{64}}}), 22));
    b.output(b.node("RandomUniform", {}, attrs({{"shape", std::vector<int64_t>{64}}}), 22));
    b.output(b.node("RandomNormalLike", {chances}, attrs({}), 22));
    b.output(b.node("RandomUniformLike", {chances}, attrs({}), 22));
    b.output(b.node("Bernoulli", {chances}, attrs({}), 22));
    b.output(b.node("Multinomial", {scores}, attrs({{"sample_size", int64_t{64}}}), 22));
  }
  return run_graph(b.graph,
                   {tensor(DType::float32, {64}, std::vector<double>(64, 0.5)), floats({1, 7}, {0, 0, 0, 0, 0, 0, 0})},
                   true);
}

TEST(RandomOperators, AreNoConstants) {
  GraphBuilder b;
  b.output(b.node("RandomNormal", {}, {{"shape", std::vector<int64_t>{64}}}, 22));
  b.output(
      b.node("Multinomial", {b.constant(floats({1, 7}, {0, 0, 0, 0, 0, 0, 0}))}, {{"sample_size", int64_t{64}}}, 22));
  for (const bool optimize : {false, true}) {
    Graph graph = b.graph;
    if (optimize) optimizer::prepare(graph);
    const auto engine = cpu_engine(optimize);
    const Executor executor(graph, *engine);
    const std::vector<Datum> first = executor.run({}, {}), second = executor.run({}, {});
    for (size_t i = 0; i < first.size(); ++i) EXPECT_NE(elements(first[i].tensor), elements(second[i].tensor)) << i;
  }
}

TEST(RandomOperators, SeedsRepeatAndNothingElseDoes) {
  const auto same = [](const Tensor& a, const Tensor& b) { return elements(a) == elements(b); };
  const std::vector<Tensor> first = run_pairs(true, {1, 2}), again = run_pairs(true, {1, 2});
  const std::vector<Tensor> free = run_pairs(false, {1, 2}), more = run_pairs(false, {1, 2});
  const size_t kinds = first.size() / 2;
  for (size_t i = 0; i < kinds; ++i) {
    EXPECT_TRUE(same(first[i], again[i]) && same(first[i + kinds], again[i + kinds])) << "seeds of kind " << i;
    EXPECT_FALSE(same(first[i], first[i + kinds])) << "two seeds of kind " << i;
    EXPECT_FALSE(same(free[i], free[i + kinds])) << "two nodes of kind " << i;
    EXPECT_FALSE(same(free[i], more[i])) << "two runs of kind " << i;
    EXPECT_FALSE(same(first[i], free[i])) << "with a seed and without, kind " << i;
  }
}

}  // namespace
}  // namespace tessera::test
