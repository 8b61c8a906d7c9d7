// com.microsoft FusedMatMul: alpha * A' * B' with either side transposed, batch axes included.
#include <algorithm>

#include "ops/matrix.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// `shape` with its last two axes swapped, and with `batch` its first axis moved before the last.
struct Turned {
  Shape shape;
  Shape strides;

  Turned(const Shape& from, bool transposed, bool batch) : shape(from), strides(strides_of(from)) {
    const size_t rank = from.size();
    if (rank < 2) return;
    if (batch && rank > 2) {
      std::rotate(shape.begin(), shape.begin() + 1, shape.end() - 1);
      std::rotate(strides.begin(), strides.begin() + 1, strides.end() - 1);
    }
    if (transposed) {
      std::swap(shape[rank - 2], shape[rank - 1]);
      std::swap(strides[rank - 2], strides[rank - 1]);
    }
  }
};

Turned left(const AttrReader& n, const Shape& s) {
  return {s, n.integer("transA") != 0, n.integer("transBatchA") != 0};
}
Turned right(const AttrReader& n, const Shape& s) {
  return {s, n.integer("transB") != 0, n.integer("transBatchB") != 0};
}

void infer_fused(Infer& n) { n.set(0, Product(left(n, n.shape(0)).shape, right(n, n.shape(1)).shape).out); }

template <class T>
RunVector<T> turned_values(const View& view, const Turned& turned) {
  const Read<T> values(view);
  RunVector<T> result(static_cast<size_t>(values.size()) + 1);
  for_each_offset(turned.shape, turned.strides,
                  [&](int64_t i, int64_t from) { result[static_cast<size_t>(i)] = values[from]; });
  return result;
}

void fused_reference(const Args& a) {
  const Turned l = left(a, a.in[0].shape()), r = right(a, a.in[1].shape());
  const Product p(l.shape, r.shape);
  const double alpha = static_cast<double>(a.real("alpha"));
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const RunVector<T> x = turned_values<T>(a.in[0], l), w = turned_values<T>(a.in[1], r);
    Write<T> y(a.out[0]);
    multiply<double>(p, x.data(), w.data(), [&](int64_t, int64_t at, const double* sums) {
      for (int64_t j = 0; j < p.n; ++j) y[at + j] = static_cast<T>(alpha * sums[j]);
    });
  });
}

double fused_work(const AttrReader& n, List<Type> in, List<Type> out) {
  return sums(out[0], Product(left(n, in[0].shape).shape, right(n, in[1].shape).shape).k);
}

constexpr AttrDef attrs[] = {{"alpha", 1}, {"transA", 0}, {"transB", 0}, {"transBatchA", 0}, {"transBatchB", 0}};
const OpDef defs[] = {{.name = "FusedMatMul",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {2, 2},
                       .types = "T=float : T, T -> T",
                       .attrs = attrs,
                       .infer = infer_fused,
                       .reference = fused_reference,
                       .reach = reach::not_followed,
                       .work = fused_work},
                      {.name = "TransposeMatMul",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {2, 2},
                       .types = "T=float : T, T -> T",
                       .attrs = attrs,
                       .infer = infer_fused,
                       .reference = fused_reference,
                       .reach = reach::not_followed,
                       .work = fused_work}};

}  // namespace

extern const OpFile fused_mat_mul;
const OpFile fused_mat_mul{defs};

}  // namespace tessera::ops
