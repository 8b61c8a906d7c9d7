// ai.onnx.ml SVMRegressor and SVMClassifier: sums over support vectors, one pair of classes against another; without
// support vectors, rows of coefficients.
#include <algorithm>
#include <numeric>

#include "ops/ml_scores.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// What a row and a vector have in common.
class Likeness {
 public:
  explicit Likeness(const AttrReader& n, bool linear) : type_(linear ? "LINEAR" : n.text("kernel_type")) {
    if (type_ != "LINEAR" && type_ != "POLY" && type_ != "RBF" && type_ != "SIGMOID")
      fail(Error::Kind::model, "attribute \"kernel_type\" is \"", type_, "\"");
    const auto given = n.reals("kernel_params");
    for (size_t i = 0; i < std::min<size_t>(given.size(), 3); ++i) parameters_[i] = static_cast<double>(given[i]);
  }
  double operator()(const double* x, const float* vector, int64_t width) const {
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) {
      const double v = static_cast<double>(vector[i]), d = x[i] - v;
      sum += type_ == "RBF" ? d * d : x[i] * v;
    }
    const auto [gamma, offset, degree] = parameters_;
    if (type_ == "RBF") return std::exp(-gamma * sum);
    if (type_ == "POLY") return std::pow(gamma * sum + offset, degree);
    return type_ == "SIGMOID" ? std::tanh(gamma * sum + offset) : sum;
  }

 private:
  Text type_;
  std::array<double, 3> parameters_{};
};

void check_count(size_t count, int64_t wanted, Text what) {
  if (static_cast<int64_t>(count) < wanted) fail(Error::Kind::model, what, " has ", count, " numbers, not ", wanted);
}

// Without support vectors, a row of coefficients for each class (or target).
int64_t checked_vectors(const AttrReader& n, int64_t vectors, int64_t width, int64_t rows) {
  if (vectors < 0) fail(Error::Kind::model, "has ", vectors, " support vectors");
  if (vectors)
    check_count(n.reals("support_vectors").size(), checked_product(vectors, width), "support_vectors");
  else
    check_count(n.reals("coefficients").size(), checked_product(rows, width), "coefficients");
  check_count(n.reals("rho").size(), 1, "rho");
  return vectors;
}

void infer_regressor(Infer& n) {
  const Rows rows(n.shape(0));
  const int64_t vectors = checked_vectors(n, n.integer("n_supports"), rows.width, 1);
  check_count(n.reals("coefficients").size(), vectors, "coefficients");
  Likeness(n, !vectors);
  n.set(0, DType::float32, {rows.count, 1});
}

void regressor(const Args& a) {
  const Rows rows(a.in[0].shape());
  const Read<double> x(a.in[0]);
  const int64_t vectors = a.integer("n_supports");
  const Likeness alike(a, !vectors);
  const auto coefficients = a.reals("coefficients"), support = a.reals("support_vectors");
  for (const int64_t r : Steps(rows.count)) {
    const double* row = x.data() + r * rows.width;
    double sum = static_cast<double>(a.reals("rho")[0]);
    if (!vectors) sum += alike(row, coefficients.data(), rows.width);
    for (int64_t v = 0; v < vectors; ++v)
      sum += static_cast<double>(coefficients[static_cast<size_t>(v)]) *
             alike(row, support.data() + v * rows.width, rows.width);
    if (a.integer("one_class")) sum = sum > 0 ? 1 : -1;
    set_element(a.out[0], r, sum);
  }
}

struct Machine {
  Labels labels;
  List<int64_t> per_class;
  int64_t classes, vectors, pairs, shown;
  bool probable;

  explicit Machine(const AttrReader& n)
      : labels(n, "classlabels_strings", "classlabels_ints"),
        per_class(n.integers("vectors_per_class")),
        classes(static_cast<int64_t>(labels.size())),
        vectors(0),
        probable(!n.reals("prob_a").empty()) {
    if (classes < 1 || classes > 65535) fail(Error::Kind::model, "has ", classes, " class labels");
    for (const int64_t count : per_class) {
      if (count < 0 || count > std::numeric_limits<int32_t>::max())
        fail(Error::Kind::model, "a class has ", count, " vectors");
      vectors += count;
    }
    pairs = classes * (classes - 1) / 2;
    shown = !vectors || probable ? classes : classes > 2 ? pairs : 2;
  }
};

void infer_classifier(Infer& n) {
  const Machine m(n);
  const Rows rows(n.shape(0));
  checked_vectors(n, m.vectors, rows.width, m.classes);
  if (m.vectors) {
    if (static_cast<int64_t>(m.per_class.size()) != m.classes || m.classes < 2)
      fail(Error::Kind::model, m.per_class.size(), " counts of vectors for ", m.classes, " classes");
    check_count(n.reals("coefficients").size(), checked_product(m.classes - 1, m.vectors), "coefficients");
    check_count(n.reals("rho").size(), m.pairs, "rho");
    if (m.probable) {
      check_count(n.reals("prob_a").size(), m.pairs, "prob_a");
      check_count(n.reals("prob_b").size(), m.pairs, "prob_b");
    }
  }
  Likeness(n, !m.vectors);
  score_transform(n.text("post_transform"));
  n.set(0, m.labels.type(), {rows.count});
  n.set(1, DType::float32, {rows.count, m.shown});
}

// Probabilities of classes from those of pairs, `r[i][j]` that i beats j: the p of sum 1 with the least
// sum of (r[j][i] p[i] - r[i][j] p[j])^2, one component after the other until all are balanced (Wu, Lin, Weng 2004).
RunVector<double> coupled(const RunVector<double>& r, size_t classes) {
  RunVector<double> q(classes * classes), p(classes, 1.0 / static_cast<double>(classes)), qp(classes);
  for (size_t i = 0; i < classes; ++i)
    for (size_t j = 0; j < classes; ++j) {
      if (i == j) continue;
      q[i * classes + i] += r[j * classes + i] * r[j * classes + i];
      q[i * classes + j] = -r[j * classes + i] * r[i * classes + j];
    }
  for (int round = 0; round < 100; ++round) {
    double whole = 0, worst = 0;
    for (size_t i = 0; i < classes; ++i) {
      qp[i] = std::inner_product(p.begin(), p.end(), q.begin() + static_cast<ptrdiff_t>(i * classes), 0.0);
      whole += p[i] * qp[i];
    }
    for (size_t i = 0; i < classes; ++i) worst = std::max(worst, std::abs(qp[i] - whole));
    if (worst < 0.005 / static_cast<double>(classes)) break;
    for (size_t i = 0; i < classes; ++i) {
      const double change = (whole - qp[i]) / q[i * classes + i], scale = 1 / (1 + change);
      p[i] += change;
      whole = (whole + change * (change * q[i * classes + i] + 2 * qp[i])) * scale * scale;
      for (size_t j = 0; j < classes; ++j) {
        qp[j] = (qp[j] + change * q[i * classes + j]) * scale;
        p[j] *= scale;
      }
    }
  }
  return p;
}

// One row through all pairs of classes: their scores, and the class with the most votes.
RunVector<double> pair_scores(const AttrReader& n, const Machine& m, const RunVector<double>& alike, size_t* best) {
  const auto coefficients = n.reals("coefficients"), rho = n.reals("rho");
  RunVector<double> scores;
  std::vector<int64_t> votes(static_cast<size_t>(m.classes)), starts;
  for (int64_t at = 0; const int64_t count : m.per_class) starts.push_back(std::exchange(at, at + count));
  // The vectors of class `own`, by the row of coefficients that is for class `other`.
  const auto sum = [&](int64_t own, int64_t other) {
    double total = 0;
    const int64_t row = other < own ? other : other - 1, first = starts[static_cast<size_t>(own)];
    for (int64_t v = first; v < first + m.per_class[static_cast<size_t>(own)]; ++v)
      total +=
          static_cast<double>(coefficients[static_cast<size_t>(row * m.vectors + v)]) * alike[static_cast<size_t>(v)];
    return total;
  };
  for (int64_t i = 0; i < m.classes; ++i)
    for (int64_t j = i + 1; j < m.classes; ++j) {
      const double score = sum(i, j) + sum(j, i) + static_cast<double>(rho[scores.size()]);
      ++votes[static_cast<size_t>(score > 0 ? i : j)];
      scores.push_back(score);
    }
  *best = static_cast<size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
  return scores;
}

RunVector<double> probabilities(const AttrReader& n, const Machine& m, const RunVector<double>& scores) {
  const auto a = n.reals("prob_a"), b = n.reals("prob_b");
  const auto classes = static_cast<size_t>(m.classes);
  RunVector<double> r(classes * classes);
  size_t pair = 0;
  for (size_t i = 0; i < classes; ++i)
    for (size_t j = i + 1; j < classes; ++j, ++pair) {
      const double bent = scores[pair] * static_cast<double>(a[pair]) + static_cast<double>(b[pair]);
      r[i * classes + j] = std::clamp(1 - 1 / (1 + std::exp(-bent)), 1e-7, 1 - 1e-7);
      r[j * classes + i] = 1 - r[i * classes + j];
    }
  return coupled(r, classes);
}

void classifier(const Args& a) {
  const Machine m(a);
  const Rows rows(a.in[0].shape());
  const Read<double> x(a.in[0]);
  const Likeness alike(a, !m.vectors);
  const ScoreTransform transform = score_transform(a.text("post_transform"));
  const auto coefficients = a.reals("coefficients"), support = a.reals("support_vectors");
  const bool positive = std::all_of(coefficients.begin(), coefficients.end(), [](float c) { return c >= 0; });
  for (const int64_t r : Steps(rows.count)) {
    const double* row = x.data() + r * rows.width;
    const int64_t vectors = m.vectors ? m.vectors : m.classes;
    RunVector<double> scores(static_cast<size_t>(vectors));
    for (int64_t v = 0; v < vectors; ++v)
      scores[static_cast<size_t>(v)] =
          alike(row, (m.vectors ? support : coefficients).data() + v * rows.width, rows.width);
    size_t best = 0;
    if (m.vectors) {
      scores = pair_scores(a, m, scores, &best);
      if (m.probable) scores = probabilities(a, m, scores);
    } else {
      for (double& score : scores) score += static_cast<double>(a.reals("rho")[0]);
      best = static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
      // Of two classes without probabilities the second one wins as soon as a score is on its side.
      const double most = scores[best];
      if (m.classes == 2 && !m.probable && (positive ? most >= 0.5 : most > 0)) best = 1;
    }
    m.labels.store(a.out[0], r, best);
    if (m.vectors && !m.probable && m.classes == 2) {
      // One score becomes two.
      const double score = scores[0];
      scores = {transform == ScoreTransform::none ? -score : 1 - score, score};
    }
    transform_scores(transform, scores);
    if (a.out.size() > 1) store_scores(a.out[1], r, scores);
  }
}

constexpr AttrDef attrs[] = {{"n_supports"},
                             {"one_class"},
                             {"coefficients"},
                             {"kernel_params"},
                             {"kernel_type", 0, "LINEAR"},
                             {"post_transform", 0, "NONE"},
                             {"rho"},
                             {"support_vectors"},
                             {"classlabels_ints"},
                             {"classlabels_strings"},
                             {"prob_a"},
                             {"prob_b"},
                             {"vectors_per_class"}};
constexpr Text domain = "ai.onnx.ml", types = "T=float32|float64|int32|int64 : T";
const OpDef defs[] = {{.name = "SVMRegressor",
                       .domain = domain,
                       .since = 1,
                       .in = {1, 1},
                       .types = types,
                       .attrs = List<AttrDef>(attrs).first(8),
                       .infer = infer_regressor,
                       .reference = regressor,
                       .reach = reach::not_followed},
                      {.name = "SVMClassifier",
                       .domain = domain,
                       .since = 1,
                       .in = {1, 1},
                       .out = {1, 2},
                       .types = types,
                       .attrs = List<AttrDef>(attrs).subspan(2),
                       .infer = infer_classifier,
                       .reference = classifier,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile ml_svm;
const OpFile ml_svm{defs};

}  // namespace tessera::ops
