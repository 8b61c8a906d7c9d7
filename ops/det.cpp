// Det: determinants of square matrices, by elimination with pivots.
#include <algorithm>

#include "ops/elements.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_det(Infer& n) {
  const Shape& x = n.shape(0);
  if (x.rank() < 2 || x.back() != x[x.size() - 2]) fail(Error::Kind::shape, "input ", x, " is not of square matrices");
  n.set(0, Shape(List<int64_t>(x).first(x.size() - 2)));
}

double determinant(RunVector<double>& m, int64_t n) {
  const auto at = [&](int64_t r, int64_t c) -> double& { return m[static_cast<size_t>(r * n + c)]; };
  double det = 1;
  for (const int64_t k : Steps(n)) {
    int64_t pivot = k;
    for (int64_t r = k + 1; r < n; ++r)
      if (std::abs(at(r, k)) > std::abs(at(pivot, k))) pivot = r;
    if (at(pivot, k) == 0) return 0;
    if (pivot != k) {
      for (int64_t c = k; c < n; ++c) std::swap(at(k, c), at(pivot, c));
      det = -det;
    }
    det *= at(k, k);
    for (int64_t r = k + 1; r < n; ++r) {
      const double factor = at(r, k) / at(k, k);
      for (int64_t c = k; c < n; ++c) at(r, c) -= factor * at(k, c);
    }
  }
  return det;
}

void det_reference(const Args& a) {
  const int64_t n = a.in[0].shape().back();
  const Read<double> x(a.in[0]);
  Write<double> y(a.out[0]);
  RunVector<double> matrix(static_cast<size_t>(n * n));
  for (const int64_t i : Steps(a.out[0].elements())) {
    std::copy_n(x.data() + i * n * n, n * n, matrix.begin());
    y[i] = determinant(matrix, n);
  }
}

const OpDef defs[] = {{.name = "Det",
                       .since = 11,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .infer = infer_det,
                       .reference = det_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile det;
const OpFile det{defs};

}  // namespace tessera::ops
