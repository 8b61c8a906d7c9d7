// Transforms of F(4x4, 3x3): columns first, into a buffer on the stack, then rows.
#include "ops/cpu/simd/winograd.h"

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

constexpr float a = 0.70710678118654752440f, b = 1.41421356237309504880f;  // sqrt(1/2), sqrt(2)

inline __attribute__((always_inline)) void input_line(const V (&d)[6], V (&t)[6]) {
  const V even2 = fmadd(V(-2.0f), d[2], d[4]), odd2 = fmadd(V(-b), d[1], V(a) * d[3]);
  const V even1 = fmadd(V(-0.5f), d[2], d[4]), odd1 = fmadd(V(-a), d[1], V(b) * d[3]);
  t[0] = fmadd(V(-2.5f), d[2], d[0] + d[4]);
  t[1] = even2 + odd2;
  t[2] = even2 - odd2;
  t[3] = even1 + odd1;
  t[4] = even1 - odd1;
  t[5] = fmadd(V(-2.5f), d[3], d[1] + d[5]);
}

inline __attribute__((always_inline)) void output_line(const V (&m)[6], V (&y)[4]) {
  const V sum1 = m[1] + m[2], difference1 = m[1] - m[2];
  const V sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  y[0] = m[0] + sum1 + sum2;
  y[1] = fmadd(V(a), difference1, V(b) * difference2);
  y[2] = fmadd(V(0.5f), sum1, V(2.0f) * sum2);
  y[3] = fmadd(V(a * a * a), difference1, fmadd(V(b * b * b), difference2, m[5]));
}

void input(const float* in, int64_t row_stride, float* out, int64_t plane) {
  for (int lane = 0; lane < 16; lane += lanes) {
    float half[6][6][lanes];
    for (int x = 0; x < 6; ++x) {
      V d[6], t[6];
#pragma GCC unroll 6
      for (int y = 0; y < 6; ++y) d[y] = load(in + y * row_stride + x * 16 + lane);
      input_line(d, t);
#pragma GCC unroll 6
      for (int y = 0; y < 6; ++y) store(half[y][x], t[y]);
    }
    for (int y = 0; y < 6; ++y) {
      V d[6], t[6];
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) d[x] = load(half[y][x]);
      input_line(d, t);
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) store(out + (y * 6 + x) * plane + lane, t[x]);
    }
  }
}

void output(const float* in, int64_t plane, const float* bias, float* out, int64_t row_stride) {
  for (int lane = 0; lane < 16; lane += lanes) {
    float half[4][6][lanes];
    for (int x = 0; x < 6; ++x) {
      V m[6], y[4];
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) m[i] = load(in + (i * 6 + x) * plane + lane);
      output_line(m, y);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) store(half[i][x], y[i]);
    }
    const V start = load(bias + lane);
    for (int i = 0; i < 4; ++i) {
      V m[6], y[4];
#pragma GCC unroll 6
      for (int x = 0; x < 6; ++x) m[x] = load(half[i][x]);
      output_line(m, y);
#pragma GCC unroll 4
      for (int x = 0; x < 4; ++x) store(out + i * row_stride + x * 16 + lane, y[x] + start);
    }
  }
}

}  // namespace

const WinogradSimd winograd{input, output};

}  // namespace tessera::cpu::TESSERA_LEVEL
