// Transforms of F(4x4, 3x3) and F(6x6, 3x3): columns first, into a buffer on the stack, then rows.
#include "ops/cpu/simd/winograd.h"

#include "ops/cpu/simd/conv_tile.h"

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

inline __attribute__((always_inline)) void input_line(const V (&d)[8], V (&t)[8]) {
  const V even1 = fmadd(V(-4.25f), d[4], d[2] + d[6]), odd1 = fmadd(V(-4.25f), d[3], d[1] + d[5]);
  const V even2 = fmadd(V(0.25f), d[2], fmadd(V(-1.25f), d[4], d[6]));
  const V odd2 = fmadd(V(0.5f), d[1], fmadd(V(-2.5f), d[3], V(2.0f) * d[5]));
  const V even3 = fmadd(V(4.0f), d[2], fmadd(V(-5.0f), d[4], d[6]));
  const V odd3 = fmadd(V(2.0f), d[1], fmadd(V(-2.5f), d[3], V(0.5f) * d[5]));
  t[0] = fmadd(V(5.25f), d[4] - d[2], d[0] - d[6]);
  t[1] = even1 + odd1;
  t[2] = even1 - odd1;
  t[3] = even2 + odd2;
  t[4] = even2 - odd2;
  t[5] = even3 + odd3;
  t[6] = even3 - odd3;
  t[7] = fmadd(V(5.25f), d[3] - d[5], d[7] - d[1]);
}

inline __attribute__((always_inline)) void output_line(const V (&m)[8], V (&y)[6]) {
  const V sum1 = m[1] + m[2], difference1 = m[1] - m[2];
  const V sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  const V sum3 = m[5] + m[6], difference3 = m[5] - m[6];
  y[0] = (m[0] + sum1) + (sum2 + sum3);
  y[1] = fmadd(V(0.5f), difference3, fmadd(V(2.0f), difference2, difference1));
  y[2] = fmadd(V(0.25f), sum3, fmadd(V(4.0f), sum2, sum1));
  y[3] = fmadd(V(0.125f), difference3, fmadd(V(8.0f), difference2, difference1));
  y[4] = fmadd(V(0.0625f), sum3, fmadd(V(16.0f), sum2, sum1));
  y[5] = fmadd(V(0.03125f), difference3, fmadd(V(32.0f), difference2, difference1 + m[7]));
}

// Asks for a column of the tile to the right of one: a row of tiles is transformed from left to right.
template <int rows, int step, int access>
inline __attribute__((always_inline)) void fetch_next(const float* tile, int64_t row_stride, int x) {
#pragma GCC unroll 8
  for (int y = 0; y < rows; ++y) __builtin_prefetch(tile + y * row_stride + (x + step) * 16, access);
}

// `column(x, lane, d)` loads what the tile has of column x; false where it has nothing.
template <int step, class Column>
inline __attribute__((always_inline)) void transform_input(const float* in, int64_t row_stride, const Column& column,
                                                           float* out, int64_t plane) {
  constexpr int reach = step + 2;
  for (int lane = 0; lane < 16; lane += lanes) {
    float half[reach][reach][lanes];
    for (int x = 0; x < reach; ++x) {
      V d[reach], t[reach];
      if (column(x, lane, d)) {
        input_line(d, t);
      } else {
#pragma GCC unroll 8
        for (int y = 0; y < reach; ++y) t[y] = V(0.0f);
      }
#pragma GCC unroll 8
      for (int y = 0; y < reach; ++y) store(half[y][x], t[y]);
      if (x >= 2 && lane == 0) fetch_next<reach, step, 0>(in, row_stride, x);
    }
    for (int y = 0; y < reach; ++y) {
      V d[reach], t[reach];
#pragma GCC unroll 8
      for (int x = 0; x < reach; ++x) d[x] = load(half[y][x]);
      input_line(d, t);
#pragma GCC unroll 8
      for (int x = 0; x < reach; ++x) store(out + (y * reach + x) * plane + lane, t[x]);
    }
  }
}

template <int step>
void input(const float* in, int64_t row_stride, float* out, int64_t plane) {
  constexpr int reach = step + 2;
  const auto column = [&](int x, int lane, V(&d)[reach]) {
#pragma GCC unroll 8
    for (int y = 0; y < reach; ++y) d[y] = load(in + y * row_stride + x * 16 + lane);
    return true;
  };
  transform_input<step>(in, row_stride, column, out, plane);
}

template <int step>
void input_part(const float* in, int64_t row_stride, const TilePart& part, float* out, int64_t plane) {
  constexpr int reach = step + 2;
  static const float zeros[reach * 16] = {};
  const float* rows[reach];
  for (int y = 0; y < reach; ++y) rows[y] = y >= part.top && y < part.bottom ? in + y * row_stride : zeros;
  const auto column = [&](int x, int lane, V(&d)[reach]) {
    if (x < part.left || x >= part.right) return false;
#pragma GCC unroll 8
    for (int y = 0; y < reach; ++y) d[y] = load(rows[y] + x * 16 + lane);
    return true;
  };
  transform_input<step>(in, row_stride, column, out, plane);
}

// A row of outputs, of which only the first `columns` exist.
template <int step>
inline __attribute__((always_inline)) void finish(V (&y)[step], const ConvEnd& end, int64_t at, int lane,
                                                  int64_t columns) {
  if (end.add) {
#pragma GCC unroll 6
    for (int x = 0; x < step; ++x)
      if (x < columns) y[x] = y[x] + load(end.add + at + x * 16);
  }
  if (end.kind == ConvEnd::Kind::clamp) {
    const V low(end.low), high(end.high);
#pragma GCC unroll 6
    for (int x = 0; x < step; ++x) y[x] = clamped(y[x], low, high);
  } else if (end.kind != ConvEnd::Kind::none) {
    const V slope = end.kind == ConvEnd::Kind::slopes ? load(end.slopes + lane) : V(end.low);
#pragma GCC unroll 6
    for (int x = 0; x < step; ++x) y[x] = sloped(y[x], slope);
  }
}

template <int step>
void output(const float* in, int64_t plane, const float* bias, const ConvEnd& end, float* out, int64_t row_stride,
            int64_t rows, int64_t columns) {
  constexpr int reach = step + 2;
  for (int lane = 0; lane < 16; lane += lanes) {
    float half[step][reach][lanes];
    for (int x = 0; x < reach; ++x) {
      V m[reach], y[step];
#pragma GCC unroll 8
      for (int i = 0; i < reach; ++i) m[i] = load(in + (i * reach + x) * plane + lane);
      if (x < step && lane == 0) fetch_next<step, step, 1>(out, row_stride, x);
      output_line(m, y);
#pragma GCC unroll 6
      for (int i = 0; i < step; ++i) store(half[i][x], y[i]);
    }
    const V start = load(bias + lane);
    for (int64_t i = 0; i < rows; ++i) {
      V m[reach], y[step];
#pragma GCC unroll 8
      for (int x = 0; x < reach; ++x) m[x] = load(half[i][x]);
      output_line(m, y);
#pragma GCC unroll 6
      for (int x = 0; x < step; ++x) y[x] = y[x] + start;
      const int64_t at = i * row_stride + lane;
      finish(y, end, at, lane, columns);
#pragma GCC unroll 6
      for (int x = 0; x < step; ++x)
        if (x < columns) store(out + at + x * 16, y[x]);
    }
  }
}

// What weights g[0] + g[1] x + g[2] x^2 become at each point: the polynomial's value over the product of the point's
// distances from all others. At zero the divisor is left to the transform of the input; infinity takes g[2]. The
// points but these two are pairs +-p, so that the divisor 2 p^2 (p^2 - q^2) ... is the same for both.
template <size_t pairs>
struct Basis {
  double p[pairs];
  constexpr double over(size_t i) const {
    double divisor = 2 * p[i] * p[i];
    for (size_t k = 0; k < pairs; ++k)
      if (k != i) divisor *= p[i] * p[i] - p[k] * p[k];
    return 1 / divisor;
  }
};

// Weights are transformed in float64, so that rounding them once is all that they lose.
constexpr int half_block = 8;
using Singles = float __attribute__((vector_size(half_block * sizeof(float)), aligned(4), may_alias));
using Doubles = double __attribute__((vector_size(half_block * sizeof(double))));

inline __attribute__((always_inline)) void widen(const float* p, Doubles& wide) {
  wide = __builtin_convertvector(*reinterpret_cast<const Singles*>(p), Doubles);
}

// A whole cache line at once.
inline __attribute__((always_inline)) void store_rounded(const Doubles& low, const Doubles& high, float* p) {
  using Block = float __attribute__((vector_size(2 * sizeof(Singles)), aligned(4), may_alias));
  const auto a = __builtin_convertvector(low, Singles), b = __builtin_convertvector(high, Singles);
  *reinterpret_cast<Block*>(p) = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

template <size_t pairs>
inline __attribute__((always_inline)) void weight_line(const Basis<pairs>& basis, const Doubles (&g)[3],
                                                       Doubles (&t)[2 * pairs + 2]) {
  t[0] = g[0];
#pragma GCC unroll 3
  for (size_t i = 0; i < pairs; ++i) {
    const double p = basis.p[i], over = basis.over(i);
    const Doubles even = over * g[0] + (over * p * p) * g[2], odd = (over * p) * g[1];
    t[1 + 2 * i] = even + odd;
    t[2 + 2 * i] = even - odd;
  }
  t[2 * pairs + 1] = g[2];
}

// Square roots make F(4, 3)'s error a third of what whole numbers give; for F(6, 3) nothing was found that beats these.
template <int step>
void weights(const float* in, float* out, int64_t plane, int64_t next) {
  constexpr int reach = step + 2;
  constexpr Basis<step / 2> basis = [] {
    if constexpr (step == 4)
      return Basis<2>{{0.70710678118654752440, 1.41421356237309504880}};
    else
      return Basis<3>{{1, 2, 0.5}};
  }();
  Doubles half[2][3][reach];
  for (int part = 0; part < 2; ++part)
#pragma GCC unroll 3
    for (int x = 0; x < 3; ++x) {
      Doubles g[3];
      for (int y = 0; y < 3; ++y) {
        widen(in + (y * 3 + x) * 16 + part * half_block, g[y]);
        if (part == 0) __builtin_prefetch(in + (y * 3 + x) * 16 + 9 * 16 * 4);
      }
      weight_line(basis, g, half[part][x]);
    }
  for (int y = 0; y < reach; ++y) {
    Doubles t[2][reach];
    for (int part = 0; part < 2; ++part)
      weight_line(basis, {half[part][0][y], half[part][1][y], half[part][2][y]}, t[part]);
#pragma GCC unroll 8
    for (int x = 0; x < reach; ++x, out += plane) {
      __builtin_prefetch(out + next, 1);
      store_rounded(t[0][x], t[1][x], out);
    }
  }
}

void fetch(const float* first, int64_t lines) {
  for (int64_t i = 0; i < lines; ++i) __builtin_prefetch(first + i * 16, 0, 2);
}

}  // namespace

const WinogradSimd winograd{
    {input<4>, input_part<4>, output<4>, weights<4>}, {input<6>, input_part<6>, output<6>, weights<6>}, fetch};

}  // namespace tessera::cpu::TESSERA_LEVEL
