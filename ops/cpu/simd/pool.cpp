#include "ops/cpu/simd/pool.h"

#include <utility>

#include "ops/cpu/simd/simd.h"

namespace tessera::cpu::TESSERA_LEVEL {
namespace {

// Taps of output `o` that read inside the input, and how many lie in the padded input.
struct Taps {
  int64_t first, last, padded;
};

Taps taps(const PoolAxis& axis, int64_t o) {
  const int64_t start = o * axis.stride - axis.pad;
  const auto before = [&](int64_t end) {
    int64_t count = end > start ? end - start : 0;
    if (count && axis.dilation > 1) count = (count - 1) / axis.dilation + 1;
    return count < axis.kernel ? count : axis.kernel;
  };
  Taps t{before(0), before(axis.in), before(axis.in + axis.pad_end)};
  if (t.first >= t.last) t.first = t.last = 0;
  return t;
}

// How many numbers an average divides by.
float divisor(const PoolShape& s, const Taps& y, const Taps& x) {
  const int64_t count = s.count_padding ? y.padded * x.padded : (y.last - y.first) * (x.last - x.first);
  return count ? static_cast<float>(count) : 1.0f;
}

constexpr std::make_integer_sequence<int, lanes> lane_places;

// A NaN is the largest. In two selections, which the compiler turns into vectors.
template <bool average>
float take(float acc, float x) {
  if (average) return acc + x;
  const float larger = x > acc ? x : acc;
  return x != x ? x : larger;
}
template <bool average>
V take(const V& acc, const V& x) {
  if constexpr (average)
    return acc + x;
  else
    return xsimd::select(xsimd::isnan(x), x, V(xsimd::max(x, acc)));
}

// out[o] takes in[(o * stride) - pad + k * dilation] for every o where that lies inside.
template <bool average>
void take_row(const PoolAxis& axis, const float* in, int64_t k, float* out) {
  const int64_t shift = k * axis.dilation - axis.pad;
  int64_t begin = shift >= 0 ? 0 : (-shift + axis.stride - 1) / axis.stride;
  int64_t end = axis.in - shift <= 0 ? 0 : (axis.in - shift - 1) / axis.stride + 1;
  if (end > axis.out) end = axis.out;
  int64_t o = begin;
  if (axis.stride == 1)
    for (; o + lanes <= end; o += lanes) store(out + o, take<average>(load(out + o), load(in + o + shift)));
  for (; o < end; ++o) out[o] = take<average>(out[o], in[o * axis.stride + shift]);
}

// Outputs of a row that each take some columns; `factor` is exact.
template <bool average>
void take_columns(const PoolAxis& axis, const float* column, int64_t n, float factor, float* out) {
  int64_t o = 0;
  for (; axis.stride == 1 && o + lanes <= n; o += lanes) {
    V acc = load(column + o);
    for (int64_t kx = 1; kx < axis.kernel; ++kx) acc = take<average>(acc, load(column + o + kx * axis.dilation));
    store(out + o, average ? acc * V(factor) : acc);
  }
  for (; o < n; ++o) {
    const float* first = column + o * axis.stride;
    float acc = *first;
    for (int64_t kx = 1; kx < axis.kernel; ++kx) acc = take<average>(acc, first[kx * axis.dilation]);
    out[o] = acc * factor;
  }
}

// Outputs [begin, end) of a row: rows of taps become one, in vectors, of which each output takes its columns.
template <bool average>
void row_of_columns(const PoolShape& s, const float* plane, int64_t oy, const Taps& rows, int64_t begin, int64_t end,
                    float factor, float* column, float* out) {
  const int64_t first = begin * s.x.stride - s.x.pad, last = (end - 1) * s.x.stride - s.x.pad + s.x.reach();
  const int64_t left = first < 0 ? 0 : first, right = last > s.x.in ? s.x.in : last;
  const float none = average ? 0.0f : -__builtin_inff();
  for (int64_t x = first; x < left; ++x) column[x - first] = none;
  for (int64_t x = right < left ? left : right; x < last; ++x) column[x - first] = none;
  if (rows.first == rows.last)
    for (int64_t x = left; x < right; ++x) column[x - first] = none;
  const int64_t line = s.y.dilation * s.x.in;
  const float* in = plane + (oy * s.y.stride - s.y.pad + rows.first * s.y.dilation) * s.x.in;
  const int64_t count = rows.last - rows.first;
  int64_t x = left;
  for (; count && x + lanes <= right; x += lanes) {
    V acc = load(in + x);
    for (int64_t ky = 1; ky < count; ++ky) acc = take<average>(acc, load(in + ky * line + x));
    store(column + x - first, acc);
  }
  for (; count && x < right; ++x) {
    float acc = in[x];
    for (int64_t ky = 1; ky < count; ++ky) acc = take<average>(acc, in[ky * line + x]);
    column[x - first] = acc;
  }
  take_columns<average>(s.x, column, end - begin, factor, out + begin);
}

// A row of sums becomes one of averages: outputs whose taps all lie inside divide by the same number.
void divide_row(const PoolShape& s, const Taps& rows, float* out) {
  const int64_t begin = s.x.begin, end = s.x.end;
  int64_t x = 0;
  const auto one = [&] { out[x] /= divisor(s, rows, taps(s.x, x)); };
  for (; x < begin; ++x) one();
  const V count(begin < end ? divisor(s, rows, taps(s.x, begin)) : 1.0f);
  for (; x + lanes <= end; x += lanes) store(out + x, load(out + x) / count);
  if (const int rest = static_cast<int>(end - x); rest > 0) {
    store_part(out + x, load_part(out + x, rest) / count, rest);
    x = end;
  }
  for (; x < s.x.out; ++x) one();
}

// What makes means of a row's sums, where it is exact and one for all; else 0.
float exact_factor(const PoolShape& s, const Taps& rows) {
  if (s.x.begin != 0 || s.x.end != s.x.out) return 0;
  const float count = divisor(s, rows, taps(s.x, 0));
  const auto whole = static_cast<int64_t>(count);
  return (whole & (whole - 1)) == 0 ? 1 / count : 0;
}

// Every other number of two vectors, from the first one or the second one on.
template <int first, int... i>
inline V every_other(const V& a, const V& b, std::integer_sequence<int, i...>) {
  const V::register_type low = a, high = b;
  return V(__builtin_shufflevector(low, high, (first + 2 * i)...));
}

// Outputs [0, n) of a row whose windows of `kernel` columns lie side by side and inside; of each column the rows come
// first. `in`: the first tap of the first one.
template <bool average, int kernel, int stride>
void small_windows(const float* in, int64_t line, int64_t rows, int64_t n, float factor, float count, float* out) {
  constexpr int loads = stride == 1 ? kernel : 2 * (kernel - 1);
  const auto at = [&](int64_t o) {
    const float* from = in + o * stride;
    V c[loads];
    for (int64_t ky = 0; ky < rows; ++ky, from += line)
#pragma GCC unroll 4
      for (int j = 0; j < loads; ++j) {
        const V x = load(from + (stride == 1 ? j : j / 2 + j % 2 * lanes));
        c[j] = ky == 0 ? x : take<average>(c[j], x);
      }
    V acc = c[0];
    if constexpr (stride == 1) {
      for (int j = 1; j < loads; ++j) acc = take<average>(acc, c[j]);
    } else {
      acc = take<average>(every_other<0>(c[0], c[1], lane_places), every_other<1>(c[0], c[1], lane_places));
      if constexpr (kernel == 3) acc = take<average>(acc, every_other<1>(c[2], c[3], lane_places));
    }
    if (average) acc = factor != 0 ? acc * V(factor) : acc / V(count);
    store(out + o, acc);
  };
  int64_t o = 0;
  for (; o + lanes <= n; o += lanes) at(o);
  if (o < n) at(n - lanes);
}

template <bool average>
using SmallWindows = decltype(&small_windows<average, 1, 1>);

template <bool average>
SmallWindows<average> small_windows_of(const PoolAxis& x) {
  if (x.end - x.begin < lanes || x.dilation > 1) return nullptr;
  if (x.kernel == 1 && x.stride == 1) return small_windows<average, 1, 1>;
  if (x.kernel == 2 && x.stride == 2) return small_windows<average, 2, 2>;
  if (x.kernel == 3 && x.stride == 2) return small_windows<average, 3, 2>;
  if (x.kernel == 3 && x.stride == 1) return small_windows<average, 3, 1>;
  return nullptr;
}

// Row `oy`, of which [x.begin, x.end) are small windows inside.
template <bool average>
void small_row(const PoolShape& s, const float* plane, int64_t oy, const Taps& rows, SmallWindows<average> inside,
               float* out) {
  const int64_t line = s.y.dilation * s.x.in, count = rows.last - rows.first, begin = s.x.begin, end = s.x.end;
  const float* in = plane + (oy * s.y.stride - s.y.pad + rows.first * s.y.dilation) * s.x.in;
  const auto one = [&](int64_t o) {
    const Taps columns = taps(s.x, o);
    float all = average ? 0.0f : -__builtin_inff();
    for (int64_t kx = columns.first; kx < columns.last && count; ++kx) {
      const float* from = in + o * s.x.stride - s.x.pad + kx;
      float acc = *from;
      for (int64_t ky = 1; ky < count; ++ky) acc = take<average>(acc, from[ky * line]);
      all = take<average>(all, acc);
    }
    out[o] = average ? all / divisor(s, rows, columns) : all;
  };
  for (int64_t o = 0; o < (count ? begin : s.x.out); ++o) one(o);
  if (!count) return;
  const float number = average ? divisor(s, rows, taps(s.x, begin)) : 1.0f;
  const auto whole = static_cast<int64_t>(number);
  inside(in + begin * s.x.stride - s.x.pad, line, count, end - begin, (whole & (whole - 1)) == 0 ? 1 / number : 0,
         number, out + begin);
  for (int64_t o = end; o < s.x.out; ++o) one(o);
}

template <bool average>
void plane_row(const PoolShape& s, const float* plane, int64_t oy, float* out) {
  constexpr int64_t room = 1024;
  const Taps rows = taps(s.y, oy);
  if (const auto inside = small_windows_of<average>(s.x)) return small_row<average>(s, plane, oy, rows, inside, out);
  float factor = 0;
  if (s.x.reach() <= room) {
    if (average) factor = exact_factor(s, rows);
    float column[room];
    const bool whole = (s.x.out - 1) * s.x.stride + s.x.reach() <= room;
    const int64_t most = whole ? s.x.out : (room - s.x.reach()) / s.x.stride + 1;
    for (int64_t x = 0; x < s.x.out; x += most)
      row_of_columns<average>(s, plane, oy, rows, x, x + most < s.x.out ? x + most : s.x.out, factor != 0 ? factor : 1,
                              column, out);
  } else {
    for (int64_t x = 0; x < s.x.out; ++x) out[x] = average ? 0.0f : -__builtin_inff();
    for (int64_t ky = rows.first; ky < rows.last; ++ky) {
      const float* in = plane + (oy * s.y.stride - s.y.pad + ky * s.y.dilation) * s.x.in;
      for (int64_t kx = 0; kx < s.x.kernel; ++kx) take_row<average>(s.x, in, kx, out);
    }
  }
  if (average && factor == 0) divide_row(s, rows, out);
}

constexpr int block_vectors = 16 / lanes;

// P pixels of a row of blocks from `in`, the first tap of the first one.
template <bool average, int P>
inline void block_pixels(const PoolShape& s, const float* in, int64_t rows, int64_t columns, float count, float* out) {
  const int64_t step = s.x.stride * 16, tap = s.x.dilation * 16, line = s.y.dilation * s.x.in * 16;
  for (int v = 0; v < block_vectors; ++v) {
    V acc[P];
    for (int p = 0; p < P; ++p) acc[p] = V(average ? 0.0f : -__builtin_inff());
    const float* row = in + v * lanes;
    for (int64_t ky = 0; ky < rows; ++ky, row += line)
      for (int64_t kx = 0; kx < columns; ++kx)
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) acc[p] = take<average>(acc[p], load(row + kx * tap + p * step));
    for (int p = 0; p < P; ++p) store(out + p * 16 + v * lanes, average ? acc[p] / V(count) : acc[p]);
  }
}

template <bool average>
void block_row(const PoolShape& s, const float* plane, int64_t oy, float* out) {
  constexpr int run = 4;
  const Taps rows = taps(s.y, oy);
  const float* line = plane + (oy * s.y.stride - s.y.pad + rows.first * s.y.dilation) * s.x.in * 16;
  const auto one = [&](int64_t x) {
    const Taps columns = taps(s.x, x);
    const int64_t at = x * s.x.stride - s.x.pad + columns.first * s.x.dilation;
    block_pixels<average, 1>(s, line + at * 16, rows.last - rows.first, columns.last - columns.first,
                             divisor(s, rows, columns), out + x * 16);
  };
  const int64_t begin = s.x.begin, end = s.x.end;
  int64_t x = 0;
  for (; x < begin; ++x) one(x);
  const float count = begin < end ? divisor(s, rows, taps(s.x, begin)) : 1.0f;
  for (; x + run <= end; x += run)
    block_pixels<average, run>(s, line + (x * s.x.stride - s.x.pad) * 16, rows.last - rows.first, s.x.kernel, count,
                               out + x * 16);
  for (; x < s.x.out; ++x) one(x);
}

void any_plane_row(const PoolShape& s, const float* plane, int64_t oy, float* out) {
  s.average ? plane_row<true>(s, plane, oy, out) : plane_row<false>(s, plane, oy, out);
}
void any_block_row(const PoolShape& s, const float* plane, int64_t oy, float* out) {
  s.average ? block_row<true>(s, plane, oy, out) : block_row<false>(s, plane, oy, out);
}

}  // namespace

const PoolSimd pool{any_plane_row, any_block_row};

}  // namespace tessera::cpu::TESSERA_LEVEL
