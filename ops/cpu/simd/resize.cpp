#include "ops/cpu/simd/resize.h"

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

void blend(const float* const* rows, const float* weights, int taps, float* out, int64_t n) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    V sum = V(weights[0]) * load(rows[0] + i);
    for (int t = 1; t < taps; ++t) sum = fmadd(V(weights[t]), load(rows[t] + i), sum);
    store(out + i, sum);
  }
  for (; i < n; ++i) {
    float sum = weights[0] * rows[0][i];
    for (int t = 1; t < taps; ++t) sum = __builtin_fmaf(weights[t], rows[t][i], sum);
    out[i] = sum;
  }
}

template <int taps>
void plain_taps(const float* in, const int32_t* index, const float* weights, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i, index += taps, weights += taps) {
    if constexpr (taps == 1) {
      out[i] = in[index[0]];
    } else {
      float sum = weights[0] * in[index[0]];
      for (int t = 1; t < taps; ++t) sum += weights[t] * in[index[t]];
      out[i] = sum;
    }
  }
}

void plain(const float* in, const int32_t* index, const float* weights, int taps, float* out, int64_t n) {
  taps == 1   ? plain_taps<1>(in, index, weights, out, n)
  : taps == 2 ? plain_taps<2>(in, index, weights, out, n)
              : plain_taps<4>(in, index, weights, out, n);
}

template <int taps>
void blocked_taps(const float* in, const int32_t* index, const float* weights, float* out, int64_t n) {
  constexpr int vectors = 16 / lanes;
  for (int64_t i = 0; i < n; ++i, index += taps, weights += taps, out += 16)
    for (int v = 0; v < vectors; ++v) {
      V sum = load(in + index[0] * int64_t{16} + v * lanes);
      if constexpr (taps > 1) {
        sum = sum * V(weights[0]);
        for (int t = 1; t < taps; ++t) sum = fmadd(V(weights[t]), load(in + index[t] * int64_t{16} + v * lanes), sum);
      }
      store(out + v * lanes, sum);
    }
}

void blocked(const float* in, const int32_t* index, const float* weights, int taps, float* out, int64_t n) {
  taps == 1   ? blocked_taps<1>(in, index, weights, out, n)
  : taps == 2 ? blocked_taps<2>(in, index, weights, out, n)
              : blocked_taps<4>(in, index, weights, out, n);
}

}  // namespace

const ResizeSimd resize{blend, plain, blocked};

}  // namespace tessera::cpu::TESSERA_LEVEL
