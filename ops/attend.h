// The core of every attention operator: softmax(q k' * scale + bias) v, head by head.
#pragma once

#include <algorithm>

#include "ops/numbers.h"
#include "ops/steps.h"

namespace tessera::ops {

/// One operand by batch, head and position; the last axis is contiguous.
struct Heads {
  const double* data = nullptr;
  int64_t batch = 0, head = 0, position = 0;  ///< strides
  const double* at(int64_t b, int64_t h, int64_t p) const { return data + b * batch + h * head + p * position; }
};

/// An operand [batch, heads, sequence, depth], or [batch, sequence, heads * depth].
struct AttentionOperand {
  int64_t batch, heads, sequence, depth;
  bool flat;

  AttentionOperand(const Shape& shape, int64_t named_heads, Text name) : flat(shape.rank() == 3) {
    if (shape.rank() != 4 && !flat) fail(Error::Kind::shape, name, " is ", shape, ", but must have 3 or 4 axes");
    if (flat && (named_heads < 1 || shape[2] % named_heads))
      fail(Error::Kind::shape, name, " ", shape, " does not split into ", named_heads, " heads");
    batch = shape[0];
    heads = flat ? named_heads : shape[1];
    sequence = flat ? shape[1] : shape[2];
    depth = flat ? shape[2] / heads : shape[3];
  }

  Heads heads_of(const double* data) const {
    if (flat) return {data, sequence * heads * depth, depth, heads * depth};
    return {data, heads * sequence * depth, sequence * depth, depth};
  }
};

/// What scores are multiplied by: the attribute, or where that is 0 or absent one by the root of a head's depth.
inline double scale_of(const AttrReader& attrs, int64_t depth) {
  const double named = attrs.has("scale") ? static_cast<double>(attrs.real("scale")) : 0;
  return named != 0 ? named : 1 / std::sqrt(static_cast<double>(depth));
}

struct AttentionShape {
  int64_t batch = 0, heads = 0, kv_heads = 0;
  int64_t queries = 0, keys = 0;       ///< sequence lengths; keys counts the past as well
  int64_t depth = 0, value_depth = 0;  ///< of one head
  double scale = 0;
  double softcap = 0;                ///< 0: none
  const double* sinks = nullptr;     ///< a score for each head that takes a part of every sum, and has no value
  const int64_t* lengths = nullptr;  ///< of the keys of each batch: nothing behind them is read; null: all are there
};

/// Scores far below every other, but finite: a row in which all are masked stays a mean.
inline constexpr double masked_score = -3.4028234663852886e38;

/// bias(b, h, query, key) is added to each score, or gives -inf, as it must behind a length. What is hidden so is still
/// multiplied, by zero: NaN spreads, as in every implementation. out(b, h, query, row) takes a row of the result.
/// `watch(stage, b, h, query, row)` sees each row of scores: 0 as multiplied, 1 capped, 2 with the bias, 3 after the
/// softmax.
template <class Bias, class Out, class Watch>
void attend(const AttentionShape& s, const Heads& q, const Heads& k, const Heads& v, const Bias& bias, Out out,
            Watch watch) {
  RunVector<double> row(static_cast<size_t>(s.keys)), sums(static_cast<size_t>(s.value_depth));
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t kv = h * s.kv_heads / s.heads;
      const int64_t length = s.lengths ? std::clamp<int64_t>(s.lengths[b], 0, s.keys) : s.keys;
      for (const int64_t i : Steps(s.queries)) {
        const double* query = q.at(b, h, i);
        std::fill(row.begin(), row.end(), 0);
        for (int64_t j = 0; j < length; ++j) {
          const double* key = k.at(b, kv, j);
          double dot = 0;
          for (int64_t d = 0; d < s.depth; ++d) dot += query[d] * key[d];
          row[static_cast<size_t>(j)] = dot * s.scale;
        }
        watch(0, b, h, i, row);
        if (s.softcap > 0)
          for (double& score : row) score = s.softcap * std::tanh(score / s.softcap);
        watch(1, b, h, i, row);
        for (int64_t j = 0; j < s.keys; ++j) row[static_cast<size_t>(j)] += bias(b, h, i, j);
        watch(2, b, h, i, row);
        double largest = -std::numeric_limits<double>::infinity(), sum = 0;
        for (const double score : row) largest = std::max(largest, score);
        if (s.sinks) largest = std::max(largest, s.sinks[h]);
        if (largest == -std::numeric_limits<double>::infinity()) largest = 0;
        for (double& score : row) sum += score = std::exp(score - largest);
        if (s.sinks) sum += std::exp(s.sinks[h] - largest);
        for (double& score : row) score = sum == 0 ? 0 : score / sum;
        watch(3, b, h, i, row);
        std::fill(sums.begin(), sums.end(), 0);
        for (int64_t j = 0; j < length; ++j) {
          const double* value = v.at(b, kv, j);
          for (int64_t d = 0; d < s.value_depth; ++d)
            sums[static_cast<size_t>(d)] += row[static_cast<size_t>(j)] * value[d];
        }
        out(b, h, i, sums);
      }
    }
}

inline constexpr auto unwatched = [](int, int64_t, int64_t, int64_t, const RunVector<double>&) {};

}  // namespace tessera::ops
