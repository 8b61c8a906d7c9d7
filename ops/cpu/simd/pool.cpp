#include "ops/cpu/simd/pool.h"

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
    return xsimd::select(x != x, x, V(xsimd::max(x, acc)));
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

// Outputs [0, n) of a row that each take `kernel` columns, `stride` apart; `factor` is exact.
template <bool average, int kernel, int stride>
void take_columns(const float* __restrict column, int64_t n, float factor, float* __restrict out) {
  for (int64_t o = 0; o < n; ++o) {
    float acc = column[o * stride];
    for (int kx = 1; kx < kernel; ++kx) acc = take<average>(acc, column[o * stride + kx]);
    out[o] = acc * factor;
  }
}

template <bool average>
void take_columns(const PoolAxis& axis, const float* column, int64_t n, float factor, float* out) {
  const bool near = axis.dilation == 1;
  if (axis.kernel == 1 && axis.stride == 1) return take_columns<average, 1, 1>(column, n, factor, out);
  if (near && axis.kernel == 2 && axis.stride == 2) return take_columns<average, 2, 2>(column, n, factor, out);
  if (near && axis.kernel == 3 && axis.stride == 2) return take_columns<average, 3, 2>(column, n, factor, out);
  if (near && axis.kernel == 3 && axis.stride == 1) return take_columns<average, 3, 1>(column, n, factor, out);
  for (int64_t o = 0; o < n; ++o, column += axis.stride) {
    float acc = column[0];
    for (int64_t kx = 1; kx < axis.kernel; ++kx) acc = take<average>(acc, column[kx * axis.dilation]);
    out[o] = acc * factor;
  }
}

// Outputs [begin, end) of a row: rows of taps become one, in vectors, of which each output takes its columns. Where
// each takes one, they are the outputs.
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
  if (column != out)
    take_columns<average>(s.x, column, end - begin, factor, out + begin);
  else if (factor != 1)
    for (x = 0; x < last; ++x) out[x] *= factor;
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

template <bool average>
void plane_row(const PoolShape& s, const float* plane, int64_t oy, float* out) {
  constexpr int64_t room = 1024;
  const Taps rows = taps(s.y, oy);
  float factor = 0;
  if (s.x.reach() <= room) {
    if (average) factor = exact_factor(s, rows);
    float columns[room];
    const bool same = s.x.kernel == 1 && s.x.stride == 1 && s.x.out == s.x.in;
    const bool whole = same || (s.x.out - 1) * s.x.stride + s.x.reach() <= room;
    float* column = same ? out : columns;
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
