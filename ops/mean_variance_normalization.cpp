// MeanVarianceNormalization: (x - mean) / deviation over the given axes.
#include "ops/elements.h"
#include "ops/indices.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

std::vector<int64_t> axes_of(const AttrReader& n, int rank) {
  std::vector<int64_t> axes;
  if (n.has("axes")) {
    for (const int64_t axis : n.integers("axes")) axes.push_back(normalize_axis(axis, rank));
  } else {
    for (const int64_t axis : {0, 2, 3}) axes.push_back(normalize_axis(axis, rank));
  }
  return axes;
}

void infer_mvn(Infer& n) {
  axes_of(n, n.rank(0));
  infer_same(n);
}

void mvn_reference(const Args& a) {
  const Shape& shape = a.in[0].shape();
  Shape kept = shape;
  for (const int64_t axis : axes_of(a, shape.rank())) kept[static_cast<size_t>(axis)] = 1;
  const int64_t cells = kept.elements();
  if (!cells || !shape.elements()) return;
  const int64_t count = shape.elements() / cells;
  const auto each = static_cast<double>(count);
  const auto strides = broadcast_strides(kept, shape);
  RunVector<double> sum(static_cast<size_t>(cells)), squares(sum.size());
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for_each_offset(shape, strides,
                    [&](int64_t i, int64_t c) { sum[static_cast<size_t>(c)] += static_cast<double>(x[i]) / each; });
    for_each_offset(shape, strides, [&](int64_t i, int64_t c) {
      const double d = static_cast<double>(x[i]) - sum[static_cast<size_t>(c)];
      squares[static_cast<size_t>(c)] += d * d / each;
    });
    for_each_offset(shape, strides, [&](int64_t i, int64_t c) {
      const auto cell = static_cast<size_t>(c);
      y[i] = static_cast<T>((static_cast<double>(x[i]) - sum[cell]) / (std::sqrt(squares[cell]) + 1e-9));
    });
  });
}

bool follow_normalization(reach::Step& s) {
  std::vector<int64_t> axes{0, 2, 3};
  if (const auto given = s.integers("axes"); !given.empty()) axes.assign(given.begin(), given.end());
  reach::Field field = s.in[0];
  for (const int64_t axis : axes)
    if (axis < s.rank(0)) see_all_of(s, field, static_cast<size_t>(normalize_axis(axis, s.rank(0))), true);
  s.out = {field};
  return true;
}

constexpr AttrDef attrs[] = {{"axes"}};
const OpDef defs[] = {{.name = "MeanVarianceNormalization",
                       .since = 9,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_mvn,
                       .reference = mvn_reference,
                       .reach = follow_normalization}};

}  // namespace

extern const OpFile mean_variance_normalization;
const OpFile mean_variance_normalization{defs};

}  // namespace tessera::ops
