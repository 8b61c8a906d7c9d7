// What the classifiers and regressors of ai.onnx.ml share: the transform of their scores.
#pragma once

#include <algorithm>

#include "ops/move.h"
#include "ops/numbers.h"

namespace tessera::ops {

enum class ScoreTransform { none, softmax, logistic, softmax_zero, probit };

inline ScoreTransform score_transform(Text name) {
  if (name.empty() || name == "NONE") return ScoreTransform::none;
  if (name == "SOFTMAX") return ScoreTransform::softmax;
  if (name == "LOGISTIC") return ScoreTransform::logistic;
  if (name == "SOFTMAX_ZERO") return ScoreTransform::softmax_zero;
  if (name == "PROBIT") return ScoreTransform::probit;
  fail(Error::Kind::model, "attribute \"post_transform\" is \"", name, "\"");
}

inline double inverse_error_function(double x) {
  const double log = std::log((1 - x) * (1 + x)), v = 2 / (3.14159 * 0.147) + 0.5 * log;
  return std::copysign(std::sqrt(-v + std::sqrt(v * v - log / 0.147)), x);
}

inline void transform_scores(ScoreTransform transform, RunVector<double>& scores) {
  switch (transform) {
    case ScoreTransform::none: return;
    case ScoreTransform::logistic:
      for (double& s : scores) s = 1 / (1 + std::exp(-s));
      return;
    case ScoreTransform::probit:
      for (double& s : scores) s = 1.4142135623730951 * inverse_error_function(2 * s - 1);
      return;
    case ScoreTransform::softmax:
    case ScoreTransform::softmax_zero: break;
  }
  // Zero scores stay zero in the second kind.
  const bool skips = transform == ScoreTransform::softmax_zero;
  const double largest = scores.empty() ? 0 : *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (double& s : scores) {
    s = skips && std::abs(s) < 1e-7 ? 0 : std::exp(s - largest);
    sum += s;
  }
  for (double& s : scores) s = sum > 0 ? s / sum : s;
}

/// Row `row` of a matrix of scores, where the matrix is wanted.
inline void store_scores(const View& to, int64_t row, const RunVector<double>& scores) {
  const auto width = static_cast<int64_t>(scores.size());
  for (int64_t k = 0; to && k < width; ++k) set_element(to, row * width + k, scores[static_cast<size_t>(k)]);
}

/// [N, C] of a matrix, or of a vector as one row.
struct Rows {
  int64_t count, width;
  explicit Rows(const Shape& x)
      : count(x.rank() < 2 ? 1 : x[0]), width(x.rank() < 2 ? x.elements() : x.elements(1, x.size())) {}
};

/// Class labels of a classifier: strings or integers.
struct Labels {
  List<std::string> names;
  List<int64_t> numbers;

  Labels(const AttrReader& n, Text name_attr, Text number_attr)
      : names(n.texts(name_attr)), numbers(n.integers(number_attr)) {}
  DType type() const { return names.empty() ? DType::int64 : DType::string; }
  size_t size() const { return names.empty() ? numbers.size() : names.size(); }
  void store(const View& to, int64_t i, size_t label) const {
    if (!names.empty())
      to.as<String>()[i] = names[label];
    else
      to.as<int64_t>()[i] = label < numbers.size() ? numbers[label] : static_cast<int64_t>(label);
  }
};

}  // namespace tessera::ops
