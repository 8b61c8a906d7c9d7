// Batched matrix products: shapes as numpy's matmul has them, and the loop of the references.
#pragma once

#include <algorithm>

#include "ops/indices.h"
#include "ops/numbers.h"
#include "runtime/base/run_scope.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {

/// a[..., m, k] times b[..., k, n]; vectors are taken as one row or one column.
struct Product {
  int64_t m = 1, k = 1, n = 1;
  Shape batch;             ///< the broadcast leading axes
  Shape out;               ///< the result's shape
  Shape a_steps, b_steps;  ///< from matrix to matrix of `a` and of `b` along the leading axes

  Product(const Shape& a, const Shape& b) {
    if (a.empty() || b.empty()) fail(Error::Kind::shape, "a scalar has no matrix product");
    const bool row = a.rank() == 1, column = b.rank() == 1;
    m = row ? 1 : a[a.size() - 2];
    k = a.back();
    n = column ? 1 : b.back();
    const int64_t depth = column ? b[0] : b[b.size() - 2];
    if (k != depth) fail(Error::Kind::shape, "inner dimensions differ: ", k, " vs ", depth);
    const Shape as(List<int64_t>(a).first(row ? 0 : a.size() - 2));
    const Shape bs(List<int64_t>(b).first(column ? 0 : b.size() - 2));
    batch = broadcast(as, bs);
    out = batch;
    if (!row) out.push_back(m);
    if (!column) out.push_back(n);
    a_steps = broadcast_strides(as, batch);
    b_steps = broadcast_strides(bs, batch);
  }
};

inline void infer_matmul(Infer& n) { n.set(0, Product(n.shape(0), n.shape(1)).out); }

/// Calls emit(row of the result in all, column 0's index, sums of that row) for every row.
template <class Acc, class T, class Emit>
void multiply(const Product& p, const T* a, const T* b, Emit emit) {
  if (p.m == 0 || p.n == 0) return;
  RunVector<Acc> sums(static_cast<size_t>(p.n));
  int64_t at = 0;
  const auto matrices = [&](const T* left, const T* right) {
    for (int64_t i = 0; i < p.m; ++i, ++at) {
      check_cancelled();
      std::fill(sums.begin(), sums.end(), Acc(0));
      for (int64_t l = 0; l < p.k; ++l) {
        const Acc scale = static_cast<Acc>(left[i * p.k + l]);
        const T* row = right + l * p.n;
        for (int64_t j = 0; j < p.n; ++j) sums[static_cast<size_t>(j)] += scale * static_cast<Acc>(row[j]);
      }
      emit(at, at * p.n, sums.data());
    }
  };
  walk(p.batch, std::array{p.a_steps, p.b_steps}, [&](const auto& first, const auto& step, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
      matrices(a + (first[0] + i * step[0]) * p.m * p.k, b + (first[1] + i * step[1]) * p.k * p.n);
  });
}

/// A product of matrices: lines of input `first` by columns of input `second`.
template <size_t first, size_t second>
bool follow_product(reach::Step& s) {
  reach::Field a = s.in[first], b = s.in[second];
  const size_t rank = s.out_types[0].shape.size();
  if (a.axes.size() < 2 || b.axes.size() < 2 || rank < 2) return false;
  const auto axis = [](const reach::Field& field, size_t from_end) { return field.axes.size() - from_end; };
  see_all_of(s, a, axis(a, 1), false);
  see_all_of(s, b, axis(b, 2), false);
  // Scores of positions by positions: those of the second are seen by all of the first.
  if (on_picture(a.axes[axis(a, 2)]) && on_picture(b.axes[axis(b, 1)])) see_all_of(s, b, axis(b, 1), false);
  b.axes[axis(b, 2)] = {};
  a.axes.insert(a.axes.begin(), rank - a.axes.size(), reach::Digits{});
  b.axes.insert(b.axes.begin(), rank - b.axes.size(), reach::Digits{});
  reach::Field result;
  if (!unite({a, b}, result)) return false;
  for (size_t i = 0; i < rank; ++i)
    if (result.axes[i].empty() && s.out_types[0].shape[i] != 1)
      result.axes[i] = {{reach::none, s.out_types[0].shape[i], 0}};
  s.out.assign(s.out_types.size(), result);
  return true;
}

}  // namespace tessera::ops
