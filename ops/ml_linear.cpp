// ai.onnx.ml LinearRegressor and LinearClassifier: rows times coefficients plus intercepts.
#include <algorithm>

#include "ops/ml_scores.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

RunVector<double> products(const AttrReader& n, const double* x, int64_t width, int64_t targets) {
  const auto coefficients = n.reals("coefficients"), intercepts = n.reals("intercepts");
  if (static_cast<int64_t>(coefficients.size()) != width * targets)
    fail(Error::Kind::shape, coefficients.size(), " coefficients for ", width, " features and ", targets, " targets");
  RunVector<double> sums(static_cast<size_t>(targets));
  for (int64_t t = 0; t < targets; ++t) {
    const auto at = static_cast<size_t>(t);
    sums[at] = at < intercepts.size() ? static_cast<double>(intercepts[at]) : 0;
    for (int64_t c = 0; c < width; ++c)
      sums[at] += x[c] * static_cast<double>(coefficients[static_cast<size_t>(t * width + c)]);
  }
  return sums;
}

void infer_regressor(Infer& n) { n.set(0, DType::float32, {Rows(n.shape(0)).count, n.integer("targets")}); }

void regressor(const Args& a) {
  const Rows rows(a.in[0].shape());
  const Read<double> x(a.in[0]);
  const ScoreTransform transform = score_transform(a.text("post_transform"));
  const int64_t targets = a.integer("targets");
  for (const int64_t r : Steps(rows.count)) {
    RunVector<double> sums = products(a, x.data() + r * rows.width, rows.width, targets);
    transform_scores(transform, sums);
    store_scores(a.out[0], r, sums);
  }
}

// Two labels may share one row of coefficients; the first class then gets the opposite score.
struct Classes {
  Labels labels;
  int64_t scored, shown;
  explicit Classes(const AttrReader& n)
      : labels(n, "classlabels_strings", "classlabels_ints"),
        scored(static_cast<int64_t>(std::max<size_t>(n.reals("intercepts").size(), 1))),
        shown(scored == 1 && labels.size() == 2 ? 2 : scored) {}
};

void infer_classifier(Infer& n) {
  const Classes c(n);
  const int64_t rows = Rows(n.shape(0)).count;
  n.set(0, c.labels.type(), {rows});
  n.set(1, DType::float32, {rows, c.shown});
}

void classifier(const Args& a) {
  const Classes c(a);
  const Rows rows(a.in[0].shape());
  const Read<double> x(a.in[0]);
  const ScoreTransform transform = score_transform(a.text("post_transform"));
  for (const int64_t r : Steps(rows.count)) {
    RunVector<double> scores = products(a, x.data() + r * rows.width, rows.width, c.scored);
    if (c.shown == 2 && c.scored == 1) scores = {-scores[0], scores[0]};
    const auto best = static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    if (!c.labels.names.empty() && best >= c.labels.size()) fail(Error::Kind::model, "class ", best, " has no label");
    c.labels.store(a.out[0], r, best);
    transform_scores(transform, scores);
    if (a.out.size() > 1) store_scores(a.out[1], r, scores);
  }
}

constexpr AttrDef attrs[] = {{"targets", 1}, {"post_transform", 0, "NONE"}, {"intercepts"}, {"coefficients"}};
constexpr AttrDef classifier_attrs[] = {{"post_transform", 0, "NONE"}, {"coefficients", 0, {}, true}, {"intercepts"},
                                        {"classlabels_strings"},       {"classlabels_ints"},          {"multi_class"}};
constexpr Text domain = "ai.onnx.ml", types = "T=float32|float64|int32|int64 : T";
const OpDef defs[] = {{.name = "LinearRegressor",
                       .domain = domain,
                       .since = 1,
                       .in = {1, 1},
                       .types = types,
                       .attrs = attrs,
                       .infer = infer_regressor,
                       .reference = regressor,
                       .reach = reach::not_followed},
                      {.name = "LinearClassifier",
                       .domain = domain,
                       .since = 1,
                       .in = {1, 1},
                       .out = {1, 2},
                       .types = types,
                       .attrs = classifier_attrs,
                       .infer = infer_classifier,
                       .reference = classifier,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile ml_linear;
const OpFile ml_linear{defs};

}  // namespace tessera::ops
