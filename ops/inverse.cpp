// com.microsoft Inverse: of square matrices, by elimination with pivots.
#include <algorithm>

#include "ops/elements.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_inverse(Infer& n) {
  const Shape& x = n.shape(0);
  if (x.rank() < 2 || x.back() != x[x.size() - 2]) fail(Error::Kind::shape, "input ", x, " is not of square matrices");
  n.set(0, x);
}

// `m` becomes the unit matrix; what is done to its rows is done to those of `y`. One without an inverse gives NaN.
void invert(double* m, double* y, int64_t n) {
  for (int64_t i = 0; i < n * n; ++i) y[i] = i % n == i / n;
  for (const int64_t k : Steps(n)) {
    int64_t pivot = k;
    for (int64_t r = k + 1; r < n; ++r)
      if (std::abs(m[r * n + k]) > std::abs(m[pivot * n + k])) pivot = r;
    if (m[pivot * n + k] == 0) return std::fill_n(y, n * n, std::numeric_limits<double>::quiet_NaN()), void();
    std::swap_ranges(m + k * n, m + (k + 1) * n, m + pivot * n);
    std::swap_ranges(y + k * n, y + (k + 1) * n, y + pivot * n);
    const auto scale = [&](double factor) {
      for (int64_t c = 0; c < n; ++c) m[k * n + c] *= factor, y[k * n + c] *= factor;
    };
    scale(1 / m[k * n + k]);
    for (int64_t r = 0; r < n; ++r) {
      const double factor = r == k ? 0 : m[r * n + k];
      if (factor == 0) continue;
      for (int64_t c = 0; c < n; ++c) m[r * n + c] -= factor * m[k * n + c], y[r * n + c] -= factor * y[k * n + c];
    }
  }
}

void inverse_reference(const Args& a) {
  const int64_t n = a.in[0].shape().back(), each = n * n;
  const Read<double> x(a.in[0]);
  Write<double> y(a.out[0]);
  RunVector<double> matrix(static_cast<size_t>(each)), inverse(static_cast<size_t>(each));
  for (const int64_t i : Steps(each ? x.size() / each : 0)) {
    std::copy_n(x.data() + i * each, each, matrix.begin());
    invert(matrix.data(), inverse.data(), n);
    std::copy(inverse.begin(), inverse.end(), y.data() + i * each);
  }
}

const OpDef defs[] = {{.name = "Inverse",
                       .domain = "com.microsoft",
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .infer = infer_inverse,
                       .reference = inverse_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile inverse;
const OpFile inverse{defs};

}  // namespace tessera::ops
