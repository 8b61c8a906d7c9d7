#include "ops/cpu/simd/attention.h"

#include "ops/cpu/simd/elementwise_math.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

constexpr int group = 2;  // vectors side by side
constexpr float lowest = -3.4028234663852886e38f;

inline V bias_at(const ScoreBias& bias, int64_t j, int64_t i) {
  return bias.one ? V(bias.row[j * bias.key]) : load(bias.row + j * bias.key + i);
}

template <int vectors, int biases>
void softmax_group(float* x, int64_t stride, int64_t keys, int64_t i, const ScoreBias bias[2], float* inverse) {
  V top[vectors], total[vectors];
  for (int u = 0; u < vectors; ++u) top[u] = V(lowest), total[u] = V(0.0f);
  for (int64_t j = 0; j < keys; ++j)
    for (int u = 0; u < vectors; ++u) {
      float* at = x + j * stride + u * lanes;
      V score = load(at);
      for (int b = 0; b < biases; ++b) score = score + bias_at(bias[b], j, i + u * lanes);
      if (biases) store(at, score);
      top[u] = max(top[u], score);
    }
  for (int64_t j = 0; j < keys; ++j)
    for (int u = 0; u < vectors; ++u) {
      float* at = x + j * stride + u * lanes;
      const V power = exp(load(at) - top[u]);
      store(at, power);
      total[u] = total[u] + power;
    }
  // Where every key is hidden, the result is zeros.
  for (int u = 0; u < vectors; ++u) store(inverse + u * lanes, select(total[u] > V(0.0f), V(1.0f) / total[u], V(0.0f)));
}

template <int biases>
void softmax_columns(float* x, int64_t stride, int64_t keys, int64_t columns, const ScoreBias bias[2], float* inverse) {
  int64_t i = 0;
  for (; i + group * lanes <= columns; i += group * lanes)
    softmax_group<group, biases>(x + i, stride, keys, i, bias, inverse + i);
  for (; i < columns; i += lanes) softmax_group<1, biases>(x + i, stride, keys, i, bias, inverse + i);
}

void softmax(float* x, int64_t stride, int64_t keys, int64_t columns, const ScoreBias biases[2], float* inverse) {
  const auto columns_of = biases[1].row ? softmax_columns<2> : biases[0].row ? softmax_columns<1> : softmax_columns<0>;
  columns_of(x, stride, keys, columns, biases, inverse);
}

void store_rows(const float* x, int64_t stride, const float* inverse, int64_t queries, int64_t depth, int64_t position,
                int64_t channel, float* out) {
  int64_t i = 0;
#if defined(__SSE2__)
  if (channel == 1)
    for (; i + 4 <= queries; i += 4) {
      const __m128 by = _mm_loadu_ps(inverse + i);
      float* to = out + i * position;
      int64_t e = 0;
      for (; e + 4 <= depth; e += 4) {
        const float* from = x + e * stride + i;
        __m128 r0 = _mm_mul_ps(_mm_loadu_ps(from), by), r1 = _mm_mul_ps(_mm_loadu_ps(from + stride), by);
        __m128 r2 = _mm_mul_ps(_mm_loadu_ps(from + 2 * stride), by);
        __m128 r3 = _mm_mul_ps(_mm_loadu_ps(from + 3 * stride), by);
        _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
        _mm_storeu_ps(to + e, r0);
        _mm_storeu_ps(to + position + e, r1);
        _mm_storeu_ps(to + 2 * position + e, r2);
        _mm_storeu_ps(to + 3 * position + e, r3);
      }
      for (; e < depth; ++e)
        for (int64_t r = 0; r < 4; ++r) to[r * position + e] = x[e * stride + i + r] * inverse[i + r];
    }
#endif
  for (; i < queries; ++i)
    for (int64_t e = 0; e < depth; ++e) out[i * position + e * channel] = x[e * stride + i] * inverse[i];
}

void turn(const float* x, const float* cos, const float* sin, int64_t half, bool neighbours, float scale, float* y) {
  if (neighbours) {
    for (int64_t i = 0; i < half; ++i) {
      const float u = x[2 * i], v = x[2 * i + 1];
      y[2 * i] = (cos[i] * u - sin[i] * v) * scale;
      y[2 * i + 1] = (sin[i] * u + cos[i] * v) * scale;
    }
    return;
  }
  int64_t i = 0;
  const V by(scale);
  for (; i + lanes <= half; i += lanes) {
    const V u = load(x + i), v = load(x + half + i), c = load(cos + i), s = load(sin + i);
    store(y + i, (c * u - s * v) * by);
    store(y + half + i, (s * u + c * v) * by);
  }
  for (; i < half; ++i) {
    const float u = x[i], v = x[half + i];
    y[i] = (cos[i] * u - sin[i] * v) * scale;
    y[half + i] = (sin[i] * u + cos[i] * v) * scale;
  }
}

}  // namespace

const AttentionSimd attention{softmax, store_rows, turn};

}  // namespace tessera::cpu::TESSERA_LEVEL
