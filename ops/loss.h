// The weighted negative log-likelihood that both loss operators end in.
#pragma once

#include <algorithm>

#include "ops/indices.h"
#include "ops/numbers.h"

namespace tessera::ops {

enum class Reduction { none, mean, sum };

inline Reduction reduction_of(const AttrReader& n) {
  const Text text = n.text("reduction");
  if (text == "none") return Reduction::none;
  if (text == "mean") return Reduction::mean;
  if (text == "sum") return Reduction::sum;
  fail(Error::Kind::model, "attribute \"reduction\" is \"", text, "\"");
}

/// Output 0: a scalar, or the targets' shape. Scores [N, C, ...], targets [N, ...], weights [C].
inline void infer_loss(Infer& n) {
  const Shape &scores = n.shape(0), &targets = n.shape(1);
  Shape wanted = scores;
  if (scores.rank() < 2) fail(Error::Kind::shape, "scores ", scores, " have no classes");
  std::rotate(wanted.begin() + 1, wanted.begin() + 2, wanted.end());
  if (!(targets == Shape(List<int64_t>(wanted).first(wanted.size() - 1))))
    fail(Error::Kind::shape, "targets ", targets, " for scores ", scores);
  if (n.has_input(2) && !(n.shape(2) == Shape{scores[1]}))
    fail(Error::Kind::shape, "weights ", n.shape(2), " for ", scores[1], " classes");
  n.set(0, n.in(0).dtype, reduction_of(n) == Reduction::none ? targets : Shape{});
}

/// `logs` are the log-probabilities in the scores' shape.
inline void store_loss(const Args& a, const double* logs) {
  const Around s(a.in[0].shape(), 1);
  const Read<int64_t> targets(a.in[1]);
  const Read<double> weights(a.has_in(2) ? a.in[2] : View{});
  const bool ignores = a.has("ignore_index");
  const int64_t ignored = a.integer("ignore_index");
  const Reduction reduction = reduction_of(a);
  Write<double> y(a.out[0]);
  double sum = 0, total = 0;
  for (int64_t i = 0; i < targets.size(); ++i) {
    const int64_t target = targets[i];
    double loss = 0, weight = 0;
    if (!ignores || target != ignored) {
      const int64_t c = checked_index(target, s.extent);
      weight = weights ? weights[c] : 1;
      loss = -weight * logs[(i / s.inner * s.extent + c) * s.inner + i % s.inner];
    }
    sum += loss;
    total += weight;
    if (reduction == Reduction::none) y[i] = loss;
  }
  if (reduction == Reduction::mean) y[0] = sum / total;
  if (reduction == Reduction::sum) y[0] = sum;
}

inline constexpr AttrDef loss_attrs[] = {{"reduction", 0, "mean"}, {"ignore_index", 0}};

}  // namespace tessera::ops
