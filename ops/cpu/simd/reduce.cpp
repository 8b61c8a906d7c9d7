#include "ops/cpu/simd/reduce.h"

#include "ops/cpu/simd/elementwise_math.h"
#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

// Each reduction: its neutral element, how it takes an element, how it joins two partial results.
// A comparison of a number with itself tells nothing: xsimd's != is ordered at some levels.
inline Mask isnan(const V& x) { return xsimd::isnan(x); }

struct Sum {
  static constexpr bool skips_zeros = true;
  static float neutral() { return 0; }
  static V take(const V& acc, const V& x) { return acc + x; }
  static V join(const V& a, const V& b) { return a + b; }
  static float join(float a, float b) { return a + b; }
  static float single(float acc, float x) { return acc + x; }
};
struct SumSquares : Sum {
  static V take(const V& acc, const V& x) { return fmadd(x, x, acc); }
  static float single(float acc, float x) { return acc + x * x; }
};
struct SumAbs : Sum {
  static V take(const V& acc, const V& x) { return acc + abs(x); }
  static float single(float acc, float x) { return acc + (x < 0 ? -x : x); }
};
struct Product {
  static constexpr bool skips_zeros = false;
  static float neutral() { return 1; }
  static V take(const V& acc, const V& x) { return acc * x; }
  static V join(const V& a, const V& b) { return a * b; }
  static float join(float a, float b) { return a * b; }
  static float single(float acc, float x) { return acc * x; }
};
// NaN wins, as in the reference.
struct Max {
  static constexpr bool skips_zeros = false;
  static float neutral() { return -__builtin_inff(); }
  static V join(const V& a, const V& b) { return select(isnan(a), a, select(b > a, b, select(isnan(b), b, a))); }
  static V take(const V& acc, const V& x) { return join(acc, x); }
  static float join(float a, float b) { return a != a ? a : b != b ? b : b > a ? b : a; }
  static float single(float acc, float x) { return join(acc, x); }
};
struct Min {
  static constexpr bool skips_zeros = false;
  static float neutral() { return __builtin_inff(); }
  static V join(const V& a, const V& b) { return select(isnan(a), a, select(b < a, b, select(isnan(b), b, a))); }
  static V take(const V& acc, const V& x) { return join(acc, x); }
  static float join(float a, float b) { return a != a ? a : b != b ? b : b < a ? b : a; }
  static float single(float acc, float x) { return join(acc, x); }
};

// The same of numbers alone: a NaN gives any of them.
struct Largest {
  static constexpr bool skips_zeros = false;
  static float neutral() { return -__builtin_inff(); }
  static V join(const V& a, const V& b) { return max(a, b); }
  static V take(const V& acc, const V& x) { return max(acc, x); }
  static float join(float a, float b) { return a > b ? a : b; }
  static float single(float acc, float x) { return acc > x ? acc : x; }
};
struct Smallest {
  static constexpr bool skips_zeros = false;
  static float neutral() { return __builtin_inff(); }
  static V join(const V& a, const V& b) { return min(a, b); }
  static V take(const V& acc, const V& x) { return min(acc, x); }
  static float join(float a, float b) { return a < b ? a : b; }
  static float single(float acc, float x) { return acc < x ? acc : x; }
};

template <class Op>
float across(const V& v) {
  if constexpr (Op::skips_zeros) return across_lanes(v);
  float part[lanes];
  store(part, v);
  for (int step = lanes / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i) part[i] = Op::join(part[i], part[i + step]);
  return part[0];
}

template <class Op>
float row(const float* x, int64_t n) {
  V acc[4] = {V(Op::neutral()), V(Op::neutral()), V(Op::neutral()), V(Op::neutral())};
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    for (int u = 0; u < 4; ++u) acc[u] = Op::take(acc[u], load(x + i + u * lanes));
  for (; i + lanes <= n; i += lanes) acc[0] = Op::take(acc[0], load(x + i));
  if (Op::skips_zeros && i < n) {
    acc[1] = Op::take(acc[1], load_part(x + i, static_cast<int>(n - i)));
    i = n;
  }
  float result = across<Op>(Op::join(Op::join(acc[0], acc[1]), Op::join(acc[2], acc[3])));
  for (; i < n; ++i) result = Op::single(result, x[i]);
  return result;
}

// An extreme of numbers alone, and whether there were others.
template <class Op, class Numbers>
float extreme(const float* x, int64_t n) {
  V acc[4] = {V(Op::neutral()), V(Op::neutral()), V(Op::neutral()), V(Op::neutral())};
  Mask none(false);
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes)
    for (int u = 0; u < 4; ++u) {
      const V value = load(x + i + u * lanes);
      acc[u] = Numbers::take(acc[u], value);
      none = none | isnan(value);
    }
  if (xsimd::any(none)) return __builtin_nanf("");
  const V all = Numbers::join(Numbers::join(acc[0], acc[1]), Numbers::join(acc[2], acc[3]));
  return Op::join(across<Numbers>(all), row<Op>(x + i, n - i));
}

void extremes(const float* x, int64_t n, float* least, float* greatest) {
  constexpr int streams = 2;
  V low[streams], high[streams];
  for (int u = 0; u < streams; ++u) low[u] = V(Smallest::neutral()), high[u] = V(Largest::neutral());
  Mask none(false);
  int64_t i = 0;
  for (; i + streams * lanes <= n; i += streams * lanes)
    for (int u = 0; u < streams; ++u) {
      const V value = load(x + i + u * lanes);
      low[u] = Smallest::take(low[u], value);
      high[u] = Largest::take(high[u], value);
      none = none | isnan(value);
    }
  const bool met = xsimd::any(none);
  *least = met ? __builtin_nanf("") : Min::join(across<Smallest>(min(low[0], low[1])), row<Min>(x + i, n - i));
  *greatest = met ? __builtin_nanf("") : Max::join(across<Largest>(max(high[0], high[1])), row<Max>(x + i, n - i));
}

template <class Op>
void columns(const float* x, int64_t stride, int64_t rows, float* out, int64_t n) {
  // A few rows at a time, so that memory is read along rows.
  constexpr int64_t few = 16;
  const int64_t whole = n / (4 * lanes) * (4 * lanes);
  int64_t first = 0;
  do {
    const int64_t last = first + few < rows ? first + few : rows;
    for (int64_t j = 0; j < whole; j += 4 * lanes) {
      V acc[4];
      for (int u = 0; u < 4; ++u) acc[u] = first ? load(out + j + u * lanes) : V(Op::neutral());
      for (int64_t r = first; r < last; ++r)
        for (int u = 0; u < 4; ++u) acc[u] = Op::take(acc[u], load(x + r * stride + j + u * lanes));
      for (int u = 0; u < 4; ++u) store(out + j + u * lanes, acc[u]);
    }
    first = last;
  } while (first < rows);
  int64_t j = whole;
  for (; j + lanes <= n; j += lanes) {
    V acc[4] = {V(Op::neutral()), V(Op::neutral()), V(Op::neutral()), V(Op::neutral())};
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4)
      for (int u = 0; u < 4; ++u) acc[u] = Op::take(acc[u], load(x + (r + u) * stride + j));
    for (; r < rows; ++r) acc[0] = Op::take(acc[0], load(x + r * stride + j));
    store(out + j, Op::join(Op::join(acc[0], acc[1]), Op::join(acc[2], acc[3])));
  }
  for (; j < n; ++j) {
    float acc = Op::neutral();
    for (int64_t r = 0; r < rows; ++r) acc = Op::single(acc, x[r * stride + j]);
    out[j] = acc;
  }
}

float row_spread(const float* x, int64_t n, float mean) {
  const V center(mean);
  V acc[2] = {V(0.0f), V(0.0f)};
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes)
    for (int u = 0; u < 2; ++u) {
      const V away = load(x + i + u * lanes) - center;
      acc[u] = fmadd(away, away, acc[u]);
    }
  for (; i + lanes <= n; i += lanes) {
    const V away = load(x + i) - center;
    acc[0] = fmadd(away, away, acc[0]);
  }
  if (const int rest = static_cast<int>(n - i)) {
    const V away = first_lanes(load_part(x + i, rest) - center, rest);
    acc[1] = fmadd(away, away, acc[1]);
  }
  return across_lanes(acc[0] + acc[1]);
}

void columns_spread(const float* x, int64_t stride, int64_t rows, const float* mean, float* out, int64_t n) {
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const V center = load(mean + j);
    V acc[4] = {V(0.0f), V(0.0f), V(0.0f), V(0.0f)};
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4)
      for (int u = 0; u < 4; ++u) {
        const V away = load(x + (r + u) * stride + j) - center;
        acc[u] = fmadd(away, away, acc[u]);
      }
    for (; r < rows; ++r) {
      const V away = load(x + r * stride + j) - center;
      acc[0] = fmadd(away, away, acc[0]);
    }
    store(out + j, (acc[0] + acc[1]) + (acc[2] + acc[3]));
  }
  for (; j < n; ++j) {
    float acc = 0;
    for (int64_t r = 0; r < rows; ++r) acc += (x[r * stride + j] - mean[j]) * (x[r * stride + j] - mean[j]);
    out[j] = acc;
  }
}

void normalize(const float* x, int64_t n, float mean, float inverse, const float* scale, const float* bias,
               float* out) {
  const V center(mean), factor(inverse);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const V unit = (load(x + i) - center) * factor;
    store(out + i, bias ? fmadd(unit, load(scale + i), load(bias + i)) : unit * load(scale + i));
  }
  if (const int rest = static_cast<int>(n - i)) {
    const V unit = (load_part(x + i, rest) - center) * factor, by = load_part(scale + i, rest);
    store_part(out + i, bias ? fmadd(unit, by, load_part(bias + i, rest)) : unit * by, rest);
  }
}

// Rows of at most `vectors` vectors stay in registers; the chains of several rows overlap.
template <int vectors>
void layer_norm_short(const float* x, int64_t rows, int64_t n, float epsilon, const float* scale, const float* bias,
                      float* out, float* means, float* inverses) {
  const auto count = static_cast<float>(n);
  const int rest = static_cast<int>(n - (vectors - 1) * lanes);
  const auto read = [&](const float* from, int v) {
    return v + 1 < vectors || rest == lanes ? load(from + v * lanes) : load_part(from + v * lanes, rest);
  };
  for (int64_t i = 0; i < rows; ++i) {
    V row[vectors], sum(0.0f), spread(0.0f);
    for (int v = 0; v < vectors; ++v) {
      row[v] = read(x + i * n, v);
      sum = sum + row[v];
    }
    const float mean = across_lanes(sum) / count;
    for (int v = 0; v < vectors; ++v) {
      row[v] = row[v] - V(mean);
      if (v + 1 == vectors && rest < lanes) row[v] = first_lanes(row[v], rest);
      spread = fmadd(row[v], row[v], spread);
    }
    const float inverse = 1 / __builtin_sqrtf(across_lanes(spread) / count + epsilon);
    for (int v = 0; v < vectors; ++v) {
      const V unit = row[v] * V(inverse), by = read(scale, v);
      const V y = bias ? fmadd(unit, by, read(bias, v)) : unit * by;
      float* to = out + i * n + v * lanes;
      if (v + 1 < vectors || rest == lanes)
        store(to, y);
      else
        store_part(to, y, rest);
    }
    if (means) means[i] = mean;
    if (inverses) inverses[i] = inverse;
  }
}

void layer_norm(const float* x, int64_t rows, int64_t n, float epsilon, const float* scale, const float* bias,
                float* out, float* means, float* inverses) {
  static constexpr decltype(&layer_norm) by_vectors[] = {
      layer_norm_short<1>, layer_norm_short<2>,  layer_norm_short<3>,  layer_norm_short<4>,
      layer_norm_short<5>, layer_norm_short<6>,  layer_norm_short<7>,  layer_norm_short<8>,
      layer_norm_short<9>, layer_norm_short<10>, layer_norm_short<11>, layer_norm_short<12>};
  if (const int64_t vectors = (n + lanes - 1) / lanes; vectors <= 12)
    return by_vectors[vectors - 1](x, rows, n, epsilon, scale, bias, out, means, inverses);
  const auto count = static_cast<float>(n);
  for (int64_t i = 0; i < rows; ++i) {
    const float mean = row<Sum>(x + i * n, n) / count;
    const float inverse = 1 / __builtin_sqrtf(row_spread(x + i * n, n, mean) / count + epsilon);
    normalize(x + i * n, n, mean, inverse, scale, bias, out + i * n);
    if (means) means[i] = mean;
    if (inverses) inverses[i] = inverse;
  }
}

void softmax(const float* x, float* out, int64_t n, bool logarithm) {
  if (n <= 0) return;
  const int rest = static_cast<int>(n % lanes);
  const int64_t whole = n - rest;
  // A power of what is no number makes the sum none, and so all results.
  const V center(row<Largest>(x, n));
  V total(0.0f);
  for (int64_t i = 0; i < whole; i += lanes) {
    const V power = exp_below(load(x + i) - center);
    if (!logarithm) store(out + i, power);
    total = total + power;
  }
  if (rest) {
    float powers[lanes];
    store(powers, exp_below(load_part(x + whole, rest) - center));
    const V power = load_part(powers, rest);
    total = total + power;
    if (!logarithm) store_part(out + whole, power, rest);
  }
  const float sum = across_lanes(total);
  if (logarithm) {
    const V shift(__builtin_logf(sum));
    for (int64_t i = 0; i < whole; i += lanes) store(out + i, (load(x + i) - center) - shift);
    if (rest) store_part(out + whole, (load_part(x + whole, rest) - center) - shift, rest);
    return;
  }
  const V factor(1 / sum);
  for (int64_t i = 0; i < whole; i += lanes) store(out + i, load(out + i) * factor);
  if (rest) store_part(out + whole, load_part(out + whole, rest) * factor, rest);
}

void softmax_columns(const float* x, float* out, int64_t stride, int64_t rows, int64_t n, bool logarithm) {
  for (int64_t j = 0; j < n; j += lanes) {
    const int count = static_cast<int>(n - j < lanes ? n - j : lanes);
    const bool whole = count == lanes;
    const auto take = [&](const float* p) { return whole ? load(p) : load_part(p, count); };
    const auto put = [&](float* p, const V& v) {
      if (whole) return store(p, v);
      store_part(p, v, count);
    };
    V top(Largest::neutral()), sum(0.0f);
    for (int64_t r = 0; r < rows; ++r) top = Largest::join(top, take(x + r * stride + j));
    for (int64_t r = 0; r < rows; ++r) {
      const V away = take(x + r * stride + j) - top, power = exp_below(away);
      sum = sum + power;
      put(out + r * stride + j, logarithm ? away : power);
    }
    const V factor = logarithm ? V(1.0f) : V(1.0f) / sum, shift = logarithm ? -log(sum) : V(0.0f);
    for (int64_t r = 0; r < rows; ++r) put(out + r * stride + j, fmadd(take(out + r * stride + j), factor, shift));
  }
}

}  // namespace

const ReduceSimd reduce{
    {row<Sum>, row<SumSquares>, row<SumAbs>, row<Product>, extreme<Max, Largest>, extreme<Min, Smallest>},
    extremes,
    {columns<Sum>, columns<SumSquares>, columns<SumAbs>, columns<Product>, columns<Max>, columns<Min>},
    row_spread,
    columns_spread,
    layer_norm,
    softmax,
    softmax_columns};

}  // namespace tessera::cpu::TESSERA_LEVEL
