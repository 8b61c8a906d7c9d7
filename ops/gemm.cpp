// Gemm: alpha * A' * B' + beta * C. com.microsoft FusedGemm: an activation behind it.
#include "ops/fused_activation.h"
#include "ops/matrix.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// A matrix seen transposed or not.
struct Side {
  int64_t rows, columns, row_stride, column_stride;
  Side(const Shape& shape, bool transposed, Text name) {
    if (shape.rank() != 2) fail(Error::Kind::shape, name, " ", shape, " is not a matrix");
    rows = transposed ? shape[1] : shape[0];
    columns = transposed ? shape[0] : shape[1];
    row_stride = transposed ? 1 : shape[1];
    column_stride = transposed ? shape[1] : 1;
  }
};

// Before opset 7, C may have more axes of extent one than the result.
Shape trimmed(const Shape& c) {
  Shape shape;
  for (size_t i = 0; i < c.size(); ++i)
    if (shape.size() || c[i] != 1 || c.size() - i <= 2) shape.push_back(c[i]);
  return shape;
}

bool has_addend(const AttrReader& n) { return n.node().op_inputs() > 2 && n.node().in[2] != absent; }

void infer_gemm(Infer& n) {
  const Side a(n.shape(0), n.integer("transA") != 0, "A"), b(n.shape(1), n.integer("transB") != 0, "B");
  if (a.columns != b.rows) fail(Error::Kind::shape, "inner dimensions differ: ", a.columns, " vs ", b.rows);
  const Shape out{a.rows, b.columns};
  if (has_addend(n)) check_broadcast(trimmed(n.shape(2)), out);
  n.set(0, out);
}

template <class T>
void run(const Args& g) {
  const Side a(g.in[0].shape(), g.integer("transA") != 0, "A"), b(g.in[1].shape(), g.integer("transB") != 0, "B");
  const double alpha = static_cast<double>(g.real("alpha")), beta = static_cast<double>(g.real("beta"));
  const Read<T> left(g.in[0]), right(g.in[1]);
  Write<T> y(g.out[0]);
  // Rows of B' must be contiguous for the inner loop.
  RunVector<T> columns;
  const T* rows = right.data();
  if (b.column_stride != 1) {
    columns.resize(static_cast<size_t>(b.rows * b.columns) + 1);
    for (int64_t j = 0; j < b.columns; ++j)
      for (int64_t l = 0; l < b.rows; ++l)
        columns[static_cast<size_t>(l * b.columns + j)] = right[j * b.column_stride + l];
    rows = columns.data();
  }
  RunVector<T> turned;
  const T* lefts = left.data();
  if (a.column_stride != 1) {
    turned.resize(static_cast<size_t>(a.rows * a.columns) + 1);
    for (int64_t l = 0; l < a.columns; ++l)
      for (int64_t i = 0; i < a.rows; ++i)
        turned[static_cast<size_t>(i * a.columns + l)] = left[l * a.column_stride + i];
    lefts = turned.data();
  }
  const Product p(Shape{a.rows, a.columns}, Shape{b.rows, b.columns});
  multiply<double>(p, lefts, rows, [&](int64_t, int64_t at, const double* sums) {
    for (int64_t j = 0; j < p.n; ++j) y[at + j] = static_cast<T>(alpha * sums[j]);
  });
  if (!has_addend(g)) return;
  const Read<T> c(g.in[2]);
  for_each_offset(g.out[0].shape(), broadcast_strides(trimmed(g.in[2].shape()), g.out[0].shape()),
                  [&](int64_t i, int64_t from) {
                    y[i] = static_cast<T>(static_cast<double>(y[i]) + beta * static_cast<double>(c[from]));
                  });
}

void gemm_reference(const Args& a) {
  if (!is_float(a.in[0].type.dtype)) return run<int64_t>(a);
  visit_real(a.in[0].type.dtype, [&]<class T>() { run<T>(a); });
}

void infer_fused(Infer& n) {
  activation_of(n);
  infer_gemm(n);
}

void fused_reference(const Args& a) {
  gemm_reference(a);
  const Activation curve = activation_of(a);
  const double p = static_cast<double>(a.real("activation_alpha")), q = static_cast<double>(a.real("activation_beta"));
  const View& y = a.out[0];
  for (int64_t i = 0; i < y.elements(); ++i) set_element(y, i, curve(element_as_double(y, i), p, q));
}

double gemm_work(const AttrReader& n, List<Type> in, List<Type> out) {
  return sums(out[0], in[0].shape[n.integer("transA") ? 0 : 1]);
}

constexpr AttrDef attrs[] = {{"alpha", 1}, {"beta", 1}, {"transA", 0}, {"transB", 0}, {.name = "broadcast", .last = 6}};
constexpr AttrDef fused_attrs[] = {{"alpha", 1},   {"beta", 1},          {"transA", 0},       {"transB", 0},
                                   {"activation"}, {"activation_alpha"}, {"activation_beta"}, {"activation_gamma"}};
const OpDef defs[] = {{.name = "Gemm",
                       .since = 1,
                       .in = {2, 3},
                       .types = "T=float|int32|int64|uint32|uint64 : T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_gemm,
                       .reference = gemm_reference,
                       .reach = reach::not_followed,
                       .work = gemm_work},
                      {.name = "FusedGemm",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {2, 3},
                       .types = "T=float|int32|int64|uint32|uint64 : T, T, T -> T",
                       .attrs = fused_attrs,
                       .infer = infer_fused,
                       .reference = fused_reference,
                       .reach = reach::not_followed,
                       .work = gemm_work}};

}  // namespace

extern const OpFile gemm;
const OpFile gemm{defs};

}  // namespace tessera::ops
